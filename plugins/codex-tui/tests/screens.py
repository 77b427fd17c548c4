"""A textual application that shows one widget, for tests."""

from __future__ import annotations

from contextlib import asynccontextmanager

from textual.app import App
from textual.widgets import Static

from codex_tui.screen.dialog import Dialog
from codex_tui.screen.drawn import POINTER
from codex_tui.screen.pager import Pager
from codex_tui.screen.transcript_view import TranscriptView


class Host(App):
    """Keeps what a dialog answers, and what other widgets say."""

    CSS = "Screen { layout: vertical; } #below { height: 1; }"

    def __init__(self, widget, below="") -> None:
        super().__init__()
        self.widget, self.below, self.answers, self.heard = widget, below, [], []

    def compose(self):
        yield self.widget
        if self.below:
            yield Static(self.below, id="below")

    def on_mount(self):
        self.widget.focus()

    async def put(self, widget) -> None:
        """Another widget in the place of the first: that costs a quarter of another application."""
        await self.widget.remove()
        self.widget = widget
        self.answers.clear()
        await self.mount(widget, before=0)
        widget.focus()

    def on_dialog_answered(self, message: Dialog.Answered) -> None:
        self.answers.append(message.result)

    def on_pager_closed(self, message: Pager.Closed) -> None:
        self.heard.append("closed")

    def on_transcript_view_left(self, message: TranscriptView.Left) -> None:
        self.heard.append("left")

    def rows(self) -> list[str]:
        """What is on the screen, without the empty rows at its end. The pointer of lists is a plain `>` here."""
        strips = self.screen._compositor.render_strips()
        rows = ["".join(s.text for s in strip).rstrip().replace(POINTER[0], ">") for strip in strips]
        while rows and not rows[-1]:
            rows.pop()
        return rows


@asynccontextmanager
async def shown(widget, size=(80, 24), below=""):
    """A pilot with the widget on the screen, above a row of text if there is one."""
    host = Host(widget, below)
    async with host.run_test(size=size) as pilot:
        yield pilot, host

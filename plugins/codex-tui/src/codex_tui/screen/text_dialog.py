"""One line of text."""

from __future__ import annotations

from collections.abc import Iterator

from textual import events, on
from textual.app import ComposeResult
from textual.widgets import Input, Static

from .dialog import Dialog


class TextDialog(Dialog, can_focus=False):
    """Asks for a line of text: the text, or None when left with esc. `secret` is not shown."""

    DEFAULT_CSS = """
    TextDialog Input { background: transparent; }
    TextDialog #title { text-style: bold; }
    TextDialog #help { color: $text-muted; }
    """

    def __init__(self, title: str, *, initial: str = "", secret: bool = False) -> None:
        super().__init__()
        self.announcement = title
        self._title, self._initial, self._secret = title, initial, secret

    def compose(self) -> ComposeResult:
        """Title, line, help."""
        yield from self._parts()

    def _parts(self) -> Iterator[Static | Input]:
        yield Static(self._title, id="title", markup=False)
        yield Input(self._initial, password=self._secret, select_on_focus=False, compact=True)
        yield Static("enter to accept, esc to leave", id="help", markup=False)

    def on_mount(self) -> None:
        """The line has the keys."""
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def _accepted(self, event: Input.Submitted) -> None:
        event.stop()
        self.answer(event.value)

    def on_key(self, event: events.Key) -> None:
        """Leave."""
        if event.key in ("escape", "ctrl+c"):
            event.stop()
            self.answer(None)

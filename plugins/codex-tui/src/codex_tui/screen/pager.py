"""A pager: looks at more than fits, with the keys of less."""

from __future__ import annotations

from rich.text import Text
from textual import events
from textual.message import Message
from textual.worker import Worker

from ..keymap import keymap_of
from .blocks_view import BlocksView
from .drawn import Line, between, fitted, plain
from .viewport import Blocks

NO_MATCH = "not found"
MOST_STEPS = 32
LESS = {"b": "page-up", "f": "page-down", "u": "half-page-up", "d": "half-page-down"}
"""Keys that less has as well, unless the key map says otherwise."""


class Pager(BlocksView):
    """Fills the screen. Posts `Pager.Closed` when the user has seen enough. `at_end`: begin at the end."""

    class Closed(Message):
        """The user has seen enough of it."""

        def __init__(self, pager: Pager) -> None:
            super().__init__()
            self.pager = pager

    def __init__(self, title: str, blocks: Blocks, *, at_end: bool = False) -> None:
        super().__init__(blocks, follow=at_end)
        self._title = title
        self._typed: Line | None = None
        self._told = ""
        self._search: Worker[None] | None = None
        self._steps: list[bool] = []
        self._is_closed = False
        self.late: list[events.Key | events.Paste] = []
        """What came while it was closing: meant for what is below."""

    # -- keys ------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """Keys of the context `pager`; tab and enter point and unfold."""
        taken = self._is_late(event) or (
            self._command(event.key) if self._typed is None else self._type(self._typed, event)
        )
        if taken:
            event.stop()
            event.prevent_default()

    def _is_late(self, event: events.Key | events.Paste) -> bool:
        if self._is_closed:
            self.late.append(event)
        return self._is_closed

    def _command(self, key: str) -> bool:
        action = keymap_of(self).action("pager", key) or LESS.get(key)
        self._told = ""
        match action:
            case "close":
                self._close()
            case "find":
                self._typed = Line()
                self.changed()
            case "find-next" | "find-previous":
                self._go_on(backward=action == "find-previous")
            case None:
                return self._point_or_toggle(key)
            case _:
                return self.act(action)
        return True

    def _point_or_toggle(self, key: str) -> bool:
        if key in ("tab", "shift+tab"):
            self.point(1 if key == "tab" else -1)
        elif key == "enter":
            self._toggle(self.pointed if self.pointed is not None else self.viewport.top[0])
        else:
            return False
        return True

    def _close(self) -> None:
        """A search under way is given up first."""
        if self._search is not None and self._search.is_running:
            self._search.cancel()
            self._told = "search given up"
            self.changed()
        elif self._found:
            self._found = ""
            self.changed()
        else:
            self._is_closed = True
            self.post_message(self.Closed(self))

    def _type(self, line: Line, event: events.Key) -> bool:
        key = event.key
        if key == "enter":
            self._typed, self._found = None, line.text.casefold()
            self._go_on(backward=False)
        elif key in ("escape", "ctrl+c") or (key == "backspace" and not line.text):
            self._typed = None
        elif not line.take(event):
            return False
        self.changed()
        return True

    def on_paste(self, event: events.Paste) -> None:
        """What is looked for may be pasted."""
        if self._is_late(event):
            event.stop()
        elif self._typed is not None:
            self._typed.paste(event.text)
            self.changed()
            event.stop()

    # -- search ----------------------------------------------------------------------------------

    def _go_on(self, *, backward: bool) -> None:
        if not self._found:
            self._told = "nothing to look for: / begins a search"
            self.changed()
            return
        self._told = "searching…"
        self.changed()
        if len(self._steps) < MOST_STEPS:
            self._steps.append(backward)
        if self._search is None or not self._search.is_running:
            self._search = self.run_worker(self._look(), group="search")

    async def _look(self) -> None:
        """Go to the next place for each time that somebody asked, also while it was looked for."""
        try:
            while self._steps:
                place = await self.viewport.find(self._found, self.viewport.top, backward=self._steps[0])
                self._told = "" if place is not None else NO_MATCH
                if place is not None:
                    self.viewport.go(*place)
                    self._pointed = place[0]
                self.changed()
                del self._steps[0]
        finally:
            self._steps.clear()

    # -- drawing ---------------------------------------------------------------------------------

    def bar(self, width: int) -> Text:
        """See `BlocksView`."""
        if self._typed is not None:
            return fitted(Text(f"/{self._typed.text}▏"), width)
        percent = "end" if self.viewport.at_end else f"{int(100 * self.viewport.fraction)} %"
        hint = self._told or "q close · / search · tab, enter unfold"
        left = Text(plain(self._title), "bold")
        left.append(f"  {percent}  ", self.ink("bar"))
        whole = between(left, Text(hint, self.ink("bar")), width)
        if self._told and self._told not in whole.plain:
            return fitted(Text(self._told, self.ink("bar")), width)
        return whole

"""vi mode of the composer: keys as they change its text."""

from __future__ import annotations

from .textbox import TextBox
from .vim import INSERT, Vim
from .vim_motions import settled


class ViKeys:
    """Acts on `box` while it is `on`."""

    def __init__(self, box: TextBox, *, on: bool) -> None:
        self._box = box
        self._vim = Vim()
        self.on = on

    @property
    def mode(self) -> str:
        """insert, normal or visual; empty if vi mode is off."""
        return self._vim.mode if self.on else ""

    @property
    def writes(self) -> bool:
        """Whether a character is text."""
        return self.mode in ("", INSERT)

    def start_insert(self) -> None:
        """Back to where characters are text."""
        self._vim.start_insert()

    def press(self, key: str) -> int | None:
        """Do what a key does; None if it does nothing here. -1 or 1: up or down, with nowhere to go in the text."""
        box = self._box
        step = self._vim.press(key, box.buffer.text, box.buffer.cursor)
        if step is None:
            return None
        if step.edit is not None:
            box.replace(*step.edit, cursor=step.cursor)
        elif not step.edge:
            box.move(step.cursor)
        for _ in range(step.undo):
            box.undo()
        for _ in range(step.redo):
            box.redo()
        return step.edge if step.edit is None else 0

    def settle(self) -> None:
        """The text, the cursor or the mode may have changed: in normal mode the cursor is on a character."""
        box = self._box
        if not self.writes and (place := settled(box.buffer.text, box.buffer.cursor)) != box.buffer.cursor:
            box.move(place)
        box.selected = self._vim.selection(box.buffer.text, box.buffer.cursor)

"""Something that fills the screen, above the rest: the transcript, a long text."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.screen import Screen

from .pager import Pager
from .viewport import Blocks


class Overlay(Screen[None]):
    """A pager. The application leaves the alternate screen when it is closed."""

    DEFAULT_CSS = """
    Overlay { background: transparent; }
    Overlay Pager { height: 100%; }
    """

    def __init__(self, title: str, blocks: Blocks, *, at_end: bool = False) -> None:
        super().__init__()
        self.pager = Pager(title, blocks, at_end=at_end)

    def compose(self) -> ComposeResult:
        """The pager alone."""
        yield self.pager

    def on_mount(self) -> None:
        """It has the keys."""
        self.pager.focus()

    @on(Pager.Closed)
    def _pager_closed(self) -> None:
        self.dismiss()

"""Searching what was typed before, letter by letter: one line below the composer, the entry found in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from codex_plugin_sdk import StoreError

from ..history import History


class HistorySearch(Widget):
    """`on_found` is called with each entry, None where there is none. The disk is read in a thread, so that typing
    goes on; an answer to older words is dropped."""

    DEFAULT_CSS = """
    HistorySearch { height: 1; width: 100%; display: none; padding: 0 0 0 2; color: $text-muted; }
    HistorySearch.-open { display: block; }
    """

    def __init__(self, history: History, on_found: Callable[[str | None], None]) -> None:
        super().__init__()
        self._history = history
        self._on_found = on_found
        self._hits: list[tuple[int, str]] = []
        self.words = ""
        self._state = ""

    @property
    def is_open(self) -> bool:
        """Whether a search is on."""
        return self.has_class("-open")

    @property
    def found(self) -> str | None:
        """The entry that is shown."""
        return self._hits[-1][1] if self._hits else None

    def open(self) -> None:
        """Begin."""
        self.words, self._state = "", ""
        self._hits = []
        self.add_class("-open")
        self.refresh(layout=True)

    def close(self) -> None:
        """End it."""
        self.workers.cancel_group(self, "search")
        self.remove_class("-open")

    def type(self, words: str) -> None:
        """Search for this instead, from the newest on."""
        self.words = words
        self._hits = []
        self._look(0)

    def older(self) -> None:
        """The next one, going back; one that is the same is passed over."""
        if self.words:
            self._look(self._hits[-1][0] + 1 if self._hits else 0)

    def newer(self) -> None:
        """Back to the one before."""
        if len(self._hits) > 1:
            self._hits.pop()
            self._tell("")

    def _look(self, start: int) -> None:
        self.run_worker(cast(Any, partial(self._find, self.words, start)), group="search", exclusive=True)

    async def _find(self, words: str, start: int) -> None:
        if not words:
            self._tell("")
            return
        try:
            hit = await asyncio.to_thread(self._next, words, start, {text for _, text in self._hits})
        except StoreError as error:
            self._tell(str(error))
            return
        if hit is not None:
            self._hits.append(hit)
        self._tell("" if hit else "no older match" if self._hits else "no match")

    def _next(self, words: str, start: int, seen: set[str]) -> tuple[int, str] | None:
        hit = self._history.find(words, start)
        while hit is not None and hit[1] in seen:
            hit = self._history.find(words, hit[0] + 1)
        return hit

    def _tell(self, state: str) -> None:
        self._state = state
        self.refresh()
        self._on_found(self.found)

    def render_line(self, y: int) -> Strip:
        """The words, and how it stands."""
        del y
        base = self.rich_style
        state = f"  ({self._state})" if self._state else ""
        return Strip([Segment(f"search: {self.words}{state}", base)]).adjust_cell_length(self.content_size.width, base)

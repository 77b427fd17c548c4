"""Going up and down through what was typed before, with what is being typed kept below it."""

from __future__ import annotations

import asyncio

from ..history import History
from .paste import clean

MAX_KEPT = 200


class Recall:
    """Where one is in the history. Entries of this session come back with their parts (`keep`)."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._place = -1
        self._draft = ""
        self._shown: str | None = None
        self._raw: dict[str, str] = {}

    def keep(self, whole: str, raw: str) -> None:
        """Remember what a text looked like before its parts were expanded; leave the history."""
        if whole != raw:
            self._raw[whole] = raw
            if len(self._raw) > MAX_KEPT:
                del self._raw[next(iter(self._raw))]
        self.leave()

    def leave(self) -> None:
        """What is there now is what is being typed."""
        self._place, self._shown, self._draft = -1, None, ""

    def is_at(self, text: str) -> bool:
        """Whether this is an entry as it was shown, unchanged."""
        return self._shown is not None and self._shown == text

    def raw(self, whole: str) -> str:
        """An entry with its parts, if they are known; else without what a terminal would obey, since the file of the
        history is written by others too."""
        return self._raw.get(whole) or clean(whole)

    async def older(self, text: str) -> str | None:
        """The entry before; `text` is what is there now. None at the oldest. Raises `StoreError`."""
        if not self.is_at(text):
            self.leave()
            self._draft = text
        place = self._place + 1
        entry = self.history.recent(place)
        if entry is None:
            entry = await asyncio.to_thread(self.history.entry, place)
        if entry is None:
            return None
        if self.raw(entry) == text:  # what is there is the newest entry itself
            self._place, self._shown = place, text
            return await self.older(text)
        return self._show(place, entry)

    def newer(self, text: str) -> str | None:
        """The entry after, in the end what was being typed; None if one is not in the history."""
        if not self.is_at(text):
            return None
        if self._place <= 0:
            draft = self._draft
            self.leave()
            return draft
        entry = self.history.recent(self._place - 1)
        return self._show(self._place - 1, entry) if entry is not None else None

    def _show(self, place: int, entry: str) -> str:
        self._place, self._shown = place, self.raw(entry)
        return self._shown

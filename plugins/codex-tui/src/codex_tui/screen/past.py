"""What was written before, in the composer: walked through entry by entry, or searched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..history import History
from .buffer import Buffer
from .history_search import HistorySearch
from .popup import Popup
from .recall import Recall
from .textbox import TextBox


class Past:
    """Shows entries in `box`. `replace` puts one in place of what is there, which undo brings back; nothing of it is
    completed in `popup`. `search` is the line of a search."""

    def __init__(self, history: History, box: TextBox, popup: Popup, replace: Callable[[str], None]) -> None:
        self._box, self._popup, self._replace = box, popup, replace
        self._recall = Recall(history)
        self.search = HistorySearch(history, self._show_found)
        self._draft = Buffer()

    # Keeping

    def add(self, text: str, raw: str) -> None:
        """A text was sent, in the box it was `raw`."""
        self._recall.history.add(text)
        self._recall.keep(text, raw)

    def put_aside(self, text: str, raw: str) -> None:
        """Keep a text for the session."""
        self._recall.history.keep(text)
        self._recall.keep(text, raw)

    async def save(self) -> None:
        """Write what was added. Raises `StoreError`."""
        await asyncio.to_thread(self._recall.history.save)

    # Walking

    @property
    def is_shown(self) -> bool:
        """Whether there is an entry in the box, unchanged and with the cursor where it came."""
        buffer = self._box.buffer
        return self._recall.is_at(buffer.text) and buffer.cursor == len(buffer.text)

    async def walk(self, action: str) -> None:
        """`up` to the entry before, `down` to the one after. Raises `StoreError`."""
        here = self._box.buffer.text
        text = await self._recall.older(here) if action == "up" else self._recall.newer(here)
        if text is not None:
            self._replace(text)
            self._popup.dismiss()

    # Searching

    def start_search(self) -> None:
        """From now on keys are for the search (`search_key`), until it is closed."""
        self._popup.close()
        self._draft = self._box.buffer
        self.search.open()

    def search_key(self, character: str | None, action: str | None, wide: str | None) -> bool:
        """Whether a key was for the search: it ends with any that is not, and with enter."""
        search = self.search
        if action == "history-search":
            search.older()
        elif action == "history-search-next":
            search.newer()
        elif action == "delete-left":
            search.type(search.words[:-1])
        elif wide in ("interrupt", "cancel"):
            self._end_search(take=False)
        elif action is None and character is not None:
            search.type(search.words + character)
        else:
            self._end_search(take=True)
            return action == "submit"  # what was found is looked at before it is sent
        return True

    def _show_found(self, text: str | None) -> None:
        if self.search.is_open:
            shown = self._draft if text is None else Buffer(self._recall.raw(text))
            shown.cursor = len(shown.text) if text is not None else shown.cursor
            self._box.use(shown)

    def _end_search(self, *, take: bool) -> None:
        found = self.search.found
        self.search.close()
        self._box.use(self._draft)
        if take and found is not None:
            self._replace(self._recall.raw(found))
        self._popup.dismiss()

"""Recorded turns as cells: the same that a client saw who was there."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..link import Link
from .cells import RUNNING, AnyCell, NoticeCell, PatchCell, TurnEndCell, UserCell
from .items import (
    Malformed,
    fill,
    kind_and_id,
    mapping_of,
    mappings_of,
    new_cell,
    says_nothing,
    seconds_of,
    settle,
    text_of,
)
from .notices import error_of
from .places import end_key, error_key, needs_end, own_key
from .progress import Progress
from .status import Status
from .transcript import Transcript

Turn = Mapping[str, Any]
FIRST_PAGE, MOST_A_PAGE = 8, 100
"""Turns. One can have a thousand items: the first page is small, and tells how many to ask for next."""


def load_turns(transcript: Transcript, turns: Sequence[Turn], status: Status | None = None) -> None:
    """Put recorded turns, the oldest first, at the end; but before what was told already of one of them, since it goes
    on while it is read. With `status`, a turn that still runs is noted there."""
    ids = {text_of(turn, "id") for turn in turns}
    place = next((place for place, cell in enumerate(transcript.cells) if cell.turn_id in ids), None)
    if place is None:
        for cell in cells_of(turns, transcript):
            transcript.add(cell)
    else:
        transcript.insert(place, list(cells_of(turns, transcript)))
    if status is not None and turns and _runs(turns[-1], transcript):
        Progress(status, time.monotonic).turn_began(text_of(turns[-1], "id"), turns[-1].get("startedAt"))


def load_older(transcript: Transcript, turns: Sequence[Turn], place: int = 0) -> int:
    """Put turns that are older than all that is known before the cell at a place. The number of cells that came."""
    cells = list(cells_of(turns, transcript))
    transcript.insert(place, cells)
    return len(cells)


def cells_of(turns: Iterable[Turn], known: Transcript) -> Iterator[AnyCell]:
    """The cells of turns, but for those that are known already. What cannot be read is passed over."""
    made: dict[str, str] = {}
    for turn in turns:
        if turn_id := text_of(turn, "id"):
            for cell in _cells_of_turn(turn, turn_id, known, made):
                made[cell.key] = turn_id
                yield cell


def _runs(turn: Turn, known: Transcript) -> bool:
    """Whether a turn still runs; its end may have been told while it was read."""
    return turn.get("status") == RUNNING and known.get(end_key(text_of(turn, "id"))) is None


def _cells_of_turn(turn: Turn, turn_id: str, known: Transcript, made: Mapping[str, str]) -> Iterator[AnyCell]:
    runs = _runs(turn, known)
    cells: list[AnyCell] = []
    seen: set[str] = set()
    spoken = False
    for item in mappings_of(turn, "items"):
        try:
            kind, item_id = kind_and_id(item)
        except Malformed:
            continue
        key = _key(turn_id, item_id, known, made)
        if key is None or item_id in seen:
            continue
        seen.add(item_id)
        cell = new_cell(kind, key, turn_id)
        if isinstance(cell, PatchCell):
            cell.folder = known.folder
        fill(cell, item)
        if says_nothing(cell):
            continue
        if isinstance(cell, UserCell):
            cell.steered, spoken = spoken, True
        under_way = item.get("status") == RUNNING
        if not (runs and under_way):
            settle(cell, was_told=not under_way)
        cells.append(cell)
    yield from cells
    if turn.get("status") != RUNNING:
        yield from (cell for cell in _end(turn, turn_id, cells) if known.get(cell.key) is None)


def _key(turn_id: str, item_id: str, known: Transcript, made: Mapping[str, str]) -> str | None:
    """The key of an item; None for one that there is a cell of."""
    own = own_key(turn_id, item_id)
    cell = known.get(item_id)
    if cell is not None:
        return None if cell.turn_id == turn_id or known.get(own) is not None else own
    return own if item_id in made else item_id


def _end(turn: Turn, turn_id: str, cells: Sequence[AnyCell]) -> Iterator[AnyCell]:
    if error := mapping_of(turn, "error"):
        text, hint = error_of(error)
        yield NoticeCell(key=error_key(turn_id), turn_id=turn_id, level="error", text=text, hint=hint)
    status = text_of(turn, "status") or "completed"
    if needs_end(status, reversed(cells), turn_id):
        took = seconds_of(turn, "durationMs")
        yield TurnEndCell(key=end_key(turn_id), turn_id=turn_id, status=status, elapsed_s=took)


# -- reading in parts --------------------------------------------------------------------------------


class Older:
    """The turns of a thread from the newest on, as far as they are wanted. One reader at a time."""

    def __init__(self, link: Link, thread_id: str) -> None:
        self._link = link
        self._thread_id = thread_id
        self._cursor: str | None = None
        self._a_page = FIRST_PAGE
        self.over = False
        """Whether all is read."""

    async def take(self, want_items: int) -> list[Turn]:
        """Older turns with at least so many items, if there are as many; the oldest first. Raises `ProtocolError`,
        `LinkLost`; then the same may be asked for again."""
        pages: list[list[Turn]] = []
        items = 0
        while items < want_items and not self.over:
            page = await self._page()
            pages.append(page)
            count = sum(len(mappings_of(turn, "items")) for turn in page)
            items += count
            left = (want_items - items) * len(page) // max(1, count)
            self._a_page = min(max(FIRST_PAGE, left), MOST_A_PAGE)
        return [turn for page in reversed(pages) for turn in reversed(page)]

    async def _page(self) -> list[Turn]:
        wanted: dict[str, Any] = {"threadId": self._thread_id, "limit": self._a_page, "itemsView": "full"}
        if self._cursor is not None:
            wanted["cursor"] = self._cursor
        answer = await self._link.request("thread/turns/list", wanted)
        self._cursor = text_of(answer, "nextCursor") or None
        self.over = self._cursor is None
        return mappings_of(answer, "data")


async def load_tail(
    link: Link, transcript: Transcript, thread_id: str, want_items: int, status: Status | None = None
) -> Older | None:
    """Put the newest turns of a thread at the end of the transcript, of at least so many items: enough for a screen.
    What reads those before them, for `load_older`; None when these are all. Raises `ProtocolError`, `LinkLost`."""
    older = Older(link, thread_id)
    load_turns(transcript, await older.take(want_items), status)
    return None if older.over else older

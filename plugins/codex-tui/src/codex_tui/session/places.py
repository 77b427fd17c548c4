"""Where the cells of turns and items stand, and which of them still change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .cells import AnyCell, CommandCell, DecisionCell, NoticeCell, PatchCell, UserCell
from .items import Malformed, new_cell, says_nothing, settle
from .transcript import Transcript


def own_key(turn_id: str, item_id: str) -> str:
    """The key of an item whose id was taken in an earlier turn."""
    return f"{turn_id}/{item_id}"


def end_key(turn_id: str) -> str:
    """The key of the end of a turn."""
    return f"end/{turn_id}"


def error_key(turn_id: str) -> str:
    """The key of what a turn failed with."""
    return f"error/{turn_id}"


def is_steered(newest_first: Iterable[AnyCell], turn_id: str) -> bool:
    """Whether the user has said something in this turn before."""
    for cell in newest_first:
        if cell.turn_id == turn_id:
            if isinstance(cell, UserCell):
                return True
        elif cell.turn_id is not None:
            return False
    return False


def needs_end(status: str, newest_first: Iterable[AnyCell], turn_id: str) -> bool:
    """Whether the end of a turn is worth a cell: not that of a command which the user ran."""
    if status != "completed":
        return True
    commands = 0
    for cell in newest_first:
        if cell.turn_id == turn_id:
            if isinstance(cell, CommandCell) and cell.by_user:
                commands += 1
            elif not isinstance(cell, NoticeCell | DecisionCell):
                return True
        elif cell.turn_id is not None:
            break
    return not commands


class Places:
    """The cells of a thread while it goes on. `began` is when what still changes began, by `clock`."""

    def __init__(self, transcript: Transcript, clock: Callable[[], float]) -> None:
        self.transcript = transcript
        self.clock = clock
        self.began: dict[str, float] = {}
        self._ended: set[str] = set()
        self._retry: NoticeCell | None = None
        self._made = 0

    def new_key(self, word: str) -> str:
        """A key for a cell that is no item."""
        while True:
            self._made += 1
            key = f"{word}/{self._made}"
            if self.transcript.get(key) is None:
                return key

    def has_ended(self, turn_id: str) -> bool:
        """Whether the turn takes no more items."""
        return turn_id in self._ended or self.transcript.get(end_key(turn_id)) is not None

    def open_turn(self, params: Mapping[str, Any]) -> str | None:
        """The member `turnId`; None for a turn that has ended, or was taken back. Raises `Malformed`."""
        turn_id = params.get("turnId")
        if not isinstance(turn_id, str) or not turn_id:
            raise Malformed("no turnId")
        return None if self.has_ended(turn_id) else turn_id

    def end(self, turn_id: str) -> None:
        """The turn is over, and what is open of it."""
        self._ended.add(turn_id)
        self.retried()
        self.began.clear()
        for cell in self.transcript.cells:
            if cell.turn_id == turn_id and not cell.done:
                settle(cell, was_told=False)
                self.transcript.touch(cell)

    def cut(self, turn_id: str) -> None:
        """Forget a turn and all after it, and what is still said of them."""
        cells = self.transcript.cells
        place = next((place for place, cell in enumerate(cells) if cell.turn_id == turn_id), len(cells))
        self._ended.update(cell.turn_id for cell in cells[place:] if cell.turn_id is not None)
        self._ended.add(turn_id)
        self._retry = None
        self.transcript.cut(place)

    # -- items -----------------------------------------------------------------------------------

    def find(self, turn_id: str, item_id: str) -> AnyCell | None:
        """The cell of an item."""
        found = self.transcript.get(item_id)
        if found is not None and found.turn_id != turn_id:
            return self.transcript.get(own_key(turn_id, item_id))
        return found

    def cell_for(self, turn_id: str, kind: str, item_id: str) -> AnyCell:
        """The cell of an item; a new one is not in the transcript yet."""
        found = self.find(turn_id, item_id)
        if found is not None:
            return found
        taken = self.transcript.get(item_id) is not None
        cell = new_cell(kind, own_key(turn_id, item_id) if taken else item_id, turn_id)
        if isinstance(cell, UserCell):
            cell.steered = is_steered(reversed(self.transcript.cells), turn_id)
        elif isinstance(cell, PatchCell):
            cell.folder = self.transcript.folder
        return cell

    def show(self, cell: AnyCell) -> None:
        """It has changed, or is new; a new one that says nothing yet is kept back."""
        if self.transcript.get(cell.key) is cell:
            self.transcript.touch(cell)
        elif not says_nothing(cell):
            self.transcript.add(cell)

    def growing(self, params: Mapping[str, Any], kind: str, made: type[AnyCell]) -> Any:
        """The open cell that a piece belongs to, of the class `made`; None for a piece that comes too late. Raises
        `Malformed`."""
        item_id, turn_id = params.get("itemId"), params.get("turnId")
        if not isinstance(item_id, str) or not isinstance(turn_id, str):
            raise Malformed("no itemId or no turnId")
        cell = self.transcript.get(item_id)
        if cell is None or cell.turn_id != turn_id:
            if self.has_ended(turn_id):
                return None
            cell = self.cell_for(turn_id, kind, item_id)
            if self.transcript.get(cell.key) is not cell:
                self.began.setdefault(cell.key, self.clock())
                self.transcript.add(cell)
        if cell.done:
            return None
        if not isinstance(cell, made):
            raise Malformed(f"{item_id[:80]} is a {type(cell).__name__}")
        if self._retry is not None:
            self.retried()
        return cell

    # -- what is said beside them ----------------------------------------------------------------

    def say(self, level: str, text: str, hint: str = "") -> None:
        """A notice; the same one twice in a row is said once."""
        last = self.transcript.cells[-1] if self.transcript.cells else None
        if isinstance(last, NoticeCell) and last.done and (last.text, last.hint) == (text, hint):
            return
        self.transcript.add(NoticeCell(key=self.new_key("said"), level=level, text=text, hint=hint))

    def retries(self, turn_id: str, text: str, hint: str) -> None:
        """A request to the model is made again: one notice for all times in a row."""
        cell = self._retry
        if cell is None or cell.turn_id != turn_id:
            self.retried()
            key = self.new_key("retry")
            cell = NoticeCell(key=key, turn_id=turn_id, level="warning", text=text, retrying=True, done=False)
            self._retry = cell
            self.transcript.add(cell)
        cell.text, cell.hint = text, hint
        self.transcript.touch(cell)

    def retried(self) -> None:
        """It goes on, or has ended: what was said of the retries stays as it is."""
        cell, self._retry = self._retry, None
        if cell is not None:
            cell.done = True
            self.transcript.touch(cell)

    def failed(self, turn_id: str, text: str, hint: str) -> None:
        """What a turn failed with, once."""
        self.retried()
        key = error_key(turn_id)
        if self.transcript.get(key) is None:
            self.transcript.add(NoticeCell(key=key, turn_id=turn_id, level="error", text=text, hint=hint))

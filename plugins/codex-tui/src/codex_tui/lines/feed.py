"""Which cells are to be told: each once, when it is done; what the agent says while it says it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from ..render import Theme
from ..session.cells import AgentCell, AnyCell, UserCell
from ..session.transcript import Transcript
from .words import Speech, in_words

EARLIER = "(what was said earlier is left out: /transcript tells all of it)"


class Feed:
    """Remembers what was told. While the agent speaks, what else is done waits for the end of that."""

    def __init__(self, transcript: Transcript, theme: Theme) -> None:
        self._transcript, self._theme = transcript, theme
        self._told: set[str] = set()
        self._waiting: list[AnyCell] = []
        self._next = 0
        self._generation = transcript.generation
        self._speech: Speech | None = None
        self._typed: Counter[str] = Counter()

    def typed(self, text: str) -> None:
        """The user has entered this: the terminal shows it already."""
        self._typed[text] += 1

    def forget(self, text: str) -> None:
        """It was not sent, or not yet."""
        self._typed[text] = max(0, self._typed[text] - 1)

    def take(self, width: int) -> list[str]:
        """The lines that are to be written now."""
        lines: list[str] = []
        fresh = self._fresh()
        if sum(map(_begins_turn, fresh)) > 1:  # a recorded session, not something that goes on
            fresh = self._newest(fresh)
            lines.append(EARLIER)
        self._waiting += fresh
        while self._speech is None or self._finish(lines):
            cell = self._pick()
            if cell is None:
                break
            if isinstance(cell, AgentCell):
                self._speech = Speech(cell, width, self._theme)
            elif not self._is_known(cell):
                lines += self._words(cell, width)
        return lines

    def all(self, width: int) -> list[str]:
        """All that is done, from the beginning."""
        return [line for cell in self._transcript if cell.done for line in self._words(cell, width)]

    def _words(self, cell: AnyCell, width: int) -> list[str]:
        try:
            return in_words(cell, width, self._theme)
        except Exception as error:  # one that cannot be told is not to end the session
            logging.getLogger("codex.tui").error("a cell cannot be told: %s", cell.key, exc_info=error)
            return [f"Error: {type(cell).__name__} cannot be told: {type(error).__name__}: {error}"]

    def _fresh(self) -> list[AnyCell]:
        transcript = self._transcript
        if transcript.generation != self._generation:
            self._generation, self._next = transcript.generation, 0
            self._waiting = [cell for cell in self._waiting if transcript.get(cell.key) is cell]
            if len(transcript):  # what is gone was taken back, and what comes may be called like it
                self._told = {key for key in self._told if transcript.get(key) is not None}
            if self._speech is not None and transcript.get(self._speech.cell.key) is not self._speech.cell:
                self._speech = None
        fresh = [cell for cell in transcript.cells[self._next :] if cell.key not in self._told]
        self._next = len(transcript)
        self._told.update(cell.key for cell in fresh)
        return fresh

    def _newest(self, fresh: Sequence[AnyCell]) -> list[AnyCell]:
        """From the last message of the user on."""
        return list(fresh[max(place for place, cell in enumerate(fresh) if _begins_turn(cell)) :])

    def _pick(self) -> AnyCell | None:
        """The next cell that can be told: one that is done, or what the agent says."""
        for place, cell in enumerate(self._waiting):
            now = self._transcript.get(cell.key) or cell  # another one may have taken its place
            if now.done or isinstance(now, AgentCell):
                del self._waiting[place]
                return now
        return None

    def _finish(self, lines: list[str]) -> bool:
        """Go on with what the agent says; whether that is over."""
        assert self._speech is not None
        lines += self._speech.more()
        if self._speech.cell.done:
            self._speech = None
            return True
        return False

    def _is_known(self, cell: AnyCell) -> bool:
        if isinstance(cell, UserCell) and self._typed[cell.text] > 0:
            self._typed[cell.text] -= 1
            return True
        return False


def _begins_turn(cell: AnyCell) -> bool:
    return isinstance(cell, UserCell) and not cell.steered

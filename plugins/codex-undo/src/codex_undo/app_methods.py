"""The methods `undo/preview`, `undo/apply` and `undo/redo` of the app server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import ProtocolError, UserError, Value, value

from .conversation import Conversation
from .journal import Journal
from .run import encodable, undoing_of
from .undo import Outcome

if TYPE_CHECKING:
    from codex_plugin_sdk import AppMethod, AppMethodSetup, Config, Invocation

    from .journal import Entry
    from .undo import Undoing


@value
class Wish(Value):
    """What a client asks for: the turns from `before` on, the last `turns` ones, or else the last one."""

    thread: str
    before: str | None = None
    turns: int | None = None
    conversation: bool = False
    partial: bool = False


def read_wish(params: Mapping[str, Any]) -> Wish:
    """The params of a request. Raises `ProtocolError`."""
    thread, before, turns = (params.get(name) for name in ("threadId", "beforeTurnId", "turns"))
    if not isinstance(thread, str):
        raise ProtocolError("Invalid request: threadId is missing, or no string")
    if before is not None and not isinstance(before, str):
        raise ProtocolError("Invalid request: beforeTurnId is no string")
    if turns is not None and (isinstance(turns, bool) or not isinstance(turns, int) or turns < 1):
        raise ProtocolError("Invalid request: turns is no number of turns")
    if before is not None and turns is not None:
        raise ProtocolError("Invalid request: beforeTurnId and turns exclude each other")
    flags = {name: params.get(name) or False for name in ("conversation", "partial")}
    if wrong := next((name for name, found in flags.items() if not isinstance(found, bool)), None):
        raise ProtocolError(f"Invalid request: {wrong} is neither true nor false")
    return Wish(thread=thread, before=before, turns=turns, **flags)


def preview(setup: AppMethodSetup) -> AppMethod:
    """`undo/preview`."""

    async def run(params: Mapping[str, Any]) -> dict[str, Any]:
        work = await _work(setup, params)
        return await anyio.to_thread.run_sync(work.preview)

    return run


def apply(setup: AppMethodSetup) -> AppMethod:
    """`undo/apply`."""

    async def run(params: Mapping[str, Any]) -> dict[str, Any]:
        work = await _work(setup, params)
        seen = await anyio.to_thread.run_sync(work.preview)
        if seen["refused"]:
            return seen
        async with setup.released(work.wish.thread) as cut:
            done = await anyio.to_thread.run_sync(work.apply)
            if done["conversationCut"]:
                cut()
        return done

    return run


def redo(setup: AppMethodSetup) -> AppMethod:
    """`undo/redo`."""

    async def run(params: Mapping[str, Any]) -> dict[str, Any]:
        work = await _work(setup, params)
        async with setup.released(work.wish.thread):
            return await anyio.to_thread.run_sync(work.redo)

    return run


async def _work(setup: AppMethodSetup, params: Mapping[str, Any]) -> _Work:
    wish = read_wish(params)
    facts = await setup.thread(wish.thread)
    if facts.active_turn is not None:
        raise ProtocolError(f"turn {facts.active_turn} is still running: interrupt it first")
    return _Work(setup.invocation, await setup.config(wish.thread), wish)


class _Work:
    """One request. Its methods wait for the disk."""

    def __init__(self, invocation: Invocation, config: Config, wish: Wish) -> None:
        self._config, self.wish = config, wish
        self._talk = Conversation(invocation, config)

    def preview(self) -> dict[str, Any]:
        """What would be done, whoever has the thread open meanwhile."""
        return self._with_journal(self._preview)

    def apply(self) -> dict[str, Any]:
        """Do it: files and conversation, or neither."""
        return self._with_journal(self._apply)

    def redo(self) -> dict[str, Any]:
        """Take back the last undo."""
        return self._with_journal(self._redo)

    def _with_journal(self, work: Callable[[Undoing | None], dict[str, Any]]) -> dict[str, Any]:
        journal = Journal.open(self._config.codex_home, make=False)
        if journal is None:
            return work(None)
        with closing(journal), undoing_of(journal, self._config) as undoing:
            return work(undoing)

    def _preview(self, undoing: Undoing | None) -> dict[str, Any]:
        wish = self.wish
        entries, cut = self._wanted(undoing)
        if undoing is None:
            return _body(Outcome(thread=wish.thread, entries=(), steps=()), cut)
        undoing.require_complete(wish.thread)
        return _body(undoing.undo(wish.thread, entries, dry=True, partial=wish.partial), cut)

    def _apply(self, undoing: Undoing | None) -> dict[str, Any]:
        wish, talk = self.wish, self._talk
        entries, cut = self._wanted(undoing)
        rewound = cut if wish.conversation else None
        if rewound is not None:
            talk.require_free(wish.thread)
        then = None if rewound is None else partial(talk.rewind, wish.thread, rewound)
        if undoing is None or (not entries and then is not None):
            assert then is not None  # without a conversation to cut, `_wanted` refused
            then()
            outcome = Outcome(thread=wish.thread, entries=(), steps=(), applied=True)
        else:
            undoing.settle(wish.thread)
            outcome = undoing.undo(wish.thread, entries, dry=False, partial=wish.partial, then=then)
        return _body(outcome, cut, rewound=rewound if outcome.applied else None)

    def _redo(self, undoing: Undoing | None) -> dict[str, Any]:
        if undoing is None:
            raise UserError("nothing was undone yet")
        undoing.settle(self.wish.thread)
        return _body(undoing.redo(self.wish.thread, dry=False, partial=self.wish.partial), None)

    def _wanted(self, undoing: Undoing | None) -> tuple[list[Entry], str | None]:
        """What to take back, and the turn before which the conversation would end: None where the request is for the
        last turn that changed files, whichever that is. Raises `UserError`."""
        wish = self.wish
        if wish.before is None and wish.turns is None and not wish.conversation:
            if undoing is None:
                raise UserError("no turn has changed files that are kept")
            return undoing.last(wish.thread), None
        turns = self._talk.turns(wish.thread)
        first = self._first(turns)
        entries = [] if undoing is None else undoing.of_turns(wish.thread, turns[first:])
        if not entries and not wish.conversation:
            raise UserError("no turn from there on has changed files that are kept")
        return entries, turns[first]

    def _first(self, turns: list[str]) -> int:
        wish = self.wish
        if wish.before is not None and wish.before not in turns:
            raise ProtocolError(f"turn not found: {wish.before}")
        if not turns:
            raise UserError(f"session {wish.thread} has no turns yet")
        return turns.index(wish.before) if wish.before is not None else max(0, len(turns) - (wish.turns or 1))


def _body(outcome: Outcome, before: str | None, *, rewound: str | None = None) -> dict[str, Any]:
    return {
        "threadId": outcome.thread,
        "turnIds": [entry.turn for entry in outcome.entries],
        "beforeTurnId": before,
        "applied": outcome.applied,
        "refused": outcome.refused,
        "conversationCut": rewound is not None,
        "files": [
            {
                "path": encodable(step.path),
                "action": step.word,
                "why": step.why or None,
                "conflict": step.verdict in ("conflict", "lost"),
            }
            for step in outcome.steps
        ],
        "conflicts": len(outcome.unsolved),
        "leftOut": list(outcome.left_out),
        "cutOff": outcome.cut_off,
    }

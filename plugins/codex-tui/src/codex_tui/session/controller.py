"""A session: one thread of a server, what is known of it, and what the user can do with it.

Both user interfaces are made of this. It owns no task: `listen` runs in one of the UI's, the other methods are called
from others. Nothing that the user wrote is dropped: what cannot be sent is raised, and whoever called puts it back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import anyio

from codex_plugin_sdk import UserError

from ..link import Link, Message
from .asks import Ask, Reply
from .cells import DecisionCell, NoticeCell, UserCell
from .draft import Draft
from .listening import Listener
from .load import Older, load_older, load_tail
from .lookup import find_thread, newest_thread
from .reader import Reader
from .status import Status
from .transcript import Transcript
from .turns import Turns

TAIL_ITEMS = 400
"""Items of a recorded thread that are read at once; the rest when somebody wants them."""

__all__ = ["Draft", "Session"]


class Session:
    """`settings` are params of thread/start (cwd, model, sandbox, approvalPolicy, config …). The callbacks are set by
    the UI: `on_change` something has to be drawn anew; `on_ask` a question has come or was settled by somebody else;
    `on_opened` a thread is open; `on_turn_end(status)`; `on_restore(drafts)` queued input comes back, since the turn
    was stopped; `on_message` hears of each notification."""

    def __init__(self, link: Link, settings: Mapping[str, Any], *, reconnect: Reconnect | None = None) -> None:
        self.link = link
        self.settings = dict(settings)
        self.transcript = Transcript()
        self.status = Status(cwd=str(settings.get("cwd") or ""))
        self.turns = Turns(self)
        self.queue, self.overrides = self.turns.queue, self.turns.overrides
        self.asks: list[Ask] = []
        self.reader: Reader | None = None
        """What makes cells of notifications; None before a thread is open."""
        self.older: Older | None = None
        """What reads the items before those that are shown; None when there are none."""
        self.on_change: Callable[[], None] = lambda: None
        self.on_ask: Callable[[], None] = lambda: None
        self.on_turn_end: Callable[[str], None] = lambda status: None
        self.on_restore: Callable[[Sequence[Draft]], None] = lambda drafts: None
        self.on_opened: Callable[[], None] = lambda: None
        self.on_message: Callable[[Message], None] = lambda message: None
        self.reconnect = reconnect
        self._reads_older = False
        self._notices = 0
        self._opened = anyio.Event()

    # -- threads ---------------------------------------------------------------------------------

    @property
    def thread_id(self) -> str:
        """The thread's id; empty before one is open."""
        return self.status.thread_id

    async def start(self) -> None:
        """Begin a new thread. The one before is left."""
        await self._leave()
        opened = await self.link.request("thread/start", self.settings)
        self._take(opened)

    async def resume(self, thread_id: str) -> None:
        """Go on with a recorded thread. Raises `ProtocolError` if there is none."""
        await self._leave()
        wanted = {**self._given(), "threadId": thread_id, "excludeTurns": True}
        self._take(await self.link.request("thread/resume", wanted))
        await self._recall()

    async def fork(self, thread_id: str, *, before_turn: str | None = None) -> None:
        """A new thread with what was said in another one."""
        await self._leave()
        wanted = {**self._given(), "threadId": thread_id, "excludeTurns": True}
        if before_turn is not None:
            wanted["beforeTurnId"] = before_turn
        self._take(await self.link.request("thread/fork", wanted))
        await self._recall()

    async def find(self, wanted: str) -> str:
        """The id of a recorded thread: `wanted` is one, at least six characters of its begin, or a name. Raises
        `UserError`."""
        return await find_thread(self.link, wanted)

    async def newest(self, cwd: str, *, all_folders: bool = False) -> str:
        """The id of the thread that was used last. Raises `UserError` if there is none."""
        return await newest_thread(self.link, None if all_folders else cwd)

    def _given(self) -> dict[str, Any]:
        """Settings that a recorded thread is opened with: those that were given, its folder is its own."""
        return {name: value for name, value in self.settings.items() if name not in ("cwd", "ephemeral")}

    async def _leave(self) -> None:
        if self.thread_id and self.status.phase != "lost":
            await self.link.request("thread/unsubscribe", {"threadId": self.thread_id})

    def _take(self, opened: Message) -> None:
        thread = opened["thread"]
        # what was said before there was any thread (the first run's notices) stays; another thread begins empty
        said = [] if self.thread_id else list(self.transcript.cells)
        self.transcript.clear()
        for cell in said:
            self.transcript.add(cell)
        self.overrides.clear()
        self.asks.clear()
        self.older = None
        self.status = status = Status(cwd=opened.get("cwd") or thread.get("cwd") or "")
        status.thread_id, status.thread_name = thread["id"], thread.get("name") or ""
        status.model, status.provider = opened.get("model") or "", opened.get("modelProvider") or ""
        status.effort = opened.get("reasoningEffort") or ""
        status.approval = _word(opened.get("approvalPolicy"))
        status.reviewer = opened.get("approvalsReviewer") or ""
        status.sandbox = _word(opened.get("sandbox"))
        status.branch = (thread.get("gitInfo") or {}).get("branch") or ""
        self.transcript.folder = status.cwd
        self.reader = Reader(self.transcript, status, thread["id"])
        self._opened.set()
        self.on_opened()
        self.on_change()

    async def _recall(self) -> None:
        self.older = await load_tail(self.link, self.transcript, self.thread_id, TAIL_ITEMS, self.status)
        self.on_change()

    async def read_older(self) -> bool:
        """Read items before those that are shown, about `TAIL_ITEMS`. Whether there are more of them. Raises
        `ProtocolError`, `LinkLost`."""
        older = self.older
        if older is None or self._reads_older:
            return False
        self._reads_older = True
        try:
            turns = await older.take(TAIL_ITEMS)
        finally:
            self._reads_older = False
        if older is not self.older:  # another thread is open by now
            return False
        cells = self.transcript.cells
        first = next((place for place, cell in enumerate(cells) if cell.turn_id), len(cells))
        load_older(self.transcript, turns, first)
        self.older = None if older.over else older
        return self.older is not None

    async def listen(self) -> None:
        """Take what the server says, for as long as there is one. Returns when it is gone for good."""
        await Listener(self).run()

    # -- what the user does ----------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether a turn runs, of the agent or a review."""
        return self.status.turn_id is not None

    async def submit(self, draft: Draft, *, queue: bool = False) -> str:
        """Send input: as a new turn, to the turn that runs, or (`queue`) after it. What became of it: `started`,
        `steered` or `queued`. Raises `ProtocolError`, `LinkLost`, `UserError`: then it was not sent."""
        if self.status.phase == "lost":
            raise UserError("there is no server to send it to", hint="the text is kept")
        await self._opened.wait()
        return await self.turns.submit(draft, queue=queue)

    def unqueue(self) -> Draft | None:
        """Take back what was queued last."""
        return self.turns.unqueue()

    async def interrupt(self) -> bool:
        """Stop the turn that runs; False if none does. It takes a moment."""
        return await self.turns.interrupt()

    async def until_quiet(self) -> None:
        """Wait until no turn runs; `listen` has to run meanwhile."""
        await self.turns.until_quiet()

    async def answer(self, ask: Ask, result: Any) -> None:
        """Answer a question."""
        if ask in self.asks:
            self.asks.remove(ask)
            await self.link.answer(ask.id, result)
            self.on_ask()

    async def reply(self, ask: Ask, reply: Reply) -> None:
        """Answer a question, say so in the transcript, and do what follows: tell the model why, stop the turn."""
        if ask not in self.asks:
            return  # settled by somebody else
        if reply.follow_up and reply.goes_on:
            await self.submit(Draft(text=reply.follow_up))  # first: once it has the answer, the turn goes on without it
        said = DecisionCell(key=self.new_key("decision"), text=reply.outcome, approved=reply.approved)
        if reply.interrupts:  # first: once it has the answer, the model is asked again
            self.transcript.add(said)
            await self.interrupt()
        await self.answer(ask, reply.result)
        self.transcript.add(said)
        if reply.follow_up and not reply.goes_on:
            await self.submit(Draft(text=reply.follow_up), queue=True)

    async def shell(self, command: str) -> None:
        """Run a command of the user's own (`!`)."""
        await self._opened.wait()
        await self.link.request("thread/shellCommand", {"threadId": self.thread_id, "command": command})

    async def rewind(self, turn_id: str, *, files: bool, conversation: bool = True) -> Message:
        """Take back a turn and all after it: what was said, files, or both. The answer of undo, or an empty one.
        Raises `ProtocolError`, `UserError` for files that were changed since: then nothing was done."""
        await self.turns.stop_and_wait()
        wanted = {"threadId": self.thread_id, "beforeTurnId": turn_id}
        if files:
            done: Message = await self.link.request("undo/apply", {**wanted, "conversation": conversation})
            if done.get("refused"):
                raise UserError(f"nothing was taken back: {_conflicts(done)}", hint="codex undo --partial leaves these")
        else:
            done = {}
            await self.link.request("thread/revert", wanted)
        if conversation and self.reader is not None:
            self.reader.rewound(turn_id)
        return done

    def user_turns(self) -> list[tuple[str, UserCell]]:
        """The turns that begin with words of the user, the newest first: where a rewind can lead."""
        found: dict[str, UserCell] = {}
        for cell in self.transcript:
            if isinstance(cell, UserCell) and cell.turn_id and not cell.steered:
                found.setdefault(cell.turn_id, cell)
        return list(found.items())[::-1]

    def notice(self, level: str, text: str, hint: str = "") -> None:
        """Say something of our own in the transcript."""
        self._notices += 1
        self.transcript.add(NoticeCell(key=f"notice-{self._notices}", level=level, text=text, hint=hint))
        self.on_change()

    def new_key(self, word: str) -> str:
        """A key for a cell that we make."""
        self._notices += 1
        return f"{word}-{self._notices}"


Reconnect = Callable[[], Awaitable[Link]]


def _conflicts(done: Message) -> str:
    """The files because of which an undo did nothing."""
    paths = [str(entry["path"]) for entry in done.get("files", ()) if entry.get("conflict")]
    if not paths:
        return str(done.get("refused"))
    return f"{', '.join(paths[:5])}{' …' if len(paths) > 5 else ''} changed since"


def _word(found: Any) -> str:
    """A policy in one word: it is a word, or a mapping with a `type` or with one member."""
    if isinstance(found, str):
        return found
    if isinstance(found, Mapping):
        return str(found.get("type") or next(iter(found), ""))
    return ""

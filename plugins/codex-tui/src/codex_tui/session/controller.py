"""A session: one thread of a server, what is known of it, and what the user can do with it.

Both user interfaces are made of this. It owns no task: `listen` runs in one of the UI's, the other methods are called
from others. Nothing that the user wrote is dropped: what cannot be sent is raised, and whoever called puts it back.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import anyio
import attrs

from codex_plugin_sdk import CodexError, ProtocolError, UserError

from ..link import Link, Message
from ..link.errors import LinkLost
from .asks import Ask, BadAsk, Reply, read_ask
from .cells import DecisionCell, NoticeCell, UserCell
from .load import Older, load_older, load_tail
from .lookup import find_thread, newest_thread
from .reader import Reader
from .status import Status
from .transcript import Transcript

TAIL_ITEMS = 400
"""Items of a recorded thread that are read at once; the rest when somebody wants them."""
BREATH_S = 0.008
"""Between two batches of messages: a screen is drawn less often than deltas come."""
STOP_S = 15.0
"""How long a rewind waits for the turn to stop."""
RECONNECT_S = (0.5, 1, 2, 4, 8, 15, 30)


@attrs.frozen(kw_only=True)
class Draft:
    """Input that is not sent yet. `images` are paths or data URLs; `mentions` are wire members of type mention or
    skill."""

    text: str
    images: tuple[str, ...] = ()
    mentions: tuple[Mapping[str, Any], ...] = ()

    def wire(self) -> list[dict[str, Any]]:
        """As `input` of a turn."""
        parts: list[dict[str, Any]] = [{"type": "text", "text": self.text}] if self.text else []
        for image in self.images:
            is_url = image.startswith(("data:", "http://", "https://"))
            parts.append({"type": "image", "url": image} if is_url else {"type": "localImage", "path": image})
        return parts + [dict(mention) for mention in self.mentions]


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
        self.queue: deque[Draft] = deque()
        self.asks: list[Ask] = []
        self.overrides: dict[str, Any] = {}
        """What the next turn is to change: model, effort, approvalPolicy, sandboxPolicy …"""
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
        self._reader: Reader | None = None
        self._notices = 0
        self._interrupting = False
        self._opened = anyio.Event()
        self._sending = anyio.Lock()
        """Two that are sent at once: the second goes to the turn that the first has started."""
        self._quiet = anyio.Event()
        """Set when a turn has ended."""

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
        self._reader = Reader(self.transcript, status, thread["id"])
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

    # -- what comes ------------------------------------------------------------------------------

    async def listen(self) -> None:
        """Take what the server says, for as long as there is one. Returns when it is gone for good."""
        while True:
            try:
                await self._take_batch()
            except LinkLost as error:
                self._lost(error)
                if not await self._connect_again():
                    return
            except CodexError as error:  # a server that could not even start
                self._lost(error)
                return

    async def _take_batch(self) -> None:
        message = await self.link.next_message()
        while True:
            await self._handle(message)
            if not self.link.waiting():
                break
            message = await self.link.next_message()
        self.on_change()
        await self._send_next()
        await anyio.sleep(BREATH_S)

    async def _handle(self, message: Message) -> None:
        if "id" in message:
            await self._asked(message)
            return
        if self._reader is not None:
            self._reader.handle(message)
        method = message["method"]
        if method == "serverRequest/resolved":
            self._settled(message["params"].get("requestId"))
        elif method == "turn/completed" and message["params"].get("threadId") == self.thread_id:
            self._turn_ended(message["params"]["turn"].get("status") or "")
        self.on_message(message)

    async def _asked(self, message: Message) -> None:
        try:
            ask = read_ask(message)
        except BadAsk as error:
            self.notice("warning", f"a question of the server cannot be shown: {error}")
            await self.link.refuse(message["id"], str(error))
            return
        if ask is None:
            await self.link.refuse(message["id"], f"{message['method']} is not known here")
            return
        if self._reader is not None:
            ask.know(self._reader.cell(ask.turn_id, ask.item_id))
        self.asks.append(ask)
        self.on_ask()

    def _settled(self, id: object) -> None:
        left = [ask for ask in self.asks if ask.id != id]
        if len(left) != len(self.asks):
            self.asks[:] = left
            self.on_ask()

    def _turn_ended(self, status: str) -> None:
        self._interrupting = False
        self._quiet.set()
        if status != "completed" and self.queue:
            back = list(self.queue)
            self.queue.clear()
            self.on_restore(back)
        self.on_turn_end(status)

    async def _send_next(self) -> None:
        """What was queued goes out as soon as nothing runs."""
        if not self.queue or self.busy or not self.thread_id:
            return
        draft = self.queue.popleft()
        try:
            async with self._sending:
                if self.busy:  # somebody was faster
                    self.queue.appendleft(draft)
                    return
                await self._start_turn(draft)
        except CodexError as error:
            self.on_restore([draft, *self.queue])
            self.queue.clear()
            self.notice("error", f"the queued message was not sent: {error.message}", error.hint)

    def _lost(self, error: CodexError) -> None:
        self.status.phase, self.status.turn_id = "lost", None
        self._quiet.set()
        self.asks.clear()
        self.on_ask()
        hint = error.hint
        if self.reconnect is not None:
            hint = "it is looked for; what you write is kept"
        elif self.thread_id:
            hint = f"what was said is recorded: codex resume {self.thread_id}"
        self.notice("error", error.message, hint)

    async def _connect_again(self) -> bool:
        """Find the server again and go on with the thread; False if there is no way to. Gives up after the last of
        `RECONNECT_S`."""
        if self.reconnect is None:
            return False
        for delay_s in RECONNECT_S:
            await anyio.sleep(delay_s)
            try:
                self.link = await self.reconnect()
                await self._again()
            except CodexError:
                continue
            self.notice("info", f"connected to {self.link.name} again")
            return True
        self.notice("error", f"{self.link.name} does not come back", "codex --remote ADDRESS resumes the session there")
        return False

    async def _again(self) -> None:
        chosen = dict(self.overrides)
        if self.thread_id:
            await self.resume(self.thread_id)
        else:
            await self.start()
        self.overrides.update(chosen)

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
        async with self._sending:
            if not self.busy:
                await self._start_turn(draft)
                return "started"
            if not queue:
                return await self._steer(draft)
        self.queue.append(draft)
        self.on_change()
        return "queued"

    async def _start_turn(self, draft: Draft) -> None:
        given = {"threadId": self.thread_id, "input": draft.wire(), **self.overrides}
        self.status.phase = "working"
        try:
            answer = await self.link.request("turn/start", given)
        except BaseException:
            self.status.phase = "idle"
            raise
        self.overrides.clear()
        turn_id = answer["turn"]["id"]
        if self.status.turn_id is None and self._reader is not None and not self._reader.has_ended(turn_id):
            self.status.turn_id = turn_id
            self.status.turn_started_at = time.monotonic()

    async def _steer(self, draft: Draft) -> str:
        wanted = {"threadId": self.thread_id, "input": draft.wire(), "expectedTurnId": self.status.turn_id}
        try:
            await self.link.request("turn/steer", wanted)
        except ProtocolError as error:
            if self.busy and "active turn" not in error.message:  # a review, or a compaction: after it, then
                self.queue.append(draft)
                return "queued"
            self.status.turn_id = None  # it ended a moment ago
            await self._start_turn(draft)
            return "started"
        return "steered"

    def unqueue(self) -> Draft | None:
        """Take back what was queued last."""
        draft = self.queue.pop() if self.queue else None
        self.on_change()
        return draft

    async def interrupt(self) -> bool:
        """Stop the turn that runs; False if none does. It takes a moment."""
        turn = self.status.turn_id
        if turn is None or self._interrupting:
            return turn is not None
        self._interrupting = True
        try:
            await self.link.request("turn/interrupt", {"threadId": self.thread_id, "turnId": turn})
        except ProtocolError:
            self._interrupting = False  # it has just ended
        return True

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
        await self._stop_and_wait()
        wanted = {"threadId": self.thread_id, "beforeTurnId": turn_id}
        if files:
            done: Message = await self.link.request("undo/apply", {**wanted, "conversation": conversation})
            if done.get("refused"):
                raise UserError(f"nothing was taken back: {_conflicts(done)}", hint="codex undo --partial leaves these")
        else:
            done = {}
            await self.link.request("thread/revert", wanted)
        if conversation and self._reader is not None:
            self._reader.rewound(turn_id)
        return done

    async def _stop_and_wait(self) -> None:
        await self.interrupt()
        with anyio.move_on_after(STOP_S):
            await self.until_quiet()

    async def until_quiet(self) -> None:
        """Wait until no turn runs; `listen` has to run meanwhile."""
        while self.busy and self.status.phase != "lost":
            self._quiet = anyio.Event()
            await self._quiet.wait()

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

"""A thread in a running server, with the face of one that is opened here: ops in, events out."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio

from codex_kernel.errors import ProtocolError, UserError
from codex_kernel.protocol.events import ApprovalResolved, Event, EventMsg, OpRejected
from codex_kernel.protocol.ops import (
    ApprovalAnswer,
    Compact,
    InjectItems,
    Interrupt,
    Op,
    Shutdown,
    Steer,
    UserInput,
    UserTurn,
)
from codex_kernel.protocol.policy import ApprovalPolicy, ReviewDecision, SandboxMode, SandboxPolicy
from codex_kernel.protocol.response_items import item_to_dict
from codex_kernel.protocol.value import Value, field, value
from codex_kernel.thread import EndOfThread
from codex_kernel.version import __version__

from .address import RemoteAddress
from .approvals import Asked, answer_of, approval_of
from .events import EventReader
from .items import read_sandbox, wire_input, wire_sandbox
from .peer import Message, Peer, ServerGone, connected

THREADS_A_PAGE = 100
MIN_PREFIX = 6
ALL_SOURCES = ("cli", "vscode", "exec", "appServer", "subAgent", "unknown")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")


@value
class RemoteOptions(Value):
    """How a thread is opened. `settings` are further params of thread/start, such as `model`, `sandbox`,
    `approvalPolicy` and `config`; what is left out is for the server's configuration. One of `resume` (an id, a unique
    prefix of one, or a name) and `newest` (of this folder, or of any) continues a recorded thread. With `attended`
    false nobody can be asked: questions are declined. `name` is told to the server and recorded."""

    cwd: str
    resume: str | None = None
    newest: str | None = None
    ephemeral: bool = False
    settings: Mapping[str, Any] = field(factory=dict)
    name: str = "codex_exec"
    want_deltas: bool = False
    attended: bool = False


class RemoteThread:
    """As `Thread`: `submit` and `next_event` may be called from different tasks and be cancelled without loss."""

    def __init__(self, peer: Peer, address: RemoteAddress, options: RemoteOptions, reader: EventReader) -> None:
        self._peer, self._address, self._options, self._reader = peer, address, options, reader
        self._events: deque[Event] = deque()
        self._stop_wanted = False
        self._over = False
        self._waiting: anyio.CancelScope | None = None
        self._due: deque[tuple[object, dict[str, Any] | None]] = deque()
        """Answers that the server is to get, None for a question that nobody here can answer."""
        self._asked: dict[str, tuple[object, Asked]] = {}
        self.rollout_path: str | None = None

    @property
    def id(self) -> str:
        """The thread's id."""
        return self._reader.thread_id

    @property
    def active_turn_id(self) -> str | None:
        """The turn under way."""
        return self._reader.active

    async def submit(self, op: Op) -> None:
        """Hand in an op; a refusal of the server becomes an `OpRejected` event. Nothing happens once it is gone, which
        `next_event` tells."""
        try:
            await self._carry_out(op)
        except ServerGone:
            return
        except ProtocolError as error:
            self._tell(OpRejected(op=type(op).__name__, message=str(error)))

    async def next_event(self) -> Event:
        """The next event. Raises `EndOfThread` after the last one."""
        while not self._events:
            if self._over:
                raise EndOfThread
            try:
                await self._say_what_is_due()
                with anyio.CancelScope() as scope:
                    self._waiting = scope
                    try:
                        message = await self._peer.next_message()
                    finally:
                        self._waiting = None
                    self._hear(message)
            except ServerGone as error:
                self._end(f"{error.message} in mid-turn" if self._reader.active else error.message)
        return self._events.popleft()

    async def begin(self, op: UserTurn, *, alone: bool) -> None:
        """Start a turn; with `alone` events of other clients' turns are passed over. Raises `ProtocolError`."""
        found = await self._peer.request("turn/start", self._turn_params(op))
        if alone:
            self._reader.turn_id = found["turn"]["id"]

    # -- ops -------------------------------------------------------------------------------------

    async def _carry_out(self, op: Op) -> None:
        me = {"threadId": self.id}
        match op:
            case UserTurn():
                await self.begin(op, alone=False)
            case Steer():
                turn_id = op.expected_turn_id or self._reader.active or ""
                await self._peer.request(
                    "turn/steer", {**me, "expectedTurnId": turn_id, "input": self._input(op.input)}
                )
            case Interrupt():
                await self._interrupt()
            case ApprovalAnswer():
                await self._answer(op)
            case Compact():
                await self._peer.request("thread/compact/start", me)
            case InjectItems():
                items = [item_to_dict(item) for item in op.items]
                await self._peer.request("thread/inject_items", {**me, "items": items})
            case Shutdown():
                await self._peer.request("thread/unsubscribe", me)
                self._end("")
            case _:
                raise ProtocolError(f"{type(op).__name__} is not something that a server can be asked for")

    async def _interrupt(self) -> None:
        turn_id = self._reader.active
        if turn_id is None:  # it was asked for and has not begun: once it does
            self._stop_wanted = True
        else:
            await self._peer.post("turn/interrupt", {"threadId": self.id, "turnId": turn_id})

    async def _answer(self, op: ApprovalAnswer) -> None:
        asked = self._asked.pop(op.approval_id, None)
        if asked is None:
            raise ProtocolError(f"no open approval request {op.approval_id}")
        id, request = asked
        await self._peer.answer(id, answer_of(op, request))
        self._tell(ApprovalResolved(approval_id=op.approval_id, decision=op.decision))

    def _turn_params(self, op: UserTurn) -> dict[str, Any]:
        over = op.overrides
        found = {
            "threadId": self.id,
            "input": self._input(op.input),
            "cwd": over.cwd,
            "model": over.model,
            "effort": over.effort,
            "summary": over.summary,
            "approvalPolicy": None if over.approval_policy is None else over.approval_policy.value,
            "sandboxPolicy": None if over.sandbox_policy is None else wire_sandbox(over.sandbox_policy),
            "outputSchema": over.output_schema,
        }
        return {key: entry for key, entry in found.items() if entry is not None}

    def _input(self, given: tuple[UserInput, ...]) -> list[dict[str, Any]]:
        return [wire_input(part, local=self._address.is_local) for part in given]

    # -- messages --------------------------------------------------------------------------------

    def _tell(self, msg: EventMsg) -> None:
        """An event of our own; who waits for one gets it at once."""
        self._events.append(self._reader.told(msg))
        if self._waiting is not None:
            self._waiting.cancel()

    async def _say_what_is_due(self) -> None:
        """Cancelled in between, it says something twice, which does no harm."""
        while self._due:
            id, result = self._due[0]
            if result is None:
                await self._peer.refuse(id, "nobody here can answer that")
            else:
                await self._peer.answer(id, result)
            self._due.popleft()
        if self._stop_wanted and (turn_id := self._reader.active) is not None:
            await self._peer.post("turn/interrupt", {"threadId": self.id, "turnId": turn_id})
            self._stop_wanted = False

    def _hear(self, message: Message) -> None:
        method, params = message["method"], message.get("params") or {}
        if "id" in message:
            self._asked_for(message["id"], method, params)
        elif method == "thread/closed" and params.get("threadId") == self.id:
            self._end("the server closed the thread")
        elif method == "serverRequest/resolved":
            self._resolved(params)
        else:
            try:
                self._events.extend(self._reader.events(method, params, message.get("emittedAtMs")))
            except (KeyError, TypeError, AttributeError) as error:
                why = f"the server at {self._address.text} sent a {method} that cannot be read: {error!r}"
                raise ServerGone(why) from error

    def _asked_for(self, id: object, method: str, params: Mapping[str, Any]) -> None:
        request = approval_of(id, method, params) if params.get("threadId") == self.id else None
        if request is None:
            self._due.append((id, None))
        elif not self._options.attended:
            refused = ApprovalAnswer(approval_id=request.approval_id, decision=ReviewDecision.DENIED)
            self._due.append((id, answer_of(refused, request)))
        else:
            self._asked[request.approval_id] = (id, request)
            self._tell(request)

    def _resolved(self, params: Mapping[str, Any]) -> None:
        for approval_id, (id, _request) in list(self._asked.items()):
            if id == params.get("requestId"):  # another client, or the end of the turn
                asked = self._asked.pop(approval_id)[1]
                abort, by = ReviewDecision.ABORT, "another client"
                self._tell(ApprovalResolved(approval_id=asked.approval_id, decision=abort, reviewer=by))

    def _end(self, why: str) -> None:
        hint = "" if self.rollout_path is None else f"the session is kept: codex exec resume {self.id}"
        if not self._over:
            self._over = True
            self._events.extend(self._reader.gone(why, hint))


class RemoteOpening:
    """As `OpenedThread`: made without a connection, then `connected`, then `running`."""

    def __init__(self, address: RemoteAddress, options: RemoteOptions) -> None:
        self._address, self._options = address, options
        self._op: UserTurn | None = None
        self._thread: RemoteThread | None = None

    def begin(self, op: UserTurn) -> None:
        """The first turn, once the thread runs. Turns of other clients are not told then."""
        self._op = op

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Reach the server and open the thread. Raises `UserError` for whatever stands in the way."""
        options, name = self._options, self._options.name
        async with connected(self._address, name=name, version=__version__, want_deltas=options.want_deltas) as peer:
            with _as_user_error(self._address):
                answer, resumed = await _opened(peer, options)
            reader = EventReader(answer["thread"]["id"], answer)
            self._thread = RemoteThread(peer, self._address, options, reader)
            self._thread.rollout_path = answer["thread"].get("path")
            self._thread._events.append(reader.opened(answer, resumed=resumed))
            if resumed and self._op is not None:
                self._op = _insisting(self._op, options.settings, answer)
            yield

    @asynccontextmanager
    async def running(self) -> AsyncIterator[RemoteThread]:
        """The thread, its first turn under way. Leaving it leaves the thread to the server."""
        assert self._thread is not None, "`running` is entered within `connected`"
        if self._op is not None:
            with _as_user_error(self._address):
                await self._thread.begin(self._op, alone=True)
        yield self._thread


async def _opened(peer: Peer, options: RemoteOptions) -> tuple[Any, bool]:
    """The answer to thread/start or thread/resume, and whether it was the latter."""
    params = {key: entry for key, entry in options.settings.items() if entry is not None}
    if options.resume is None and options.newest is None:
        if options.ephemeral:
            params["ephemeral"] = True
        return await peer.request("thread/start", {"cwd": options.cwd, **params}), False
    thread_id = await _meant(peer, options)
    return await peer.request("thread/resume", {"threadId": thread_id, "excludeTurns": True, **params}), True


async def _meant(peer: Peer, options: RemoteOptions) -> str:
    """The id of the thread to resume. Raises `UserError`."""
    wanted = options.resume
    if wanted is None:
        return await _newest(peer, str(options.newest), options.cwd)
    if _UUID.match(wanted):
        return wanted
    begins = []
    async for thread in _recorded(peer):
        if thread.get("name") == wanted:
            return str(thread["id"])
        if len(wanted) >= MIN_PREFIX and str(thread["id"]).startswith(wanted.lower()):
            begins.append(str(thread["id"]))
    if len(begins) > 1:
        raise UserError(f"{len(begins)} sessions begin with {wanted}", hint="give more of the id")
    if not begins:
        raise UserError(f"no rollout found for thread id {wanted}", hint="resume --last takes the newest session")
    return begins[0]


async def _newest(peer: Peer, of: str, cwd: str) -> str:
    where = {} if of == "any" else {"cwd": cwd}
    own = [source for source in ALL_SOURCES if source != "subAgent"]
    async for thread in _recorded(peer, limit=1, sourceKinds=own, **where):
        return str(thread["id"])
    raise UserError(f"no recorded session for {cwd}", hint="--all takes the newest of any folder")


async def _recorded(peer: Peer, *, limit: int = THREADS_A_PAGE, **where: Any) -> AsyncIterator[Mapping[str, Any]]:
    """Recorded threads, the newest first."""
    params = {"limit": limit, "sourceKinds": list(ALL_SOURCES), "modelProviders": [], **where}
    cursor = None
    while True:
        page = await peer.request("thread/list", params if cursor is None else {**params, "cursor": cursor})
        for thread in page["data"]:
            yield thread
        cursor = page.get("nextCursor")
        if cursor is None:
            return


def _insisting(op: UserTurn, settings: Mapping[str, Any], answer: Mapping[str, Any]) -> UserTurn:
    """The turn with what was asked for and an open thread has otherwise: it was opened with other settings."""
    changes: dict[str, Any] = {}
    if settings.get("model") not in (None, answer.get("model")):
        changes["model"] = settings["model"]
    if settings.get("approvalPolicy") not in (None, answer.get("approvalPolicy")):
        changes["approval_policy"] = ApprovalPolicy(settings["approvalPolicy"])
    if (mode := settings.get("sandbox")) not in (None, read_sandbox(answer.get("sandbox") or {}).mode.value):
        changes["sandbox_policy"] = SandboxPolicy(mode=SandboxMode(mode))
    return op.replace(overrides=op.overrides.replace(**changes)) if changes else op


@contextmanager
def _as_user_error(address: RemoteAddress) -> Iterator[None]:
    """What the server refuses before anything has begun is for the user to put right."""
    try:
        yield
    except ProtocolError as error:
        raise UserError(str(error), hint=f"so says the server at {address.text}") from error

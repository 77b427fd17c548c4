"""A thread that is open in this server: its event loop, its listeners, its questions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import anyio

from codex_plugin_sdk import (
    ApprovalRequested,
    ApprovalResolved,
    ElicitationRequested,
    EndOfThread,
    Engine,
    ErrorInfo,
    Event,
    Interrupt,
    ItemStarted,
    Op,
    OpenedThread,
    OpRejected,
    QuestionsAsked,
    ReviewDecision,
    Thread,
    ThreadId,
    ToolInputDelta,
    TurnCompleted,
    TurnFailed,
    TurnId,
    TurnInterrupted,
    TurnStarted,
    UserMessageItem,
    uuid7_unix_ms,
)
from codex_plugin_sdk.remote.items import wire_sandbox

from .approvals import Asked
from .dynamic_tools import DynamicCalls, DynamicTool, DynamicToolSpec
from .faults import innermost, log
from .goals import Spent, charge
from .idle import OPENING_S, Idle
from .items import wire_approval
from .patches import StreamedPatches
from .questions import Questions
from .reviews import review_completed, review_started
from .thread_settings import settings_of
from .translate import Message, Translator
from .wire import RpcError

if TYPE_CHECKING:
    from .client import Client
    from .server import Server

OPEN: WeakValueDictionary[str, LoadedThread] = WeakValueDictionary()
"""The threads of all servers in this process by their ids, for what is told of one by others than its own events."""
REFUSALS = (ReviewDecision.DENIED, ReviewDecision.ABORT)


class LoadedThread:
    """One open thread. `run` is its life, in the server's task group."""

    def __init__(self, server: Server, engine: Engine, opened: OpenedThread, *, ephemeral: bool) -> None:
        self._server = server
        self.engine = engine
        self._opened = opened
        self.state = opened.state
        self.id = str(opened.state.recorder.thread_id)
        self.ephemeral = ephemeral
        self.name: str | None = None
        self.preview = ""
        self.forked_from: str | None = None
        self.history_mode = "paginated"
        self.thread_source: str | None = None
        self.agent: dict[str, str | None] = dict.fromkeys(("parentThreadId", "agentNickname", "agentRole"))
        self.source: str | dict[str, Any] = "vscode"
        self.git_info: dict[str, Any] | None = None
        # As the store says it later: the id holds the time at which the thread was made.
        self.created_s, self.updated_s = uuid7_unix_ms(self.id) // 1000, int(time.time())
        self.translator = Translator(self.id)
        self.listeners: set[Client] = set()
        self.thread: Thread | None = None
        self.has_active_goal = False
        self.own_turn: tuple[str, anyio.CancelScope] | None = None
        """A turn that is not the thread's agent's: a command of the user, or a review."""
        self.reviewing = False
        self._ready = anyio.Event()
        self.closed = anyio.Event()
        self._unheard: list[Message] | None = []
        """Until the first listener is there; no turn begins before."""
        self._stop = anyio.Event()
        self._questions = Questions(self.id, self.listeners, self.submit, lambda: self.state.cwd, self.translator.item)
        self._reviews: dict[str, dict[str, Any]] = {}
        self.dynamic = DynamicCalls(self.id, self.listeners)
        self.translator.shown = self.dynamic.shown
        self._idle = Idle(server, self)
        self._patches = StreamedPatches(self.id, lambda: self.state.tools)
        self._settings = settings_of(self)
        OPEN[self.id] = self

    def recall(self, recorded: Mapping[str, Any]) -> None:
        """Take over what the recorded thread, in the wire's form, says of itself."""
        self.preview, self.name, self.source = recorded["preview"], recorded["name"], recorded["source"]
        self.created_s, self.updated_s = recorded["createdAt"], recorded["updatedAt"]
        self.forked_from, self.git_info = recorded["forkedFromId"], recorded["gitInfo"]
        self.history_mode = recorded["historyMode"]
        self.thread_source = recorded["threadSource"]
        self.agent = {name: recorded[name] for name in self.agent}

    # -- life ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Open, pass events on until the end, close. One that breaks does not hurt the others."""
        try:
            async with self._opened.running() as thread:
                self.thread = thread
                self._ready.set()
                if not self.listeners:
                    self._idle.watch(OPENING_S)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._pump, thread, tasks)
                    await self._stop.wait()
                    tasks.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001 - whatever it is, other threads go on
            log(f"thread {self.id} broke", error)
            self._tell_broken(error)
        finally:
            self._ready.set()
            self.closed.set()
            self._idle.stop()
            self._server.forget(self)
            self.tell([("thread/closed", {"threadId": self.id}, False)])

    def _tell_broken(self, error: BaseException) -> None:
        error = innermost(error)
        text = f"the thread broke, resume it to go on: {type(error).__name__}: {error}"
        turn = self.translator.turn
        if turn is None:
            self.tell([("warning", {"threadId": self.id, "message": text}, False)])
        else:
            failed = TurnFailed(error=ErrorInfo(message=text, kind=type(error).__name__))
            at_ms = int(time.time() * 1000)
            event = Event(thread_id=ThreadId(self.id), turn_id=TurnId(turn.id), seq=0, at_ms=at_ms, msg=failed)
            self.tell(self.translator.messages(event))

    def close(self) -> None:
        """End it: what runs is interrupted."""
        if self.own_turn is not None:
            self.own_turn[1].cancel()
        self._stop.set()

    def bring(self, client: Client, specs: Sequence[DynamicToolSpec]) -> None:
        """Offer the model the tools of a client. Before the first turn."""
        tools = {spec.model_name: DynamicTool(spec, self.dynamic) for spec in specs}
        self.dynamic.owner = client
        self.state.bring(tools)

    async def submit(self, op: Op) -> None:
        """Hand in an op. Raises `RpcError` when the thread has ended."""
        await self._ready.wait()
        if self.thread is None or self.closed.is_set():
            raise RpcError(f"thread not found: {self.id}")
        await self.thread.submit(op)

    async def _pump(self, thread: Thread, tasks: Any) -> None:
        while True:
            try:
                event = await thread.next_event()
            except EndOfThread:
                self._stop.set()
                return
            self._hear(event, tasks)

    def _hear(self, event: Event, tasks: Any) -> None:
        msg = event.msg
        self._idle.touch()
        if event.turn_id is not None:
            self.updated_s = event.at_ms // 1000
        if isinstance(msg, ToolInputDelta):
            self.tell(self._patches.take(str(event.turn_id or ""), msg))
            return
        if self._patches.under_way:
            self.tell(self._patches.end())
        if isinstance(msg, TurnStarted):
            self.tell_settings()
        match msg:
            case ApprovalRequested() | QuestionsAsked() | ElicitationRequested():
                self._ask(event, msg, tasks)
            case ApprovalResolved():
                self._resolve(msg, event.at_ms)
            case OpRejected():
                self.tell(self.translator.rejected(msg.op, msg.message))
            case _:
                item = getattr(msg, "item", None)
                if isinstance(item, UserMessageItem) and not self.preview:
                    self.preview = " ".join(getattr(part, "text", "") for part in item.content).strip()
                self.tell(self.translator.messages(event))
                if isinstance(msg, ItemStarted):
                    self.dynamic.heard(msg.item.id)
        if isinstance(msg, TurnCompleted | TurnFailed | TurnInterrupted):
            self.dynamic.end_turn()
        if self.has_active_goal and isinstance(msg, TurnCompleted | TurnFailed | TurnInterrupted):
            spend = Spent(tokens=msg.usage.total_tokens, seconds=round(msg.duration_ms / 1000))
            self._server.start(partial(charge, self._server, self, str(event.turn_id or ""), spend))

    def tell(self, messages: Iterable[Message]) -> None:
        """Notify every listener. What is told while a resume still reads is for the one who asked for it."""
        for method, params, droppable in messages:
            if self._unheard is not None:
                self._unheard.append((method, params, droppable))
            for client in self.listeners:
                client.notify(method, params, droppable=droppable)

    def tell_settings(self) -> None:
        """Notify of the settings if they are others than those that were told last."""
        found = settings_of(self)
        if found != self._settings:
            self._settings = found
            params = {"threadId": self.id, "threadSettings": found}
            self.tell([("thread/settings/updated", params, False)])

    # -- questions -------------------------------------------------------------------------------

    def _ask(self, event: Event, request: Asked, tasks: Any) -> None:
        turn_id = str(event.turn_id or "")
        if isinstance(request, ApprovalRequested):
            self.tell(self.translator.proposed(turn_id, request, event.at_ms))
            if self.state.gate.reviewer is not None:
                place = {"threadId": self.id, "turnId": turn_id}
                started = review_started(place, request, event.at_ms, self.state.cwd)
                self._reviews[request.approval_id] = started
                self.tell([("item/autoApprovalReview/started", started, False)])
        self.tell(self.translator.waiting(1, _flag(request)))
        self._questions.ask(turn_id, request, event.at_ms, tasks)

    def _resolve(self, msg: ApprovalResolved, at_ms: int) -> None:
        request = self._questions.resolve(msg)
        if request is None:
            return
        if (started := self._reviews.pop(msg.approval_id, None)) is not None:
            completed = review_completed(started, msg, at_ms)
            self.tell([("item/autoApprovalReview/completed", completed, False)])
        self.tell(self.translator.waiting(-1, _flag(request)))
        if msg.decision in REFUSALS and not isinstance(request, ElicitationRequested):
            self.translator.declined(request.call_id)

    # -- listeners -------------------------------------------------------------------------------

    def subscribe(self, client: Client) -> None:
        """Tell this client what happens from now on, and ask it what is open."""
        if client in self.listeners:
            return
        self._idle.stop()
        self.listeners.add(client)
        client.threads.add(self.id)
        unheard, self._unheard = self._unheard or (), None
        for method, params, droppable in unheard:
            client.notify(method, params, droppable=droppable)
        self._questions.join(client)

    def unsubscribe(self, client: Client) -> bool:
        """Stop telling it; whether it was told before. The turn goes on."""
        if client not in self.listeners:
            return False
        self.listeners.discard(client)
        client.threads.discard(self.id)
        self._questions.leave(client)
        if not self.listeners:
            self._idle.watch()
        return True

    async def interrupt(self, turn_id: str) -> None:
        """Stop the turn. Raises `RpcError` when another one, or none, is under way."""
        active = self.active_turn
        if active != turn_id:
            raise RpcError("no active turn to interrupt" if active is None else f"turn not found: {turn_id}")
        if self.own_turn is not None:
            self.own_turn[1].cancel()
        else:
            await self.submit(Interrupt())

    @property
    def active_turn(self) -> str | None:
        """The id of the turn under way."""
        if self.own_turn is not None:
            return self.own_turn[0]
        found = self.thread.active_turn_id if self.thread is not None else None
        return None if found is None else str(found)

    # -- on the wire -----------------------------------------------------------------------------

    def wire(self) -> dict[str, Any]:
        """The thread as clients read it, without its turns."""
        recorder, settings = self.state.recorder, self.state.settings
        return {
            "id": self.id,
            "sessionId": self.id,
            "forkedFromId": self.forked_from,
            "historyMode": self.history_mode,
            "preview": self.preview,
            "ephemeral": self.ephemeral,
            "modelProvider": settings.provider_id,
            "model": settings.model,
            "createdAt": self.created_s,
            "updatedAt": self.updated_s,
            "recencyAt": self.updated_s,
            "status": self.translator.status,
            "path": recorder.path,
            "cwd": self.state.cwd,
            "cliVersion": self._server.version,
            "originator": self.state.originator,
            "threadSource": self.thread_source,
            "source": self.source,
            **self.agent,
            "gitInfo": self.git_info,
            "name": self.name,
            "projectId": None,
            "turns": [],
        }

    def wire_settings(self) -> dict[str, Any]:
        """What the answers to start, resume and fork have beside the thread."""
        settings = self.state.settings
        return {
            "model": settings.model,
            "modelProvider": settings.provider_id,
            "serviceTier": settings.service_tier,
            "cwd": self.state.cwd,
            "runtimeWorkspaceRoots": [self.state.cwd],
            "instructionSources": [],
            "approvalPolicy": wire_approval(settings.approval_policy, settings.granular),
            "approvalsReviewer": "user" if settings.approvals_reviewer is None else "auto_review",
            "sandbox": wire_sandbox(settings.sandbox_policy),
            "activePermissionProfile": None,
            "reasoningEffort": settings.effort,
        }


def _flag(request: Asked) -> str:
    return "waitingOnApproval" if isinstance(request, ApprovalRequested) else "waitingOnUserInput"

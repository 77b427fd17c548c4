"""A thread that is open in this server: its event loop, its listeners, its questions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import (
    ApprovalAnswer,
    ApprovalRequested,
    ApprovalResolved,
    EndOfThread,
    Engine,
    Event,
    Interrupt,
    Op,
    OpenedThread,
    OpRejected,
    ReviewDecision,
    Thread,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    UserMessageItem,
)

from .approvals import question_of
from .goals import Spent, charge
from .items import wire_approval, wire_sandbox
from .translate import Message, Translator
from .wire import RpcError

if TYPE_CHECKING:
    from .client import Client
    from .server import Server

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
        self.source: str | dict[str, Any] = "vscode"
        self.git_info: dict[str, Any] | None = None
        self.created_s = self.updated_s = int(time.time())
        self.translator = Translator(self.id)
        self.listeners: set[Client] = set()
        self.thread: Thread | None = None
        self.has_active_goal = False
        self.own_turn: tuple[str, anyio.CancelScope] | None = None
        """A turn that the user runs without the model: a command of theirs."""
        self._ready = anyio.Event()
        self.closed = anyio.Event()
        self._stop = anyio.Event()
        self._questions: dict[str, _Question] = {}
        self._rejected: str | None = None

    def recall(self, recorded: Mapping[str, Any]) -> None:
        """Take over what the recorded thread, in the wire's form, says of itself."""
        self.preview, self.name, self.source = recorded["preview"], recorded["name"], recorded["source"]
        self.created_s, self.updated_s = recorded["createdAt"], recorded["updatedAt"]
        self.forked_from, self.git_info = recorded["forkedFromId"], recorded["gitInfo"]
        self.history_mode = recorded["historyMode"]

    # -- life ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Open, pass events on until the end, close. One that breaks does not hurt the others."""
        try:
            async with self._opened.running() as thread:
                self.thread = thread
                self._ready.set()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._pump, thread, tasks)
                    await self._stop.wait()
                    tasks.cancel_scope.cancel()
        finally:
            self._ready.set()
            self.closed.set()
            self._server.forget(self)
            self.tell([("thread/closed", {"threadId": self.id}, False)])

    def close(self) -> None:
        """End it: what runs is interrupted."""
        self._stop.set()

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
        if event.turn_id is not None:
            self.updated_s = event.at_ms // 1000
        match msg:
            case ApprovalRequested():
                self._ask(event, msg, tasks)
            case ApprovalResolved():
                self._resolve(msg)
            case OpRejected():
                self.tell([("warning", {"threadId": self.id, "message": msg.message}, False)])
            case _:
                item = getattr(msg, "item", None)
                if isinstance(item, UserMessageItem) and not self.preview:
                    self.preview = " ".join(getattr(part, "text", "") for part in item.content).strip()
                self.tell(self.translator.messages(event))
        if self.has_active_goal and isinstance(msg, TurnCompleted | TurnFailed | TurnInterrupted):
            spend = Spent(tokens=msg.usage.total_tokens, seconds=round(msg.duration_ms / 1000))
            self._server.start(partial(charge, self._server, self, str(event.turn_id or ""), spend))

    def tell(self, messages: Iterable[Message]) -> None:
        """Notify every listener."""
        for method, params, droppable in messages:
            for client in self.listeners:
                client.notify(method, params, droppable=droppable)

    # -- questions -------------------------------------------------------------------------------

    def _ask(self, event: Event, request: ApprovalRequested, tasks: Any) -> None:
        turn_id = str(event.turn_id or "")
        self.tell(self.translator.proposed(turn_id, request, event.at_ms))
        self.tell(self.translator.waiting(1))
        question = self._questions[request.approval_id] = _Question(request, turn_id, event.at_ms)
        for client in self.listeners:
            tasks.start_soon(self._put, question, client)
        question.tasks = tasks

    async def _put(self, question: _Question, client: Client) -> None:
        method, params, read = question_of(self.id, question.turn_id, question.request, question.at_ms)
        with question.scope(client):
            try:
                decision, feedback = read(await client.ask(method, params))
            except RpcError:
                return  # it left, or does not know the question: the others, or it when it is back, may answer
            answer = ApprovalAnswer(approval_id=question.request.approval_id, decision=decision, feedback=feedback)
            if self.thread is not None:
                await self.thread.submit(answer)

    def _resolve(self, msg: ApprovalResolved) -> None:
        question = self._questions.pop(msg.approval_id, None)
        if question is None:
            return
        question.withdraw()
        self.tell(self.translator.waiting(-1))
        if msg.decision in REFUSALS:
            self.translator.declined(question.request.call_id)

    # -- listeners -------------------------------------------------------------------------------

    def subscribe(self, client: Client) -> None:
        """Tell this client what happens from now on, and ask it what is open."""
        if client in self.listeners:
            return
        self.listeners.add(client)
        client.threads.add(self.id)
        for question in self._questions.values():
            question.tasks.start_soon(self._put, question, client)

    def unsubscribe(self, client: Client) -> bool:
        """Stop telling it; whether it was told before. The turn goes on."""
        if client not in self.listeners:
            return False
        self.listeners.discard(client)
        client.threads.discard(self.id)
        for question in self._questions.values():
            question.withdraw(client)
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
            "source": self.source,
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
            "approvalPolicy": wire_approval(settings.approval_policy),
            "approvalsReviewer": "user" if settings.approvals_reviewer is None else "auto_review",
            "sandbox": wire_sandbox(settings.sandbox_policy),
            "activePermissionProfile": None,
            "reasoningEffort": settings.effort,
        }


class _Question:
    """An approval request, put to every listener; the first answer counts."""

    def __init__(self, request: ApprovalRequested, turn_id: str, at_ms: int) -> None:
        self.request, self.turn_id, self.at_ms = request, turn_id, at_ms
        self.tasks: Any = None
        self._scopes: dict[Client, anyio.CancelScope] = {}

    def scope(self, client: Client) -> anyio.CancelScope:
        found = self._scopes[client] = anyio.CancelScope()
        return found

    def withdraw(self, client: Client | None = None) -> None:
        """Ask no more, or this client no more."""
        for asked, scope in self._scopes.items():
            if client is None or asked is client:
                scope.cancel()

"""What a running tool sees of the kernel: processes, files and questions, each behind policy and sandbox."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from .approval import Gate, confined
from .contracts.network import Permission
from .contracts.policy import PolicyContext
from .contracts.sandbox import ExecRequest, Process
from .contracts.tool import ElicitationAnswer, FileEdit
from .errors import PolicyDenied, SandboxDenied, SandboxError, ToolFailed
from .files import remove_confined, remove_file, replace_confined, replace_file
from .protocol.events import (
    ElicitationRequested,
    ItemCompleted,
    ItemStarted,
    ItemUpdated,
    NetworkDecided,
    Notice,
    OutputDelta,
    Question,
    StreamRetry,
)
from .protocol.ids import ApprovalId, ThreadId, TurnId, new_item_id
from .protocol.policy import (
    ApprovalPolicy,
    Decision,
    EditIntent,
    Grant,
    Intent,
    NetworkIntent,
    NetworkMode,
    RunIntent,
    SandboxMode,
    SandboxPolicy,
    SandboxPreference,
    ToolIntent,
    Verdict,
)
from .protocol.response_items import HistoryEntry, ResponseItem
from .protocol.thread_items import ThreadItem
from .protocol.usage import TokenUsage
from .sampling import sample
from .turn_opening import model_request

if TYPE_CHECKING:
    from .protocol.events import EventMsg
    from .recorder import Recorder
    from .turn import Turn


class KernelToolContext:
    """One per call. Implements the `ToolContext` contract."""

    def __init__(self, turn: Turn, call_id: str) -> None:
        self._turn = turn
        self._call_id = call_id

    @property
    def thread_id(self) -> ThreadId:
        """The thread."""
        return self._turn.state.recorder.thread_id

    @property
    def turn_id(self) -> TurnId:
        """The turn."""
        return self._turn.turn_id

    @property
    def cwd(self) -> str:
        """The working directory of the turn."""
        return self._turn.state.cwd

    @property
    def sandbox_policy(self) -> SandboxPolicy:
        """The policy of the turn."""
        return self._turn.state.settings.sandbox_policy

    @property
    def approval_policy(self) -> ApprovalPolicy:
        """When the user is asked."""
        return self._turn.state.settings.approval_policy

    # -- acting ----------------------------------------------------------------------------------

    async def exec(self, request: ExecRequest, intent: RunIntent) -> Process:
        """Run a program behind policy and sandbox."""
        policy = self._policy()
        if not policy.unconfined and self._turn.state.sandbox.preference is SandboxPreference.FORBID:
            why = intent.justification or '[sandbox] preference = "forbid"'
            intent = intent.replace(escalated=True, justification=why)
        verdict = await self._require(intent)
        if intent.escalated or verdict.bypass_sandbox:
            policy = policy.replace(mode=SandboxMode.DANGER_FULL_ACCESS)
        policy = policy.extended(intent.additional)
        request = await self._turn.state.guards.exec_begins(self._call_id, request, policy)
        try:
            process = await self._spawn(request, policy, intent)
        except SandboxDenied as error:
            raise ToolFailed(f"the sandbox refused it: {error}") from error
        except SandboxError as error:
            self._turn.notify_once("error", str(error))
            raise PolicyDenied(f"the command was not run: {error}") from error
        except FileNotFoundError as error:
            raise ToolFailed(f"no such program or folder: {error.filename or request.argv[0]}") from error
        except ValueError as error:  # a NUL in an argument, say
            raise ToolFailed(f"{request.argv[0]!r} cannot be started: {error}") from error
        except OSError as error:
            raise ToolFailed(f"{request.argv[0]} cannot be started: {error.strerror or error}") from error
        self._turn.state.own(process)
        return process

    async def _spawn(self, request: ExecRequest, policy: SandboxPolicy, intent: RunIntent) -> Process:
        state = self._turn.state
        backend = await state.sandbox.backend(policy)
        if policy.network is not NetworkMode.PROXIED or policy.network_rules is None:
            return await backend.spawn(request, policy)
        session = state.proxy().open(policy.network_rules, self._permission(intent))
        session.on_refusal = self._note_refusal
        state.serve(session)
        try:
            return await backend.spawn(request.replace(network=session), policy)
        except BaseException:
            session.close()
            raise

    def _permission(self, command: RunIntent) -> Permission:
        """Asks the gate about the hosts of one command; what is approved once holds for the command."""
        import anyio

        answers: dict[tuple[str, int, str], str | None] = {}
        one_at_a_time = anyio.Lock()

        async def permission(intent: NetworkIntent) -> str | None:
            key = (intent.host, intent.port, intent.protocol)
            async with one_at_a_time:
                if key not in answers:
                    answers[key] = await self._may_reach(intent.replace(command=command.display))
                return answers[key]

        return permission

    async def _may_reach(self, intent: NetworkIntent) -> str | None:
        recorder, decision, source = self._turn.state.recorder, Decision.ALLOW, ""
        try:
            verdict = await self._require(intent)
            source = verdict.source
        except PolicyDenied as error:
            decision, source = Decision.FORBIDDEN, str(error)
        await recorder.emit(self._decided(intent, decision, source), turn_id=self.turn_id)
        return None if decision is Decision.ALLOW else source

    def _note_refusal(self, intent: NetworkIntent, reason: str) -> None:
        self._turn.state.recorder.emit_nowait(self._decided(intent, Decision.FORBIDDEN, f"proxy: {reason}"))

    def _decided(self, intent: NetworkIntent, decision: Decision, source: str) -> NetworkDecided:
        from .log import logger

        place = f"{intent.host}:{intent.port}"
        logger().info("network", host=place, protocol=intent.protocol, decision=decision.value, source=source)
        return NetworkDecided(
            call_id=self._call_id,
            host=intent.host,
            port=intent.port,
            protocol=intent.protocol,
            decision=decision,
            source=source,
        )

    async def edit_files(self, edits: Sequence[FileEdit], *, summary: str = "") -> Sequence[FileEdit]:
        """Change files behind policy, confined to the writable roots unless approved."""
        paths = [edit.path for edit in edits] + [edit.move_from for edit in edits if edit.move_from]
        intent = EditIntent(paths=tuple(dict.fromkeys(paths)), cwd=self.cwd, summary=summary)
        verdict = await self._require(intent)
        if (given := verdict.edited) is not None:
            edits = [edit.replace(content=given[edit.path]) for edit in edits if edit.path in given]
            self._turn.notes[self._call_id] = verdict.note
        await self._turn.state.guards.edits_begin(self._call_id, edits)
        roots = self._roots()
        written: list[str] = []
        for edit in edits:
            try:
                self._apply(edit, roots)
            except OSError as error:
                done = f"; already written: {', '.join(written)}" if written else ""
                raise ToolFailed(f"Failed to write file {edit.path}: {error.strerror or error}{done}") from error
            written.append(edit.path)
        return edits

    def _apply(self, edit: FileEdit, roots: Sequence[str]) -> None:
        if edit.content is None:
            self._remove(edit.path, roots)
            return
        mode = _mode_of(edit.move_from) if edit.move_from is not None else None
        place = self._confined(edit.path, roots)
        if place is None:
            replace_file(edit.path, edit.content, mode=mode)  # unconfined, or outside the roots and approved
        else:
            replace_confined(place, edit.content, mode=mode)
        if edit.move_from is not None:
            self._remove(edit.move_from, roots)

    def _remove(self, path: str, roots: Sequence[str]) -> None:
        if self._confined(path, roots) is None:
            remove_file(path)  # unconfined, or approved
        else:
            remove_confined(path, roots)

    async def authorize(self, intent: ToolIntent) -> Grant | None:
        """Pass the gate for anything else."""
        return (await self._require(intent)).grant

    async def ask(self, questions: Sequence[Question]) -> Mapping[str, tuple[str, ...]]:
        """Ask whoever drives the thread, if that can answer."""
        if not self._turn.state.answers_questions:
            names = ", ".join(question.header or question.id for question in questions)
            raise PolicyDenied(f"nobody is there to answer ({names}): decide by yourself and say how you decided")
        async with self._turn.asking():
            return await self._turn.state.gate.ask(questions, self._call_id)

    async def elicit(
        self,
        server: str,
        message: str,
        *,
        schema: Mapping[str, Any] | None = None,
        url: str | None = None,
        raw: Mapping[str, Any] | None = None,
    ) -> ElicitationAnswer:
        """Ask whoever drives the thread, if that can answer."""
        if not self._turn.state.answers_questions:
            raise PolicyDenied(f"nobody is there to answer {server}")
        asked = ElicitationRequested(
            approval_id=ApprovalId(new_item_id()),
            call_id=self._call_id,
            server=server,
            message=message,
            schema=schema,
            url=url,
            raw=raw or {},
        )
        async with self._turn.asking():
            return await self._turn.state.gate.elicit(asked)

    async def sample(self, items: Sequence[ResponseItem], *, instructions: str = "") -> Sequence[ResponseItem]:
        """One request beside the turn."""
        state = self._turn.state
        request = model_request(state, self.turn_id, None).replace(
            input=tuple(HistoryEntry.of(item) for item in items),
            instructions=instructions,
            tools=(),
            want_deltas=False,
        )
        response = await sample(state.provider, request, state.provider_info, _Aside(state.recorder), state.guards)
        await state.recorder.emit(self._turn.count_aside(response.usage or TokenUsage()))
        return response.items

    async def _require(self, intent: Intent) -> Verdict:
        state = self._turn.state
        context = PolicyContext(
            approval_policy=self.approval_policy,
            sandbox_policy=self._policy(),
            cwd=self.cwd,
            granular=state.settings.granular,
        )
        gate: Gate = state.gate
        # A host may be asked for at any time, also while the model answers: the turn does not wait for it.
        asking = nullcontext if isinstance(intent, NetworkIntent) else self._turn.asking
        return await gate.require(intent, context, self._roots(), self._call_id, asking)

    def _policy(self) -> SandboxPolicy:
        return self._turn.state.gate.extended(self.sandbox_policy.anchored(self.cwd))

    def _roots(self) -> tuple[str, ...]:
        return self._policy().roots(self.cwd, self._turn.state.environ.get("TMPDIR"))

    def _confined(self, path: str, roots: Sequence[str]) -> str | None:
        return None if self.sandbox_policy.unconfined else confined(path, self._policy(), roots)

    # -- telling ---------------------------------------------------------------------------------

    async def item_started(self, item: ThreadItem) -> None:
        """Show an item that begins."""
        self._turn.note_item(item)
        await self._turn.state.recorder.emit(ItemStarted(item=item), turn_id=self.turn_id)

    async def item_updated(self, item: ThreadItem) -> None:
        """Show a new state of an item."""
        self._turn.note_item(item)
        await self._turn.state.recorder.emit(ItemUpdated(item=item), turn_id=self.turn_id)

    async def item_completed(self, item: ThreadItem) -> None:
        """Record an item, then show it."""
        self._turn.note_done(item)
        await self._turn.state.recorder.emit(ItemCompleted(item=item), turn_id=self.turn_id)

    async def output_delta(self, item_id: str, chunk: bytes) -> None:
        """Show output as it comes, if anybody looks."""
        if self._turn.state.want_deltas:
            await self._turn.state.recorder.stream(OutputDelta(item_id=item_id, chunk=chunk))


class _Aside:
    """Shows of a request beside the turn only what went wrong with it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def stream(self, *messages: EventMsg) -> None:
        """Deltas are not the turn's."""

    async def emit(self, *messages: EventMsg) -> None:
        """Retries and notices."""
        for message in messages:
            if isinstance(message, StreamRetry | Notice):
                await self._recorder.emit(message)


def _mode_of(path: str) -> int | None:
    """The permissions of a file that moves; None where it cannot be asked, which its removal will tell."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return None

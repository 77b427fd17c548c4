"""Deciding: policies are folded to the strictest answer, and a `prompt` becomes a question to a reviewer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from .contracts.policy import ExecPolicy, PolicyContext
from .errors import PolicyDenied
from .files import resolve_confined
from .protocol.events import ApprovalRequested, ApprovalResolved
from .protocol.ids import ApprovalId, new_item_id
from .protocol.policy import (
    ApprovalPolicy,
    Decision,
    EditIntent,
    Intent,
    ReviewDecision,
    RunIntent,
    SandboxMode,
    SandboxPolicy,
    ToolIntent,
    Verdict,
    strictest,
)

if TYPE_CHECKING:
    import anyio

    from .recorder import Recorder


def writable_roots(policy: SandboxPolicy, cwd: str, environ_tmpdir: str | None) -> tuple[str, ...]:
    """The folders that a policy lets commands and edits write: cwd, the named roots, /tmp and TMPDIR."""
    if policy.mode is not SandboxMode.WORKSPACE_WRITE:
        return ()
    roots = [cwd, *policy.writable_roots]
    if not policy.exclude_slash_tmp and os.path.isdir("/tmp"):  # noqa: S108 - it is what the policy is about
        roots.append("/tmp")  # noqa: S108
    if not policy.exclude_tmpdir_env_var and environ_tmpdir:
        roots.append(environ_tmpdir)
    return tuple(dict.fromkeys(roots))


def fold(verdicts: Iterable[Verdict], default: Verdict) -> Verdict:
    """The strictest of the policies' verdicts; of equally strict ones the first. Without any, the default.

    `bypass_sandbox` holds only if every verdict grants it: adding a policy never loosens a decision.
    """
    found = list(verdicts)
    if not found:
        return default
    decision = strictest(*(verdict.decision for verdict in found))
    leading = next(verdict for verdict in found if verdict.decision is decision)
    return leading.replace(bypass_sandbox=all(verdict.bypass_sandbox for verdict in found))


def by_approval_policy(intent: Intent, context: PolicyContext, roots: Sequence[str]) -> Verdict:
    """What holds where no policy speaks: the approval policy and the sandbox policy alone."""
    source = f"approval policy {context.approval_policy}"
    sandbox = context.sandbox_policy
    match intent:
        case RunIntent(escalated=True) if not sandbox.unconfined:
            return Verdict(
                decision=Decision.PROMPT, reason="the command asks to run outside the sandbox", source=source
            )
        case RunIntent() if context.approval_policy is ApprovalPolicy.UNTRUSTED:
            return Verdict(decision=Decision.PROMPT, reason="the command is not known to be safe", source=source)
        case EditIntent() if not sandbox.unconfined:
            outside = [path for path in intent.paths if resolve_confined(path, roots) is None]
            if outside:
                reason = f"{outside[0]} is outside the writable roots"
                return Verdict(decision=Decision.PROMPT, reason=reason, source=f"sandbox policy {sandbox.mode}")
            if context.approval_policy is ApprovalPolicy.UNTRUSTED:
                return Verdict(decision=Decision.PROMPT, reason="edits are to be confirmed", source=source)
            return Verdict(decision=Decision.ALLOW, source=source)
        case ToolIntent(read_only=False) if context.approval_policy is ApprovalPolicy.UNTRUSTED:
            return Verdict(decision=Decision.PROMPT, reason="the tool may change something", source=source)
        case _:
            return Verdict(decision=Decision.ALLOW, source=source)


class Gate:
    """Judges intents for one thread and keeps the questions that are open."""

    def __init__(self, policies: Sequence[tuple[str, ExecPolicy]], recorder: Recorder) -> None:
        self._policies = policies
        self._recorder = recorder
        self._open: dict[ApprovalId, _Question] = {}
        self._granted: set[tuple[object, ...]] = set()

    def judge(self, intent: Intent, context: PolicyContext, roots: Sequence[str]) -> Verdict:
        """The folded verdict; a policy that raises counts as forbidden."""
        verdicts = []
        for name, policy in self._policies:
            try:
                verdict = policy.evaluate(intent, context)
            except Exception as error:  # noqa: BLE001 - a broken guard is a closed gate
                verdict = Verdict(decision=Decision.FORBIDDEN, reason=f"the policy failed: {error}", source=name)
            if verdict is not None:
                verdicts.append(verdict)
        default = by_approval_policy(intent, context, roots)
        if verdicts and _leaves_sandbox(intent, default) and not all(v.bypass_sandbox for v in verdicts):
            verdicts.append(default)  # a mere "allow" is about the command, not about leaving the sandbox
        return fold(verdicts, default)

    async def require(
        self,
        intent: Intent,
        context: PolicyContext,
        roots: Sequence[str],
        call_id: str,
        asking: Callable[[], AbstractAsyncContextManager[None]],
    ) -> Verdict:
        """Return when the intent may go ahead; `asking` is entered while a question is open.
        Raises `PolicyDenied` with words for the model."""
        verdict = self.judge(intent, context, roots)
        if verdict.decision is Decision.ALLOW:
            return verdict
        if verdict.decision is Decision.FORBIDDEN:
            raise PolicyDenied(_refusal("forbidden", verdict))
        if _key(intent) in self._granted:
            return verdict
        if context.approval_policy is ApprovalPolicy.NEVER:
            raise PolicyDenied(
                _refusal("refused", verdict) + ". Nobody can be asked (approval policy never): find another way."
            )
        async with asking():
            await self._ask(intent, verdict, call_id)
        return verdict

    async def _ask(self, intent: Intent, verdict: Verdict, call_id: str) -> None:
        question = _Question(ApprovalId(new_item_id()), verdict.reason)
        self._open[question.id] = question
        try:
            await self._recorder.emit(
                ApprovalRequested(
                    approval_id=question.id,
                    call_id=call_id,
                    intent=intent,
                    reason=verdict.reason,
                    source=verdict.source,
                )
            )
            decision, feedback = await question.wait()
        except BaseException:
            self._recorder.emit_nowait(ApprovalResolved(approval_id=question.id, decision=ReviewDecision.ABORT))
            raise
        finally:
            del self._open[question.id]
        await self._recorder.emit(ApprovalResolved(approval_id=question.id, decision=decision))
        match decision:
            case ReviewDecision.APPROVED:
                return
            case ReviewDecision.APPROVED_FOR_SESSION:
                self._granted.add(_key(intent))
            case ReviewDecision.DENIED:
                raise PolicyDenied("rejected by user" + (f": {feedback}" if feedback else ""))
            case ReviewDecision.ABORT:
                raise PolicyDenied("rejected by user, who stopped the turn", abort=True)

    def answer(self, approval_id: ApprovalId, decision: ReviewDecision, feedback: str) -> bool:
        """Give a question its answer; False if there is none open by this id."""
        question = self._open.get(approval_id)
        return question is not None and question.settle(decision, feedback)

    def open_questions(self) -> list[str]:
        """What is being asked, in words."""
        return [question.text for question in self._open.values()]


class _Question:
    def __init__(self, id: ApprovalId, text: str) -> None:
        import anyio

        self.id = id
        self.text = text
        self._settled: anyio.Event = anyio.Event()
        self._answer = (ReviewDecision.ABORT, "")

    async def wait(self) -> tuple[ReviewDecision, str]:
        await self._settled.wait()
        return self._answer

    def settle(self, decision: ReviewDecision, feedback: str) -> bool:
        if self._settled.is_set():
            return False
        self._answer = (decision, feedback)
        self._settled.set()
        return True


def _leaves_sandbox(intent: Intent, default: Verdict) -> bool:
    if default.decision is Decision.ALLOW:
        return False
    return isinstance(intent, EditIntent) or (isinstance(intent, RunIntent) and intent.escalated)


def _key(intent: Intent) -> tuple[object, ...]:
    match intent:
        case RunIntent():
            return ("run", intent.argv, intent.cwd, intent.escalated)
        case EditIntent():
            return ("edit", *sorted(intent.paths))
        case ToolIntent():
            return ("tool", intent.tool)


def _refusal(word: str, verdict: Verdict) -> str:
    source = f" by {verdict.source}" if verdict.source else ""
    return f"{word}{source}: {verdict.reason}" if verdict.reason else f"{word}{source}"

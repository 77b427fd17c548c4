"""Deciding: policies are folded to the strictest answer, and a `prompt` becomes a question to a reviewer."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from .contracts.policy import AmendingPolicy, ExecPolicy, PolicyContext, Review, Reviewer
from .contracts.tool import ElicitationAnswer
from .errors import CodexError, PolicyDenied
from .files import resolve_confined
from .guards import Guards
from .protocol.events import ApprovalRequested, ApprovalResolved, ElicitationRequested, Notice, Question, QuestionsAsked
from .protocol.ids import ApprovalId, new_item_id
from .protocol.policy import (
    AdditionalPermissions,
    ApprovalPolicy,
    Category,
    Decision,
    EditIntent,
    Grant,
    Intent,
    NetworkIntent,
    PolicyAmendment,
    ReviewDecision,
    RunIntent,
    SandboxPolicy,
    ToolIntent,
    Verdict,
    strictest,
)

if TYPE_CHECKING:
    import anyio

    from .lifecycle import Lifecycle
    from .protocol.ops import ApprovalAnswer
    from .recorder import Recorder


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
    untrusted = context.approval_policy is ApprovalPolicy.UNTRUSTED
    sandbox = context.sandbox_policy

    def prompt(reason: str, source: str = source, category: Category = Category.SANDBOX) -> Verdict:
        return Verdict(decision=Decision.PROMPT, reason=reason, source=source, category=category)

    match intent:
        case RunIntent(escalated=True) if not sandbox.unconfined:
            why = f": {intent.justification}" if intent.justification else ""
            return prompt(f"the command asks to run outside the sandbox{why}")
        case RunIntent(additional=AdditionalPermissions() as extra) if extra and not sandbox.unconfined:
            return prompt(f"the command asks to {extra.in_words()}", category=Category.PERMISSIONS)
        case RunIntent() if untrusted:
            return prompt("the command is not known to be safe")
        case EditIntent() if not sandbox.unconfined:
            outside = [path for path in intent.paths if confined(path, sandbox, roots) is None]
            if outside:
                return prompt(f"{outside[0]} is outside the writable roots", f"sandbox policy {sandbox.mode}")
            return prompt("edits are to be confirmed") if untrusted else Verdict(decision=Decision.ALLOW, source=source)
        case ToolIntent(permissions=AdditionalPermissions() as extra) if extra and not sandbox.unconfined:
            return prompt(f"the commands to come ask to {extra.in_words()}", category=Category.PERMISSIONS)
        case ToolIntent(read_only=False) if untrusted:
            return prompt("the tool may change something")
        case NetworkIntent():
            return _by_network_rules(intent, sandbox)
        case _:
            return Verdict(decision=Decision.ALLOW, source=source)


def _by_network_rules(intent: NetworkIntent, sandbox: SandboxPolicy) -> Verdict:
    rules = sandbox.network_rules
    decision = Decision.FORBIDDEN if rules is None else rules.decision(intent.host)
    reasons = {
        Decision.ALLOW: "",
        Decision.PROMPT: f"the command wants to reach {intent.host}:{intent.port} ({intent.protocol})",
        Decision.FORBIDDEN: f"{intent.host} is not to be reached",
    }
    return Verdict(decision=decision, reason=reasons[decision], source="network domains", category=Category.SANDBOX)


def confined(path: str, policy: SandboxPolicy, roots: Sequence[str]) -> str | None:
    """The real place of a path that the policy lets be written, else None. See `resolve_confined`."""
    found = resolve_confined(path, roots)
    if found is None or not policy.read_only_paths:
        return found
    kept = [os.path.realpath(kept) for kept in policy.read_only_paths]
    return None if any(found == place or found.startswith(place + os.sep) for place in kept) else found


class Gate:
    """Judges intents for one thread and keeps the questions that are open.

    `policies` are (name, policy). Those not named in `may_allow` can only make a decision stricter.
    """

    def __init__(
        self,
        policies: Sequence[tuple[str, ExecPolicy]],
        recorder: Recorder,
        may_allow: frozenset[str] = frozenset({"rules"}),
    ) -> None:
        self._policies = policies
        self._recorder = recorder
        self._may_allow = may_allow
        self.reviewer: tuple[str, Callable[[], Reviewer]] | None = None
        self.lifecycle: Lifecycle | None = None
        self.guards = Guards((), lambda _: None)
        self._open: dict[ApprovalId, _Question] = {}
        self.granted: dict[tuple[object, ...], Grant | None] = {}
        """What was allowed for the session, by what was asked."""
        self.grants: list[Grant] = []
        """By what the sandbox is widened for now. Both are taken along when a thread is opened again."""
        self._told: set[str] = set()

    def judge(self, intent: Intent, context: PolicyContext, roots: Sequence[str]) -> Verdict:
        """The folded verdict; a policy that raises counts as forbidden."""
        verdicts = []
        for name, policy in self._policies:
            try:
                verdict = policy.evaluate(intent, context)
            except Exception as error:  # noqa: BLE001 - a broken guard is a closed gate
                verdict = Verdict(decision=Decision.FORBIDDEN, reason=f"the policy failed: {error}", source=name)
            if verdict is not None and name not in self._may_allow:
                verdict = None if verdict.decision is Decision.ALLOW else verdict.replace(bypass_sandbox=False)
            if verdict is not None:
                verdicts.append(verdict)
        default = by_approval_policy(intent, context, roots)
        leaving = _widens(intent, default) and not all(v.bypass_sandbox for v in verdicts)
        if verdicts and (leaving or default.decision is Decision.FORBIDDEN):
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
        try:
            verdict = await self._settle(intent, context, roots, call_id, asking)
        except PolicyDenied as error:
            self.guards.judged(call_id, intent, None, str(error))
            raise
        self.guards.judged(call_id, intent, verdict)
        return verdict

    async def _settle(
        self,
        intent: Intent,
        context: PolicyContext,
        roots: Sequence[str],
        call_id: str,
        asking: Callable[[], AbstractAsyncContextManager[None]],
    ) -> Verdict:
        verdict = self.judge(intent, context, roots)
        self._tell_problems()
        if verdict.decision is Decision.ALLOW:
            return verdict.replace(grant=self._grant(intent))
        if verdict.decision is Decision.FORBIDDEN:
            raise PolicyDenied(_refusal("forbidden", verdict))
        if _key(intent) in self.granted:
            return verdict.replace(grant=self.granted[_key(intent)])
        if await self._handler_allows(intent, verdict, call_id):
            return verdict.replace(grant=self._grant(intent))
        if nobody := _nobody(context, verdict.category):
            raise PolicyDenied(f"{_refusal('refused', verdict)}. Nobody can be asked ({nobody}): find another way.")
        async with asking():
            return await self._ask(intent, verdict, call_id, context)

    def _grant(self, intent: Intent, answer: _Answer | None = None) -> Grant | None:
        """Widen the sandbox by what was asked for, or the part of it that the answer grants."""
        asked = getattr(intent, "permissions", None)
        if asked is None:
            return None
        answer = answer or _Answer(ReviewDecision.APPROVED)
        granted = asked if answer.granted is None else answer.granted.within(asked)
        grant = Grant(permissions=granted, session=answer.decision is not ReviewDecision.APPROVED)
        self.grants.append(grant)
        return grant

    def extended(self, policy: SandboxPolicy) -> SandboxPolicy:
        """The policy with what has been granted for now."""
        for grant in self.grants:
            policy = policy.extended(grant.permissions)
        return policy

    async def ask(self, questions: Sequence[Question], call_id: str) -> Mapping[str, tuple[str, ...]]:
        """The user's answers by question id. Raises `PolicyDenied` when nobody gives any."""
        asked = QuestionsAsked(approval_id=ApprovalId(new_item_id()), call_id=call_id, questions=tuple(questions))
        answer = await self._put(asked, _Question.wait)
        if answer.decision in (ReviewDecision.DENIED, ReviewDecision.ABORT):
            why = answer.text or "nobody answered"
            raise PolicyDenied(f"{why}: decide by yourself and say how", abort=answer.decision is ReviewDecision.ABORT)
        return answer.answers

    async def relay(self, request: ApprovalRequested, context: PolicyContext) -> Review:
        """The answer to a question of a thread below this one."""
        asked = request.replace(approval_id=ApprovalId(new_item_id()), amendments=())
        answer = await self._put(asked, lambda question: self._answer_of(question, asked, context))
        return Review(decision=answer.decision, reason=answer.text, edited=answer.edited)

    async def elicit(self, asked: ElicitationRequested) -> ElicitationAnswer:
        """The user's answer to what a server asks."""
        answer = await self._put(asked, _Question.wait)
        return ElicitationAnswer(action=_ACTIONS[answer.decision], content=answer.content)

    async def _handler_allows(self, intent: Intent, verdict: Verdict, call_id: str) -> bool:
        """Whether a lifecycle handler answers for the user. Raises `PolicyDenied` when it says no."""
        if self.lifecycle is None or not self.lifecycle.wants("PermissionRequest"):
            return False
        found = await self.lifecycle.fire(
            "PermissionRequest", _subject(intent), intent=intent, tool_use_id=call_id, reason=verdict.reason
        )
        if found.block or found.stop or found.decision is Decision.FORBIDDEN:
            reason = found.block or found.stop or "no reason was given"
            raise PolicyDenied(f"rejected by a hook: {reason}", abort=bool(found.stop))
        return found.decision is Decision.ALLOW

    def _tell_problems(self) -> None:
        """What policies could not read, each once: they find out when they first judge."""
        for _, policy in self._policies:
            for text in getattr(policy, "problems", ()):
                if text not in self._told:
                    self._told.add(text)
                    self._recorder.emit_nowait(Notice(level="warning", message=text))

    async def _ask(self, intent: Intent, verdict: Verdict, call_id: str, context: PolicyContext) -> Verdict:
        proposals = self._proposals(intent, context)
        request = ApprovalRequested(
            approval_id=ApprovalId(new_item_id()),
            call_id=call_id,
            intent=intent,
            reason=verdict.reason,
            source=verdict.source,
            category=verdict.category,
            amendments=tuple(amendment for _, amendment in proposals),
        )
        answer = await self._put(request, lambda question: self._answer_of(question, request, context))
        return verdict.replace(grant=self._carry_out(intent, answer, proposals), edited=answer.edited, note=answer.text)

    async def _put(self, asked: _Asked, answer_of: Callable[[_Question], Awaitable[_Answer]]) -> _Answer:
        question = _Question(asked)
        self._open[question.id] = question
        try:
            await self._recorder.emit(asked)
            answer = await answer_of(question)
        except BaseException:
            self._recorder.emit_nowait(_resolved(question.id, _Answer(ReviewDecision.ABORT, reviewer="turn")))
            raise
        finally:
            del self._open[question.id]
        await self._recorder.emit(_resolved(question.id, answer))
        return answer

    async def _answer_of(self, question: _Question, request: ApprovalRequested, context: PolicyContext) -> _Answer:
        if self.reviewer is None:
            return await question.wait()
        import anyio

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._review, question, request, context)
            answer = await question.wait()
            tasks.cancel_scope.cancel()
        return answer

    async def _review(self, question: _Question, request: ApprovalRequested, context: PolicyContext) -> None:
        assert self.reviewer is not None
        name, reviewer = self.reviewer
        try:
            review = await reviewer().review(request, context)
        except Exception as error:  # noqa: BLE001 - then the user decides, and is told why
            text = f"reviewer {name} failed ({type(error).__name__}: {error}), so the question is left to the user"
            self._recorder.emit_nowait(Notice(level="warning", message=text))
            return
        if review is not None:
            # A rule for good is the user's to give.
            always = review.decision is ReviewDecision.APPROVED_ALWAYS
            decision = ReviewDecision.APPROVED if always else review.decision
            question.settle(_Answer(decision, review.reason, name, edited=review.edited))

    def _proposals(self, intent: Intent, context: PolicyContext) -> list[tuple[AmendingPolicy, PolicyAmendment]]:
        found = []
        for name, policy in self._policies:
            if name in self._may_allow and hasattr(policy, "proposals"):
                amending = cast("AmendingPolicy", policy)
                found += [(amending, amendment) for amendment in amending.proposals(intent, context)]
        return found

    def _carry_out(
        self, intent: Intent, answer: _Answer, proposals: Sequence[tuple[AmendingPolicy, PolicyAmendment]]
    ) -> Grant | None:
        match answer.decision:
            case ReviewDecision.APPROVED:
                return self._grant(intent, answer)
            case ReviewDecision.APPROVED_FOR_SESSION | ReviewDecision.APPROVED_ALWAYS:
                grant = self.granted[_key(intent)] = self._grant(intent, answer)
                for policy, amendment in proposals if answer.decision is ReviewDecision.APPROVED_ALWAYS else ():
                    self._amend(policy, amendment)
                return grant
            case ReviewDecision.DENIED:
                raise PolicyDenied(f"rejected by {answer.reviewer}" + (f": {answer.text}" if answer.text else ""))
            case ReviewDecision.ABORT if answer.reviewer == "turn":
                raise PolicyDenied("the turn ended before anybody answered", abort=True)
            case ReviewDecision.ABORT:
                raise PolicyDenied(f"rejected by {answer.reviewer}, who stopped the turn", abort=True)

    def _amend(self, policy: AmendingPolicy, amendment: PolicyAmendment) -> None:
        try:
            policy.amend(amendment)
        except CodexError as error:
            text = f"the rule {amendment.text} could not be written to {amendment.file}: {error}"
            self._recorder.emit_nowait(Notice(level="error", message=text))
        else:
            text = f"added to {amendment.file}: {amendment.text}"
            self._recorder.emit_nowait(Notice(level="info", message=text, source=amendment.source))

    def answer(self, op: ApprovalAnswer) -> bool:
        """Give a question its answer; False if there is none open by this id."""
        question = self._open.get(op.approval_id)
        answer = _Answer(op.decision, op.feedback, "user", op.granted, op.answers, op.content, op.edited)
        return question is not None and question.settle(answer)

    def end_turn(self) -> None:
        """Resolve what is still asked: nobody will carry out the answer. What was granted for the turn is over."""
        self.grants = [grant for grant in self.grants if grant.session]
        for question in self._open.values():
            question.settle(_Answer(ReviewDecision.ABORT, reviewer="turn"))

    def open_requests(self) -> list[ApprovalRequested]:
        """What is being asked, the oldest first."""
        found = (question.request for question in self._open.values())
        return [request for request in found if isinstance(request, ApprovalRequested)]


class _Answer(NamedTuple):
    decision: ReviewDecision
    text: str = ""
    reviewer: str = "user"
    granted: AdditionalPermissions | None = None
    answers: Mapping[str, tuple[str, ...]] = {}
    content: Mapping[str, Any] | None = None
    edited: Mapping[str, bytes | None] | None = None


_Asked = ApprovalRequested | QuestionsAsked | ElicitationRequested
_ACTIONS = dict.fromkeys(ReviewDecision, "accept") | {
    ReviewDecision.DENIED: "decline",
    ReviewDecision.ABORT: "cancel",
}


def _resolved(id: ApprovalId, answer: _Answer) -> ApprovalResolved:
    return ApprovalResolved(approval_id=id, decision=answer.decision, reviewer=answer.reviewer, reason=answer.text)


class _Question:
    def __init__(self, request: _Asked) -> None:
        import anyio

        self.id = request.approval_id
        self.request = request
        self._settled: anyio.Event = anyio.Event()
        self._answer = _Answer(ReviewDecision.ABORT)

    async def wait(self) -> _Answer:
        await self._settled.wait()
        return self._answer

    def settle(self, answer: _Answer) -> bool:
        if self._settled.is_set():
            return False
        self._answer = answer
        self._settled.set()
        return True


def _widens(intent: Intent, default: Verdict) -> bool:
    if default.decision is Decision.ALLOW:
        return False
    wide = isinstance(intent, RunIntent) and (intent.escalated or bool(intent.additional))
    return wide or isinstance(intent, EditIntent) or bool(getattr(intent, "permissions", None))


def _nobody(context: PolicyContext, category: Category) -> str:
    """Why a question of this kind reaches nobody; empty if it does."""
    if context.approval_policy is ApprovalPolicy.NEVER:
        return "approval policy never"
    if context.granular is not None and not context.granular.asks(category):
        return f"approval policy granular with {category} = false"
    return ""


def _subject(intent: Intent) -> str:
    return intent.tool if isinstance(intent, ToolIntent) else type(intent).__name__.removesuffix("Intent").lower()


def _key(intent: Intent) -> tuple[object, ...]:
    match intent:
        case RunIntent():
            return ("run", intent.argv, intent.cwd, intent.escalated, intent.additional)
        case EditIntent():
            return ("edit", *sorted(intent.paths))
        case ToolIntent():
            return ("tool", intent.tool, intent.permissions)
        case NetworkIntent():
            return ("network", intent.host, intent.port, intent.protocol)


def _refusal(word: str, verdict: Verdict) -> str:
    source = f" by {verdict.source}" if verdict.source else ""
    return f"{word}{source}: {verdict.reason}" if verdict.reason else f"{word}{source}"

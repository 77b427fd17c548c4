"""The contract of an exec policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from ..protocol.events import ApprovalRequested
from ..protocol.policy import (
    ApprovalPolicy,
    GranularApproval,
    Intent,
    PolicyAmendment,
    ReviewDecision,
    SandboxPolicy,
    Verdict,
)
from ..protocol.value import Value, field, value


@value
class PolicySetup(Value):
    """What a policy's factory gets; `options` is the whole configuration, `trusted` whether the project is."""

    codex_home: str
    cwd: str
    options: Mapping[str, object] = field(factory=dict)
    environ: Mapping[str, str] = field(factory=dict, repr=False)
    trusted: bool = False


@value
class PolicyContext(Value):
    """The circumstances of an intent."""

    approval_policy: ApprovalPolicy
    sandbox_policy: SandboxPolicy
    cwd: str
    granular: GranularApproval | None = None


class ExecPolicy(Protocol):
    """Judges what a tool is about to do. All policies are asked; the strictest answer holds.

    An `allow` counts only from policies that the user trusts to allow (`[policies] may_allow`, by default
    `rules`): any other policy can make a decision stricter and never looser.

    A policy may also have `problems: Sequence[str]` (what it could not read, shown once as warnings),
    `proposals(intent, context) -> Sequence[PolicyAmendment]` (rules that would have answered a question about the
    intent) and `amend(amendment) -> None` (write one of them; raises `UserError` or `StoreError`).
    """

    def evaluate(self, intent: Intent, context: PolicyContext) -> Verdict | None:
        """A verdict, or None to stay silent. Synchronous and quick; an exception counts as forbidden."""
        ...


class AmendingPolicy(ExecPolicy, Protocol):
    """A policy that can remember an approval for good."""

    def proposals(self, intent: Intent, context: PolicyContext) -> tuple[PolicyAmendment, ...]:
        """The rules that would have allowed exactly this intent; empty where no rule could without allowing
        more than was shown."""
        ...

    def amend(self, amendment: PolicyAmendment) -> None:
        """Write the rule and heed it from now on."""
        ...


@value
class ReviewerSetup(Value):
    """What a reviewer's factory gets. `sample(instructions, text)` asks the thread's own model one question
    and gives its answer; it raises `ProviderError`."""

    codex_home: str
    options: Mapping[str, object]
    sample: Callable[[str, str], Awaitable[str]] = field(repr=False)


@value
class Review(Value):
    """A reviewer's answer; `reason` is shown to the user, and to the model with a refusal. `edited` is as that of
    `ApprovalAnswer`."""

    decision: ReviewDecision
    reason: str = ""
    edited: Mapping[str, bytes | None] | None = None


class Reviewer(Protocol):
    """Answers approval requests in the user's place."""

    async def review(self, request: ApprovalRequested, context: PolicyContext) -> Review | None:
        """The answer, or None to leave it to the user. An exception counts as None."""
        ...

"""The contract of an exec policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import attrs

from ..protocol.policy import ApprovalPolicy, Intent, SandboxPolicy, Verdict
from ..protocol.value import Value, value


@value
class PolicySetup(Value):
    """What a policy's factory gets."""

    codex_home: str
    cwd: str
    options: Mapping[str, object] = attrs.field(factory=dict)


@value
class PolicyContext(Value):
    """The circumstances of an intent."""

    approval_policy: ApprovalPolicy
    sandbox_policy: SandboxPolicy
    cwd: str


class ExecPolicy(Protocol):
    """Judges what a tool is about to do. All policies are asked; the strictest answer holds."""

    def evaluate(self, intent: Intent, context: PolicyContext) -> Verdict | None:
        """A verdict, or None to stay silent. Synchronous and quick; an exception counts as forbidden."""
        ...

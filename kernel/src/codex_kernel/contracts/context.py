"""The contract of a context source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..protocol.policy import ApprovalPolicy, SandboxPolicy
from ..protocol.value import Value, field, value


@value
class ContextRequest(Value):
    """What a source may look at. `trusted` says whether the project is: what its files say may be shown to the
    model as the project's words, but nothing of it is obeyed otherwise. `user_text` is what the user has just
    written, `skill_folders` the folders of skills that plugins bring, by the plugin's name."""

    cwd: str
    codex_home: str
    approval_policy: ApprovalPolicy
    sandbox_policy: SandboxPolicy
    model: str
    environ: Mapping[str, str] = field(repr=False)
    config: Mapping[str, Any] = field(factory=dict)
    trusted: bool = False
    user_text: str = ""
    skill_folders: Mapping[str, str] = field(factory=dict)


@value
class Fragment(Value):
    """A piece of context for the model.

    `role` is developer (ours) or user (the project's); `kind` names it within its source, and a fragment
    whose text changed between turns is sent again. `notice` is shown to the user (say, that a file was cut); one
    without text is for the user alone.
    """

    kind: str
    text: str
    role: str = "user"
    notice: str = ""


class ContextSource(Protocol):
    """Tells the model something at the start of a turn."""

    def fragments(self, request: ContextRequest) -> Sequence[Fragment]:
        """The fragments for this turn; may read files, must be quick, must not run anything.
        An exception becomes a notice and the turn goes on without the source."""
        ...

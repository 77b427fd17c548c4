"""Ops: the only way into a thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .ids import ApprovalId, TurnId, new_turn_id
from .policy import AdditionalPermissions, ApprovalPolicy, ReviewDecision, SandboxPolicy
from .response_items import ResponseItem
from .value import Value, field, value


@value
class TextInput(Value):
    """Text of the user."""

    text: str


@value
class ImageInput(Value):
    """An image by URL (https or data)."""

    url: str


@value
class LocalImageInput(Value):
    """An image file that the frontend has read: `url` is the data URL of what was in it."""

    path: str
    url: str


UserInput = TextInput | ImageInput | LocalImageInput


@value
class TurnOverrides(Value):
    """Settings that hold from this turn on; None leaves a setting as it is.

    `output_schema` (a JSON Schema for the final message) holds for this turn alone.
    """

    cwd: str | None = None
    model: str | None = None
    effort: str | None = None
    summary: str | None = None
    service_tier: str | None = None
    approval_policy: ApprovalPolicy | None = None
    sandbox_policy: SandboxPolicy | None = None
    output_schema: Mapping[str, Any] | None = None


@value
class UserTurn(Value):
    """Start a turn. Refused with an error event while another turn runs; use `Steer` for that. `client_id` comes back
    with the item of the input."""

    input: tuple[UserInput, ...]
    client_id: str | None = None
    overrides: TurnOverrides = field(factory=TurnOverrides)
    turn_id: TurnId = field(factory=new_turn_id)


@value
class Steer(Value):
    """Add input to the running turn; the model reads it with its next request."""

    input: tuple[UserInput, ...]
    client_id: str | None = None
    expected_turn_id: TurnId | None = None


@value
class Interrupt(Value):
    """Stop the running turn and what it started."""

    reason: str = "interrupted"


@value
class ApprovalAnswer(Value):
    """A reviewer's answer; `feedback` is told to the model with a refusal, and with a change of files that was approved
    as `edited` alone: what the files shall hold instead of what was proposed, by path (None: the file goes; one that is
    left out is not changed). `granted` is how much of the permissions asked for is approved (all, if None); `answers`
    are those to questions, by their ids; `content` is what an elicitation asked for."""

    approval_id: ApprovalId
    decision: ReviewDecision
    feedback: str = ""
    granted: AdditionalPermissions | None = None
    answers: Mapping[str, tuple[str, ...]] = field(factory=dict)
    content: Mapping[str, Any] | None = None
    edited: Mapping[str, bytes | None] | None = None


@value
class Compact(Value):
    """Shorten the history now."""


@value
class InjectItems(Value):
    """Append items to the history without starting a turn."""

    items: tuple[ResponseItem, ...]


@value
class Shutdown(Value):
    """End the thread: interrupt, close tools, flush, then a `ThreadClosed` event."""


Op = UserTurn | Steer | Interrupt | ApprovalAnswer | Compact | InjectItems | Shutdown

"""The contract of lifecycle hooks: what the user's own handlers are told of a thread, and what they may answer.

"Hook" in `LifecycleHooks` is Codex's word (a handler that the user configures), not pluggy's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from ..protocol.events import HookRun
from ..protocol.ids import TurnId
from ..protocol.policy import Decision, Intent, SandboxPolicy
from ..protocol.value import Value, field, value
from .sandbox import ExecRequest, Process

LIFECYCLE_EVENTS = (
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PermissionRequest",
    "PreCompact",
    "PostCompact",
    "SubagentStart",
    "SubagentStop",
    "Stop",
    "SessionEnd",
    "Notification",
)


@value
class LifecycleEvent(Value):
    """Something that happens in a thread. `name` is one of `LIFECYCLE_EVENTS`; `subject` is what matchers are held
    against (the tool's name, how the session started, what a notification is about; else empty); `payload` holds
    JSON values:

    SessionStart source (startup, resume); UserPromptSubmit prompt; PreToolUse tool_name, tool_input, tool_use_id;
    PostToolUse these and tool_response; PermissionRequest tool_use_id, reason, with `intent`; PreCompact and
    PostCompact trigger (auto, manual); SubagentStart and SubagentStop agent_id, agent_type; Stop stop_hook_active,
    last_assistant_message; SessionEnd reason; Notification type, message, and for `agent-turn-complete`
    input_messages and last_assistant_message.
    """

    name: str
    subject: str = ""
    payload: Mapping[str, Any] = field(factory=dict)
    turn_id: TurnId | None = None
    intent: Intent | None = None


@value
class LifecycleOutcome(Value):
    """What the handlers of an event said.

    `block` is why it must not be: a prompt is not sent, a tool does not run, a result is called wrong to the model,
    and after Stop the turn goes on with this text as the model's next task. `stop` ends the turn. `decision`
    answers a PermissionRequest: ALLOW or FORBIDDEN (with `block` as the reason). `updated_input` replaces a tool's
    arguments before policies judge it. `context` is for the model, `messages` for the user.
    """

    block: str = ""
    stop: str = ""
    decision: Decision | None = None
    updated_input: Mapping[str, Any] | None = None
    context: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()


@value
class LifecycleSetup(Value):
    """What a factory gets. `config` is the whole merged table and `origin(key)` the file and line that set a key.
    `spawn` runs a program under a sandbox policy, by the thread's own backend; `trusted` says whether the
    project is; `originator` names the client, as the server is told it; `tell` shows how each handler does."""

    thread_id: str
    codex_home: str
    cwd: str
    model: str
    approval_policy: str
    environ: Mapping[str, str] = field(repr=False)
    config: Mapping[str, Any] = field(repr=False)
    origin: Callable[[str], str]
    spawn: Callable[[ExecRequest, SandboxPolicy], Awaitable[Process]]
    sandbox_policy: SandboxPolicy
    rollout_path: str | None = None
    trusted: bool = False
    originator: str = ""
    tell: Callable[[HookRun], None] = lambda run: None


class LifecycleHooks(Protocol):
    """The user's handlers of one thread."""

    @property
    def wants(self) -> frozenset[str]:
        """Names of the events that have handlers."""
        ...

    async def handle(self, event: LifecycleEvent) -> LifecycleOutcome:
        """Run the handlers of an event. What it raises counts as `block` where something could be blocked. It
        bounds its own time, may be called concurrently, and ends what it started when it is cancelled."""
        ...

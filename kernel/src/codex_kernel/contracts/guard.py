"""The contract of turn guards: they stand where a turn is about to do something, may refuse it, see what came of it.

Budgets, undo journals and traces are guards. Policies judge single intents by rules; lifecycle hooks run the user's own
programs; telemetry only watches, late and lossy. A guard is asked in line, by the kernel itself, and misses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..protocol.events import EventMsg
from ..protocol.ids import ThreadId, TurnId
from ..protocol.policy import Intent, SandboxPolicy, Verdict
from ..protocol.response_items import ResponseItem
from ..protocol.usage import TokenUsage
from ..protocol.value import Value, field, value
from .model import ModelRequest
from .sandbox import ExecRequest
from .tool import FileEdit, ToolCall, ToolOutput


@value
class GuardSetup(Value):
    """What a guard's factory gets, once per thread. `root_id` is the thread at the top of the tree of agents that this
    one belongs to, itself where nobody started it; `parent_id` who started it. `config` is the whole effective
    configuration as plain data; `tell` shows an event; `plugins` gives the versions of all plugins by name."""

    thread_id: ThreadId
    root_id: str
    codex_home: str
    cwd: str
    environ: Mapping[str, str] = field(repr=False)
    tell: Callable[[EventMsg], None] = field(repr=False)
    plugins: Callable[[], Mapping[str, str]] = field(repr=False)
    parent_id: str | None = None
    config: Mapping[str, Any] = field(factory=dict, repr=False)
    rollout_path: str | None = None
    source: str = ""
    resumed: bool = False


@value
class TurnFacts(Value):
    """A turn that begins. `sandbox_policy` is anchored: its roots are absolute."""

    turn_id: TurnId
    cwd: str
    model: str
    sandbox_policy: SandboxPolicy


class TurnGuard:
    """Guards one thread. Override what is needed: here, everything is let through.

    What begins may be refused by raising: a `CodexError` ends the turn with it (`LimitReached`, `StoreError`), and
    `PolicyDenied` from a call, a command or an edit is for the model to read. The synchronous ones may be called before
    there is an event loop, and are quick.
    """

    def turn_begins(self, turn: TurnFacts) -> None:
        """A turn begins, before anything of it is sent or run."""

    def request_begins(self, request: ModelRequest) -> None:
        """A request to the model is about to leave, each attempt: a turn's, a compaction's, a reviewer's, a tool's."""

    def request_ends(
        self,
        request: ModelRequest,
        items: Sequence[ResponseItem],
        usage: TokenUsage | None,
        error: BaseException | None = None,
    ) -> None:
        """It was answered in full, or failed with `error` (a `ProviderError`), or was given up (another `error`); after
        each `request_begins` that let it through. `usage` is None where the server has not told it."""

    async def call_begins(self, call: ToolCall) -> None:
        """A tool is about to run, before policies judge what it does."""

    def call_ends(self, call: ToolCall, output: ToolOutput) -> None:
        """It has run; what the model will read. Not told where the turn was cancelled."""

    async def exec_begins(self, call_id: str, request: ExecRequest, policy: SandboxPolicy) -> ExecRequest:
        """A command that was allowed is about to start under this policy; gives the request that is to be run."""
        return request

    async def edits_begin(self, call_id: str, edits: Sequence[FileEdit]) -> None:
        """Files are about to be changed by a tool that edits them itself, which was allowed."""

    def judged(self, call_id: str, intent: Intent, verdict: Verdict | None, refusal: str = "") -> None:
        """An intent was judged, with the user's answer where one was asked for: `refusal` where it may not go ahead."""

    async def turn_ends(self, turn_id: TurnId, state: str) -> None:
        """The turn is over: completed, failed or interrupted. Told before its last event."""

    async def aclose(self) -> None:
        """The thread ends."""

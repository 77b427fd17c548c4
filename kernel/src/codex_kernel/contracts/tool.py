"""The contract of a tool, and what a tool may ask of the kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs

from ..protocol.ids import ThreadId, TurnId
from ..protocol.policy import ApprovalPolicy, RunIntent, SandboxPolicy, ToolIntent
from ..protocol.response_items import ContentPart
from ..protocol.thread_items import ThreadItem
from ..protocol.value import Value, value
from .model import ToolDefinition
from .sandbox import ExecRequest, Process


@value
class ToolSetup(Value):
    """What a tool's factory gets, once per thread. `spill_dir` (may not exist yet) is for output too
    large for the model; `config` is the whole effective configuration as plain data."""

    thread_id: ThreadId
    codex_home: str
    spill_dir: str
    environ: Mapping[str, str] = attrs.field(repr=False)
    config: Mapping[str, Any] = attrs.field(factory=dict)


@value
class ToolCall(Value):
    """A call by the model. `input` is the raw text: JSON for a function tool, free text for a freeform one.
    `arguments` is the parsed object of a function tool, already checked to be an object with the
    required members; empty for a freeform one."""

    call_id: str
    name: str
    input: str
    arguments: Mapping[str, Any] = attrs.field(factory=dict)
    freeform: bool = False


@value
class ToolOutput(Value):
    """What the model reads: text, or content parts when images are among it. `success` false marks
    a failure for the loop's detection of repeated failing calls."""

    output: str | tuple[ContentPart, ...]
    success: bool = True


@value
class FileEdit(Value):
    """One change of a file, by absolute path: new `content`, or None to delete it. `move_from` is the path
    that vanishes with it. Mode and ownership of an existing file are kept."""

    path: str
    content: bytes | None
    move_from: str | None = None


@value
class Question(Value):
    """A question to the user; `options` are the choices offered, empty for free text."""

    id: str
    header: str
    question: str
    options: tuple[str, ...] = ()


class ToolContext(Protocol):
    """The kernel, as far as a running tool sees it."""

    @property
    def thread_id(self) -> ThreadId: ...

    @property
    def turn_id(self) -> TurnId: ...

    @property
    def cwd(self) -> str:
        """The turn's working directory, absolute."""
        ...

    @property
    def sandbox_policy(self) -> SandboxPolicy: ...

    @property
    def approval_policy(self) -> ApprovalPolicy: ...

    async def exec(self, request: ExecRequest, intent: RunIntent) -> Process:
        """Run a program: policies judge the intent, the user is asked if need be, the sandbox confines it.

        Raises `PolicyDenied`, `SandboxUnavailable`, or `ToolFailed` when it cannot be started. The
        process belongs to the thread: it is ended with the thread, or by `kill_tree`.
        """
        ...

    async def edit_files(self, edits: Sequence[FileEdit], *, summary: str = "") -> None:
        """Change files, confined to the writable roots (symlinks resolved) or approved.

        All paths are judged before the first write. Raises `PolicyDenied`, or `ToolFailed` naming the
        file whose write failed and those already written.
        """
        ...

    async def authorize(self, intent: ToolIntent) -> None:
        """Ask policy, and the user if need be, for something that is neither a command nor an edit.
        Raises `PolicyDenied`."""
        ...

    async def ask(self, questions: Sequence[Question]) -> Mapping[str, str]:
        """Ask the user; answers by question id. Raises `PolicyDenied` where nobody can answer."""
        ...

    async def item_started(self, item: ThreadItem) -> None:
        """Show an item that begins. Its id is by custom the call id."""
        ...

    async def item_updated(self, item: ThreadItem) -> None:
        """Show a new state of an item that has begun."""
        ...

    async def item_completed(self, item: ThreadItem) -> None:
        """Record an item, then show it. Like the others, it may still be called when the call has returned
        (a command that goes on in the background), until the thread closes; the event names the call's turn."""
        ...

    async def output_delta(self, item_id: str, chunk: bytes) -> None:
        """Show output as it comes; not recorded."""
        ...


class Tool(Protocol):
    """Something the model can call. Made once per thread; it may keep state between calls.

    It may also have `claim(call: ToolCall, ctx: ToolContext) -> ToolCall | None`: asked about the calls of other
    tools, it can take one over by giving the call that it will run instead (a shell command that is nothing but a
    patch). It is asked about every call, so it answers fast and changes nothing.
    """

    @property
    def definition(self) -> ToolDefinition:
        """How the model sees it; constant for the life of the object."""
        ...

    @property
    def parallel_safe(self) -> bool:
        """Whether calls may run beside others of the same response."""
        ...

    async def run(self, call: ToolCall, ctx: ToolContext) -> ToolOutput:
        """Do it. `ToolFailed` becomes an output that the model reads; so does any other exception, with
        a notice to the user. Cancelled when the turn is interrupted: release what the call holds."""
        ...

    async def aclose(self) -> None:
        """The thread ends: stop everything that outlived its call."""
        ...

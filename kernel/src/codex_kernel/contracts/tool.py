"""The contract of a tool, and what a tool may ask of the kernel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol

from ..protocol.events import EventMsg, Question
from ..protocol.ids import ThreadId, TurnId
from ..protocol.policy import ApprovalPolicy, Grant, RunIntent, SandboxPolicy, ToolIntent
from ..protocol.response_items import ContentPart, ResponseItem
from ..protocol.thread_items import ThreadItem
from ..protocol.value import Value, field, value
from .model import ToolDefinition
from .sandbox import ExecRequest, Process

if TYPE_CHECKING:
    from .agents import ChildOptions, ChildThread


@value
class ToolSetup(Value):
    """What a tool's factory gets, once per thread. `spill_dir` (may not exist yet) is for output too
    large for the model; `config` is the whole effective configuration as plain data."""

    thread_id: ThreadId
    codex_home: str
    spill_dir: str
    environ: Mapping[str, str] = field(repr=False)
    config: Mapping[str, Any] = field(factory=dict)


@value
class ToolCall(Value):
    """A call by the model. `input` is the raw text: JSON for a function tool, free text for a freeform one.
    `arguments` is the parsed object of a function tool, already checked to be an object with the
    required members; empty for a freeform one."""

    call_id: str
    name: str
    input: str
    arguments: Mapping[str, Any] = field(factory=dict)
    freeform: bool = False


@value
class ToolOutput(Value):
    """What the model reads: text, or content parts when images are among it. `success` false marks
    a failure for the loop's detection of repeated failing calls; `goes_on` says that what the call started has not
    ended, and may still change things."""

    output: str | tuple[ContentPart, ...]
    success: bool = True
    goes_on: bool = False


@value
class FileEdit(Value):
    """One change of a file, by absolute path: new `content`, or None to delete it. `move_from` is the path
    that vanishes with it. Mode and ownership of an existing file are kept."""

    path: str
    content: bytes | None
    move_from: str | None = None


@value
class ElicitationAnswer(Value):
    """What came of an elicitation: `action` is accept, decline or cancel, as MCP has it."""

    action: str
    content: Mapping[str, Any] | None = None


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

    async def edit_files(self, edits: Sequence[FileEdit], *, summary: str = "") -> Sequence[FileEdit]:
        """Change files, confined to the writable roots (symlinks resolved) or approved.

        Gives what was written: who approves may leave out edits, or change their content. The model is told of that
        with the call's output. All paths are judged before the first write. Raises `PolicyDenied`, or `ToolFailed`
        naming the file whose write failed and those already written.
        """
        ...

    async def authorize(self, intent: ToolIntent) -> Grant | None:
        """Ask policy, and the user if need be, for something that is neither a command nor an edit; what was
        granted, for an intent with `permissions`. Raises `PolicyDenied`."""
        ...

    async def ask(self, questions: Sequence[Question]) -> Mapping[str, tuple[str, ...]]:
        """Ask the user; answers by question id, each what was chosen or written. Raises `PolicyDenied` where
        nobody can answer, or nobody does."""
        ...

    async def elicit(
        self,
        server: str,
        message: str,
        *,
        schema: Mapping[str, Any] | None = None,
        url: str | None = None,
        raw: Mapping[str, Any] | None = None,
    ) -> ElicitationAnswer:
        """Ask the user what a server asks: to fill in the form of `schema`, or to open `url`. Raises `PolicyDenied`
        where nobody can answer."""
        ...

    async def sample(self, items: Sequence[ResponseItem], *, instructions: str = "") -> Sequence[ResponseItem]:
        """Ask the thread's own model something beside the turn, without tools; counted in the turn's usage. The caller
        has had it authorized. Raises `ProviderError`."""
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

    A freeform tool that changes files may also have `follow_input()`: an object with `feed(text: str) -> None` for its
    input as the model writes it, and `changes() -> Sequence[FileChange]` for what it comes to so far; or None. It
    tells nothing for an input that is not the tool's: frontends do not know whose an input is before it is complete.
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


@value
class ToolSourceSetup(Value):
    """What a tool source's factory gets, once per thread: what tools get, and `tell` for events (`McpServerStatus`),
    `spawn` for programs of its own, which runs them in the sandbox of the thread's settings. `servers` makes the MCP
    servers that plugins offer within this process, by name. `answers_questions` says whether anybody can be asked,
    `trusted` whether the configuration of the project counts, `sees_images` whether the model reads images, and
    `context_window` how many tokens it reads, None if that is not known. `open_child` opens a thread below this one,
    which is `depth` threads below the one that a user started."""

    tools: ToolSetup
    cwd: str
    tell: Callable[[EventMsg], None] = field(repr=False)
    spawn: Callable[[ExecRequest], Awaitable[Process]] = field(repr=False)
    servers: Mapping[str, Callable[[], Any]] = field(factory=dict)
    sandbox_policy: SandboxPolicy = field(factory=SandboxPolicy)
    answers_questions: bool = False
    trusted: bool = False
    originator: str = ""
    sees_images: bool = True
    context_window: int | None = None
    open_child: Callable[[ChildOptions], AbstractAsyncContextManager[ChildThread]] | None = field(
        default=None, repr=False
    )
    depth: int = 0
    remember: Callable[[Sequence[ResponseItem]], object] | None = field(default=None, repr=False)


class ToolSource(Protocol):
    """Tools that are found while a thread runs, as those of MCP servers. Made once per thread.

    One whose tools are known from the start says so with `immediate = True`: then a first request that can be sent
    before there is an event loop is, with what `tools` gives, without `run` and `ready`."""

    async def run(self) -> None:
        """Find tools and serve them, as long as the thread lives; cancelled at its end, and everything that was started
        must be gone then. What it raises takes the source's tools away and is told; the thread goes on."""
        ...

    async def ready(self) -> None:
        """Wait until `tools` should be asked. Called before each request to the model and cancelled with the turn: it
        waits no longer than its own grace. Raises a `CodexError` where the turn must not go on without the source."""
        ...

    def tools(self) -> Sequence[Tool]:
        """The tools to be offered with the next request, each with a name of its own; they are closed by the source."""
        ...

    async def inquire(self, method: str, params: Mapping[str, Any]) -> Any:
        """Answer a question of a frontend, named and shaped as the app server's methods on MCP servers
        (`mcpServerStatus/list`, `mcpServer/tool/call`, …). Raises `UserError` for what cannot be answered.

        Lists come whole: the frontend cuts pages. `mcpServer/oauthLogin/completed` waits for the end of a login that
        was begun, and answers as that notification. `config/mcpServer/reload` gets the configuration as it is now:
        `config`."""
        ...

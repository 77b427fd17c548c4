"""What stands in for the tools of a replay: the real ones, but for calls whose recorded result is used instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import (
    ContentPart,
    CustomToolCallOutput,
    FunctionCallOutput,
    ToolDefinition,
    ToolFailed,
    ToolOutput,
    decode_item,
)

from .normal import Paths, mapped
from .recording import Body, Recording

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from codex_plugin_sdk import Tool, ToolCall, ToolContext

ABORTED = "aborted by user"
ASKS = frozenset({"request_user_input", "request_permissions"})
"""Tools that ask the user, whose answers were recorded."""
NETWORK = frozenset({"web_search", "web_fetch"})


class Results:
    """The recorded results of calls, and which of them are used instead of running anything."""

    def __init__(self, recording: Recording, paths: Paths, *, may_escalate: bool) -> None:
        self.used: dict[str, str] = {}
        self.interrupt: Callable[[], Awaitable[None]] | None = None
        self._paths = paths
        self._may_escalate = may_escalate
        self._trace = recording.trace
        self._cwd = recording.cwd
        self._outputs: dict[str, Body] = {}
        self._inherited: set[str] = set()
        self._cut_off: set[str] = set()
        for turn in recording.turns:
            self._outputs |= turn.outputs
            if turn.state in ("open", "interrupted"):
                asked = {str(item["call_id"]) for reply in turn.replies for item in reply.items if "call_id" in item}
                self._cut_off |= asked - turn.outputs.keys()
            if turn.inherited:
                self._inherited |= turn.outputs.keys()

    def why(self, call: ToolCall) -> str:
        """Why the recorded result is used, or an empty string: then the call is run."""
        if call.call_id in self._inherited:
            return "inherited by the fork"
        if call.name in ASKS:
            return "asks the user"
        if call.name in NETWORK:
            return "uses the network"
        if not self._may_escalate and call.arguments.get("sandbox_permissions") == "require_escalated":
            return "ran outside the sandbox"
        known = self._trace.calls.get(call.call_id) if self._trace is not None else None
        if known is not None:
            if any(decision.get("refusal") for decision in known.decisions):
                return "was refused"
            if not self._may_escalate and any(_leaves(d, self._cwd) for d in known.decisions):
                return "reached outside the workspace"
        return ""

    def is_aborted(self, call_id: str) -> bool:
        """Whether the call was cut off when it was recorded."""
        output = self._outputs.get(call_id, {}).get("output")
        return call_id in self._cut_off or (isinstance(output, str) and output.endswith(ABORTED))

    def recorded(self, call: ToolCall, why: str) -> ToolOutput:
        """The recorded result of a call. Raises `ToolFailed` where there is none."""
        self.used[call.call_id] = f"{call.name} ({why})"
        raw = self._outputs.get(call.call_id)
        if raw is None:
            raise ToolFailed("no result of this call was recorded")
        item = decode_item(mapped(raw, self._paths.to_scratch))
        if not isinstance(item, FunctionCallOutput | CustomToolCallOutput):
            raise ToolFailed("the recorded result of this call cannot be read")
        output: str | tuple[ContentPart, ...] = item.output
        known = self._trace.calls.get(call.call_id) if self._trace is not None else None
        return ToolOutput(output=output, success=known is None or known.ok is not False)


def _leaves(decision: Body, cwd: str) -> bool:
    """Whether what was judged was allowed to leave the sandbox, or to change files outside the workspace."""
    intent, verdict = decision.get("intent"), decision.get("verdict")
    if not isinstance(intent, Mapping):
        return False
    if intent.get("type") == "EditIntent":
        roots = (cwd.rstrip("/") + "/", "/tmp/")  # noqa: S108 - what the sandbox lets be written beside the workspace
        return any(not str(path).startswith(roots) for path in intent.get("paths", ()))
    bypass = isinstance(verdict, Mapping) and bool(verdict.get("bypass_sandbox"))
    return bool(intent.get("escalated")) or bypass


class StandIn:
    """A real tool that is only run where nothing recorded stands for its call."""

    def __init__(self, tool: Tool, results: Results) -> None:
        self._tool = tool
        self._results = results
        claim = getattr(tool, "claim", None)
        if claim is not None:
            self.claim = claim

    @property
    def definition(self) -> ToolDefinition:
        """The tool's own."""
        return self._tool.definition

    @property
    def parallel_safe(self) -> bool:
        """The tool's own."""
        return self._tool.parallel_safe

    async def run(self, call: ToolCall, ctx: ToolContext) -> ToolOutput:
        """Run it, or give what was recorded."""
        results = self._results
        if results.is_aborted(call.call_id) and results.interrupt is not None:
            import anyio

            results.used[call.call_id] = f"{call.name} (was interrupted)"
            await results.interrupt()
            await anyio.sleep_forever()
        why = results.why(call)
        if why:
            return results.recorded(call, why)
        return await self._tool.run(call, ctx)

    async def aclose(self) -> None:
        """End the tool."""
        await self._tool.aclose()


class RecordedTool:
    """A tool that is not here, or not to be run: of an MCP server, of another program."""

    parallel_safe = True

    def __init__(self, definition: ToolDefinition, results: Results) -> None:
        self._definition = definition
        self._results = results

    @property
    def definition(self) -> ToolDefinition:
        """As the model saw it then."""
        return self._definition

    async def run(self, call: ToolCall, ctx: ToolContext) -> ToolOutput:
        """What was recorded."""
        del ctx
        return self._results.recorded(call, "not run")

    async def aclose(self) -> None:
        """Nothing is held."""


def recorded_definitions(recording: Recording) -> dict[str, ToolDefinition]:
    """The tools that the model saw, by name, in their order: as the trace says, else those that it called."""
    found: dict[str, ToolDefinition] = {}
    trace = recording.trace
    names = dict.fromkeys(request.tools for request in trace.requests) if trace is not None else {}
    for name in names:
        bodies = trace.bodies(name) if trace is not None else None
        for raw in bodies if isinstance(bodies, list) else ():
            if isinstance(raw, dict) and isinstance(raw.get("name"), str):
                found.setdefault(raw["name"], _definition(raw))
    for turn in recording.turns if trace is None else ():
        for item in (item for reply in turn.replies for item in reply.items):
            if isinstance(item.get("name"), str):
                name = f"{item.get('namespace') or ''}{item['name']}"
                freeform = item.get("type") == "custom_tool_call"
                found.setdefault(name, ToolDefinition(name=name, description="", freeform=freeform))
    return found


def _definition(raw: Mapping[str, Any]) -> ToolDefinition:
    known = {name: raw[name] for name in ToolDefinition.field_names() if name in raw}
    return ToolDefinition(**known)

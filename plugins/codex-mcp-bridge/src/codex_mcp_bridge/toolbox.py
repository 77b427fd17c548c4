"""What the model sees of the servers of one thread, and who answers what they ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import Notice

from .deferral import Deferral, threshold_of
from .drift import ApprovedTools
from .elicitation import Elicitor
from .names import Origin, model_names
from .resources import resource_tools
from .results import OUTPUT_TOKENS, Rendering
from .running import RunningCalls
from .safe_text import shown
from .sampling import Sampler
from .schemas import MAX_NODES, HopelessSchema, simplified
from .spill import Spill
from .tool import CallServices, McpTool

if TYPE_CHECKING:
    import mcp.types

    from codex_plugin_sdk import Tool, ToolSourceSetup

    from .server import Server

MAX_TOOLS_PER_SERVER = 2_000
MAX_INSTRUCTIONS_CHARS = 2_000
MAX_NODES_PER_SERVER = 60_000
"""Parts of the schemas of all tools of a server: no server may keep us busy for long."""
_GONE = ("disabled", "cancelled", "notStarted")


class ServerHandlers:
    """Answers the requests of one server, in the types of the `mcp` library."""

    def __init__(self, server: str, setup: ToolSourceSetup, running: RunningCalls) -> None:
        self._cwd = setup.cwd
        self._elicitor = Elicitor(server, setup, running)
        self._sampler = Sampler(server, setup, running)

    async def elicit(self, params: mcp.types.ElicitRequestParams) -> mcp.types.ElicitResult:
        """What the user answers, or what was decided for them; declined while no call of the server runs."""
        return await self._elicitor.elicit(params)

    async def sample(
        self, params: mcp.types.CreateMessageRequestParams
    ) -> mcp.types.CreateMessageResult | mcp.types.ErrorData:
        """What the thread's model answers, if that is allowed; refused while no call of the server runs."""
        return await self._sampler.sample(params)

    async def roots(self) -> mcp.types.ListRootsResult:
        """The workspace folder."""
        from mcp.types import ListRootsResult, Root

        folder = PurePath(self._cwd)
        return ListRootsResult(roots=[Root(uri=folder.as_uri(), name=folder.name or None)])  # type: ignore[arg-type]


class ToolBox:
    """The tools of all `servers` (by name; those that come later are seen, too). `sees_images` says whether the
    model does."""

    def __init__(self, servers: Mapping[str, Server], setup: ToolSourceSetup, *, sees_images: bool = True) -> None:
        self._servers, self._setup = servers, setup
        config = setup.tools.config
        limit = config.get("tool_output_token_limit")
        if isinstance(limit, bool) or not isinstance(limit, int) or limit <= 0:
            limit = OUTPUT_TOKENS
        rendering = Rendering(Spill(setup.tools.spill_dir), limit_tokens=limit, sees_images=sees_images)
        self._services = CallServices(
            rendering=rendering, approved=ApprovedTools(setup.tools.codex_home), warn=self._warn
        )
        self._deferral = Deferral(threshold_of(config, setup.context_window), self._inform)
        self._resource_tools = resource_tools(self._with_resources, rendering)
        self._running: dict[str, RunningCalls] = {}
        self._handlers: dict[str, ServerHandlers] = {}
        self._names: dict[Origin, str] = {}
        self._made: dict[Origin, tuple[mcp.types.Tool, str, str, McpTool | None]] = {}
        self._told: set[str] = set()
        self._nodes: dict[str, int] = {}
        self._stale = True
        self._seen: tuple[Any, ...] = ()

    def changed(self) -> None:
        """A server's list or status has changed: look again before the next request."""
        self._stale = True

    def handlers(self, server: str) -> ServerHandlers:
        """Who answers the requests of a server."""
        if server not in self._handlers:
            self._handlers[server] = ServerHandlers(server, self._setup, self._calls(server))
        return self._handlers[server]

    def tools(self) -> Sequence[Tool]:
        """The tools for the next request: by server and name, the same order whatever came first; with too many of
        them the search and what it found; then those for resources, if there are any."""
        seen = tuple((name, server.status, id(server.tools)) for name, server in sorted(self._servers.items()))
        if self._stale or seen != self._seen:
            self._stale, self._seen = False, seen
            self._take_stock()
        return [*self._deferral.offered(), *(self._resource_tools if self._with_resources() else ())]

    def _take_stock(self) -> None:
        listed = self._listed()
        self._names = model_names(listed, self._names)
        self._nodes.clear()
        made: dict[Origin, Tool] = {}
        kept = {}
        told: set[str] = set()
        for origin, tool in listed.items():
            name, preface = self._names[origin], "" if origin.server in told else self._preface(origin.server)
            known = self._made.get(origin)
            if known is None or known[0] is not tool or known[1:3] != (name, preface):
                known = (tool, name, preface, self._tool(origin, tool, name, preface))
            kept[origin] = known
            if known[3] is not None:
                self._nodes[origin.server] = self._nodes.get(origin.server, 0) + known[3].nodes
                made[origin] = known[3]
                told.add(origin.server)
        self._made = kept
        self._deferral.take(made, self._about(made))

    def _preface(self, server: str) -> str:
        """What a server says of itself, told with the first of its tools."""
        says = self._servers[server].instructions.strip()
        return f"(The MCP server {server} says: {shown(says, MAX_INSTRUCTIONS_CHARS)})" if says else ""

    def _listed(self) -> dict[Origin, mcp.types.Tool]:
        """What is to be offered, by server and name. A server that has ended keeps its tools: a call starts it."""
        found: dict[Origin, mcp.types.Tool] = {}
        for name, server in sorted(self._servers.items()):
            if server.status in _GONE:
                continue
            wanted = [tool for tool in server.tools if server.config.offers(tool.name) and not _hidden(tool)]
            for tool in sorted(wanted, key=lambda one: one.name)[:MAX_TOOLS_PER_SERVER]:
                found.setdefault(Origin(server=name, tool=tool.name), tool)
        return found

    def _tool(self, origin: Origin, tool: mcp.types.Tool, name: str, preface: str) -> McpTool | None:
        spent = self._nodes.get(origin.server, 0)
        if spent > MAX_NODES_PER_SERVER:
            self._warn(f"further tools of {origin.server} are left out: their schemas are too large taken together")
            return None
        try:
            schema = simplified(tool.input_schema)
        except HopelessSchema as error:
            self._nodes[origin.server] = spent + MAX_NODES  # it may have cost as much as the largest
            self._warn(f"the tool {shown(tool.name, 100, lines=False)} of {origin.server} is left out: {error}")
            return None
        return McpTool(
            self._servers[origin.server],
            tool,
            origin,
            name,
            schema,
            services=self._services,
            running=self._calls(origin.server),
            used=self._deferral.used,
            preface=preface,
        )

    def _about(self, tools: Mapping[Origin, Tool]) -> str:
        """The servers for the search tool: names, how many tools, and the first line of what they say of themselves."""
        counts: dict[str, int] = {}
        for origin in tools:
            counts[origin.server] = counts.get(origin.server, 0) + 1
        lines = []
        for name, count in list(counts.items())[:50]:
            says = shown(self._servers[name].instructions.strip().partition("\n")[0], 200, lines=False)
            lines.append(f"- {name} ({count} tools){f': {says}' if says else ''}")
        return "\n".join(["The servers:", *lines]) if lines else ""

    def _calls(self, server: str) -> RunningCalls:
        return self._running.setdefault(server, RunningCalls())

    def _with_resources(self) -> Mapping[str, Server]:
        return {
            name: server
            for name, server in sorted(self._servers.items())
            if server.status not in _GONE and server.capabilities is not None and server.capabilities.resources
        }

    def _warn(self, text: str) -> None:
        self._tell("warning", text)

    def _inform(self, text: str) -> None:
        self._tell("info", text)

    def _tell(self, level: str, text: str) -> None:
        if text not in self._told and len(self._told) < 1_000:
            self._told.add(text)
            self._setup.tell(Notice(level=level, message=text, source="mcp"))


def _hidden(tool: mcp.types.Tool) -> bool:
    """Whether the server says that the tool is for its own pages and not for the model."""
    ui = (tool.meta or {}).get("ui")
    visible = ui.get("visibility") if isinstance(ui, Mapping) else None
    return isinstance(visible, list) and bool(visible) and "model" not in visible

"""MCP over a link: the greeting, the list of tools, and the answers to what a server asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from codex_plugin_sdk import CodexError

if TYPE_CHECKING:
    from mcp import ClientSession, types
    from mcp.client import ClientRequestContext

    from .link import Link
    from .mending import Mending

MAX_TOOL_PAGES = 100
MAX_TOOLS = 2000
MAX_TOOLS_BYTES = 32 * 1024 * 1024
MAX_WAITING_REQUESTS = 8
"""How many requests of a server may wait for an answer at once."""

ResultT = TypeVar("ResultT")


class Handlers(Protocol):
    """Who answers what a server asks. A `CodexError` that is raised becomes an error answer with its text."""

    async def elicit(self, params: types.ElicitRequestParams) -> types.ElicitResult | types.ErrorData:
        """Ask the user."""
        ...

    async def sample(self, params: types.CreateMessageRequestParams) -> types.CreateMessageResult | types.ErrorData:
        """Ask the model."""
        ...

    async def roots(self) -> types.ListRootsResult | types.ErrorData:
        """The workspace."""
        ...


class Answers:
    """The callbacks of one session. `handlers` is asked for when a request comes; `stale` is called when the server
    says that its tools have changed."""

    def __init__(self, handlers: Callable[[], Handlers], stale: Callable[[], None]) -> None:
        self._handlers, self._stale = handlers, stale
        self._waiting = 0

    def session(self, mcp: Any, link: Link) -> ClientSession:
        """A session over the link that answers with these."""
        from codex_plugin_sdk import __version__

        made: ClientSession = mcp.ClientSession(
            link.mending.of(link.read),
            link.write,
            client_info=mcp.types.Implementation(name="codex-mcp-client", title="Codex", version=__version__),
            elicitation_callback=self._elicit,
            sampling_callback=self._sample,
            list_roots_callback=self._roots,
            message_handler=self._message,
        )
        return made

    async def _message(self, message: types.ServerNotification | Exception) -> None:
        from mcp.types import ToolListChangedNotification

        if isinstance(message, ToolListChangedNotification):
            self._stale()

    async def _elicit(
        self, context: ClientRequestContext, params: types.ElicitRequestParams
    ) -> types.ElicitResult | types.ErrorData:
        return await self._answer(context, lambda handlers: handlers.elicit(params))

    async def _sample(
        self, context: ClientRequestContext, params: types.CreateMessageRequestParams
    ) -> types.CreateMessageResult | types.ErrorData:
        return await self._answer(context, lambda handlers: handlers.sample(params))

    async def _roots(self, context: ClientRequestContext) -> types.ListRootsResult | types.ErrorData:
        return await self._answer(context, lambda handlers: handlers.roots())

    async def _answer(
        self, context: ClientRequestContext, ask: Callable[[Handlers], Awaitable[ResultT]]
    ) -> ResultT | types.ErrorData:
        from mcp.types import INVALID_REQUEST, ErrorData

        if context.session.protocol_version is None:
            return ErrorData(code=INVALID_REQUEST, message="the handshake is not complete")
        if self._waiting >= MAX_WAITING_REQUESTS:
            return ErrorData(code=INVALID_REQUEST, message="too many requests wait for an answer already")
        self._waiting += 1
        try:
            return await ask(self._handlers())
        except CodexError as problem:
            return ErrorData(code=INVALID_REQUEST, message=problem.message)
        finally:
            self._waiting -= 1


async def greet(session: ClientSession) -> None:
    """Agree on a protocol. Raises what the library raises."""
    from mcp import MCPError
    from mcp.types import METHOD_NOT_FOUND, UNSUPPORTED_PROTOCOL_VERSION

    try:
        await session.initialize()
    except MCPError as problem:
        if problem.code not in (METHOD_NOT_FOUND, UNSUPPORTED_PROTOCOL_VERSION):
            raise
        await session.discover()  # a server that knows only the protocol without a handshake


async def list_tools(session: ClientSession, mending: Mending) -> tuple[tuple[types.Tool, ...], bool]:
    """The tools on all pages, and whether that is all: neither pages nor tools nor their size are without end. Of
    two tools of one name the first counts. What is defined wrongly is left to `mending`."""
    capabilities = session.server_capabilities
    if capabilities is None or capabilities.tools is None:
        return (), True
    found: dict[str, types.Tool] = {}
    size_bytes = 0
    cursor, seen = None, set()
    for _ in range(MAX_TOOL_PAGES):
        page = await _page(session, mending, cursor)
        for tool in page.tools:
            size_bytes += len(tool.model_dump_json())
            if len(found) >= MAX_TOOLS or size_bytes > MAX_TOOLS_BYTES:
                return tuple(found.values()), False
            found.setdefault(tool.name, tool)
        cursor = page.next_cursor
        if not cursor or cursor in seen:
            return tuple(found.values()), True
        seen.add(cursor)
    return tuple(found.values()), False


async def _page(session: ClientSession, mending: Mending, cursor: str | None) -> types.ListToolsResult:
    from mcp.types import PaginatedRequestParams
    from pydantic import ValidationError

    params = PaginatedRequestParams(cursor=cursor) if cursor else None
    try:
        return await session.list_tools(params=params)
    except ValidationError:
        if mending.wanted:
            raise
        mending.wanted = True  # one tool that is defined wrongly must not cost the others
        return await session.list_tools(params=params)


def is_closed(problem: Exception) -> bool:
    """Whether this is how the library says that the connection is gone; with other words the same code means that
    the stream of one answer is."""
    from mcp import MCPError
    from mcp.types import CONNECTION_CLOSED

    return (
        isinstance(problem, MCPError)
        and problem.code == CONNECTION_CLOSED
        and problem.error.message == "Connection closed"
    )

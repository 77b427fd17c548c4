"""The server `docs`: what this program and its plugins say of themselves, to be searched and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mcp_types as types
from mcp.server.lowlevel.server import Server  # noqa: TID253 - this module is imported when a thread starts the server
from mcp.shared.exceptions import MCPError  # noqa: TID253 - as above

from codex_plugin_sdk import __version__

from .library import Library, Page, excerpt

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext

    Context = ServerRequestContext[Any, Any]

MAX_CHARS = 40_000
"""Of one answer."""
MAX_HITS = 20
SCHEME = "docs://"

TOOLS = (
    types.Tool(
        name="search_docs",
        title="Search the documentation",
        description="Search the documentation of this agent and its installed plugins: settings, commands, limits.",
        input_schema={
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "A few words."},
                "limit": {"type": "integer", "minimum": 1, "maximum": MAX_HITS, "description": "Hits; 5 by default."},
            },
            "required": ["query"],
            "additionalProperties": False,
        },
        annotations=types.ToolAnnotations(read_only_hint=True, open_world_hint=False),
    ),
    types.Tool(
        name="read_docs",
        title="Read the documentation",
        description="Read the documentation of one part of this agent, or the list of parts if none is named.",
        input_schema={
            "type": "object",
            "properties": {
                "name": {"type": "string", "description": "The part, for example codex-exec."},
                "section": {"type": "string", "description": "Only the sections whose headings contain this."},
            },
            "additionalProperties": False,
        },
        annotations=types.ToolAnnotations(read_only_hint=True, open_world_hint=False),
    ),
)


def docs_server(library: Library | None = None) -> Server[Any]:
    """The server over a library, by default that of the installed distributions."""
    handlers = Docs(library or Library())
    return Server(
        "docs",
        title="Documentation",
        version=__version__,
        instructions="Documentation of the agent itself. Search it before you explain or change its configuration.",
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_read_resource=handlers.read_resource,
    )


class Docs:
    """The handlers."""

    def __init__(self, library: Library) -> None:
        self._library = library

    async def list_tools(self, context: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        """Two tools, both read-only."""
        return types.ListToolsResult(tools=list(TOOLS))

    async def call_tool(self, context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        """Carry one out; what cannot be is an error result that says why."""
        given = params.arguments or {}
        try:
            match params.name:
                case "search_docs":
                    text = self._search(given)
                case "read_docs":
                    text = self._read(given)
                case name:
                    raise ValueError(f"there is no tool {name!r}; there are search_docs and read_docs")
        except ValueError as error:
            return types.CallToolResult(content=[types.TextContent(text=str(error))], is_error=True)
        return types.CallToolResult(content=[types.TextContent(text=_cut(text))])

    async def list_resources(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        """One for each part."""
        found = [
            types.Resource(
                uri=f"{SCHEME}{page.name}", name=page.name, description=page.summary, mime_type="text/markdown"
            )
            for page in self._library.pages.values()
        ]
        return types.ListResourcesResult(resources=found)

    async def read_resource(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        """The whole page. Raises `MCPError` for one that is not there."""
        uri = str(params.uri)
        page = self._library.pages.get(uri.removeprefix(SCHEME).strip("/"))
        if page is None or not uri.startswith(SCHEME):
            raise MCPError(code=types.INVALID_PARAMS, message=f"there is no resource {uri:.200}")
        return types.ReadResourceResult(
            contents=[types.TextResourceContents(uri=uri, mime_type="text/markdown", text=page.text)]
        )

    def _search(self, given: dict[str, Any]) -> str:
        query, limit = given.get("query"), given.get("limit", 5)
        if not isinstance(query, str) or not query.strip():
            raise ValueError("`query` must be a few words")
        if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_HITS:
            raise ValueError(f"`limit` must be a number from 1 to {MAX_HITS}")
        found = self._library.search(query, limit)
        if not found:
            return f"Nothing is documented on {query!r}. Parts: {', '.join(self._library.pages)}"
        return "\n\n".join(f"## {section.title}\n{excerpt(section, query)}" for section, _ in found)

    def _read(self, given: dict[str, Any]) -> str:
        name, wanted = given.get("name"), given.get("section")
        pages = self._library.pages
        if name is None:
            return "\n".join(f"{page.name} {page.version}: {page.summary}" for page in pages.values())
        if name not in pages:
            raise ValueError(f"there is no documentation of {name!r}; there is of: {', '.join(pages)}")
        return pages[name].text if wanted is None else self._sections(pages[name], wanted)

    def _sections(self, page: Page, wanted: object) -> str:
        if not isinstance(wanted, str):
            raise ValueError("`section` must be a part of a heading")
        found = [each for each in page.sections() if wanted.lower() in each.title.lower()]
        if not found:
            titles = "; ".join(each.title for each in page.sections())
            raise ValueError(f"{page.name} has no section {wanted!r}; it has: {titles}")
        return "\n\n".join(f"## {each.title}\n{each.text}" for each in found)


def _cut(text: str) -> str:
    if len(text) <= MAX_CHARS:
        return text
    return f"{text[:MAX_CHARS]}\n… {len(text) - MAX_CHARS} characters are left out; ask for a section"

"""A stdio server for tests, written with the official package."""

from __future__ import annotations

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.types import SamplingMessage, TextContent, ToolAnnotations
from pydantic import BaseModel

server = MCPServer("demo", instructions="Counts for you.")
READS = ToolAnnotations(read_only_hint=True)


class Name(BaseModel):
    """A form."""

    name: str


@server.tool(annotations=READS)
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def remove(path: str) -> str:
    """Removes something."""
    return f"removed {path}"


@server.tool(annotations=READS)
def fail(why: str) -> str:
    """Fails."""
    raise ValueError(why)


@server.tool(annotations=READS)
async def greet(ctx: Context) -> str:
    """Asks for a name."""
    answer = await ctx.elicit("Who are you?", schema=Name)
    return f"{answer.action} {answer.data.name if answer.action == 'accept' else ''}".strip()


@server.tool(annotations=READS)
async def consult(question: str, ctx: Context) -> str:
    """Asks the model."""
    message = SamplingMessage(role="user", content=TextContent(text=question))
    answer = await ctx.session.create_message(messages=[message], max_tokens=100)
    return f"it says {answer.content.text}"


@server.tool(annotations=READS)
async def where(ctx: Context) -> str:
    """Asks for the roots."""
    found = await ctx.session.list_roots()
    return str(found.roots[0].uri)


@server.resource("demo://note")
def note() -> str:
    """A note."""
    return "buy milk"


if __name__ == "__main__":
    server.run()

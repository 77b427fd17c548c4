"""A server written with the official package: over stdio, or over streamable HTTP on the port given as argument."""

import sys

from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel

server = MCPServer("official", instructions="Ask me to add.")


class Answer(BaseModel):
    colour: str


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def fail(words: str) -> str:
    """Fail with these words."""
    raise ValueError(words)


@server.tool()
async def count(to: int, ctx: Context) -> str:
    """Count, and tell how far it is."""
    for number in range(to):
        await ctx.report_progress(number + 1, to, f"at {number + 1}")
    return "done"


@server.tool()
async def ask(ctx: Context) -> str:
    """Ask the user for a colour."""
    answer = await ctx.elicit("Which colour?", Answer)
    return f"{answer.action}: {answer.data.colour}" if answer.action == "accept" else answer.action


@server.resource("notes://today")
def today() -> str:
    """What is on today."""
    return "nothing"


@server.resource("notes://{day}")
def note(day: str) -> str:
    """What is on a day."""
    return f"{day}: nothing"


@server.prompt()
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Say hello to {name}."


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        server.run("stdio")

"""The command line of `codex app-server`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

EPILOG = """\b
Examples:
  codex app-server                     for an editor or an SDK that starts it: JSON lines on stdin and stdout
  codex -c model=gpt-5.5 app-server    with a configuration value for all threads"""


@click.command("app-server", epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--listen", default="stdio://", metavar="ADDRESS", help="stdio:// (default).")
@click.pass_obj
def app_server(invocation: Invocation, /, listen: str) -> int:
    """Serve editors and SDKs over JSON-RPC.

    A client starts with `initialize`; docs/app-server.md has the methods and the order of messages. The end of input
    ends the server.
    """
    if listen != "stdio://":
        raise click.UsageError(f"--listen {listen}: only stdio:// is there yet")
    import anyio

    from .server import Server
    from .stdio import serve_stdio

    server = Server(invocation)

    async def main() -> None:
        await server.run(lambda: serve_stdio(server))

    anyio.run(main)
    return 0

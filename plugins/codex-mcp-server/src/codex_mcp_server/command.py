"""The command line of `codex mcp-server`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .address import Address, parse_address

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

EPILOG = """\b
Examples:
  codex mcp-server                                    for an MCP client that starts it: stdin and stdout
  codex -c model=gpt-5.5 mcp-server                   with a configuration value for all sessions
  codex mcp-server --listen http://127.0.0.1:8792     for several clients: http://127.0.0.1:8792/mcp
  codex mcp-server --listen http://0.0.0.0:8792 --token-env CODEX_MCP_TOKEN"""


def _address(context: click.Context, parameter: click.Parameter, given: str) -> Address:
    try:
        return parse_address(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command(
    "mcp-server",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--listen", callback=_address, default="stdio://", metavar="URL", help="stdio:// (default) or http://IP:PORT."
)
@click.option("--token-env", metavar="VAR", help="The variable that holds the bearer token of http://.")
@click.option("--token-file", metavar="PATH", help="The file, mode 0600, that holds it.")
@click.option(
    "--on-disconnect",
    type=click.Choice(["interrupt", "finish"]),
    default="interrupt",
    show_default=True,
    help="What becomes of a turn whose client has gone.",
)
@click.option(
    "--answer-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=1800.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a turn waits for a client that has to come back with an answer.",
)
@click.pass_obj
def mcp_server(
    invocation: Invocation,
    /,
    *,
    listen: Address,
    token_env: str | None,
    token_file: str | None,
    on_disconnect: str,
    answer_timeout: float,
) -> int:
    """Offer the agent as an MCP server.

    The tool `codex` starts a session, `codex-reply` continues one, recorded ones included. What needs an approval is
    asked of the client's user by elicitation. On stdio the end of input ends the server; SIGTERM and SIGINT always do.
    """
    from .serve import serve

    if listen.kind == "stdio" and (token_env or token_file):
        raise click.UsageError("--token-env and --token-file are for --listen http://IP:PORT")
    if token_env and token_file:
        raise click.UsageError("--token-env and --token-file are mutually exclusive")
    serve(
        invocation,
        listen,
        token_env=token_env,
        token_file=token_file,
        finish=on_disconnect == "finish",
        answer_timeout_s=answer_timeout,
    )
    return 0

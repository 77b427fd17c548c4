"""The command lines of `codex mcp`. Nothing of MCP is imported before a server is to be reached."""

from __future__ import annotations

from typing import Any

import click

EPILOG = """\b
Examples:
  codex mcp add wiki -- npx -y some-wiki-server
  codex mcp add work --env REGION=eu -- ./server.py --verbose
  codex mcp add tickets --url https://tickets.example/mcp
  codex mcp login tickets
  codex mcp test wiki                  start it, and show its tools or what keeps it from working

\b
Exit codes:
  0 done   1 not, with the reason   2 usage   3 a configuration that cannot be used
"""
SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _options(function: Any) -> Any:
    for option in (
        click.option("--enable", multiple=True, metavar="FEATURE", help="Enable a feature for this call."),
        click.option("--disable", multiple=True, metavar="FEATURE", help="Disable a feature for this call."),
        click.option("-p", "--profile", metavar="NAME", help="Layer $CODEX_HOME/NAME.config.toml over it."),
        click.option(
            "-c", "--config", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a configuration value (TOML)."
        ),
    ):
        function = option(function)
    return function


def _registration(function: Any) -> Any:
    return click.option(
        "--oauth-client-registration",
        type=click.Choice(["auto", "cimd", "dcr"]),
        default="auto",
        show_default=True,
        help="Be known by a document (cimd) or registered anew (dcr); with auto by the document if there is one.",
    )(function)


class _Add(click.Command):
    """Takes all that follows the program's name as it is, with or without `--` before it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does it, with `--` put where the program begins."""
        return super().parse_args(ctx, self._marked(args))

    def _marked(self, args: list[str]) -> list[str]:
        with_value = {
            name
            for option in self.params
            if isinstance(option, click.Option) and not option.is_flag
            for name in option.opts
        }
        words, index = 0, 0
        while index < len(args) and args[index] != "--":
            if args[index] in with_value:
                index += 1
            elif not args[index].startswith("-"):
                words += 1
                if words > 1:
                    return [*args[:index], "--", *args[index:]]
            index += 1
        return args


@click.group("mcp", epilog=EPILOG, context_settings=SETTINGS)
@_options
def mcp(**_: Any) -> None:
    """Manage the MCP servers whose tools Codex may use."""


@mcp.command("list", context_settings=SETTINGS, short_help="Show the servers.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout, with all values as they are.")
@_options
@click.pass_context
def list_servers(ctx: click.Context, /, **given: Any) -> int:
    """Show the servers of the configuration, and whether those with a URL have a login.

    Values of variables and headers are not shown.
    """
    from .listing import run_list

    return run_list(ctx.obj, _joined(ctx, given))


@mcp.command("get", context_settings=SETTINGS, short_help="Show one server.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout, with all values as they are.")
@_options
@click.pass_context
def get(ctx: click.Context, /, **given: Any) -> int:
    """Show one server. Values of variables and headers are not shown."""
    from .listing import run_get

    return run_get(ctx.obj, _joined(ctx, given))


@mcp.command("add", cls=_Add, context_settings=SETTINGS, short_help="Add or replace a server.")
@click.argument("name")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
@click.option("--env", multiple=True, metavar="KEY=VALUE", help="Variable for the program (repeatable).")
@click.option("--url", metavar="URL", help="Address of a streamable HTTP server.")
@click.option("--bearer-token-env-var", metavar="VAR", help="Variable that holds a bearer token; with --url.")
@click.option("--scopes", metavar="SCOPE,SCOPE", help="Scopes that logins ask for; with --url.")
@click.option("--oauth-client-id", metavar="ID", help="Client that was registered by hand; with --url.")
@click.option("--oauth-client-secret", metavar="SECRET", help="The secret of that client.")
@click.option("--oauth-resource", metavar="RESOURCE", help="Resource that tokens are asked for; with --url.")
@_registration
@_options
@click.pass_context
def add(ctx: click.Context, /, **given: Any) -> int:
    """Add a server to config.toml, or replace the one of that name: a program (after `--`) or a --url.

    Comments and everything else in the file stay. A server with a URL that asks for a login is logged in to at once.
    """
    from .editing import run_add

    return run_add(ctx.obj, _joined(ctx, given))


@mcp.command("remove", context_settings=SETTINGS, short_help="Remove a server.")
@click.argument("name")
@_options
@click.pass_context
def remove(ctx: click.Context, /, **given: Any) -> int:
    """Remove a server from config.toml. Its login, if there is one, stays: see logout."""
    from .editing import run_remove

    return run_remove(ctx.obj, _joined(ctx, given))


@mcp.command("login", context_settings=SETTINGS, short_help="Log in to a server with OAuth.")
@click.argument("name")
@click.option("--scopes", metavar="SCOPE,SCOPE", help="Scopes to ask for, instead of those configured or announced.")
@click.option("--no-browser", is_flag=True, help="Print the URL, and take the URL that the browser ends at from stdin.")
@click.option("--device", is_flag=True, help="Show a code that is entered in a browser on any machine.")
@_registration
@_options
@click.pass_context
def login(ctx: click.Context, /, **given: Any) -> int:
    """Log in to a server with OAuth.

    The URL is printed and opened in a browser, which comes back to an address on this machine. With a browser on
    another machine, copy the URL that it ends at, though the page cannot be shown there, and paste it here; or use
    --device, where the server has such logins.
    """
    from .logging_in import run_login

    return run_login(ctx.obj, _joined(ctx, given))


@mcp.command("logout", context_settings=SETTINGS, short_help="Forget a login.")
@click.argument("name")
@_options
@click.pass_context
def logout(ctx: click.Context, /, **given: Any) -> int:
    """Forget the login to a server."""
    from .logging_in import run_logout

    return run_logout(ctx.obj, _joined(ctx, given))


@mcp.command("test", context_settings=SETTINGS, short_help="Connect to a server and show its tools.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
@_options
@click.pass_context
def test(ctx: click.Context, /, **given: Any) -> int:
    """Connect to a server as a session would, and show its tools; or why it failed, with the program's last words."""
    from .trying import run_test

    return run_test(ctx.obj, _joined(ctx, given))


@mcp.command("prompts", context_settings=SETTINGS, short_help="Show prompts that servers offer.")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
@_options
@click.pass_context
def prompts(ctx: click.Context, /, **given: Any) -> int:
    """Connect to the enabled servers, or to one, and show the prompts that they offer as slash commands.

    Use one in place of a prompt: codex exec '/mcp__wiki__summarize page=Retries'
    """
    from .prompt_list import run_prompts

    return run_prompts(ctx.obj, _joined(ctx, given))


def _joined(ctx: click.Context, given: dict[str, Any]) -> dict[str, Any]:
    """Options of `mcp` hold for its subcommands, where those do not say otherwise."""
    above: dict[str, Any] = ctx.parent.params if ctx.parent else {}
    lists = {name: (*above.get(name, ()), *given[name]) for name in ("overrides", "enable", "disable")}
    return {**given, **lists, "profile": given["profile"] or above.get("profile")}

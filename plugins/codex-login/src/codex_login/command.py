"""The command lines of `codex login`, `codex login status` and `codex logout`."""

from __future__ import annotations

from typing import Any

import click

EPILOG = """\b
Examples:
  codex login                                            asks for the key, which is not shown
  printenv OPENAI_API_KEY | codex login --with-api-key
  codex login status                                     which key counts, and where it is

\b
Exit codes:
  0 stored, or logged in   1 not, with the reason   2 usage   3 a configuration that cannot be used

\b
Configuration:
  cli_auth_credentials_store = "file" | "keyring" | "auto" | "ephemeral"
  forced_login_method = "api" | "chatgpt"
"""
SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_LIKE_A_KEY = 12
"""A word of so many characters may be one; a misspelt option is rather shorter, and is shown."""
_NO_WORDS = "takes no such argument (not shown, it might be a key); pipe a key: codex login --with-api-key"


class _Discreet(click.Command):
    """A key typed in the wrong place must not come back in a message, which a log may keep."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does it; an error that repeats an argument is told in other words."""
        given = {word for arg in args for word in (arg, arg.partition("=")[2], arg.lstrip("-"))}
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            said = error.format_message()
            if any(len(word) >= _LIKE_A_KEY and word in said for word in given):
                raise click.UsageError(f"{ctx.command_path} {_NO_WORDS}", ctx) from None
            raise


class _DiscreetGroup(_Discreet, click.Group):
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The subcommand. Raises `UsageError` that does not repeat what was given."""
        if self.get_command(ctx, args[0]) is None:
            raise click.UsageError(f"{ctx.command_path} {_NO_WORDS}", ctx)
        return super().resolve_command(ctx, args)


def _options(function: Any) -> Any:
    for option in (
        click.option("--enable", multiple=True, hidden=True),
        click.option("--disable", multiple=True, hidden=True),
        click.option("-p", "--profile", metavar="NAME", help="Layer $CODEX_HOME/NAME.config.toml over it."),
        click.option(
            "-c", "--config", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a configuration value (TOML)."
        ),
    ):
        function = option(function)
    return function


@click.group("login", cls=_DiscreetGroup, epilog=EPILOG, context_settings=SETTINGS, invoke_without_command=True)
@click.option("--with-api-key", is_flag=True, help="Read the API key from stdin.")
@click.option("--device-auth", is_flag=True, hidden=True)
@click.option("--with-access-token", is_flag=True, hidden=True)
@click.option("--api-key", is_flag=False, flag_value="", hidden=True)
@_options
@click.pass_context
def login(ctx: click.Context, /, **given: Any) -> int:
    """Store an API key.

    Without an option it is asked for on the terminal and not shown. It is kept in `$CODEX_HOME/auth.json`, which only
    its owner can read, or in the system's keyring where the configuration says so. A key in the environment variables
    CODEX_API_KEY or OPENAI_API_KEY counts before a stored one.
    """
    if ctx.invoked_subcommand is not None:
        if any(given[name] for name in ("with_api_key", "device_auth", "with_access_token")) or given["api_key"]:
            raise click.UsageError(f"`{ctx.invoked_subcommand}` does not go with an option of login", ctx)
        return 0
    from .login import run_login

    return run_login(ctx.obj, given)


@login.command("status", cls=_Discreet, context_settings=SETTINGS, short_help="Show which key counts, and where it is.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
@_options
@click.pass_context
def status(ctx: click.Context, /, **given: Any) -> int:
    """Show which key counts and where it is; of the key itself at most the last four characters.

    The exit code is 0 when there is a key and 1 when there is none. Whether a server accepts it is not asked.
    """
    from .status import run_status

    above: dict[str, Any] = ctx.parent.params if ctx.parent else {}
    return run_status(ctx.obj, _joined(above, given))


@click.command("logout", cls=_Discreet, context_settings=SETTINGS)
@_options
@click.pass_obj
def logout(invocation: Any, /, **given: Any) -> int:
    """Remove what is stored of logins: the key, and a ChatGPT sign-in of another program in the same file.

    The exit code is 0 also when nothing was stored. Environment variables stay as they are.
    """
    from .login import run_logout

    return run_logout(invocation, given)


def _joined(above: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Options of `login` hold for its subcommand, where that does not say otherwise."""
    lists = {name: (*above.get(name, ()), *given[name]) for name in ("overrides", "enable", "disable")}
    return {**given, **lists, "profile": given["profile"] or above.get("profile")}

"""The command line of `codex debug`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

_WITHIN = "debug "
_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_INPUT_EPILOG = """\b
Examples:
  codex debug prompt-input "fix the test" | jq -r '.[].content[].text'
  codex -s workspace-write -a never debug prompt-input -C ~/src/app     as codex exec would begin there
  codex debug prompt-input --json | wc -c"""


def _options(function: Any) -> Any:
    for option in (
        click.option("--disable", multiple=True, metavar="FEATURE", help="Same as -c features.FEATURE=false."),
        click.option("--enable", multiple=True, metavar="FEATURE", help="Same as -c features.FEATURE=true."),
        click.option("-p", "--profile", metavar="NAME", help="Layer $CODEX_HOME/NAME.config.toml over it."),
        click.option(
            "-c", "--config", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a configuration value (TOML)."
        ),
        click.option("-C", "--cd", "cwd", metavar="DIR", help="As if started in this folder."),
    ):
        function = option(function)
    return function


class DebugGroup(click.Group):
    """Has the commands of this plugin, and those that others offer within it: as `debug NAME`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, sorted."""
        offered = (name.removeprefix(_WITHIN) for name in self._offers(ctx) if name.startswith(_WITHIN))
        return sorted({*self.commands, *offered})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command; one of another plugin is imported here."""
        if name in self.commands:
            return self.commands[name]
        offer = self._offers(ctx).get(_WITHIN + name)
        return None if offer is None else offer.spec.load()

    def _offers(self, ctx: click.Context) -> Mapping[str, Any]:
        invocation = ctx.find_root().obj
        return {} if invocation is None else invocation.plugins.commands()


@click.group("debug", cls=DebugGroup, context_settings=_SETTINGS)
def debug() -> None:
    """See what the model is told, which models there are, and what the app server says."""


@debug.command("prompt-input", context_settings=_SETTINGS, epilog=_INPUT_EPILOG)
@click.argument("prompt", required=False)
@_options
@click.option("-i", "--image", "images", multiple=True, metavar="FILE", help="Attach an image to the prompt.")
@click.option("--instructions", is_flag=True, help="Begin with the base instructions, as a developer message.")
@click.option("--json", "as_json", is_flag=True, help="On one line; it is JSON anyway.")
@click.pass_obj
def prompt_input(invocation: Any, /, **given: Any) -> int:
    """Print the input of a first request as JSON: what the model is told before and with PROMPT.

    The items are those of the request itself: developer and user messages with permissions, AGENTS.md, the
    environment and whatever plugins add, then PROMPT. Lifecycle hooks are not run, as they are programs: what they
    would add is missing, and said on stderr.
    """
    from .prompt_input import print_prompt_input

    return print_prompt_input(invocation, given)


@debug.command("models", context_settings=_SETTINGS)
@_options
@click.option("--bundled", is_flag=True, help="Only what is installed with the provider; nothing else is asked anyway.")
@click.pass_obj
def models(invocation: Any, /, **given: Any) -> int:
    """Print the models that the configured provider knows, as JSON.

    `{"models": [...]}` with the configured model among them. A figure that nobody knows is null.
    """
    from .models import print_models

    return print_models(invocation, given)


@debug.group("app-server", context_settings=_SETTINGS)
def app_server() -> None:
    """See what the app server says. The model is asked, and the session recorded."""


_SEND_EPILOG = """\b
Examples:
  codex debug app-server send-message "what is here?"
  codex debug app-server send-message "hello" -c model=gpt-5.5 | grep '"method"'"""


@app_server.command("send-message", context_settings=_SETTINGS, epilog=_SEND_EPILOG)
@click.argument("message")
@_options
@click.pass_obj
def send_message(invocation: Any, /, **given: Any) -> int:
    """Start a server, send MESSAGE as a turn on a new thread, and print all that passes between us.

    What we send has `>` before each line, what the server sends has `<`. Nobody is asked: approvals are declined. The
    exit code is 0 if the turn completed.
    """
    from .send_message import send_message as run

    return run(invocation, given)


app_server.add_command(send_message, "send-message-v2")

"""`codex exec --remote`: the same turn and the same output, with the thread in a server that runs already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import click

from codex_plugin_sdk import TextInput, TurnOverrides, UserTurn, local_image
from codex_plugin_sdk.remote.address import remote_address
from codex_plugin_sdk.remote.thread import RemoteOpening, RemoteOptions

from .last_message import LastMessageFile
from .options import read_schema
from .session import NEWEST, ORIGINATOR, Session, finished, make_renderer, target, whole_prompt

if TYPE_CHECKING:
    from codex_plugin_sdk import Config, Invocation
    from codex_plugin_sdk.remote.address import RemoteAddress

    from .options import ExecOptions


def run_attached(invocation: Invocation, options: ExecOptions, config: Config) -> int:
    """Carry out the command; returns the exit code. Raises `CodexError` for what is wrong before the turn."""
    if options.reviews:
        raise click.UsageError("`codex exec review` does not work with --remote")
    if options.forks:
        raise click.UsageError("`codex exec fork` does not work with --remote")
    options.check_no_review()
    address = remote_address(options.flag("remote"), invocation.environ, options.flag("remote_auth_token_env"))
    if address.is_local:
        options.check_folder(config)
    last_message = LastMessageFile(options.flag("output_last_message"))
    schema = read_schema(options.flag("output_schema"))
    wanted, argument = target(options)
    prompt = whole_prompt(argument, options, config)
    # The server knows its MCP servers, and asks them.
    text = (TextInput(text=prompt),) if isinstance(prompt, str) else prompt.inputs
    renderer = make_renderer(invocation, options, config)
    images = tuple(local_image(path, options.cwd) for path in options.images)
    opening = RemoteOpening(address, _where(options, config, address, wanted))
    opening.begin(UserTurn(input=(*text, *images), overrides=TurnOverrides(output_schema=schema)))
    session = Session(opening, renderer, invocation.debug)

    async def attached() -> None:
        async with opening.connected():
            await session.run()

    anyio.run(attached)
    return finished(session, options, last_message)


def _where(options: ExecOptions, config: Config, address: RemoteAddress, wanted: str | None) -> RemoteOptions:
    newest = "any" if options.flag("all_folders") else "folder"
    return RemoteOptions(
        cwd=options.cwd,
        resume=wanted or None,
        newest=newest if wanted == NEWEST else None,
        ephemeral=bool(options.flag("ephemeral")),
        settings=options.settings_for_server(config, shares_files=address.is_local),
        name=options.environ.get(ORIGINATOR) or "codex_exec",
    )

"""`codex sessions restore`: the command of whoever keeps the quarantine, under the name by which it is sought."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from codex_plugin_sdk import PluginMissing

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation


def restore_held(invocation: Invocation, given: dict[str, Any]) -> int:
    """Call `codex quarantine restore`. Raises `PluginMissing` where no plugin offers it."""
    offer = invocation.plugins.commands().get("quarantine")
    group = offer.spec.load() if offer is not None else None
    context = click.get_current_context()
    command = group.get_command(context, "restore") if isinstance(group, click.Group) else None
    if command is None:
        raise PluginMissing("no plugin that is installed keeps a quarantine", hint="pip install codex-undo")
    return int(context.invoke(command, **given) or 0)

"""What only the user's own terminal can do, and what it says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_plugin_sdk import UserError

from ..session.cells import AgentCell
from .table import COMMANDS, SECTIONS, find

if TYPE_CHECKING:
    from .ui import Ui

KEYS = (
    ("!", "runs a command of your own"),
    ("@", "mentions a file"),
    ("$", "mentions a skill"),
    ("/", "begins a command; a blank in front sends the line as it is"),
)


async def help_(ui: Ui, arguments: str) -> None:
    """All commands, or one."""
    if arguments:
        command = find(arguments.removeprefix("/"))
        if command is None:
            from .line import unknown

            raise unknown(arguments.removeprefix("/"))
        rows = [("usage", f"/{command.name} {command.hint}".strip()), ("does", command.help)]
        rows += [("also", ", ".join(f"/{alias}" for alias in command.aliases))] if command.aliases else []
        rows += [] if command.while_running else [("note", "only while no turn runs")]
        ui.card(f"/{command.name}", rows)
        return
    rows = []
    for section in SECTIONS:
        rows.append(("", section))
        rows += [(f"/{command.name}", command.help) for command in COMMANDS if command.section == section]
    ui.card("Commands", [*rows, ("", "While you write"), *KEYS])
    if not await ui.perform("keys"):
        ui.say("info", "/keymap shows the keys, /help COMMAND one command")


async def quit_(ui: Ui, arguments: str) -> None:
    """Leave."""
    ui.quit()


async def copy(ui: Ui, arguments: str) -> None:
    """Copy the last answer of the agent."""
    answers = [cell for cell in ui.session.transcript if isinstance(cell, AgentCell) and cell.done and cell.text]
    if not answers:
        ui.say("info", "there is no answer to copy yet")
        return
    text = answers[-1].text
    await _do(ui, "copy", text)
    ui.say("info", f"copied {len(text):,} characters")


async def mention(ui: Ui, arguments: str) -> None:
    """Begin the mention of a file where the user writes."""
    ui.set_composer(f"@{arguments} " if arguments else "@")


async def theme(ui: Ui, arguments: str) -> None:
    """Choose the colours."""
    await _do(ui, "theme", arguments)


async def keymap(ui: Ui, arguments: str) -> None:
    """Show the keys."""
    await _do(ui, "keymap", arguments)


async def vim(ui: Ui, arguments: str) -> None:
    """Switch vim keys on or off."""
    await _do(ui, "vim", arguments)


async def transcript(ui: Ui, arguments: str) -> None:
    """Read the whole transcript."""
    await _do(ui, "transcript", arguments)


async def rewind(ui: Ui, arguments: str) -> None:
    """Go back to an earlier message."""
    await _do(ui, "rewind", arguments)


async def trust(ui: Ui, arguments: str) -> None:
    """Look at the project's configuration, and trust it."""
    if not await ui.perform("trust", arguments):
        raise UserError("a project cannot be trusted from here", hint=f"codex trust {ui.session.status.cwd}")


async def _do(ui: Ui, action: str, argument: str) -> None:
    """Raises `UserError` where the user interface cannot."""
    if not await ui.perform(action, argument):
        raise UserError(f"/{action} needs a screen, which this user interface has not")

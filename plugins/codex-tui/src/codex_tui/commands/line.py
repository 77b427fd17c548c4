"""From a line that begins with a slash to what it does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import attrs

from codex_plugin_sdk import CodexError, UserError

from .table import COMMANDS, SlashCommand, find, names

if TYPE_CHECKING:
    from ..session.controller import Session
    from .ui import Ui

DONE, FAILED, SEND = "done", "failed", "send"
_COMMAND = re.compile(r"/([A-Za-z?][\w-]*)(?:\s+(.*))?", re.DOTALL)
Row = tuple[str, str, str]
"""Name without the slash, help, hint of the arguments."""


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of a line. `result` is one of

    - `done`: it was carried out, or the user changed their mind;
    - `failed`: it was not, which is said in the transcript; `text` belongs back into the composer;
    - `send`: it is no command of ours (a prompt, a path, plain text): `text` is input for the agent, and `images` (URLs
      that a prompt brought) with it.
    """

    result: str
    text: str = ""
    images: tuple[str, ...] = ()


async def run_line(ui: Ui, text: str) -> Outcome:
    """Carry out a line of the user's. Raises nothing but cancellation: what goes wrong is said in the transcript."""
    line = text.strip()
    failed = Outcome(result=FAILED, text=text)
    if text[:1].isspace() or not line.startswith("/"):
        return Outcome(result=SEND, text=text)
    try:
        command, arguments = _parse(line)
        if command is None:
            from .prompts import expand

            found = await expand(ui, line)
            return Outcome(result=SEND, text=found.text, images=found.images)
        _check(ui, command, arguments)
        await command.run(ui, arguments)
    except CodexError as error:
        ui.say("error", error.message, error.hint)
        return failed
    except Exception as error:  # a command with a fault does not end the session
        import logging

        logging.getLogger("codex.tui").error("a slash command has a fault: %s", line, exc_info=error)
        ui.say("error", f"{line.split()[0]} has a fault: {type(error).__name__}: {error}", "the log says more: --debug")
        return failed
    return Outcome(result=DONE)


def _parse(line: str) -> tuple[SlashCommand | None, str]:
    """The command with its arguments; None for what only begins like one."""
    found = _COMMAND.fullmatch(line)
    if found is None or found[1].startswith("mcp__"):
        return None, ""
    command = find(found[1])
    if command is None:
        raise unknown(found[1])
    return command, (found[2] or "").strip()


def unknown(name: str) -> UserError:
    """The error for a command that is none."""
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), names(), n=3, cutoff=0.6)
    begun = [known for known in names() if known.startswith(name.lower())]
    meant = list(dict.fromkeys([*begun, *near]))[:3]
    hint = f"did you mean {' or '.join(f'/{word}' for word in meant)}?" if meant else "/help lists all commands."
    return UserError(f"there is no command /{name}", hint=f"{hint} A blank in front sends the line as it is.")


def _check(ui: Ui, command: SlashCommand, arguments: str) -> None:
    if arguments and not command.hint:
        raise UserError(f"/{command.name} takes no arguments", hint="a blank in front sends the line as it is")
    if ui.session.busy and not command.while_running:
        raise UserError(
            f"/{command.name} does not work while a turn runs", hint="wait until it has ended, or stop it with /stop"
        )


# -- prompts -----------------------------------------------------------------------------------------


_OTHERS: WeakKeyDictionary[Session, list[Row]] = WeakKeyDictionary()
_LOADING: WeakKeyDictionary[Session, bool] = WeakKeyDictionary()


async def load_completions(ui: Ui) -> None:
    """Ask for the prompts of files and of MCP servers, which `completions` then has. Waits until servers have started.
    To be called again when they change."""
    from .prompts import listed

    session = ui.session
    _LOADING[session] = True
    try:
        _OTHERS[session] = await listed(ui)
    finally:
        _LOADING[session] = False


def completions(ui: Ui, query: str) -> list[Row]:
    """Commands and prompts that fit what was typed after the slash, the best first. It waits for nothing: prompts are
    asked for in the background when this is first called, and are there the next time."""
    session = ui.session
    if session not in _OTHERS and not _LOADING.get(session) and session.thread_id:
        _LOADING[session] = True
        ui.run_later(lambda: load_completions(ui))
    wanted = query.removeprefix("/").lower()
    ranked: list[tuple[int, int, Row]] = []
    for command in COMMANDS:
        rank = min(_rank(name, wanted) for name in (command.name, *command.aliases))
        ranked.append((rank, len(ranked), (command.name, command.help, command.hint)))
    for row in _OTHERS.get(session, ()):
        ranked.append((_rank(row[0], wanted), len(ranked), row))
    return [row for rank, _, row in sorted(ranked) if rank < _NO]


_NO = 9


def _rank(name: str, wanted: str) -> int:
    """How well a name fits; `_NO` if it does not."""
    name = name.lower()
    if name == wanted or not wanted:
        return 0
    if name.startswith(wanted):
        return 1
    if any(part.startswith(wanted) for part in re.split(r"[-_:]+", name)):
        return 2
    return 3 if wanted in name else _NO

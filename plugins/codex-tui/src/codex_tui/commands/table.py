"""The slash commands. What one does is imported when it is run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from .ui import Ui

Run = Callable[["Ui", str], Awaitable[None]]
SESSION, SETTINGS, WORK = "Session", "Model and permissions", "Work"
INSIDE, TERMINAL, ACCOUNT = "What there is", "This terminal", "Help and account"
SECTIONS = (SESSION, WORK, SETTINGS, INSIDE, TERMINAL, ACCOUNT)
"""In the order of `/help`."""


@attrs.frozen(kw_only=True)
class SlashCommand:
    """One command. `name` and `aliases` have no slash; `hint` shows the arguments; `run` gets the rest of the line and
    raises `CodexError` when it cannot; `while_running` says whether it works during a turn."""

    name: str
    help: str
    hint: str
    run: Run
    while_running: bool
    aliases: tuple[str, ...]
    section: str


def _command(
    section: str,
    name: str,
    place: str,
    help: str,
    hint: str = "",
    *,
    while_running: bool = True,
    aliases: tuple[str, ...] = (),
) -> SlashCommand:
    """`place` is MODULE:FUNCTION in this package."""
    run = _late(place)
    return SlashCommand(
        name=name, help=help, hint=hint, run=run, while_running=while_running, aliases=aliases, section=section
    )


def _late(place: str) -> Run:
    module, _, function = place.partition(":")

    async def run(ui: Ui, arguments: str) -> None:
        from importlib import import_module

        await getattr(import_module(f".{module}", __package__), function)(ui, arguments)

    return run


IDLE = False
"""For `while_running`: only between turns."""
COMMANDS: tuple[SlashCommand, ...] = (
    _command(SETTINGS, "model", "models:model", "Choose the model and how much it thinks", "[NAME [EFFORT]] [keep]"),
    _command(SETTINGS, "effort", "models:effort", "Choose how much the model thinks", "[EFFORT] [keep]"),
    _command(
        SETTINGS,
        "approvals",
        "permissions:approvals",
        "Choose what the agent may do without asking",
        "[read-only | auto | full-access | untrusted | on-request | never]",
    ),
    _command(
        SETTINGS,
        "permissions",
        "permissions:approvals",
        "The same as /approvals",
        "[read-only | auto | full-access | untrusted | on-request | never]",
    ),
    _command(
        SETTINGS,
        "sandbox",
        "permissions:sandbox",
        "Choose what commands may reach",
        "[read-only | workspace-write [network] | danger-full-access]",
    ),
    _command(SETTINGS, "trust", "terminal:trust", "Trust the project of this folder"),
    _command(SESSION, "new", "threads:new", "Begin a new session", while_running=IDLE),
    _command(SESSION, "clear", "threads:clear", "Begin a new session on an empty screen", while_running=IDLE),
    _command(SESSION, "resume", "threads:resume", "Go on with an earlier session", "[ID | NAME]", while_running=IDLE),
    _command(SESSION, "fork", "threads:fork", "Go on in a copy of a session", "[ID | NAME]", while_running=IDLE),
    _command(SESSION, "tree", "threads:tree", "Sessions above and below: forks and sub-agents"),
    _command(SESSION, "rename", "threads:rename", "Give this session a name", "[NAME]", aliases=("name",)),
    _command(SESSION, "archive", "threads:archive", "Put this session aside and begin a new one", while_running=IDLE),
    _command(
        SESSION, "delete", "threads:delete", "Delete a session for good", "[ID | NAME | this] [yes]", while_running=IDLE
    ),
    _command(SESSION, "compact", "turns:compact", "Shorten the history", while_running=IDLE),
    _command(SESSION, "rewind", "terminal:rewind", "Go back to an earlier message", aliases=("backtrack",)),
    _command(SESSION, "context", "reports:context", "What the context window holds"),
    _command(SESSION, "status", "reports:status", "All about this session"),
    _command(SESSION, "cost", "reports:cost", "Tokens and money spent", aliases=("usage",)),
    _command(SESSION, "goal", "turns:goal", "Show or set what this session is to reach", "[TEXT | pause | go | clear]"),
    _command(SESSION, "quit", "terminal:quit_", "Leave", aliases=("exit", "q")),
    _command(WORK, "diff", "diff:diff", "Changes that are not committed, untracked files as well"),
    _command(
        WORK,
        "review",
        "review:review",
        "Have changes reviewed",
        "[uncommitted | base BRANCH | commit SHA | INSTRUCTIONS]",
        while_running=IDLE,
    ),
    _command(
        WORK,
        "undo",
        "undo:undo",
        "Take back what the last turn changed in files",
        "[TURNS] [--conversation] [--partial] [yes]",
        while_running=IDLE,
    ),
    _command(WORK, "redo", "undo:redo", "Bring back what was undone last", "[--partial] [yes]", while_running=IDLE),
    _command(WORK, "plan", "turns:plan", "Show the plan, or ask for one first", "[TASK]"),
    _command(WORK, "init", "turns:init", "Have AGENTS.md written for this folder", "[WISHES]", while_running=IDLE),
    _command(WORK, "ps", "turns:ps", "Commands that run"),
    _command(WORK, "stop", "turns:stop", "Stop the turn and what it runs"),
    _command(WORK, "mention", "terminal:mention", "Mention a file", "[PATH]"),
    _command(WORK, "copy", "terminal:copy", "Copy the last answer"),
    _command(INSIDE, "mcp", "servers:mcp", "MCP servers and their tools", "[NAME | login NAME | reload]"),
    _command(INSIDE, "skills", "skills:skills", "Skills, and switching them on and off", "[on NAME | off NAME]"),
    _command(INSIDE, "plugins", "inside:plugins", "Installed plugins and what became of them", "[NAME]"),
    _command(INSIDE, "agents", "inside:agents", "Sub-agents of this session", "[ID | NICKNAME]", aliases=("agent",)),
    _command(INSIDE, "hooks", "inside:hooks", "Hooks of lifecycle events"),
    _command(INSIDE, "memories", "inside:memories", "What is remembered across sessions"),
    _command(
        INSIDE,
        "experimental",
        "inside:features",
        "Feature flags",
        "[on NAME | off NAME]",
        aliases=("features",),
    ),
    _command(INSIDE, "debug-config", "reports:debug_config", "Where each setting comes from", "[KEY]"),
    _command(TERMINAL, "theme", "terminal:theme", "Choose the colours", "[NAME]"),
    _command(TERMINAL, "keymap", "terminal:keymap", "Keys and what they do"),
    _command(TERMINAL, "vim", "terminal:vim", "Switch vim keys on or off", "[on | off]"),
    _command(TERMINAL, "transcript", "terminal:transcript", "Read the whole transcript"),
    _command(ACCOUNT, "help", "terminal:help_", "Commands and keys", "[COMMAND]", aliases=("?",)),
    _command(ACCOUNT, "feedback", "account:feedback", "Save a report as a file; nothing is sent", "[WHAT HAPPENED]"),
    _command(ACCOUNT, "login", "account:login", "Sign in", "[api-key]", while_running=IDLE),
    _command(ACCOUNT, "logout", "account:logout", "Forget the key that is kept", "[yes]", while_running=IDLE),
)
_BY_NAME = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}


def find(name: str) -> SlashCommand | None:
    """The command of a name or an alias."""
    return _BY_NAME.get(name.lower())


def names() -> list[str]:
    """All names and aliases."""
    return list(_BY_NAME)

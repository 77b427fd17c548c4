"""The tool `git`: takes over shell commands that are nothing but git commands which write the repository."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ToolCall, ToolContext, ToolDefinition, ToolFailed, ToolOutput, ToolSetup

if TYPE_CHECKING:
    import anyio

    from .plan import Plan
    from .repository import Repository

SHELL_TOOL = "exec_command"
"""The tool through which models run commands, by the name that they know."""
_SHELLS = ("bash", "zsh", "sh")
_OUTPUT_TOKENS = 10_000

DEFINITION = ToolDefinition(
    name="git",
    description="Runs git commands that write the repository, outside the sandbox, once they are approved.",
    parameters={
        "type": "object",
        "properties": {
            "cmd": {"type": "string", "description": "One git command, or several joined by &&."},
            "workdir": {"type": "string", "description": "Folder to run in. Default: the working directory."},
        },
        "required": ["cmd"],
        "additionalProperties": False,
    },
)


class GitTool:
    """Implements the `Tool` contract. Made once per thread, before any command of it runs."""

    def __init__(self, setup: ToolSetup) -> None:
        self._setup = setup
        self._opened_s = time.time()
        self._looked = False
        self._own: Repository | None = None
        self._turn: anyio.Lock | None = None
        """Shell calls of one response run side by side; those taken over must not, for they share an index."""

    @property
    def definition(self) -> ToolDefinition:
        """What calls look like; the model is not told."""
        return DEFINITION

    @property
    def parallel_safe(self) -> bool:
        """No: two commands would contend for the lock of the index."""
        return False

    def claim(self, call: ToolCall, ctx: ToolContext) -> ToolCall | None:
        """Take over a shell command in a sandbox that keeps `.git` read-only."""
        if os.name != "posix":
            return None
        self._look(ctx)  # whatever the call: the first one comes before all commands
        if self._own is None or call.name != SHELL_TOOL or not _is_candidate(call.arguments):
            return None
        from .plan import is_protected

        if not is_protected(self._own, ctx, self._setup.environ) or self._plan(call, ctx) is None:
            return None
        return call.replace(name=self.definition.name)

    async def run(self, call: ToolCall, ctx: ToolContext) -> ToolOutput:
        """Run the command. Raises `ToolFailed` if it is none that this tool runs."""
        self._look(ctx)
        plan = self._plan(call, ctx) if _is_candidate(call.arguments) else None
        if plan is None:
            raise ToolFailed("this is no git command that can be run outside the sandbox: run it as a shell command")
        import anyio

        from codex_plugin_sdk import CommandExecutionItem, ItemStatus

        from .running import run_plan

        item = CommandExecutionItem(
            id=call.call_id,
            command=self._shell(call.arguments),
            cwd=plan.request.cwd,
            status=ItemStatus.IN_PROGRESS,
        )
        if self._turn is None:
            self._turn = anyio.Lock()
        async with self._turn:
            return await run_plan(plan, item, ctx, self._max_tokens(call.arguments))

    async def aclose(self) -> None:
        """Nothing outlives a call."""

    def _look(self, ctx: ToolContext) -> None:
        """Find the thread's own repository, once. One whose configuration is younger than the thread may have
        been made by a confined command, and is none."""
        if self._looked:
            return
        from .repository import find_repository, is_older

        self._looked = True
        found = find_repository(ctx.cwd)
        self._own = found if found is not None and is_older(found, self._opened_s) else None

    def _plan(self, call: ToolCall, ctx: ToolContext) -> Plan | None:
        if self._own is None:
            return None
        from .plan import make_plan

        folder = os.path.normpath(os.path.join(ctx.cwd, call.arguments.get("workdir") or "."))
        return make_plan(self._shell(call.arguments), folder, self._own, ctx, self._setup.environ)

    def _shell(self, arguments: Mapping[str, Any]) -> tuple[str, str, str]:
        """The command line of the shell that the command was meant for, as it is shown to the user."""
        own = self._setup.environ.get("SHELL", "")
        default = own if os.path.basename(own) in _SHELLS else "/bin/bash"
        login = arguments.get("login") is not False and self._setup.config.get("allow_login_shell", True)
        return (arguments.get("shell") or default, "-lc" if login else "-c", arguments["cmd"])

    def _max_tokens(self, arguments: Mapping[str, Any]) -> int:
        limit = int(self._setup.config.get("tool_output_token_limit", _OUTPUT_TOKENS))
        wanted = arguments.get("max_output_tokens")
        return limit if wanted is None else min(limit, int(wanted))


def _is_candidate(arguments: Mapping[str, Any]) -> bool:
    """Whether the command has to do with git and the call asks for nothing but the command: no terminal, no
    further permissions, no other shell than those that read it alike. Arguments of the wrong type are left to the
    shell tool, which tells."""
    text = arguments.get("cmd")
    if not isinstance(text, str) or "git" not in text:
        return False
    kinds = {"workdir": str, "shell": str, "login": bool, "max_output_tokens": int | float}
    if any(arguments.get(name) is not None and not isinstance(arguments[name], kind) for name, kind in kinds.items()):
        return False
    wider = arguments.get("tty") or (arguments.get("sandbox_permissions") or "use_default") != "use_default"
    shell = os.path.basename(arguments.get("shell") or "sh")
    if wider or shell not in _SHELLS or (arguments.get("max_output_tokens") or 0) < 0:
        return False
    return _is_text(text) and _is_text(arguments.get("workdir") or "")


def _is_text(found: object) -> bool:
    """Whether it can be handed to a program: no NUL, no half characters, which JSON can spell."""
    if not isinstance(found, str) or "\0" in found:
        return False
    try:
        found.encode()
    except UnicodeEncodeError:
        return False
    return True

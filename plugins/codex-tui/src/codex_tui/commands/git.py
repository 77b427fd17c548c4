"""git on the machine of the server, in a sandbox that can only read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from codex_plugin_sdk import UserError

from .asking import request

if TYPE_CHECKING:
    from .ui import Ui

MAX_BYTES = 1024 * 1024
TIMEOUT_MS = 30_000
TOOK_TOO_LONG, NOT_FOUND = 124, 127
# A repository may name programs in its own configuration: none of them is run.
ALWAYS = ("git", "--no-pager", "-c", "core.fsmonitor=false", "-c", "core.quotepath=false", "-c", "color.ui=false")
ENVIRON = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_EXTERNAL_DIFF": None}


@attrs.frozen(kw_only=True)
class Output:
    """What a program said. `cut` when there was more."""

    code: int
    text: str
    cut: bool


async def run(ui: Ui, *command: str, cwd: str = "") -> Output:
    """Run a program in the working folder. Raises `ProtocolError`, `UserError` when it takes too long."""
    found = await request(
        ui,
        "command/exec",
        command=list(command),
        cwd=cwd or ui.session.status.cwd,
        env=ENVIRON,
        outputBytesCap=MAX_BYTES,
        timeoutMs=TIMEOUT_MS,
        sandboxPolicy={"type": "readOnly"},
    )
    if found["exitCode"] == TOOK_TOO_LONG:
        raise UserError(f"git took longer than {TIMEOUT_MS // 1000} s", hint="run it in a terminal of its own")
    text = found["stdout"]
    return Output(code=found["exitCode"], text=text, cut=len(text.encode("utf-8", "replace")) >= MAX_BYTES)


async def git(ui: Ui, *arguments: str) -> Output:
    """Run git in the working folder. Raises `UserError` where there is no repository."""
    return checked(ui, await run(ui, *ALWAYS, *arguments))


def checked(ui: Ui, found: Output) -> Output:
    """What git said, unless that is that it has nothing to work with. Raises `UserError`."""
    if found.code == NOT_FOUND:
        raise UserError("git is not installed on the machine of the server")
    if found.code and "not a git repository" in found.text:
        raise UserError(f"{ui.session.status.cwd} is not in a git repository", hint="git init makes one")
    return found

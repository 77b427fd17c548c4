"""Running one hook: confined, bounded in time and output, with its two outputs told apart."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio

from codex_plugin_sdk import CodexError, ExecRequest, SandboxMode, SandboxPolicy

from .answers import Finished, HookFailed

if TYPE_CHECKING:
    from codex_plugin_sdk import LifecycleSetup, Process
    from codex_plugin_sdk.hooks.handlers import Handler

MAX_STDOUT_BYTES = 1024 * 1024
MAX_STDERR_BYTES = 64 * 1024
MAX_OUTPUT_BYTES = 16 * 1024 * 1024
"""Who writes more is ended. Between the first limit and this one output is read and dropped."""

# A process has one pipe for both outputs. This shell lets the first through as it comes and keeps the second (its
# first 64 KiB) until the end, then adds `BOUNDARY:STATUS`, the second, and `BOUNDARY.`. It needs no file, so that it
# works where nothing can be written. $1 is the user's shell, $2 the command, $3 the boundary, $4 the limit.
_WRAPPER = r"""
exec 3>&1
err=$( { "$1" -c "$2" 2>&1 >&3 3>&-; printf '\n%s:%d\n' "$3" "$?" >&3; } |
  { head -c "$4" 3>&-; cat >/dev/null 3>&-; } )
printf '%s\n%s.\n' "$err" "$3"
"""


async def run_hook(handler: Handler, data: bytes, setup: LifecycleSetup) -> Finished:
    """Run a hook to its end. Raises `HookFailed` when it cannot be started or confined, takes too long, or writes
    without end; nothing of it is left then."""
    boundary = f"codex-hook-{os.urandom(16).hex()}"
    limit = str(MAX_STDERR_BYTES)
    argv = ("/bin/sh", "-c", _WRAPPER, "codex-hook", user_shell(), handler.command, boundary, limit)
    request = ExecRequest(argv=argv, cwd=setup.cwd, env=dict(setup.environ), stdin_pipe=True)
    with anyio.move_on_after(handler.timeout_s) as scope:
        try:
            process = await setup.spawn(request, policy_for(handler.sandbox, setup.sandbox_policy))
        except (CodexError, OSError, ValueError) as error:
            raise HookFailed(f"it could not be started: {error}") from error
        try:
            output = await _followed(process, data)
            status = await process.wait()
        except BaseException:
            await process.kill_tree()
            raise
        return _told_apart(output, boundary, status)
    assert scope.cancelled_caught
    raise HookFailed(f"it took longer than {handler.timeout_s} s and was ended")


def policy_for(mode: SandboxMode, thread: SandboxPolicy) -> SandboxPolicy:
    """The policy of a hook: its own mode, with the thread's folders if it may write, and never what the thread's
    policy keeps from being read."""
    if mode is SandboxMode.DANGER_FULL_ACCESS:
        return SandboxPolicy(mode=mode)
    if mode is SandboxMode.WORKSPACE_WRITE and thread.mode is mode:
        return thread.replace(network_rules=None)
    return SandboxPolicy(mode=mode, denied_reads=thread.denied_reads)


def user_shell() -> str:
    """The user's own shell if it speaks POSIX, else one that does."""
    import pwd

    try:
        shell = pwd.getpwuid(os.getuid()).pw_shell
    except KeyError:
        shell = ""
    if os.path.basename(shell) not in ("bash", "zsh", "sh", "dash", "ksh") or not os.access(shell, os.X_OK):
        shell = "/bin/bash" if os.access("/bin/bash", os.X_OK) else "/bin/sh"
    return shell


async def _followed(process: Process, data: bytes) -> _Output:
    """Feed a hook and take what it writes. Raises `HookFailed` for too much of it."""
    output = _Output()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_feed, process, data)
        while part := await process.read():
            output.add(part)
            if output.size > MAX_OUTPUT_BYTES:
                break
        tasks.cancel_scope.cancel()  # it has ended, or will be
    if output.size > MAX_OUTPUT_BYTES:
        raise HookFailed(f"it wrote more than {MAX_OUTPUT_BYTES >> 20} MiB and was ended")
    return output


async def _feed(process: Process, data: bytes) -> None:
    try:
        await process.write(data)
    except BrokenPipeError:
        return  # it answers without having read all: its own business
    await process.close_stdin()


class _Output:
    """The beginning of an output and its end: as much as can matter, however long it is."""

    _TAIL = MAX_STDERR_BYTES + 1024

    def __init__(self) -> None:
        self.size = 0
        self.head = bytearray()
        self.tail = bytearray()

    def add(self, part: bytes) -> None:
        self.size += len(part)
        self.head += part[: max(0, MAX_STDOUT_BYTES - len(self.head))]
        self.tail += part
        if len(self.tail) > 4 * self._TAIL:
            del self.tail[: -self._TAIL]


def _told_apart(output: _Output, boundary: str, status: int) -> Finished:
    mark = f"\n{boundary}:".encode()
    at = output.tail.rfind(mark)
    if at < 0:
        said = " ".join(output.tail[-300:].decode("utf-8", "replace").split())
        raise HookFailed(f"its shell ended with code {status}" + (f": {said}" if said else ""))
    number, _, rest = bytes(output.tail[at + len(mark) :]).partition(b"\n")
    stderr = rest.partition(f"\n{boundary}.".encode())[0]
    stdout = output.head[: max(0, output.size - len(output.tail) + at)]
    return Finished(
        status=int(number),
        stdout=stdout.decode("utf-8", "replace"),
        stderr=stderr.decode("utf-8", "replace"),
    )

"""An engine's command line, run without an event loop, and remembered where that is possible."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from codex_plugin_sdk import ExecRequest, SandboxPolicy, SandboxUnavailable

from .child import NotStarted, run_child
from .programs import CannotRun
from .terminal import gives_keys_back


class ConfinedCommand(Protocol):
    """What an engine's `command` gives: `argv` is to be run with `env` in `cwd` and the descriptors `fds`, which
    belong to the caller from then on, and `done` is to be called once it has ended; what that says is for the user.

    One that also has `static` true may be remembered: it depends on nothing but the policy, the folder, the
    environment, the machine and the installation, its descriptors can be read from their start, and `done` has
    nothing to do.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    fds: tuple[int, ...]
    done: Callable[[], Sequence[str]]


def run_directly(
    backend: Any,
    request: ExecRequest,
    policy: SandboxPolicy,
    tell: Callable[[str], None],
    remember: Callable[[ConfinedCommand, int], None],
) -> int:
    """Run it to its end; returns the exit code, 128 + n after signal n.

    `backend.command(request, policy, status_fd=FD)` gives the command line, or raises as `spawn` does; see
    `run_child` for what is written to the descriptor. `remember` is called with what is static, before it runs.
    Raises `CannotRun`, and `SandboxUnavailable` when the command was not started for another reason.
    """
    status, status_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        try:
            confined: ConfinedCommand = backend.command(request, policy, status_fd=status_end)
        except BaseException:
            os.close(status_end)
            raise
        try:
            if getattr(confined, "static", False):
                remember(confined, status_end)
            fds = {fd: fd for fd in {*confined.fds, status_end}}
            keys = gives_keys_back(request.argv)
            return run_child(confined.argv, confined.env, confined.cwd, fds, status, ignore_keys=keys)
        finally:
            for text in confined.done():
                tell(f"note: {text}")
    except NotStarted as error:
        hint = "what it said stands above; codex sandbox status shows which engines there are"
        raise SandboxUnavailable(str(error), hint=hint) from error
    except (OSError, ValueError) as error:
        raise CannotRun.from_error(request.argv[0], error) from error
    finally:
        os.close(status)

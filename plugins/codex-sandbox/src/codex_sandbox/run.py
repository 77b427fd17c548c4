"""One confined command: the engine that is chosen, the way it is started, its end.

Two ways lead to the same end. An engine that gives a command line (`command`) is started and waited for without an
event loop, which saves most of the time that a short command takes; any other is asked to `spawn`.
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from codex_plugin_sdk import ExecRequest, NetworkMode, SandboxPolicy

from .keeping import keep
from .options import Task, task_of
from .programs import CannotRun, check_program
from .terminal import default_signals, has_terminal

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation, SandboxBackend, SandboxChooser

    from .direct import ConfinedCommand

R = TypeVar("R")

NETWORK_VARIABLE = "CODEX_SANDBOX_NETWORK_DISABLED"


class _NeedsLoop(Exception):
    """A coroutine that does not end without an event loop."""


def run_confined(invocation: Invocation, given: Mapping[str, Any], words: tuple[str, ...]) -> int:
    """Run a program as the command line says; returns the exit code. Raises `CodexError` for what keeps it
    from being confined: then it was not run."""
    task = task_of(invocation, given)
    environ = _environment(invocation, task, moved=bool(given.get("cwd") or invocation.flags.get("cwd")))
    try:
        check_program(words[0], task.cwd, environ)
        on_terminal = has_terminal()
        argv = (*(default_signals(words[0]) if on_terminal else ()), *words)
        request = ExecRequest(argv=argv, cwd=task.cwd, env=environ, inherit=True)
        return _run(invocation, task, request)
    except CannotRun as error:
        return _complain(error)


def _environment(invocation: Invocation, task: Task, *, moved: bool) -> dict[str, str]:
    environ = dict(invocation.environ)
    if moved:
        environ["PWD"] = task.cwd
    if task.policy.network is NetworkMode.OFF:
        environ[NETWORK_VARIABLE] = "1"
    return environ


def _run(invocation: Invocation, task: Task, request: ExecRequest) -> int:
    warnings: list[str] = []

    def hear(event: Any) -> None:
        """Notices of the chooser; a warning is worth a line on stderr, what was chosen is not."""
        if getattr(event, "level", "") in ("warning", "error"):
            warnings.append(event.message)
            tell(f"warning: {event.message}")

    chooser: SandboxChooser = task.engine.sandbox(hear)
    try:
        found: SandboxBackend | int = _without_loop(chooser.backend(task.policy))
        if not _direct(found, task.policy):
            raise _NeedsLoop
    except _NeedsLoop:
        import anyio

        from .loop import run_on_loop

        found = anyio.run(run_on_loop, task, chooser, request, _direct, tell)
    if isinstance(found, int):
        return found
    from .direct import run_directly

    def remember(confined: ConfinedCommand, status_fd: int) -> None:
        if not warnings:  # which would have to be given again
            keep(confined, request, status_fd, task.engine.config)

    # Signals are to reach the thread that waits for them, so the one that calls hooks goes first.
    invocation.plugins.close()
    try:
        return run_directly(found, request, task.policy, tell, remember)
    finally:
        _close(chooser)


def _without_loop(coroutine: Coroutine[Any, Any, R]) -> R:
    """The result of a coroutine that has nothing to wait for: an engine that has proved itself before is chosen
    without an event loop, whose import takes longer than all the rest. Raises `_NeedsLoop`."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: R = done.value
        return result
    except RuntimeError as error:  # anyio's, where it finds no loop
        raise _NeedsLoop from error
    coroutine.close()
    raise _NeedsLoop


def _direct(backend: object, policy: SandboxPolicy) -> bool:
    """Whether an engine gives a command line for this policy. A proxied network has to be served meanwhile."""
    return hasattr(backend, "command") and not policy.unconfined and policy.network is not NetworkMode.PROXIED


def _close(chooser: SandboxChooser) -> None:
    try:
        _without_loop(chooser.aclose())
    except _NeedsLoop:
        import anyio

        anyio.run(chooser.aclose)


def tell(text: str) -> None:
    """One line on stderr, beside what the command writes there."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _complain(error: CannotRun) -> int:
    tell(f"error: {error}" + (f"\n  hint: {error.hint}" if error.hint else ""))
    return error.code

"""Running a command by an engine's `spawn`, on an event loop: for engines that give no command line, for a proxied
network, and the first time, when an engine has to prove itself."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from codex_plugin_sdk import (
    Decision,
    ExecRequest,
    NetworkIntent,
    NetworkMode,
    NetworkRules,
    Permission,
    Process,
    SandboxBackend,
    SandboxPolicy,
)

from .child import FORWARDED, KEYS, Keys
from .options import Task
from .programs import CannotRun
from .terminal import gives_keys_back

if TYPE_CHECKING:
    from codex_plugin_sdk import SandboxChooser

_OF_TERMINAL = frozenset({*KEYS, signal.SIGTSTP})


async def run_on_loop(
    task: Task,
    chooser: SandboxChooser,
    request: ExecRequest,
    direct: Callable[[object, SandboxPolicy], bool],
    tell: Callable[[str], None],
) -> SandboxBackend | int:
    """The exit code, the chooser being closed; or the engine, where `direct` says that it needs no loop.

    Raises `SandboxUnavailable`, `CannotRun`."""
    backend = None
    try:
        backend = await chooser.backend(task.policy)
        if direct(backend, task.policy):
            return backend
        if task.policy.network is NetworkMode.PROXIED:
            return await _run_proxied(task, backend, request, tell)
        return await _run(task, backend, request, tell)
    finally:
        if backend is None or not direct(backend, task.policy):
            with anyio.CancelScope(shield=True):
                await chooser.aclose()


async def _run_proxied(task: Task, backend: SandboxBackend, request: ExecRequest, tell: Callable[[str], None]) -> int:
    rules = task.policy.network_rules
    assert rules is not None
    proxy = task.engine.network_proxy()
    session = proxy.open(rules, _permission(rules))
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.run)
            try:
                code = await _run(task, backend, request.replace(network=session), tell)
            finally:
                session.close()
                tasks.cancel_scope.cancel()
        return code
    except BaseExceptionGroup as group:
        raise (group.exceptions[0] if len(group.exceptions) == 1 else group) from None
    finally:
        with anyio.CancelScope(shield=True):
            await proxy.aclose()


def _permission(rules: NetworkRules) -> Permission:
    """Nobody is there to be asked: what no pattern of the profile allows is refused."""

    async def permission(intent: NetworkIntent) -> str | None:
        if rules.decision(intent.host) is Decision.ALLOW:
            return None
        return f"{intent.host} is not among the domains that the permission profile allows"

    return permission


async def _run(task: Task, backend: SandboxBackend, request: ExecRequest, tell: Callable[[str], None]) -> int:
    numbers = [number for number in FORWARDED if signal.getsignal(number) is not signal.SIG_IGN]
    with anyio.open_signal_receiver(*numbers) as signals:
        try:
            with Keys(ignored=gives_keys_back(request.argv)):
                process = await backend.spawn(request, task.policy)
        except (OSError, ValueError) as error:
            raise CannotRun.from_error(request.argv[0], error) from error
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_pass_on, signals, process)
                code = await process.wait()
                tasks.cancel_scope.cancel()
        finally:
            await process.kill_tree()
    for text in getattr(process, "notices", ()):
        tell(f"note: {text}")
    return code


async def _pass_on(signals: AsyncIterator[signal.Signals], process: Process) -> None:
    async for number in signals:
        if number not in _OF_TERMINAL or not _in_foreground():
            process.signal(number)
        if number == signal.SIGTSTP:
            os.kill(os.getpid(), signal.SIGSTOP)  # the shell waits for us to stop


def _in_foreground() -> bool:
    """Whether our job has the terminal: a signal of its keys has then reached the command as well. One that was
    sent to us alone looks the same here, and is taken for the terminal's."""
    with suppress(OSError):
        fd = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            return os.tcgetpgrp(fd) == os.getpgrp()
        finally:
            os.close(fd)
    return False

"""The `notify` program: told of the end of each turn, by one argument more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from codex_plugin_sdk import CodexError, ExecRequest, LifecycleEvent, LifecycleSetup, SandboxMode, SandboxPolicy

from .payloads import notify_input

if TYPE_CHECKING:
    from codex_plugin_sdk import Process

PATIENCE_S = 10.0
"""How long the end of the program is waited for. It may run on until the thread ends."""


class Notifier:
    """Runs the program of one thread, unconfined: it is the user's own, and it shows windows and plays sounds."""

    def __init__(self, command: tuple[str, ...], setup: LifecycleSetup) -> None:
        self._command = command
        self._setup = setup
        self._running: list[Process] = []

    async def tell(self, event: LifecycleEvent) -> list[str]:
        """Run it; warnings for the user. Its output goes nowhere."""
        import anyio

        setup = self._setup
        told = orjson.dumps(notify_input(event, setup)).decode()
        silent = ("/bin/sh", "-c", 'exec "$@" </dev/null >/dev/null 2>&1', "notify", *self._command, told)
        request = ExecRequest(argv=silent, cwd=setup.cwd, env=dict(setup.environ))
        try:
            process = await setup.spawn(request, SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS))
        except (CodexError, OSError, ValueError) as error:
            return [f"notify ({self._command[0]}) could not be started: {error}"]
        self._running = [found for found in self._running if found.returncode is None]
        self._running.append(process)
        with anyio.move_on_after(PATIENCE_S):
            while await process.read():
                pass
            status = await process.wait()
            return [f"notify ({self._command[0]}) exited with code {status}"] if status else []
        return []

    async def aclose(self) -> None:
        """End what still runs."""
        for process in self._running:
            if process.returncode is None:
                await process.kill_tree()

"""A command that the user runs in a thread, as a turn of its own without the model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import anyio

from codex_plugin_sdk import (
    CommandExecutionItem,
    ExecRequest,
    ItemCompleted,
    ItemStarted,
    ItemStatus,
    OutputDelta,
    SandboxMode,
    SandboxPolicy,
    TokenUsage,
    TurnCompleted,
    TurnInterrupted,
    TurnStarted,
    UnconfinedBackend,
    new_item_id,
    new_turn_id,
    text_message,
)

if TYPE_CHECKING:
    from .loaded import LoadedThread

TIMEOUT_MS = 60 * 60 * 1000
KEPT_BYTES = 1024 * 1024
TOLD_CHARS = 20_000
TIMED_OUT = 124
INTERRUPTED = 130


class UserCommand:
    """One command. From the time it is made, its turn is the thread's active one."""

    def __init__(self, loaded: LoadedThread, command: str, timeout_ms: int | None, environ: Mapping[str, str]) -> None:
        self._loaded = loaded
        self._command = command
        self._timeout_s = (TIMEOUT_MS if timeout_ms is None else timeout_ms) / 1000
        self._environ = environ
        self._turn_id = new_turn_id()
        self._id = new_item_id("user_shell")
        self._argv = (environ.get("SHELL") or "/bin/sh", "-c", command)
        self._began = time.monotonic()
        self._output = bytearray()
        self._scope = anyio.CancelScope()
        loaded.own_turn = (str(self._turn_id), self._scope)

    async def run(self) -> None:
        """Run it and tell of it. What goes wrong with the command is its output."""
        loaded, recorder = self._loaded, self._loaded.state.recorder
        before = recorder.turn_id
        recorder.turn_id = self._turn_id
        try:
            started = self._item(ItemStatus.IN_PROGRESS, None)
            await recorder.emit(TurnStarted(model=loaded.state.settings.model), ItemStarted(item=started))
            with self._scope:
                status = await self._status()
            interrupted = self._scope.cancelled_caught
            status = INTERRUPTED if interrupted else status
            done = self._item(ItemStatus.FAILED if status else ItemStatus.COMPLETED, status)
            took = self._took_ms()
            over = (
                TurnInterrupted(reason="interrupted", duration_ms=took)
                if interrupted
                else TurnCompleted(usage=TokenUsage(), duration_ms=took)
            )
            with anyio.CancelScope(shield=True):
                recorder.remember([text_message("user", self._told(status))])
                await recorder.emit(ItemCompleted(item=done), over)
        finally:
            recorder.turn_id = before
            loaded.own_turn = None

    async def _status(self) -> int:
        request = ExecRequest(argv=self._argv, cwd=self._loaded.state.cwd, env=self._environ)
        policy = SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS)
        try:
            process = await UnconfinedBackend().spawn(request, policy)
        except OSError as error:
            self._output += f"{self._argv[0]}: {error.strerror}\n".encode()
            return 127
        try:
            with anyio.move_on_after(self._timeout_s) as limit:
                while chunk := await process.read():
                    self._output += chunk[: max(0, KEPT_BYTES - len(self._output))]
                    await self._loaded.state.recorder.stream(OutputDelta(item_id=self._id, chunk=chunk))
                return await process.wait()
            self._output += f"command timed out after {self._timeout_s:g} seconds\n".encode()
            return TIMED_OUT if limit.cancelled_caught else 0
        finally:
            with anyio.CancelScope(shield=True):
                await process.kill_tree()

    def _took_ms(self) -> int:
        return int((time.monotonic() - self._began) * 1000)

    def _item(self, status: ItemStatus, code: int | None) -> CommandExecutionItem:
        return CommandExecutionItem(
            id=self._id,
            command=self._argv,
            cwd=self._loaded.state.cwd,
            status=status,
            aggregated_output=self._output.decode("utf-8", "replace"),
            exit_code=code,
            duration_ms=0 if code is None else self._took_ms(),
            source="user_shell",
        )

    def _told(self, status: int) -> str:
        """What the model reads of it."""
        text = self._output.decode("utf-8", "replace")
        if len(text) > TOLD_CHARS:
            half = TOLD_CHARS // 2
            text = f"{text[:half]}\n… {len(text) - TOLD_CHARS} characters left out …\n{text[-half:]}"
        return (
            f"<user_shell_command>\n<command>\n{self._command}\n</command>\n<result>\nExit code: {status}\n"
            f"Duration: {self._took_ms() / 1000:.1f} seconds\nOutput:\n{text}\n</result>\n</user_shell_command>"
        )

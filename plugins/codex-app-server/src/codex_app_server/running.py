"""Programs that clients start: their output to the client, their input from it, and their end with it."""

from __future__ import annotations

import signal
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

import anyio

from codex_plugin_sdk import ExecRequest, Process, SandboxBackend, SandboxPolicy, Value, value

from .method_fs import decoded
from .paths import reason
from .wire import INTERNAL_ERROR, RpcError

INVALID_PARAMS = -32602
TIMEOUT_MS = 10_000
OUTPUT_CAP_BYTES = 1024 * 1024
TIMED_OUT = 124
"""The exit code of what took too long."""
ROWS, COLS = 24, 80


@value
class Wanted(Value):
    """How a program is to be run. None: no limit."""

    timeout_ms: int | None = TIMEOUT_MS
    cap_bytes: int | None = OUTPUT_CAP_BYTES
    stream: bool = False
    feeds: bool = False
    tty: bool = False


class Running:
    """One program. Made before it is started, so that what the client sends meanwhile waits for the start.

    `tell` gets pieces of output with whether the cap was reached, where output is streamed."""

    def __init__(self, wanted: Wanted, tell: Callable[[bytes, bool], None]) -> None:
        self.wanted = wanted
        self._tell = tell
        self._process: Process | None = None
        self._started = anyio.Event()
        self._output = bytearray()
        self._kill = anyio.Event()
        self.cap_reached = False

    async def start(self, backend: SandboxBackend, request: ExecRequest, policy: SandboxPolicy, what: str) -> None:
        """Start it. Raises `RpcError`, `CodexError`; then whoever waits for the start is let go."""
        try:
            self._process = await backend.spawn(request, policy)
        except OSError as error:
            raise RpcError(f"failed to spawn {what}: {reason(error)}", INTERNAL_ERROR) from error
        finally:
            self._started.set()

    def give_up(self) -> None:
        """It will not be started: let go who waits for it."""
        self._started.set()

    async def run(self) -> int:
        """Its exit code, once it and all that it started have ended; 124 when it took too long. Cancelled, it is
        ended too."""
        process, timeout = self._process, self.wanted.timeout_ms
        assert process is not None
        try:
            with anyio.move_on_after(None if timeout is None else timeout / 1000) as limit:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._until_killed, process)
                    while data := await process.read():
                        self._take(data)
                    await process.wait()
                    tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                process.signal(signal.SIGKILL)
                await process.kill_tree()
        return TIMED_OUT if limit.cancelled_caught else await process.wait()

    async def _until_killed(self, process: Process) -> None:
        await self._kill.wait()
        process.signal(signal.SIGKILL)
        await process.kill_tree()

    def _take(self, data: bytes) -> None:
        cap = self.wanted.cap_bytes
        if self.cap_reached:
            return
        room = len(data) if cap is None else cap - len(self._output)
        self.cap_reached = cap is not None and len(data) >= room
        self._output += data[:room]
        if self.wanted.stream:
            self._tell(data[:room], self.cap_reached)
            if cap is None:
                self._output.clear()

    @property
    def text(self) -> str:
        """The output; empty if it was streamed."""
        return "" if self.wanted.stream else self._output.decode("utf-8", "replace")

    # -- from the client -------------------------------------------------------------------------

    async def _ready(self) -> Process:
        await self._started.wait()
        if self._process is None:
            raise RpcError("the program was not started")
        return self._process

    async def write(self, params: Mapping[str, Any], what: str) -> None:
        """Feed it, or end its input. Raises `RpcError`."""
        data, close = params.get("deltaBase64"), params.get("closeStdin")
        if data is None and not close:
            raise RpcError(f"{what} requires deltaBase64 or closeStdin", INVALID_PARAMS)
        if not self.wanted.feeds:
            raise RpcError(f"stdin streaming is not enabled for this {what.rpartition('/')[0]}")
        raw = decoded(data or "", "invalid deltaBase64", INVALID_PARAMS)
        process = await self._ready()
        try:
            if raw:
                await process.write(raw)
            if close:
                await process.close_stdin()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise RpcError("stdin is already closed") from error

    async def resize(self, size: Mapping[str, int], what: str) -> None:
        """Change the size of its terminal. Raises `RpcError`."""
        rows, cols = checked_size(size, what)
        process = await self._ready()
        if not self.wanted.tty:
            raise RpcError("failed to resize PTY: process is not attached to a PTY")
        process.resize(rows, cols)

    def kill(self) -> None:
        """End it and all that it started."""
        self._kill.set()


def read_wanted(params: Mapping[str, Any], what: str) -> Wanted:
    """From params. Raises `RpcError` for what does not go together."""
    timeout, cap = params.get("timeoutMs"), params.get("outputBytesCap")
    tty, streams = bool(params.get("tty")), bool(params.get("streamStdoutStderr"))
    if not params["command"]:
        raise RpcError("command must not be empty")
    if params.get("size") is not None and not tty:
        raise RpcError(f"{what} size requires tty: true", INVALID_PARAMS)
    if timeout is not None and params.get("disableTimeout"):
        raise RpcError(f"{what} cannot set both timeoutMs and disableTimeout", INVALID_PARAMS)
    if cap is not None and params.get("disableOutputCap"):
        raise RpcError(f"{what} cannot set both outputBytesCap and disableOutputCap", INVALID_PARAMS)
    if timeout is not None and timeout < 0:
        raise RpcError(f"{what} timeoutMs must be non-negative, got {timeout}", INVALID_PARAMS)
    if cap is not None and cap < 0:
        raise RpcError(f"Invalid request: invalid value: integer `{cap}`, expected usize")
    default_timeout = None if params.get("disableTimeout") or "timeoutMs" in params else TIMEOUT_MS
    default_cap = None if params.get("disableOutputCap") or "outputBytesCap" in params else OUTPUT_CAP_BYTES
    return Wanted(
        timeout_ms=default_timeout if timeout is None else timeout,
        cap_bytes=default_cap if cap is None else cap,
        stream=tty or streams,
        feeds=tty or bool(params.get("streamStdin")),
        tty=tty,
    )


def read_request(params: Mapping[str, Any], environ: Mapping[str, str], cwd: str, what: str) -> ExecRequest:
    """The program to start. Raises `RpcError`."""
    env = dict(environ)
    for name, text in (params.get("env") or {}).items():
        if text is None:
            env.pop(name, None)
        elif isinstance(text, str) and name and "=" not in name:
            env[name] = text
        else:
            raise RpcError(f"Invalid request: `env.{name}` cannot be set")
    if any("\0" in word for word in (*params["command"], cwd, *env.values())):
        raise RpcError(f"failed to spawn {what}: nul byte found in provided data", INTERNAL_ERROR)
    tty = bool(params.get("tty"))
    rows, cols = checked_size(params["size"], what) if params.get("size") is not None else (ROWS, COLS)
    return ExecRequest(
        argv=tuple(params["command"]),
        cwd=cwd,
        env=env,
        tty=tty,
        stdin_pipe=bool(params.get("streamStdin")) and not tty,
        rows=rows,
        cols=cols,
    )


def checked_size(size: Mapping[str, int], what: str) -> tuple[int, int]:
    """Rows and columns. Raises `RpcError`."""
    rows, cols = size["rows"], size["cols"]
    if rows <= 0 or cols <= 0:
        raise RpcError(f"{what} size rows and cols must be greater than 0", INVALID_PARAMS)
    if max(rows, cols) > 0xFFFF:
        raise RpcError(f"Invalid request: invalid value: integer `{max(rows, cols)}`, expected u16")
    return rows, cols


def encoded(data: bytes) -> str:
    """Base64."""
    return b64encode(data).decode("ascii")

"""Ways to a server: a child process here, sockets in `websocket.py`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Protocol

import anyio
from anyio.abc import Process

from .config import CodexConfig
from .errors import CodexSdkError, ConnectError, TransportClosedError

MAX_MESSAGE_BYTES = 256 * 1024 * 1024
"""Longer messages of the server are skipped."""
READ_BYTES = 256 * 1024
STDERR_BYTES = 8192
"""So much of the end of the server's stderr is kept for error messages."""
EXIT_S = 3.0
"""How long a server may take to end once its input has, and again once it was told to terminate."""
GONE = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)


class Transport(Protocol):
    """Messages of bytes, both ways."""

    async def watch(self) -> None:
        """What has to run beside the conversation."""

    async def receive(self) -> bytes | None:
        """The next message; None at the end. Raises any of `GONE`."""

    async def send(self, message: bytes) -> None:
        """Send one message. Raises any of `GONE`."""

    async def ended(self) -> TransportClosedError:
        """Why it ended."""

    async def aclose(self) -> None:
        """Let go, in a bounded time, even while being cancelled."""


async def open_transport(config: CodexConfig) -> Transport:
    """The way that the configuration asks for. Raises `ConnectError`."""
    if config.address is None:
        return await ProcessTransport.start(config)
    from .websocket import connect

    return await connect(config.address, config.token)


class Lines:
    """Cuts a stream of bytes into lines; one that is too long is skipped to its end."""

    def __init__(self, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._parts: list[bytes] = []
        self._bytes = 0
        self.skipped = 0
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that end in this piece, without their ends; empty ones are left out."""
        found: list[bytes] = []
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._add(end)
            if self._skipping:
                self.skipped += 1
            elif line := b"".join(self._parts).strip():
                found.append(line)
            self._parts, self._bytes, self._skipping = [], 0, False
        self._add(rest)
        return found

    def _add(self, part: bytes) -> None:
        self._bytes += len(part)
        if self._bytes > self._max_bytes:
            self._skipping = True
            self._parts = []
        elif part:
            self._parts.append(part)


class ProcessTransport:
    """A child that speaks one JSON object a line on its stdin and stdout."""

    def __init__(self, process: Process, name: str) -> None:
        self._process, self._name = process, name
        self._lines = Lines()
        self._ready: deque[bytes] = deque()
        self._stderr = b""
        self._stderr_ended = anyio.Event()

    @classmethod
    async def start(cls, config: CodexConfig) -> ProcessTransport:
        """Start the server. Raises `ConnectError`."""
        command = command_of(config)
        env = None if config.env is None else {**os.environ, **config.env}
        try:
            # A session of its own: Ctrl-C is for the caller, who then ends the server in good order.
            process = await anyio.open_process(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=config.cwd,
                env=env,
                start_new_session=True,
            )
        except OSError as error:
            raise ConnectError(f"cannot start {command[0]}: {error.strerror or error}") from error
        return cls(process, command[0])

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    async def watch(self) -> None:
        """Keep the end of stderr."""
        assert self._process.stderr is not None
        with suppress(*GONE):
            async for data in self._process.stderr:
                self._stderr = (self._stderr + data)[-STDERR_BYTES:]
        self._stderr_ended.set()

    async def receive(self) -> bytes | None:
        """The next line that is not empty; None at the end."""
        assert self._process.stdout is not None
        while not self._ready:
            try:
                self._ready.extend(self._lines.feed(await self._process.stdout.receive(READ_BYTES)))
            except anyio.EndOfStream:
                return None
        return self._ready.popleft()

    async def send(self, message: bytes) -> None:
        """Write a line."""
        assert self._process.stdin is not None
        await self._process.stdin.send(message + b"\n")

    async def ended(self) -> TransportClosedError:
        """With the exit code, if the process ends within a moment, and what it wrote to stderr last."""
        with anyio.move_on_after(EXIT_S):
            await self._process.wait()
            await self._stderr_ended.wait()
        code = self._process.returncode
        how = "closed its output" if code is None else f"ended with exit code {code}"
        text = self._stderr.decode(errors="replace").strip()
        return TransportClosedError(f"the server {self._name} {how}", exit_code=code, stderr=text)

    async def aclose(self) -> None:
        """End the process: at first by the end of its input, then by signals."""
        with anyio.CancelScope(shield=True):
            with suppress(*GONE):
                assert self._process.stdin is not None
                await self._process.stdin.aclose()
            for stop in (self._process.terminate, self._process.kill):
                if await self._has_ended(EXIT_S):
                    break
                with suppress(ProcessLookupError):
                    stop()
            await self._process.aclose()

    async def _has_ended(self, seconds: float) -> bool:
        """Wait for the end. What it still says is read: it must not wait for us in turn."""
        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as tasks:
                for stream in (self._process.stdout, self._process.stderr):
                    assert stream is not None
                    tasks.start_soon(_drain, stream)
                await self._process.wait()
                tasks.cancel_scope.cancel()  # what a grandchild holds open is not waited for
        return self._process.returncode is not None


async def _drain(stream: AsyncIterator[bytes]) -> None:
    with suppress(*GONE):
        async for _ in stream:
            pass


def command_of(config: CodexConfig) -> list[str]:
    """The command line of the server. Raises `ConnectError` when there is no such program."""
    if config.launch_args_override is not None:
        if not config.launch_args_override:
            raise ConnectError("launch_args_override is empty: give a program and its arguments")
        return list(config.launch_args_override)
    name = os.fspath(config.codex_bin or "codex")
    path = (config.env or {}).get("PATH")
    found = shutil.which(name, path=path)
    if found is None:
        where = "on PATH" if os.path.basename(name) == name else "there, or it may not be run"
        raise ConnectError(
            f"no program {name} was found {where}: pip install codex-agent, or give CodexConfig(codex_bin=…)"
        )
    overrides = [part for override in config.config_overrides for part in ("--config", override)]
    return [found, *overrides, "app-server"]


def closed_by_us() -> CodexSdkError:
    """What calls end with once the client was closed."""
    return TransportClosedError("this client was closed")

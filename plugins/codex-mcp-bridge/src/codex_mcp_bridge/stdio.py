"""Servers that are programs: started in a session of their own, spoken with over their pipes, ended with all that
they started."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from codex_plugin_sdk import CodexError, ExecRequest, UserError

from .config import ServerConfig
from .frames import Frames, TooLarge
from .link import Link, Tail, library

if TYPE_CHECKING:
    from codex_plugin_sdk import Process, ToolSourceSetup

BASE_ENVIRONMENT = frozenset(
    {
        *("HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"),
        "__CF_USER_TEXT_ENCODING",
    }
)
"""What a program needs to find its way; everything else may be a secret."""
EXIT_GRACE_S = 0.5
"""How long a server may take to end by itself when its input ends."""
_WAITING_MESSAGES = 64
_READ_BYTES = 256 * 1024
_LAST_WORDS_S = 0.2


def environment(config: ServerConfig, setup: ToolSourceSetup) -> dict[str, str]:
    """What the server's program gets: the base list, the variables named by `env_vars` where they are set, `env`."""
    ours = setup.tools.environ
    wanted = BASE_ENVIRONMENT | {entry.name for entry in config.env_vars if entry.source == "local"}
    return {**{name: ours[name] for name in sorted(wanted) if name in ours}, **config.env}


@asynccontextmanager
async def stdio_link(config: ServerConfig, setup: ToolSourceSetup) -> AsyncIterator[Link]:
    """A running server. Its program and all that it started are gone at the end, whatever the end was like."""
    tail = Tail()
    process, errors = await _start(config, setup)
    link = None
    try:
        await library()  # the program starts meanwhile
        link, streams = _streams(tail)
        async with anyio.create_task_group() as tasks:
            pipes = _Pipes(process, errors, link, streams)
            tasks.start_soon(pipes.read)
            tasks.start_soon(pipes.write)
            tasks.start_soon(pipes.read_errors)
            try:
                yield link
            finally:
                tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process, politely=link is not None and not link.why)
        if errors >= 0:
            os.close(errors)


async def _start(config: ServerConfig, setup: ToolSourceSetup) -> tuple[Process, int]:
    """The program, and a descriptor to read its stderr from (-1: it comes with stdout)."""
    request = _request(config, setup)
    try:
        return (await setup.spawn(request), -1) if config.sandbox else await _spawn(request)
    except CodexError:
        raise
    except FileNotFoundError:
        raise UserError(f"cannot start {config.command}: there is no such program") from None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot start {config.command}: {error}") from error


def _request(config: ServerConfig, setup: ToolSourceSetup) -> ExecRequest:
    cwd = os.path.join(setup.cwd, config.cwd) if config.cwd else setup.cwd
    if not os.path.isdir(cwd):
        raise UserError(f"cannot start {config.command}: its cwd {cwd} is no folder")
    return ExecRequest(argv=(config.command, *config.args), cwd=cwd, env=environment(config, setup), stdin_pipe=True)


async def _spawn(request: ExecRequest) -> tuple[Process, int]:
    from codex_plugin_sdk import spawn_process

    errors, theirs = os.pipe()
    try:
        os.set_blocking(errors, False)
        process = await spawn_process(request, stderr=theirs)
    except BaseException:
        os.close(errors)
        raise
    finally:
        os.close(theirs)
    return process, errors


async def _end(process: Process, *, politely: bool) -> None:
    with suppress(OSError):
        await process.close_stdin()
    if politely:
        with anyio.move_on_after(EXIT_GRACE_S):
            await process.wait()
    await process.kill_tree()


def _streams(tail: Tail) -> tuple[Link, tuple[Any, Any]]:
    """A link, and our ends of its streams: what we send into, what we receive from."""
    incoming, read = anyio.create_memory_object_stream[Any](0)
    # Some room: a server that does not read its input must not hold up whoever gives up on it.
    write, outgoing = anyio.create_memory_object_stream[Any](_WAITING_MESSAGES)
    return Link(read, write, tail), (incoming, outgoing)


class _Pipes:
    """Carries messages between a program's pipes and a link's streams."""

    def __init__(self, process: Process, errors: int, link: Link, streams: tuple[Any, Any]) -> None:
        self._process, self._errors, self._link = process, errors, link
        self._incoming, self._outgoing = streams
        self._silent = anyio.Event()

    async def read(self) -> None:
        """Take messages until the output ends."""
        frames = Frames(self._link.tail, chatter=self._link.chatter)
        with self._incoming:
            try:
                while data := await self._process.read(_READ_BYTES):
                    for message in frames.feed(data):
                        await self._incoming.send(message)
            except TooLarge as error:
                self._link.close(str(error))
            except anyio.BrokenResourceError:
                self._link.close()  # the session has ended
            else:
                self._link.close(await self._how_it_ended())

    async def _how_it_ended(self) -> str:
        code = None
        with anyio.move_on_after(_LAST_WORDS_S):
            code = await self._process.wait()
            await self._silent.wait()
        if code is None:
            return "it closed its output"
        return f"it was ended by signal {code - 128}" if code > 128 else f"it ended with exit code {code}"

    async def write(self) -> None:
        """Give messages, until the session ends or nobody reads them."""
        with self._outgoing:
            try:
                async for message in self._outgoing:
                    text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                    await self._process.write(text.encode() + b"\n")
            except OSError:
                with anyio.move_on_after(_LAST_WORDS_S):
                    await self._link.closed.wait()  # if it has ended, its end says more
                self._link.close("it does not read its input any more")
                self._incoming.close()

    async def read_errors(self) -> None:
        """Keep the last of what it writes on stderr."""
        if self._errors < 0:
            self._silent.set()
            return
        while True:
            try:
                data = os.read(self._errors, _READ_BYTES)
            except BlockingIOError:
                await anyio.wait_readable(self._errors)
                continue
            if not data:
                break
            self._link.tail.feed(data)
            await anyio.lowlevel.checkpoint()
        self._silent.set()

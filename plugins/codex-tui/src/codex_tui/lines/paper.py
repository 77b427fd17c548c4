"""What is written stays: lines, one after the other, and a prompt below them."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from queue import SimpleQueue

import anyio

from ..render import shown


class Paper:
    """Writes to a file descriptor, in a thread: a terminal that takes nothing (ctrl+s) holds up nobody else. Nothing
    that a terminal would act on gets through. `echoes`: the terminal shows what is typed, and its line ends."""

    def __init__(self, fd: int, *, encoding: str = "utf-8", echoes: bool = True) -> None:
        self._fd, self._encoding, self._echoes = fd, encoding or "utf-8", echoes
        self._lock = anyio.Lock()
        self._open = False
        self._jobs: SimpleQueue[tuple[bytes, asyncio.Future[None]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self.is_broken = False

    @property
    def has_prompt(self) -> bool:
        """Whether the last thing written is a prompt that nothing was entered at."""
        return self._open

    def entered(self) -> None:
        """A line was entered: the terminal has gone to the next one."""
        self._open = self._open and not self._echoes

    def scribbled(self) -> None:
        """The terminal has written something by itself, such as `^C`."""
        self._open = self._open or self._echoes

    async def write(self, lines: Sequence[str]) -> None:
        """Write lines."""
        async with self._lock:
            lead = "\n" if self._open else ""
            self._open = False
            await self._put(lead + "".join(f"{line}\n" for line in lines))

    async def prompt(self, text: str) -> None:
        """Write where the user is to go on. The cursor stays behind it."""
        async with self._lock:
            if not self._open:
                self._open = True
                await self._put(text)

    def close(self) -> None:
        """Nothing more is written."""
        self._jobs.put(None)

    async def _put(self, text: str) -> None:
        if self.is_broken or not text:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="codex-lines", daemon=True)
            self._thread.start()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._jobs.put((shown(text).encode(self._encoding, "replace"), done))
        await done

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            data, done = job
            try:
                while data and not self.is_broken:
                    data = data[os.write(self._fd, data) :]
            except OSError:
                self.is_broken = True  # whoever could be told is gone; a signal or the end of the input says so too
            loop = done.get_loop()
            if loop.is_closed():
                return
            loop.call_soon_threadsafe(_settle, done)


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)

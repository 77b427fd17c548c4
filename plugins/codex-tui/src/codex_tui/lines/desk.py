"""Who gets the line that is entered: a question, or the agent.

What was typed before a question could be read is never its answer. Whole lines go where they were meant to go; of a
line that had begun, the rest goes to it as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import anyio

from .keyboard import Keyboard
from .paper import Paper

ANSWER = "Answer: "


class Left(Exception):
    """The user leaves a question without an answer."""


class Desk:
    """`take` gets the lines that are for the agent. `lock` is held by whoever asks several things in a row. `kept` is
    a text that has begun: the next line for the agent goes on from there. `on_change`: a prompt may be wanted."""

    def __init__(self, paper: Paper, take: Callable[[str], None], on_change: Callable[[], None]) -> None:
        self._paper = paper
        self._take = take
        self._on_change = on_change
        self._answer: asyncio.Future[str] | None = None
        self._skips = False
        self.prompt = ""
        self.kept = ""
        self.lock = anyio.Lock()
        self.ended = False
        self.keyboard: Keyboard

    @property
    def asks(self) -> bool:
        """Whether a question waits for its answer."""
        return self._answer is not None

    def line(self, text: str) -> None:
        """A line was entered."""
        self._paper.entered()
        if self._answer is None or self._answer.done():
            self._take(text)
        elif self._skips:
            self._skips = False
            self.kept += text
            self._on_change()
        else:
            self._answer.set_result(text)

    def end(self) -> None:
        """There is no more input: nobody answers."""
        self.ended = True
        self.leave()

    def leave(self) -> bool:
        """Leave the question that waits; whether one did."""
        if self._answer is None or self._answer.done():
            return False
        self._answer.set_exception(Left())
        return True

    async def ask(self, lines: Sequence[str], prompt: str = ANSWER, *, secret: bool = False) -> str:
        """The line that the user enters after having been shown these, as it was entered; an empty one says nothing.
        Raises `Left`."""
        if self.ended:
            raise Left
        await self._paper.write(lines)
        with self.keyboard.hidden() if secret else _shown() as is_hidden:
            if secret and not is_hidden:
                await self._paper.write(["What you type here is shown."])
            early, begun = self.keyboard.drain()
            for line in early:
                self._paper.entered()
                self._take(line)
            self.kept += begun
            self._skips = bool(begun)
            return await self._next(prompt)

    async def tell(self, lines: Sequence[str]) -> None:
        """Say something between questions."""
        await self._paper.write(lines)

    async def _next(self, prompt: str) -> str:
        self.prompt = prompt
        self._answer = asyncio.get_running_loop().create_future()
        skips = self._skips
        try:
            if skips:
                await self._paper.write(["You were writing when this came: end that line first, it is no answer."])
            await self._paper.prompt(prompt)
            return await self._answer
        finally:
            self._answer = None
            self._skips = False


class _shown:  # noqa: N801 - it stands where `hidden()` would
    def __enter__(self) -> bool:
        return False

    def __exit__(self, *_: object) -> None:
        return

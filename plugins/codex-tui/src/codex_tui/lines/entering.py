"""What the user enters: messages, commands, lines of a shell."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import anyio

from codex_plugin_sdk import CodexError, StoreError

from ..commands.line import SEND, run_line
from ..history import History
from ..session.controller import Draft
from .entries import EntryParser

if TYPE_CHECKING:
    from .app import LineApp

SHELL, QUEUE = "!", "&"
MOST_WAITING = 1000
"""Entries that wait to be carried out; then nothing more is read."""
PASTE_S = 0.03
"""Plain lines of a terminal that come as fast as this are one message: nobody types so."""
HELP = (
    ("a line", "is sent; while the agent works it is told at once"),
    ("& a line", "is sent when the turn has ended"),
    ("! a line", "runs a command of your own"),
    ("/ a line", "is a command; a blank in front sends it as it is"),
    ("\\ at the end", "the message goes on in the next line"),
    ('"""', "before and after several lines makes one message of them"),
    ("ctrl+c", "leaves a question, drops what has begun, or interrupts the turn; twice leaves"),
    ("ctrl+d", "leaves"),
)


class Typing:
    """Takes the lines that answer no question, one entry after the other."""

    def __init__(self, app: LineApp) -> None:
        self._app = app
        self._parser = EntryParser()
        self._entries: deque[tuple[str, float]] = deque()
        self._entered = anyio.Event()
        self._runs = self._works = False
        self.history: History | None = None

    @property
    def is_open(self) -> bool:
        """Whether a message has begun and goes on."""
        return self._parser.is_open

    @property
    def is_idle(self) -> bool:
        """Whether it is the user's turn."""
        session = self._app.session
        busy = session.busy or session.status.phase in ("working", "compacting", "reviewing")
        return self._runs and not self._works and not self._entries and not busy

    def take(self, line: str) -> None:
        """A line for the agent."""
        desk = self._app.desk
        text, desk.kept = desk.kept + line, ""
        entry = self._parser.feed(text)
        if entry is not None:
            self._entries.append((entry, self._app.keyboard.read_at))
            self._entered.set()
            if len(self._entries) >= MOST_WAITING:
                self._app.keyboard.pause()

    def drop(self) -> bool:
        """Forget what has begun; whether there was something."""
        begun = self.is_open or bool(self._app.desk.kept)
        self._parser.drop()
        self._app.desk.kept = ""
        return begun

    async def run(self) -> None:
        """Carry out entries for as long as they come."""
        self._runs = True
        self._app.draw_soon()
        while True:
            while not self._entries:
                self._entered = anyio.Event()
                await self._entered.wait()
            self._works = True
            try:
                await self._enter(await self._next())
            finally:
                self._works = False
            self._app.keyboard.resume()
            self._app.draw_soon()

    async def _next(self) -> str:
        """The next entry, with what was pasted with it."""
        text, came_at = self._entries.popleft()
        while self._app.keyboard.is_tty and _is_plain(text):
            if not self._entries:
                self._entered = anyio.Event()
                with anyio.move_on_after(PASTE_S):
                    await self._entered.wait()
            if not self._entries or self._entries[0][1] - came_at > PASTE_S or not _is_plain(self._entries[0][0]):
                break
            line, came_at = self._entries.popleft()
            text = f"{text}\n{line}"
        return text

    async def _enter(self, text: str) -> None:
        text = text.strip("\n")
        if not text.strip():
            return
        await self._remember(text)
        app = self._app
        try:
            if text.startswith(SHELL):
                await self._shell(text[1:].strip())
            elif text.startswith(QUEUE):
                await self.send(Draft(text=text[1:].strip()), queue=True, typed=True)
            else:
                outcome = await run_line(app.ui, text)
                if outcome.result == SEND:
                    await self.send(Draft(text=outcome.text, images=outcome.images), typed=True)
        except CodexError as error:
            app.session.notice("error", error.message, error.hint)
            app.keep(text)

    async def _shell(self, command: str) -> None:
        if command:
            await self._app.session.shell(command)
        else:
            self._app.session.notice("info", "! runs a command of your own, as in: ! git status")

    async def send(self, draft: Draft, *, queue: bool = False, typed: bool = False) -> None:
        """Send input. `typed`: the terminal shows it already. Raises `ProtocolError`, `LinkLost`, `UserError`."""
        app = self._app
        if not draft.text and not draft.images:
            return
        if typed:
            app.feed.typed(draft.text)
        try:
            became = await app.session.submit(draft, queue=queue)
        except BaseException:
            app.feed.forget(draft.text)
            raise
        if became == "queued":
            app.feed.forget(draft.text)
            app.say_now("Queued: it is sent when the turn has ended.")
        elif became == "steered" and typed:
            app.say_now("Told to the agent.")

    async def _remember(self, text: str) -> None:
        if self.history is None:
            return
        self.history.add(text)
        try:
            await anyio.to_thread.run_sync(self.history.save)
        except StoreError as error:
            self.history = None
            self._app.session.notice("warning", error.message, error.hint)


def _is_plain(text: str) -> bool:
    return not text.startswith(("/", SHELL, QUEUE))

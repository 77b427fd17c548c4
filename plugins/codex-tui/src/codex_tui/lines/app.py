"""The line-based user interface: what is written stays, one line after the other."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import CodexError

from ..render import load_theme
from ..session.cells import UserCell
from ..session.controller import Draft, Session
from .answering import Answers
from .desk import Desk
from .entering import Typing
from .feed import Feed
from .keyboard import Keyboard
from .opening import open_session
from .paper import Paper
from .signals import handled
from .ui import LineUi
from .words import seconds

if TYPE_CHECKING:
    from ..link.local import LocalLink
    from ..options import Options

PROMPT, MORE = "> ", ". "
STILL_S = 30.0
SECOND_PRESS_S = 2.0
STOP_S = 12.0
"""How long a turn gets to stop when the session ends."""
FLUSH_S = 2.0
USUAL_WIDTH, LEAST_WIDTH = 80, 20
SERVER_GONE = 1
HELLO = (
    "Enter a message. /help lists commands, ctrl+c interrupts, ctrl+d leaves.",
    'Several lines are one message between lines of """.',
)
WORKING = ("Working. A line that you enter now is told to the agent at once;", "with & in front it is sent afterwards.")


def run_lines(options: Options, link: LocalLink | None = None) -> int:
    """Run until the user leaves; the exit code. `link`: a server that is being started already. Raises `CodexError`
    when the session could not begin."""
    return asyncio.run(serve(options, link))


async def serve(options: Options, link: LocalLink | None = None) -> int:
    """See `run_lines`; within an event loop."""
    async with AsyncExitStack() as stack:
        if options.invocation.flags.get("remote"):
            from ..link.remote import connector

            found = await stack.enter_async_context(connector(options.invocation))
            return await LineApp(
                Session(await found.connect(), options.settings, reconnect=found.connect), options
            ).run()
        from ..link.local import LocalLink

        if link is None:
            link = LocalLink()
            link.start(options.invocation)
        link.bind()
        stack.push_async_callback(link.close)
        return await LineApp(Session(link, options.settings), options).run()


class LineApp:
    """`terminal` are file descriptors for input and output, by default the standard ones. `still_s`: how often it says
    that it still works, where it does."""

    def __init__(
        self, session: Session, options: Options, *, terminal: tuple[int, int] | None = None, still_s: float = STILL_S
    ) -> None:
        self.session, self.options = session, options
        self.ui = LineUi(self, options.invocation)
        stdin, self._out_fd = terminal or _standard()
        self.paper = Paper(self._out_fd, encoding=sys.stdout.encoding, echoes=stdin >= 0 and os.isatty(stdin))
        self.typing = Typing(self)
        self.desk = Desk(self.paper, self.typing.take, self.draw_soon)
        self.keyboard = self.desk.keyboard = Keyboard(stdin, self._line, self._input_ended)
        self.feed = Feed(session.transcript, load_theme("none", environ={}))
        self.failure: CodexError | None = None
        self._still_s = still_s
        self._code: int | None = None
        self._over, self._hurry = anyio.Event(), anyio.CancelScope()
        self._dirty, self._ended, self._begun = (anyio.Event() for _ in range(3))
        self._drawing = anyio.Lock()
        self._announced: str | None = None
        self._explained = False
        self._answers = Answers(self)
        self._pressed_at = -SECOND_PRESS_S
        self._finishes = False
        self._tasks: Any = None
        session.on_change = session.transcript.on_change = self.draw_soon
        session.on_ask = self._answers.changed
        session.on_turn_end = self._turn_ended
        session.on_restore = self._restored

    # -- the whole -------------------------------------------------------------------------------

    async def run(self) -> int:
        """Run until the end; the exit code. Raises `CodexError` when the session could not begin."""
        try:
            with handled(interrupt=self.interrupt, end=self._signalled, go_on=self._continued):
                await self._run_parts()
        except BaseExceptionGroup as group:
            raise _innermost(group) from None
        finally:
            self.paper.close()
        if self.failure is not None:
            raise self.failure
        return self._code or 0

    async def _run_parts(self) -> None:
        async with anyio.create_task_group() as self._tasks:
            parts = (self.keyboard.run, self._listen, self._draw_always, self._answers.run, self._keep_time)
            for part in (*parts, self._begin):
                self._tasks.start_soon(part)
            await self._over.wait()
            await self._wind_up()
            self._tasks.cancel_scope.cancel()

    async def _begin(self) -> None:
        try:
            if not await open_session(self):
                self.leave(0)
                return
        except CodexError as error:
            self.failure = error
            self.leave(int(error.exit_code) or 1)
            return
        await self.typing.run()

    async def _listen(self) -> None:
        await self.session.listen()
        self.leave(SERVER_GONE)

    def leave(self, code: int) -> None:
        """End: at the user's wish, or because nobody is there any more."""
        if self._code is not None:
            self._hurry.cancel()
            return
        self._code = code
        self.desk.end()
        self._over.set()

    async def _wind_up(self) -> None:
        """The turn that runs is stopped, or finished where that is wanted; then the last words."""
        session = self.session
        with self._hurry, anyio.move_on_after(None if self._finishes else STOP_S):
            if session.busy and not self._finishes and session.status.phase != "lost":
                await self.guarded(self._stop)
            while session.busy and session.status.phase != "lost":
                self._ended = anyio.Event()
                await self._ended.wait()
        with anyio.move_on_after(FLUSH_S):
            await self.draw()
            await self.paper.write(self._farewell())

    def _farewell(self) -> list[str]:
        session = self.session
        if not any(isinstance(cell, UserCell) for cell in session.transcript):
            return []
        remote = self.options.invocation.flags.get("remote")
        return [
            f"To continue this session, run codex {f'--remote {remote} ' if remote else ''}resume {session.thread_id}"
        ]

    # -- signals and keys ------------------------------------------------------------------------

    def interrupt(self) -> None:
        """ctrl+c."""
        self.paper.scribbled()
        now = asyncio.get_running_loop().time()
        if now - self._pressed_at < SECOND_PRESS_S or self._code is not None:
            self.leave(0)
            return
        if self.desk.leave():
            said = "The question is left."
        elif self.typing.drop():
            said = "What you had begun is dropped."
        else:
            self._pressed_at = now
            said = "Once more ctrl+c leaves."
            if self.session.busy:
                self.run_later(self._stop)
                said = f"Interrupting. {said}"
        self.say_now(said)

    async def _stop(self) -> None:
        await self.session.interrupt()

    def _signalled(self, signum: int) -> None:
        """SIGTERM, or SIGHUP: then the turn may be finished if that is configured."""
        import signal

        self._finishes = signum == signal.SIGHUP and self.options.section.on_hangup == "finish"
        self.leave(128 + signum)

    def _continued(self) -> None:
        """After ctrl+z and `fg`: the shell has written below the prompt."""
        self.say_now()

    def _line(self, text: str) -> None:
        self.desk.line(text)
        self.draw_soon()

    def _input_ended(self) -> None:
        self.paper.scribbled()
        self.leave(0)

    # -- writing ---------------------------------------------------------------------------------

    @property
    def width(self) -> int:
        """Of the terminal, in cells."""
        try:
            columns = os.get_terminal_size(self._out_fd).columns
        except OSError:
            return USUAL_WIDTH
        return columns if columns >= LEAST_WIDTH else USUAL_WIDTH

    def draw_soon(self) -> None:
        """Something has changed."""
        self._dirty.set()

    async def _draw_always(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty = anyio.Event()
            await self.draw()

    async def draw(self) -> None:
        """Write what is new, and the prompt below it."""
        async with self._drawing:
            rows = self._working() + self.feed.take(self.width)
            if rows:
                await self.paper.write(rows)
            if self.paper.has_prompt or self._code is not None or self._dirty.is_set():
                return  # what has come since is to be above the prompt
            if self.desk.asks:
                await self.paper.prompt(self.desk.prompt)
            elif self.typing.is_idle:
                await self.paper.prompt(MORE if self.typing.is_open else PROMPT + self.desk.kept)

    def _working(self) -> list[str]:
        turn = self.session.status.turn_id
        if turn is None or turn == self._announced:
            return []
        self._announced = turn
        self._begun.set()
        said = ["Working."] if self._explained else [*WORKING]
        self._explained = True
        return said

    def say_now(self, *lines: str) -> None:
        """Write lines that are no part of the transcript."""
        self.run_later(lambda: self._say(lines))

    async def _say(self, lines: Sequence[str]) -> None:
        await self.paper.write(lines)
        self.draw_soon()

    async def _keep_time(self) -> None:
        """Say from time to time that it still works, to those who see no sign of it."""
        if not self._reads_aloud:
            return
        while True:
            await self._begun.wait()
            self._begun = anyio.Event()
            turn, past = self.session.status.turn_id, 0.0
            while True:
                await anyio.sleep(self._still_s)
                past += self._still_s
                status = self.session.status
                if turn is None or status.turn_id != turn:
                    break
                if not self.desk.asks:
                    what = f": {status.detail}" if status.detail else ""
                    await self._say([f"Still working{what}, {seconds(past)} so far."])

    @property
    def _reads_aloud(self) -> bool:
        return bool(self.options.section.screen_reader or self.options.invocation.flags.get("screen_reader"))

    # -- questions -------------------------------------------------------------------------------

    @asynccontextmanager
    async def questions(self) -> AsyncIterator[None]:
        """Within this, nobody else asks; what was said before is written."""
        async with self.desk.lock:
            self.keyboard.resume()
            await self.draw()
            yield
        self.draw_soon()

    def keep(self, text: str) -> None:
        """Let the user go on from a text."""
        self.desk.kept = text
        if text and self.session.busy:  # else the prompt shows it
            self.say_now(f"Kept: {text}", "An empty line sends it, more words go on from there, ctrl+c drops it.")
        self.draw_soon()

    # -- what happens ----------------------------------------------------------------------------

    def _turn_ended(self, status: str) -> None:
        self._ended.set()
        self.draw_soon()

    def _restored(self, drafts: Sequence[Draft]) -> None:
        self.session.notice("info", "what was queued was not sent")
        self.keep("\n".join(filter(None, [self.desk.kept, *(draft.text for draft in drafts)])))

    async def perform(self, action: str) -> bool:
        """See `commands.ui.Ui`."""
        from .actions import perform

        return await perform(self, action)

    def run_later(self, work: Callable[[], Awaitable[None]]) -> None:
        """Go on with something in the background."""
        self._tasks.start_soon(self.guarded, work)

    async def guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do something; what goes wrong is said."""
        try:
            await work()
        except CodexError as error:
            self.session.notice("error", error.message, error.hint)


def _standard() -> tuple[int, int]:
    """File descriptors of standard input (-1: it is closed) and output."""
    return sys.stdin.fileno() if sys.stdin is not None else -1, sys.stdout.fileno()


def _innermost(error: BaseException) -> BaseException:
    """What went wrong first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

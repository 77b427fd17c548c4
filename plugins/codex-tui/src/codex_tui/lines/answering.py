"""The questions of the server, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from ..session.asks import Ask, Reply
from .asking import put_ask
from .desk import Left

if TYPE_CHECKING:
    from .app import LineApp


class Answers:
    """Puts each question that waits; one that is settled by somebody else is taken away."""

    def __init__(self, app: LineApp) -> None:
        self._app = app
        self._come = anyio.Event()
        self._open: tuple[Ask, anyio.CancelScope] | None = None
        self._answered = 0

    def changed(self) -> None:
        """Questions have come, or were settled."""
        self._come.set()
        if self._open is not None and self._open[0] not in self._app.session.asks:
            self._open[1].cancel()

    async def run(self) -> None:
        """Put what comes, for ever."""
        session = self._app.session
        while True:
            while not session.asks:
                self._answered = 0
                self._come = anyio.Event()
                await self._come.wait()
            async with self._app.questions():
                if session.asks:
                    await self._put(session.asks[0])
            self._answered += 1

    async def _put(self, ask: Ask) -> None:
        app = self._app
        reply = await self._reply(ask)
        if reply is None or ask not in app.session.asks:
            await app.paper.write(["That question is settled already."])
        else:
            await app.guarded(lambda: app.session.reply(ask, reply))
        if app.desk.kept:
            app.keep(app.desk.kept)

    async def _reply(self, ask: Ask) -> Reply | None:
        """What the user answers; who leaves the question says no. None: it was settled meanwhile."""
        session = self._app.session
        count = len(session.asks) + self._answered
        place = f" ({self._answered + 1} of {count})" if count > 1 else ""
        is_other = ask.thread_id and ask.thread_id != session.thread_id
        whose = f" of sub-agent {ask.thread_id[-8:]}" if is_other else ""
        with anyio.CancelScope() as scope:
            self._open = ask, scope
            try:
                return await put_ask(self._app.desk, ask, place=place, whose=whose)
            except Left:
                return ask.reply(ask.cancel)
            finally:
                self._open = None
        return None

"""What the session tells, and what the screen does about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from ..commands.line import load_completions
from ..render import warm_up
from .asked import Asked
from .opening import header

if TYPE_CHECKING:
    from ..link import Message
    from ..notify import Notifier
    from .app import CodexApp


class News:
    """Listens to the session of an application from now on. `notifier` calls a user who is not there."""

    def __init__(self, app: CodexApp, notifier: Notifier) -> None:
        self._app, self._notifier = app, notifier
        session = app.session
        session.on_change = session.transcript.on_change = app.draw_soon
        session.on_ask = Asked(app, notifier).changed
        session.on_restore = app.restore
        session.on_opened = self._opened
        session.on_message = self._told
        session.on_turn_end = self._turn_ended

    def _told(self, message: Message) -> None:
        """Other commands may be there now."""
        params = message["params"]
        if message["method"] == "skills/changed" or (
            message["method"] == "mcpServer/startupStatus/updated" and params.get("status") == "ready"
        ):
            self._app.go(load_completions(self._app.commands))

    def _opened(self) -> None:
        """A thread is open, and nothing of it shown yet."""
        app = self._app
        app.feed.follow(app.session.thread_id)
        app.session.transcript.add(header(app.session.status, app.options.environ.get("HOME", "")))
        app.go(app.act.read_cost())
        app.go(anyio.to_thread.run_sync(warm_up, app.colours))

    def _turn_ended(self, status: str) -> None:
        act = self._app.act
        self._notifier.turn_ended(act.last_answer() if status == "completed" else f"the turn was {status}")
        self._app.go(act.read_cost())

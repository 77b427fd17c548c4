"""Closing threads that nobody listens to: their memory, their files and their locks are for others then."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from codex_plugin_sdk import CodexError

from .faults import log
from .scopes import THREAD
from .section import AppServerSection

if TYPE_CHECKING:
    from .loaded import LoadedThread
    from .server import Server

OPENING_S = 30.0
"""At least so long a new thread waits for who has opened it."""


class Idle:
    """When a thread is to be unloaded: once for some time no client has listened and nothing has happened. A turn that
    runs, also one that waits for an answer, goes on and counts as something."""

    def __init__(self, server: Server, loaded: LoadedThread) -> None:
        self._server = server
        self._loaded = loaded
        self._delay_s: float | None = None
        self._last_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def touch(self) -> None:
        """Something happens in the thread."""
        if self._timer is not None:
            self._last_s = time.monotonic()

    def watch(self, at_least_s: float = 0.0) -> None:
        """Nobody listens any more, or nobody does yet."""
        self.stop()
        if self._delay_s is None:
            self._delay_s = self._configured()
        if self._delay_s and not self._loaded.closed.is_set():
            self._last_s = time.monotonic()
            self._again(max(self._delay_s, at_least_s))

    def stop(self) -> None:
        """Somebody listens, or the thread is closed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _configured(self) -> float:
        try:
            section: AppServerSection = self._loaded.engine.config.section("app_server", AppServerSection)
            return section.checked().unload_after_s
        except CodexError as error:
            log("threads are unloaded as if [app_server] said nothing", error)
            return AppServerSection().unload_after_s

    def _again(self, after_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(after_s, self._due)

    def _due(self) -> None:
        assert self._delay_s is not None
        left_s = self._last_s + self._delay_s - time.monotonic()
        if self._loaded.active_turn is not None:
            left_s = self._delay_s
        if left_s > 0:
            self._again(left_s)
        else:
            self._timer = None
            self._server.start(self._unload)

    async def _unload(self) -> None:
        """Close it in its turn: a request for the thread that came before is carried out first, one that comes later
        finds it closed."""
        loaded = self._loaded
        async with self._server.turnstiles.ticket(THREAD, {"threadId": loaded.id}):
            if loaded.listeners or loaded.closed.is_set():
                return
            if loaded.active_turn is not None:
                self.watch()
                return
            loaded.close()
            await loaded.closed.wait()
            self._server.tell_all("thread/status/changed", {"threadId": loaded.id, "status": {"type": "notLoaded"}})
            self._server.tell_all("thread/closed", {"threadId": loaded.id})

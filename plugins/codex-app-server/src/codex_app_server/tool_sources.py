"""Asking MCP servers: those of a thread, and others, without a thread, that are gone when nobody asks any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import Engine, EventMsg, ThreadOptions, ToolSource

from .faults import innermost
from .wire import INTERNAL_ERROR, RpcError

if TYPE_CHECKING:
    from .server import Server

IDLE_S = 30.0
"""So long servers are kept that nobody asks."""


async def inquire(source: ToolSource, method: str, params: Mapping[str, Any], gone: anyio.Event) -> Any:
    """The source's answer. Raises what it raises, `RpcError` when it is `gone` meanwhile."""
    answers: list[Any] = []
    errors: list[Exception] = []

    async def ask() -> None:
        try:
            answers.append(await source.inquire(method, params))
        except Exception as error:  # noqa: BLE001 - kept from the task group, which would wrap it
            errors.append(error)

    async with anyio.create_task_group() as tasks:

        async def give_up() -> None:
            await gone.wait()
            tasks.cancel_scope.cancel()

        tasks.start_soon(give_up)
        await ask()
        tasks.cancel_scope.cancel()
    if errors:
        raise errors[0]
    if not answers:
        raise RpcError("the MCP servers are gone: ask again", INTERNAL_ERROR)
    return answers[0]


class LoneSource:
    """The source of tools that one server works with beside its threads."""

    def __init__(self, name: str, idle_s: float = IDLE_S) -> None:
        self._name, self._idle_s = name, idle_s
        self._open: _Open | None = None

    async def inquire(
        self,
        server: Server,
        engine: Callable[[], Engine],
        options: ThreadOptions,
        *,
        method: str,
        params: Mapping[str, Any],
        default: Any,
    ) -> Any:
        """The source's answer; `default` where nothing is configured for it. `engine` makes what it is opened with, if
        none is open whose configuration still holds. Raises `RpcError` and what the source raises."""
        opened = self._open
        if opened is None or opened.over or opened.engine.config.changed():
            fresh = await anyio.to_thread.run_sync(engine)
            if self._open is opened:  # nobody else was faster
                self.close()
                self._open = _Open(fresh)
                server.start(partial(self._open.run, server, self._name, options, self._idle_s))
            opened = self._open
        assert opened is not None
        return await opened.inquire(method, params, default)

    def close(self) -> None:
        """Let it go as soon as nobody asks any more; who asks next gets another."""
        if self._open is not None:
            self._open.let_go()
            self._open = None


class _Open:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.over = False
        self._users = 0
        self._changed = anyio.Event()
        self._ready, self._gone, self._let_go = anyio.Event(), anyio.Event(), False
        self._source: ToolSource | None = None
        self._error: BaseException | None = None

    async def run(self, server: Server, name: str, options: ThreadOptions, idle_s: float) -> None:
        """Keep the source until nobody has asked for a while, or the server ends."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._end_with, server, tasks.cancel_scope)
                async with self.engine.tool_source(name, options, _unheard) as self._source:
                    self._ready.set()
                    while not self.over:
                        await self._next_change(idle_s)
                tasks.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001 - who asks is told
            self._error = innermost(error)
        finally:
            self.over = True
            self._ready.set()
            self._gone.set()

    async def _end_with(self, server: Server, scope: anyio.CancelScope) -> None:
        await server.over.wait()
        scope.cancel()

    async def _next_change(self, idle_s: float) -> None:
        if not self._users and self._let_go:
            self.over = True
            return
        self._changed = anyio.Event()
        with anyio.move_on_after(None if self._users else idle_s) as idle:
            await self._changed.wait()
        self.over = idle.cancelled_caught and not self._users

    async def inquire(self, method: str, params: Mapping[str, Any], default: Any) -> Any:
        self._users += 1
        self._changed.set()
        try:
            await self._ready.wait()
            if self._source is not None and self._error is None:
                return await inquire(self._source, method, params, self._gone)
            self._check()
            return default
        except RpcError:
            self._check()
            raise
        finally:
            self._users -= 1
            self._changed.set()

    def _check(self) -> None:
        if self._error is not None:
            why = f"{type(self._error).__name__}: {self._error}"
            raise RpcError(f"the MCP servers cannot be asked: {why}", INTERNAL_ERROR) from self._error

    def let_go(self) -> None:
        self._let_go = True
        self._changed.set()


def _unheard(_event: EventMsg) -> None:
    """How the start of a server goes is in the answers: there is no thread of which it could be told."""

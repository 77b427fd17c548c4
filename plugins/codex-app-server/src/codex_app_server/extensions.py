"""Methods beside those of Codex's protocol: our own, and those that plugins offer by `codex_app_methods`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import AppMethod, AppMethodSetup, AppMethodSpec, Config, ThreadFacts, codex_home

from .methods import NONE, Method
from .released import released
from .scopes import THREAD, THREAD_SHARED
from .server import check_thread_id
from .shelf import on_shelf, shelf
from .wire import INTERNAL_ERROR, RpcError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .client import Client
    from .server import Server


class Extensions:
    """The methods that the plugins of one server offer. Each is made when it is first called."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._found: dict[str, Method] = {}

    def find(self, name: str) -> Method | None:
        """The method of this name."""
        if name not in self._found:
            offer = self._server.invocation.plugins.app_methods().get(name)
            if offer is None:
                return None
            run = _Made(self._server, offer.spec).run
            scope = THREAD if offer.spec.writes else THREAD_SHARED
            self._found[name] = Method(name, NONE, scope, run, experimental=True)
        return self._found[name]


class _Made:
    """One method of a plugin."""

    def __init__(self, server: Server, spec: AppMethodSpec) -> None:
        self._server, self._spec = server, spec
        self._method: AppMethod | None = None

    async def run(self, server: Server, client: Client, params: Mapping[str, Any]) -> Any:
        """Carry out a request; the factory is asked again where it failed the last time."""
        if self._method is None:
            self._method = self._spec.factory(self._setup())
        return await self._method(params)

    def _setup(self) -> AppMethodSetup:
        server = self._server
        return AppMethodSetup(
            invocation=server.invocation,
            codex_home=codex_home(server.invocation.environ),
            thread=partial(thread_facts, server),
            config=partial(thread_config, server),
            released=self._released,
            tell=server.tell_all,
        )

    def _released(self, thread_id: str) -> AbstractAsyncContextManager[Callable[[], None]]:
        return released(self._server, thread_id) if self._spec.writes else _refused(self._spec.name)


@asynccontextmanager
async def _refused(name: str) -> AsyncIterator[Callable[[], None]]:
    raise RpcError(f"{name} does not say that it writes, so that it cannot have a thread for itself", INTERNAL_ERROR)
    yield


async def thread_facts(server: Server, thread_id: str) -> ThreadFacts:
    """What there is to know of a thread. Raises `RpcError`."""
    check_thread_id(thread_id)
    loaded = server.threads.get(thread_id)
    if loaded is not None:
        return ThreadFacts(
            thread_id=loaded.id,
            cwd=loaded.state.cwd,
            loaded=True,
            rollout_path=None if loaded.ephemeral else loaded.state.recorder.path,
            active_turn=loaded.active_turn,
        )
    found = await on_shelf(lambda: shelf(server).require(thread_id))
    return ThreadFacts(thread_id=found.thread_id, cwd=found.cwd, loaded=False, rollout_path=found.path)


async def thread_config(server: Server, thread_id: str) -> Config:
    """The configuration with which a thread is open, else that of its folder. Raises `RpcError`, `ConfigError`."""
    check_thread_id(thread_id)
    loaded = server.threads.get(thread_id)
    if loaded is not None:
        return loaded.engine.config
    facts = await thread_facts(server, thread_id)
    return await anyio.to_thread.run_sync(lambda: server.invocation.load_config(cwd=facts.cwd))

"""Setting the rollout of an open thread free for a while: it is closed, and opened again for those who listen to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from codex_plugin_sdk import ThreadOptions

from .dynamic_tools import META as DYNAMIC_TOOLS
from .dynamic_tools import read_specs
from .server import check_thread_id
from .shelf import on_shelf, shelf
from .wire import RpcError

if TYPE_CHECKING:
    from .client import Client
    from .loaded import LoadedThread
    from .server import Server

SOURCE = "vscode"


@asynccontextmanager
async def released(server: Server, thread_id: str) -> AsyncIterator[Callable[[], None]]:
    """While the context lasts, nobody here has the thread open. Its value is to be called when turns were taken back:
    all clients are told. For requests that have the thread for themselves. Raises `RpcError` for a thread that is not
    there or not recorded, and while a turn runs."""
    check_thread_id(thread_id)
    cut: list[bool] = []
    loaded = server.threads.get(thread_id)
    if loaded is None:
        await on_shelf(lambda: shelf(server).require(thread_id))
        yield lambda: cut.append(True)
    else:
        async with set_free(server, loaded):
            yield lambda: cut.append(True)
        if cut and not await on_shelf(lambda: next(shelf(server).listed_turns(thread_id, "notLoaded"), None)):
            server.loaded(thread_id).preview = ""
    if cut:
        server.tell_all("thread/reverted", {"threadId": thread_id})


@asynccontextmanager
async def set_free(server: Server, loaded: LoadedThread) -> AsyncIterator[None]:
    """Close an open thread, and open it again whatever happens meanwhile. Where that fails, those who listened are told
    that it is closed. Raises `RpcError` while a turn runs, and what opening raises."""
    if loaded.active_turn is not None:
        raise RpcError(f"turn {loaded.active_turn} is still running: interrupt it first")
    if loaded.ephemeral:
        raise RpcError(f"thread {loaded.id} is ephemeral: nothing of it is recorded")
    listeners = list(loaded.listeners)
    for listener in listeners:
        loaded.unsubscribe(listener)
    loaded.close()
    await loaded.closed.wait()
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            await _open_again(server, loaded, listeners)


def _take_along(before: LoadedThread, again: LoadedThread) -> None:
    """The thread was closed by us, not by its user: what was allowed for the session still is."""
    again.state.gate.granted.update(before.state.gate.granted)
    again.state.gate.grants.extend(grant for grant in before.state.gate.grants if grant.session)


async def _open_again(server: Server, loaded: LoadedThread, listeners: list[Client]) -> None:
    options = ThreadOptions(
        cwd=loaded.state.cwd,
        resume=loaded.id,
        source=SOURCE,
        originator=loaded.state.originator,
        want_deltas=True,
        answers_questions=True,
    )
    try:
        again = await server.open_recorded(loaded.engine, options)
        again.recall({**loaded.wire(), "updatedAt": again.updated_s})
        again.state.settings, again.state.sticky = loaded.state.settings, dict(loaded.state.sticky)
        _take_along(loaded, again)
        if (owner := loaded.dynamic.owner) is not None:
            meta = (await on_shelf(lambda: shelf(server).require(loaded.id))).meta
            again.bring(owner, read_specs(meta.get(DYNAMIC_TOOLS) or ()))
    except Exception:
        for listener in listeners:
            listener.notify("thread/closed", {"threadId": loaded.id})
        raise
    again.has_active_goal = loaded.has_active_goal
    for listener in listeners:
        if not listener.gone.is_set():
            again.subscribe(listener)

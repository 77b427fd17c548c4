"""The begin of a session in either user interface: whether the project is trusted, the thread that was asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from codex_plugin_sdk import ProtocolError

from .session.asks import BadAsk
from .session.asks_trust import read_trust

if TYPE_CHECKING:
    from .options import Opening
    from .session.asks import Choice
    from .session.asks_trust import TrustAsk
    from .session.controller import Session


async def ask_trust(
    session: Session, cwd: str, put: Callable[[TrustAsk], Awaitable[Choice | None]], *, even_if_known: bool = False
) -> None:
    """Ask whether the files of this project count, if there are any that would and nobody has said so yet. `put` shows
    the question; None: the user left it. Raises `LinkLost`."""
    try:
        shown = await session.link.request("trust/show", {"cwd": cwd})
        ask = read_trust(shown, in_session=bool(session.thread_id))
    except (ProtocolError, BadAsk) as error:
        if even_if_known:
            session.notice("warning", f"the project cannot be looked at: {error}", "codex trust --show")
        return
    if not ask.needed and not even_if_known:
        return
    choice = await put(ask)
    told = None if choice is None else ask.result(choice)
    if told is not None:
        await session.link.request("trust/set", told)
        session.notice("info", f"trusted as it is now: {ask.root}")


async def open_thread(
    session: Session, opening: Opening, cwd: str, pick: Callable[[str], Awaitable[str | None]]
) -> bool:
    """Open the thread that was asked for; False if the user picked none. `pick` lets the user pick a recorded one for
    `resume` or `fork`. Raises `CodexError`."""
    if opening.is_new:
        await session.start()
        return True
    thread_id = opening.thread and await session.find(opening.thread)
    if opening.last:
        thread_id = await session.newest(cwd, all_folders=opening.all_folders)
    if opening.picker and not thread_id:
        thread_id = await pick("fork" if opening.fork else "resume")
    if not thread_id:
        return False
    await (session.fork(thread_id) if opening.fork else session.resume(thread_id))
    return True

"""The begin of a session: first-run questions, then the thread that was asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from codex_plugin_sdk import ProtocolError, __version__

from ..history import History
from ..session.asks import BadAsk
from ..session.asks_trust import read_trust
from ..session.controller import Draft
from .choosing import choose, fact_lines
from .desk import Left

if TYPE_CHECKING:
    from .app import LineApp


async def open_session(app: LineApp) -> bool:
    """Ask what has to be asked, open the thread, send the prompt of the command line; False: the user wants to leave.
    Raises `CodexError`."""
    from .app import HELLO
    from .onboarding import onboard

    options, session = app.options, app.session
    await app.paper.write([f"Codex {__version__}, plain lines."])
    if not await onboard(app.ui, options.cwd):
        return False
    if session.link.is_local:
        await ask_trust(app)
    await app.draw()
    if not await _open(app):
        return False
    status = session.status
    facts = {"Model": status.model, "folder": status.cwd, "approvals": status.approval, "sandbox": status.sandbox}
    await app.paper.write(
        [", ".join(f"{name}: {text}" for name, text in facts.items() if text), *HELLO],
    )
    app.typing.history = _history(app)
    if options.prompt or options.images:
        await app.typing.send(Draft(text=options.prompt, images=options.images))
    return True


async def ask_trust(app: LineApp, *, even_if_known: bool = False) -> None:
    """Ask whether the files of this project count, if there are any that would and nobody has said so yet. Raises
    `LinkLost`."""
    link = app.session.link
    try:
        shown = await link.request("trust/show", {"cwd": app.options.cwd})
        ask = read_trust(shown, in_session=bool(app.session.thread_id))
    except (ProtocolError, BadAsk) as error:
        if even_if_known:
            app.session.notice("warning", f"the project cannot be looked at: {error}", "codex trust --show")
        return
    if not ask.needed and not even_if_known:
        return
    async with app.questions():
        try:
            choice, _ = await choose(app.desk, ["", ask.title, *fact_lines(ask.facts)], ask.choices)
        except Left:
            return
    told = ask.result(choice)
    if told is not None:
        await link.request("trust/set", told)
        app.session.notice("info", f"{ask.root} is trusted as it is now")


async def _open(app: LineApp) -> bool:
    """Open the thread that was asked for; False if the user picked none."""
    session, opening, cwd = app.session, app.options.opening, app.options.cwd
    if opening.is_new:
        await session.start()
        return True
    thread_id = opening.thread and await session.find(opening.thread)
    if opening.last:
        thread_id = await session.newest(cwd, all_folders=opening.all_folders)
    if opening.picker and not thread_id:
        title = f"{'Fork' if opening.fork else 'Resume'} a session"
        thread_id = await app.ui.pick_session(title, all_folders=opening.all_folders)
    if not thread_id:
        return False
    await (session.fork(thread_id) if opening.fork else session.resume(thread_id))
    return True


def _history(app: LineApp) -> History:
    table = app.options.config.table("history")
    return History(
        os.path.join(app.options.config.codex_home, "history.jsonl"),
        app.session.thread_id,
        persistence=str(table.get("persistence", "save-all")),
        max_bytes=table.get("max_bytes"),
    )

"""The begin of a session: first-run questions, then the thread that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_plugin_sdk import __version__

from .. import opening
from ..history import History
from ..session.controller import Draft
from .choosing import choose, fact_lines
from .desk import Left

if TYPE_CHECKING:
    from ..session.asks import Choice
    from ..session.asks_trust import TrustAsk
    from .app import LineApp


async def open_session(app: LineApp) -> bool:
    """Ask what has to be asked, open the thread, send the prompt of the command line; False: the user wants to leave.
    Raises `CodexError`."""
    from ..first_run import needed, onboard
    from .app import HELLO

    options, session = app.options, app.session
    await app.paper.write([f"Codex {__version__}, plain lines."])
    if not await onboard(app.ui, await needed(session.link, options.cwd, options.environ), options.cwd):
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
    app.typing.history = History.from_config(options.config, lambda: session.thread_id)
    if options.prompt or options.images:
        await app.typing.send(Draft(text=options.prompt, images=options.images))
    return True


async def ask_trust(app: LineApp, *, even_if_known: bool = False) -> None:
    """See `opening.ask_trust`."""

    async def put(ask: TrustAsk) -> Choice | None:
        async with app.questions():
            try:
                return (await choose(app.desk, ["", ask.title, *fact_lines(ask.facts)], ask.choices))[0]
            except Left:
                return None

    await opening.ask_trust(app.session, app.options.cwd, put, even_if_known=even_if_known)


async def _open(app: LineApp) -> bool:
    """See `opening.open_thread`."""
    wanted = app.options.opening

    async def pick(verb: str) -> str | None:
        return await app.ui.pick_session(f"{verb.capitalize()} a session", all_folders=wanted.all_folders)

    return await opening.open_thread(app.session, wanted, app.options.cwd, pick)

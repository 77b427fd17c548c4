"""The begin of a session: first-run questions, then the thread that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_plugin_sdk import CodexError, ProtocolError, __version__

from ..session.asks import BadAsk
from ..session.asks_trust import read_trust
from ..session.cells import HeaderCell
from ..session.controller import Draft
from .statusline import field_text

if TYPE_CHECKING:
    from ..session.status import Status
    from .app import CodexApp

_SHOWN = (
    ("model", "model-with-reasoning"),
    ("folder", "current-dir"),
    ("approvals", "approval"),
    ("sandbox", "sandbox"),
)
TIP = "/help lists commands, ctrl+t shows the transcript, /quit leaves"


async def open_session(app: CodexApp) -> None:
    """Ask what has to be asked, open the thread, send the prompt of the command line."""
    options = app.options
    try:
        if not await _onboard(app):
            app.leave()
            return
        if not await _open(app):
            app.leave()
            return
    except CodexError as error:
        app.fail(error)
        return
    if options.section.show_tooltips and options.opening.is_new:
        app.session.notice("info", TIP)
    if options.prompt or options.images:
        await app.act.send_line(Draft(text=options.prompt, images=options.images), queue=False)


async def _onboard(app: CodexApp) -> bool:
    """The questions of a first run, and whether the project is trusted. False: the user wants to leave."""
    from .onboarding import needed, onboard

    link, environ, cwd = app.session.link, app.options.environ, app.options.cwd
    needs = await needed(link, cwd, environ)
    if needs:
        outcome = await onboard(app.dialogs.ask, link, needs, cwd=cwd, environ=environ, say=app.session.notice)
        if outcome.quit:
            return False
    if link.is_local:
        await ask_trust(app)
    return True


async def ask_trust(app: CodexApp, *, even_if_known: bool = False) -> None:
    """Ask whether the files of this project count, if there are any that would and nobody has said so yet."""
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
    from .trust_dialog import TrustDialog

    answer = await app.dialogs.ask(lambda: TrustDialog(ask))
    told = None if answer is None else ask.result(answer[0])
    if told is not None:
        await link.request("trust/set", told)
        app.session.notice("info", f"{ask.root} is trusted as it is now")


async def _open(app: CodexApp) -> bool:
    """Open the thread that was asked for; False if the user picked none."""
    session, opening = app.session, app.options.opening
    if opening.is_new:
        await session.start()
        return True
    thread_id = opening.thread and await session.find(opening.thread)
    if opening.last:
        thread_id = await session.newest(app.options.cwd, all_folders=opening.all_folders)
    if opening.picker and not thread_id:
        verb = "fork" if opening.fork else "resume"
        title = f"{verb.capitalize()} a session"
        thread_id = await app.pick_session(title, all_folders=opening.all_folders, verb=verb)
    if not thread_id:
        return False
    await (session.fork(thread_id) if opening.fork else session.resume(thread_id))
    return True


def header(status: Status, home: str) -> HeaderCell:
    """The first cell of a thread."""
    rows = [(name, field_text(field, status, home)) for name, field in _SHOWN]
    return HeaderCell(
        key=f"header-{status.thread_id}",
        title=f"codex {__version__}",
        rows=tuple((name, text) for name, text in rows if text),
    )

"""The begin of a session: first-run questions, then the thread that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_plugin_sdk import CodexError, __version__

from .. import opening
from ..session.cells import HeaderCell
from ..session.controller import Draft
from .statusline import field_text

if TYPE_CHECKING:
    from ..session.asks import Choice
    from ..session.asks_trust import TrustAsk
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
    from ..first_run import needed, onboard

    link, cwd = app.session.link, app.options.cwd
    if not await onboard(app.commands, await needed(link, cwd, app.options.environ), cwd):
        return False
    if link.is_local:
        await ask_trust(app)
    return True


async def ask_trust(app: CodexApp, *, even_if_known: bool = False) -> None:
    """See `opening.ask_trust`."""

    async def put(ask: TrustAsk) -> Choice | None:
        from .trust_dialog import TrustDialog

        answer: tuple[Choice, str] | None = await app.dialogs.ask(lambda: TrustDialog(ask))
        return answer and answer[0]

    await opening.ask_trust(app.session, app.options.cwd, put, even_if_known=even_if_known)


async def _open(app: CodexApp) -> bool:
    """See `opening.open_thread`."""
    wanted = app.options.opening

    async def pick(verb: str) -> str | None:
        return await app.commands.pick_session(
            f"{verb.capitalize()} a session", all_folders=wanted.all_folders, verb=verb
        )

    return await opening.open_thread(app.session, wanted, app.options.cwd, pick)


def header(status: Status, home: str) -> HeaderCell:
    """The first cell of a thread."""
    rows = [(name, field_text(field, status, home)) for name, field in _SHOWN]
    return HeaderCell(
        key=f"header-{status.thread_id}",
        title=f"codex {__version__}",
        rows=tuple((name, text) for name, text in rows if text),
    )

"""What slash commands want of a user interface, as far as plain lines can do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..commands.ui import Option
from .entering import HELP

if TYPE_CHECKING:
    from .app import LineApp

CONVERSATION, BOTH, FILES = "the conversation", "conversation and files", "files"
_WAYS = (
    Option(value=CONVERSATION, label="The conversation", detail="files stay as they are"),
    Option(value=BOTH, label="Conversation and files", detail="files become what they were before"),
    Option(value=FILES, label="Files alone", detail="the conversation goes on as it is"),
)


async def perform(app: LineApp, action: str) -> bool:
    """Whether it could be done."""
    match action:
        case "transcript":
            await _transcript(app)
        case "keys" | "keymap":
            app.ui.card("What you can enter", HELP)
        case "rewind":
            await _rewind(app)
        case "trust":
            from .opening import ask_trust

            await ask_trust(app, even_if_known=True)
        case "login":
            from ..first_run import choose_model

            await choose_model(app.ui)
        case "clear":
            pass  # what is written stays
        case _:
            return False
    return True


async def _transcript(app: LineApp) -> None:
    await app.draw()
    more = ["(only the newest part of it is read)"] if app.session.older is not None else []
    await app.paper.write(["", "Transcript", *more, *app.feed.all(app.width), "", "End of the transcript"])


async def _rewind(app: LineApp) -> None:
    """Back to an earlier message; its text is where the user goes on from."""
    session, ui = app.session, app.ui
    turns = session.user_turns()
    if not turns:
        ui.say("info", "there is no message to go back to")
        return
    options = [Option(value=turn, label=" ".join(cell.text[:80].split()) or "(images)") for turn, cell in turns]
    turn_id = await ui.pick("Back to before which message? The newest is the first.", options)
    way = await ui.pick("What is to be taken back?", _WAYS) if turn_id is not None else None
    if way is None:
        return
    done = await session.rewind(turn_id, files=way != CONVERSATION, conversation=way != FILES)
    files = len(done.get("files") or ())
    ui.say("info", f"taken back: {way}" + (f", {files} files" if way != CONVERSATION else ""))
    if way != FILES:
        ui.say("info", f"the message was: {dict(turns)[turn_id].text}")

"""/login, /logout, /feedback."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from codex_plugin_sdk import UserError, codex_home

from .asking import agreed, need_thread, needed, request, sure
from .ui import Option

if TYPE_CHECKING:
    from .ui import Ui

KINDS = (
    ("bug", "Something is broken", "it did what it should not, or not what it should"),
    ("bad_result", "The answer was bad", "wrong, off the point or incomplete"),
    ("good_result", "The answer was good", "worth knowing about"),
    ("other", "Something else", ""),
)


async def login(ui: Ui, arguments: str) -> None:
    """Sign in, with what the user interface has for that, else with an API key."""
    if arguments not in ("", "api-key"):
        raise UserError("a key does not belong on the command line", hint="/login asks for it and does not show it")
    if not arguments and await ui.perform("login"):
        return
    if not ui.interactive:
        raise needed("codex login signs in")
    key = await ui.ask_text("API key", secret=True)
    if not key or not key.strip():
        return
    await request(ui, "account/login/start", type="apiKey", apiKey=key.strip())
    ui.say("info", "the API key is kept; it counts from the next request on")


async def logout(ui: Ui, arguments: str) -> None:
    """Forget the key that is kept."""
    _, yes = agreed(arguments.split())
    if not await sure(ui, yes, "Forget the key that is kept?", "the next request then has none"):
        return
    await request(ui, "account/logout")
    if (await request(ui, "account/read"))["account"] is not None:
        ui.say("warning", "the kept key is gone, but one in the environment counts", "unset OPENAI_API_KEY")
    else:
        ui.say("info", "the key that was kept is gone", "/login keeps another")


async def feedback(ui: Ui, arguments: str) -> None:
    """Save a report as a file. It stays on this machine: whoever wants to passes it on."""
    thread_id = need_thread(ui)
    kind, text, logs = "other", arguments, False
    if ui.interactive:
        picked = await ui.pick("What is it about?", [Option(value=key, label=n, detail=d) for key, n, d in KINDS])
        if picked is None:
            return
        kind = picked
        if not text:
            told = await ui.ask_text("What happened? (may be empty)")
            if told is None:
                return
            text = told
        logs = await ui.confirm(
            "Put the record of this session into it?",
            "All that was said and done here, without what looks like a secret. Nothing is sent: it becomes a file.",
        )
    saved = await request(
        ui,
        "feedback/save",
        classification=kind,
        reason=text or None,
        includeLogs=logs,
        threadId=thread_id,
        savePath=await _path(ui),
    )
    rows = [("file", saved["savedPath"]), ("kind", kind), ("words", text or "none")]
    rows += [("record", "the whole session, secrets taken out" if logs else "left out")]
    rows += [("besides", "version, platform, session id"), ("sent", "nothing: the file is yours to pass on")]
    ui.card("Feedback", rows)


async def _path(ui: Ui) -> str:
    """Where the report goes: the home of a server in this process, the folder of one elsewhere."""
    name = f"codex-feedback-{time.strftime('%Y%m%d-%H%M%S')}.zip"
    if not ui.session.link.is_local:
        return f"{ui.session.status.cwd}/{name}"
    folder = os.path.join(codex_home(ui.environ), "feedback")
    await request(ui, "fs/createDirectory", path=folder, recursive=True)
    return os.path.join(folder, name)

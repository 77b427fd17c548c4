"""Sessions: begin, resume, fork, name, put aside, delete."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from codex_plugin_sdk import ProtocolError, UserError, is_uuid

from ..link import Message
from ..measures import counted
from .asking import agreed, every, need_thread, needed, request, short, sure
from .choices import carry_over, forget

if TYPE_CHECKING:
    from .ui import Ui

SHOWN = 10
PREFIX_CHARS = 6
"""Characters of an id that stand for it."""


async def new(ui: Ui, arguments: str) -> None:
    """Begin a new thread; what was chosen holds there too."""
    before = ui.session.thread_id
    await ui.session.start()
    carry_over(ui)
    _tell(ui, "a new session", before)


async def clear(ui: Ui, arguments: str) -> None:
    """The same, and the screen is emptied."""
    before = ui.session.thread_id
    await ui.session.start()
    carry_over(ui)
    await ui.perform("clear")
    _tell(ui, "a new session", before)


async def resume(ui: Ui, arguments: str) -> None:
    """Go on with a recorded thread."""
    wanted = arguments.strip()
    thread_id = await (lookup(ui, wanted) if wanted else _pick(ui, "Resume a session", "/resume ID or NAME"))
    if thread_id is None:
        return
    if thread_id == ui.session.thread_id:
        ui.say("info", "that session is this one")
        return
    await _go(ui, ui.session.resume, thread_id)
    forget(ui)
    ui.say("info", f"resumed {ui.session.status.thread_name or thread_id}")


async def fork(ui: Ui, arguments: str) -> None:
    """Go on in a copy of this thread, or of another one."""
    here = need_thread(ui)
    source = await lookup(ui, arguments.strip()) if arguments.strip() else here
    if await _is_empty(ui, source):
        raise UserError("nothing was said in that session yet, so there is nothing to copy")
    await _go(ui, ui.session.fork, source)
    if source == here:
        carry_over(ui)
    else:
        forget(ui)
    ui.say("info", f"this is a copy of {source}", f"/resume {source} goes back to it")


async def _go(ui: Ui, go: Callable[[str], Awaitable[None]], thread_id: str) -> None:
    """Open another thread. When that fails, this one goes on."""
    here = ui.session.thread_id
    try:
        await go(thread_id)
    except ProtocolError:
        if here:
            await request(ui, "thread/resume", threadId=here, excludeTurns=True)  # it was left: listen to it again
        raise


async def rename(ui: Ui, arguments: str) -> None:
    """Name this thread."""
    thread_id = need_thread(ui)
    name: str | None = arguments.strip()
    if not name:
        if not ui.interactive:
            raise needed("say the name: /rename NAME")
        name = await ui.ask_text("Name of this session", initial=ui.session.status.thread_name)
    if not name or not name.strip():
        return
    await request(ui, "thread/name/set", threadId=thread_id, name=name)
    ui.session.status.thread_name = name.strip()
    ui.session.on_change()
    ui.say("info", f"this session is called {name.strip()}")


async def archive(ui: Ui, arguments: str) -> None:
    """Put this thread aside, and begin another."""
    thread_id = need_thread(ui)
    if await _is_empty(ui, thread_id):
        raise UserError("nothing was said in this session yet, so there is nothing to put aside")
    await request(ui, "thread/archive", threadId=thread_id)
    await ui.session.start()
    carry_over(ui)
    ui.say("info", f"{thread_id} is archived; this is a new session", f"codex unarchive {thread_id} brings it back")


async def delete(ui: Ui, arguments: str) -> None:
    """Delete this thread (`this`, or no name) or another one."""
    here = need_thread(ui)
    words, yes = agreed(arguments.split())
    wanted = " ".join(words)
    thread_id = await lookup(ui, wanted) if wanted not in ("", "this") else here
    found = (await request(ui, "thread/read", threadId=thread_id))["thread"]
    if not await sure(
        ui, yes, "Delete this session for good?", ", ".join(filter(None, (label(found), found.get("path"))))
    ):
        return
    await request(ui, "thread/delete", threadId=thread_id)
    if thread_id == here:
        await ui.session.start()
        carry_over(ui)
    ui.say("info", f"{thread_id} is deleted")


async def tree(ui: Ui, arguments: str) -> None:
    """Show the threads above and below this one, and go to one of them."""
    from .lineage import family

    here = need_thread(ui)
    rows = await family(ui, here)
    if not ui.interactive or len(rows) == 1:
        text = "\n".join(f"{'    ' * row.depth}{'* ' if row.id == here else '  '}{row.text}  {row.id}" for row in rows)
        ui.card("Sessions above and below", text=f"```\n{text}\n```")
        return
    from .ui import Option

    options = [
        Option(value=row, label=f"{'  ' * row.depth}{row.text}", detail=row.detail, current=row.id == here)
        for row in rows
    ]
    picked = await ui.pick("Sessions above and below", options, note="forks and sub-agents; enter goes there")
    if picked is None or picked.id == here:
        return
    if picked.is_agent and await ui.perform("agents", picked.id):
        return
    if ui.session.busy:
        raise UserError("another session cannot be opened while a turn runs", hint="wait, or stop it with /stop")
    await _go(ui, ui.session.resume, picked.id)
    forget(ui)


# -- finding -----------------------------------------------------------------------------------------


async def lookup(ui: Ui, wanted: str) -> str:
    """The id of a thread by its id, the beginning of one, or its name. Raises `UserError`."""
    if is_uuid(wanted):
        return wanted
    threads = await every(ui, "thread/list", sortKey="updated_at", modelProviders=[])
    named = [found for found in threads if (found.get("name") or "").lower() == wanted.lower()]
    begun = [found for found in threads if len(wanted) >= PREFIX_CHARS and found["id"].startswith(wanted.lower())]
    found = named or begun
    if len(found) == 1:
        id: str = found[0]["id"]
        return id
    if found:
        ids = ", ".join(entry["id"] for entry in found[:SHOWN])
        raise UserError(f"{counted(len(found), 'session')} are meant by {wanted!r}", hint=f"say which: {ids}")
    lately = "; ".join(f"{entry['id']} {short(label(entry), 30)}" for entry in threads[:3])
    raise UserError(f"there is no session {wanted!r}", hint=f"the latest: {lately}" if lately else "there is none yet")


def label(thread: Message) -> str:
    """What a thread is called: its name, or what was said first."""
    return short(thread.get("name") or thread.get("preview") or "(nothing said)")


async def _pick(ui: Ui, title: str, hint: str) -> str | None:
    if ui.interactive:
        return await ui.pick_session(title)
    page = await request(ui, "thread/list", limit=SHOWN, sortKey="updated_at", cwd=ui.session.status.cwd or None)
    rows = [(short(label(found), 30), found["id"]) for found in page["data"]]
    ui.card("Sessions of this folder", rows)
    raise needed(f"say which session: {hint}")


async def _is_empty(ui: Ui, thread_id: str) -> bool:
    """Whether nothing was said in a thread. Raises `ProtocolError` if there is none."""
    turns = await request(ui, "thread/turns/list", threadId=thread_id, limit=1, itemsView="notLoaded")
    return not turns["data"]


def _tell(ui: Ui, what: str, before: str) -> None:
    hint = f"/resume {before} goes back" if before else ""
    ui.say("info", f"this is {what}", hint)

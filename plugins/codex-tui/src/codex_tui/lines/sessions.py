"""Recorded sessions as a numbered list."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..commands.ui import Option
from ..measures import counted

if TYPE_CHECKING:
    from .ui import LineUi

SHOWN = 20
TITLE_CHARS = 80
SEARCH = object()
_DAY_S = 86_400


async def pick_session(ui: LineUi, title: str, cwd: str) -> str | None:
    """The id of a thread, of one folder or (`cwd` empty) of all: one of the newest, or of those with words that the
    user enters. Raises `ProtocolError`, `LinkLost`."""
    words = ""
    while True:
        wanted: dict[str, Any] = {"limit": SHOWN, "sortKey": "updated_at", "modelProviders": []}
        wanted |= {"cwd": cwd} if cwd else {}
        wanted |= {"searchTerm": words} if words else {}
        page = await ui.session.link.request("thread/list", wanted)
        options = [_option(thread) for thread in page["data"]]
        options.append(Option(value=SEARCH, label="Search by words"))
        about = f" with {words!r}" if words else ""
        found = len(page["data"])
        count = f"{counted(found, 'session')}{about}, the newest first" if found else f"No session{about}"
        picked = await ui.pick(title, options, note=f"{count}{'; there are more' if page['nextCursor'] else ''}.")
        if picked is not SEARCH:
            return str(picked) if picked is not None else None
        words = await ui.ask_text("Words that are in its name or in what was said first.") or ""


def _option(thread: Mapping[str, Any]) -> Option:
    title = " ".join(str(thread.get("name") or thread.get("preview") or "(nothing said)").split())
    stamp = thread.get("updatedAt")
    ago = f"{_age(time.time() - stamp)} ago" if isinstance(stamp, int | float) else ""
    facts = [ago, str(thread.get("cwd") or "")]
    return Option(value=thread["id"], label=title[:TITLE_CHARS], detail=", ".join(filter(None, facts)))


def _age(age_s: float) -> str:
    for size, unit in ((_DAY_S, "day"), (3600, "hour"), (60, "minute")):
        if age_s >= size:
            return counted(int(age_s // size), unit)
    return counted(max(0, int(age_s)), "second")

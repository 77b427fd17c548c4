"""The threads above and below one: what it was forked from or started by, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from codex_plugin_sdk import ProtocolError

from ..link import Message
from .asking import every, request
from .threads import label

if TYPE_CHECKING:
    from .ui import Ui


@attrs.frozen(kw_only=True)
class Row:
    """A thread in the tree; `depth` from its top."""

    id: str
    depth: int
    text: str
    detail: str
    is_agent: bool


async def family(ui: Ui, thread_id: str) -> list[Row]:
    """The whole tree that a thread is in, from its top, each before what is below it. Sub-agents that are running and
    not recorded yet are in it as far as the server lists them."""
    known = {found["id"]: found for found in await every(ui, "thread/list", sortKey="updated_at", modelProviders=[])}
    agents = await every(ui, "thread/list", sortKey="updated_at", modelProviders=[], sourceKinds=["subAgent"])
    known |= {found["id"]: found for found in agents}
    await _read(ui, known, thread_id)
    top, seen = thread_id, {thread_id}
    while (above := _above(known[top])) is not None and above not in seen and await _read(ui, known, above):
        top = above
        seen.add(above)
    below: dict[str, list[Message]] = {}
    for found in sorted(known.values(), key=lambda thread: thread["createdAt"]):
        below.setdefault(_above(found) or "", []).append(found)
    rows: list[Row] = []
    _walk(known[top], 0, below, rows)
    return rows


def _above(thread: Message) -> str | None:
    """The thread that one was started by or forked from."""
    return thread.get("parentThreadId") or thread.get("forkedFromId")


async def _read(ui: Ui, known: dict[str, Message], thread_id: str) -> bool:
    """Know one more thread; false if it is gone."""
    if thread_id in known:
        return True
    try:
        known[thread_id] = (await request(ui, "thread/read", threadId=thread_id))["thread"]
    except ProtocolError:
        return False
    return True


def _walk(thread: Message, depth: int, below: dict[str, list[Message]], rows: list[Row]) -> None:
    parent = thread.get("parentThreadId")
    named = " ".join(word for word in (thread.get("agentNickname"), thread.get("agentRole")) if word)
    kind = "sub-agent" if parent else "fork" if thread.get("forkedFromId") else "session"
    if any(row.id == thread["id"] for row in rows):
        return
    text = f"{named}: {label(thread)}" if named else label(thread)
    detail = f"{kind}, {thread['status']['type']}"
    rows.append(Row(id=thread["id"], depth=depth, text=text, detail=detail, is_agent=bool(parent)))
    for child in below.get(thread["id"], ()):
        _walk(child, depth + 1, below, rows)

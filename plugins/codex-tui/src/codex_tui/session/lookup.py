"""Recorded threads by what a user calls them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from codex_plugin_sdk import UserError, is_uuid

from ..link import Link

ALL_SOURCES = ("cli", "vscode", "exec", "appServer", "subAgent", "unknown")
PAGE = 100
MIN_PREFIX = 6


async def find_thread(link: Link, wanted: str) -> str:
    """The id of a thread: `wanted` is one, at least six characters of its begin, or a name. Raises `UserError`."""
    if is_uuid(wanted):
        return wanted
    found: dict[str, Mapping[str, Any]] = {}
    async for thread in _threads(link, {}):
        if thread.get("name") == wanted:
            return str(thread["id"])
        if len(wanted) >= MIN_PREFIX and thread["id"].startswith(wanted.lower()):
            found[thread["id"]] = thread
    if len(found) == 1:
        return next(iter(found))
    if found:
        raise UserError(f"{wanted} begins the ids of {len(found)} sessions", hint="give more characters of the id")
    raise UserError(f"there is no session {wanted}", hint="codex resume shows all of them")


async def newest_thread(link: Link, cwd: str | None) -> str:
    """The id of the thread used last, in a folder or anywhere. Raises `UserError` if there is none."""
    wanted = {"limit": 1, "modelProviders": [], **({} if cwd is None else {"cwd": cwd})}
    for thread in (await link.request("thread/list", wanted))["data"]:
        return str(thread["id"])
    where = "" if cwd is None else f" in {cwd}"
    raise UserError(f"there is no session to go on with{where}", hint="--all looks in every folder")


async def _threads(link: Link, filters: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
    cursor = None
    while True:
        wanted = {"limit": PAGE, "sourceKinds": list(ALL_SOURCES), "modelProviders": [], "cursor": cursor, **filters}
        page = await link.request("thread/list", wanted)
        for thread in page["data"]:
            yield thread
        cursor = page.get("nextCursor")
        if not cursor:
            return

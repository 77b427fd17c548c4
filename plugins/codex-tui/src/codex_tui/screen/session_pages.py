"""The recorded sessions that are looked at, page by page. No textual in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..link import Link

Thread = Mapping[str, Any]
PAGE, MOST_A_PAGE = 50, 100
SORTS = ("updated_at", "created_at")
_ALL_KINDS = ("cli", "vscode", "exec", "appServer", "unknown")


class SessionPages:
    """What `thread/list` gives for the settings here (`all_folders`, `archived`, `by_start`, `search`), as far as it
    was read. Who changes a setting reads from the start again."""

    def __init__(self, link: Link, cwd: str, *, all_folders: bool, interactive_only: bool) -> None:
        self._link, self._cwd, self._interactive_only = link, cwd, interactive_only
        self.all_folders, self.archived, self.by_start = all_folders, False, False
        self.search = ""
        self.threads: list[Thread] = []
        self._cursor: str | None = None

    def __len__(self) -> int:
        return len(self.threads)

    @property
    def has_more(self) -> bool:
        """Whether the server has further ones."""
        return self._cursor is not None

    def toggle(self, setting: str) -> None:
        """Turn `all_folders`, `archived` or `by_start` round."""
        setattr(self, setting, not getattr(self, setting))

    async def first(self) -> None:
        """Read the first page. Raises `ProtocolError`, `LinkLost`; then what was there stays."""
        page = await self._link.request("thread/list", {**self._query(), "limit": PAGE})
        self.threads, self._cursor = list(page["data"]), page["nextCursor"]

    async def more(self) -> None:
        """Read the next page. Raises as `first` does; then there are no more."""
        cursor, self._cursor = self._cursor, None
        page = await self._link.request("thread/list", {**self._query(), "limit": MOST_A_PAGE, "cursor": cursor})
        # One that was used meanwhile has moved to another page.
        known = {thread["id"] for thread in self.threads}
        self.threads += [thread for thread in page["data"] if thread["id"] not in known]
        self._cursor = page["nextCursor"]

    async def change(self, method: str, thread_id: str, name: str | None) -> None:
        """Rename a session (thread/name/set, with `name`), or make it leave this list (thread/archive,
        thread/unarchive, thread/delete). Raises `ProtocolError`, `LinkLost`."""
        params = {"threadId": thread_id} if name is None else {"threadId": thread_id, "name": name}
        await self._link.request(method, params)
        if name is None:
            self.threads = [thread for thread in self.threads if thread["id"] != thread_id]
        else:
            self.threads = [
                {**thread, "name": name} if thread["id"] == thread_id else thread for thread in self.threads
            ]

    def _query(self) -> dict[str, Any]:
        query: dict[str, Any] = {"sortKey": SORTS[self.by_start], "archived": self.archived, "modelProviders": []}
        if not self.all_folders:
            query["cwd"] = self._cwd
        if self.search:
            query["searchTerm"] = self.search
        if not self._interactive_only:
            query["sourceKinds"] = list(_ALL_KINDS)
        return query

    # -- in words --------------------------------------------------------------------------------

    def setting(self) -> str:
        """What is listed, and in which order."""
        words = ["all folders" if self.all_folders else "this folder", "archived" if self.archived else ""]
        words.append("newest first" if self.by_start else "last used first")
        return " · ".join(word for word in words if word)

    def nothing(self) -> str:
        """Why there is nothing."""
        if self.search:
            return "no session has this in its name or its first words"
        if self.archived:
            return "nothing is archived here"
        return "no sessions yet" if self.all_folders else "no sessions of this folder: tab shows those of all folders"

"""The rollouts of a home as JSONL files."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from codex_plugin_sdk import RolloutLine, StoreError, ThreadPage, ThreadQuery, ThreadSummary, UserError, is_uuid
from codex_plugin_sdk.redact import Redactor

from .bases import read_with_base
from .failures import store_error
from .head import listed, summarize
from .layout import (
    ARCHIVED,
    SESSIONS,
    Days,
    Folders,
    day_folder,
    decode_cursor,
    encode_cursor,
    every_path,
    path_of,
    path_of_thread,
    paths_of_thread,
    rollout_name,
    thread_id_of,
)
from .lock import alone_with
from .names import ThreadNames
from .reader import read_lines
from .turns import TurnPlaces
from .writer import JsonlWriter

_MIN_PREFIX = 6
_SHOWN_CANDIDATES = 3


class JsonlRolloutStore:
    """Implements the `RolloutStore` contract over `codex_home`. Secrets of `environ` and whatever looks like
    one never reach the disk."""

    def __init__(self, codex_home: str, environ: Mapping[str, str] | None = None) -> None:
        self._home = os.path.abspath(codex_home)
        self._days = Days(self._home)
        self._folders = Folders(self._home)
        self._names = ThreadNames(self._home)
        self._redact = Redactor(environ or {}).redact_bytes
        self._paths: dict[str, str] = {}
        self._turns = TurnPlaces()

    def create(self, thread_id: str, created_at_ms: int) -> JsonlWriter:
        """Begin a rollout; nothing is on the disk before the first append. Raises `StoreError`."""
        name = rollout_name(thread_id, created_at_ms)
        path = os.path.join(self._home, SESSIONS, day_folder(created_at_ms), name)
        self._paths[thread_id] = path
        return JsonlWriter(self._home, path, self._redact)

    def append_to(self, thread_id: str) -> JsonlWriter:
        """Continue a rollout, also an archived one. A torn last line is cut off first. Raises `StoreError` if
        there is none or another writer holds it."""
        return JsonlWriter.reopen(self._home, self._path(thread_id), self._redact)

    def read(self, thread_id: str) -> Iterator[RolloutLine]:
        """The lines of a rollout, one at a time. Raises `StoreError` if there is none."""
        return read_with_base(self._path(thread_id), self._paths_of)

    def turn_places(self, thread_id: str) -> Sequence[tuple[str, int]]:
        """Id of each turn that begins in the thread's own file, and the byte at which it does. Raises `StoreError`."""
        path = self._path(thread_id)
        try:
            return self._turns.of(path)
        except OSError as error:
            raise store_error(error, "read the rollout", path) from error

    def read_part(
        self,
        thread_id: str,
        begin: int,
        end: int | None = None,
        *,
        types: Collection[str] | None = None,
        events: re.Pattern[bytes] | None = None,
    ) -> Iterator[RolloutLine]:
        """The lines of the file itself between two bytes, those of these types and events. Raises `StoreError`."""
        return read_lines(self._path(thread_id), end, begin, types, events)

    def find(self, id_or_name: str) -> ThreadSummary | None:
        """The thread of this id, of this name, of this path, or the only one whose id begins so (at least six
        characters). Raises `UserError` if several begin so, `StoreError` if files cannot be read."""
        ways = [self._path_by_name, self._path_by_path, self._path_by_id, self._path_by_prefix]
        if is_uuid(id_or_name):
            ways.insert(0, self._path_by_id)
        path = next((path for way in ways if (path := way(id_or_name)) is not None), None)
        if path is None:
            return None
        summary = summarize(path, self._names.by_id())
        if summary is not None and "history_base" in summary.meta:
            from .library import with_base

            summary = with_base(self._home, summary, self._names.by_id())
        if summary is not None:
            self._paths[summary.thread_id] = path  # a file from elsewhere can be read by its id from now on
        return summary

    def list(self, *, cursor: str | None = None, limit: int = 50, cwd: str | None = None) -> ThreadPage:
        """Threads that are not archived, by the time of their beginning, the newest first. Costs the heads of
        the files shown (with `cwd`, of those passed over too). Raises `UserError` for a cursor that is none of
        ours or a limit below 1, `StoreError`."""
        if limit < 1:
            raise UserError(f"a page holds at least 1 thread, not {limit}")
        names = self._names.by_id()
        shown: list[ThreadSummary] = []
        last = ("", "")
        for day, name in self._days.rollouts(None if cursor is None else decode_cursor(cursor)):
            summary = listed(path_of(self._home, day, name), names, cwd)
            if summary is None:
                continue
            if len(shown) == limit:
                return ThreadPage(threads=tuple(shown), next_cursor=encode_cursor(*last))
            shown.append(summary)
            last = (day, name)
        return ThreadPage(threads=tuple(shown))

    # -- the library ---------------------------------------------------------------------------------

    def browse(self, query: ThreadQuery) -> ThreadPage:
        """A page of threads. Raises `UserError` for a cursor that is none of ours, `StoreError`."""
        from .library import browse

        return browse(self._home, self._folders, query, self._names.by_id())

    def archive(self, thread_id: str) -> None:
        """Move the thread's files to `archived_sessions/`. Raises `StoreError`."""
        self._move(thread_id, archive=True)

    def unarchive(self, thread_id: str) -> None:
        """Move them back into the folder of their day. Raises `StoreError`."""
        self._move(thread_id, archive=False)

    def _move(self, thread_id: str, *, archive: bool) -> None:
        from .library import check_free, move

        path = self._path(thread_id)
        if (os.path.basename(os.path.dirname(path)) == ARCHIVED) is archive:
            return
        with alone_with(self._home, path):
            check_free(path)
            move(self._home, sorted(self._paths_of(thread_id)), archive=archive)
        self._paths.pop(thread_id, None)

    def delete(self, thread_id: str) -> None:
        """Remove the thread's files, its name, and what plugins keep of it. Raises `StoreError`."""
        from .library import check_free, remove, remove_kept

        path = self._path(thread_id)
        with alone_with(self._home, path):
            check_free(path)
            remove(self._paths_of(thread_id))
            remove_kept(self._home, thread_id)
        self._paths.pop(thread_id, None)
        self._names.drop(thread_id)

    def rename(self, thread_id: str, name: str) -> None:
        """Write the name into the index that Codex reads too. Raises `StoreError`."""
        self._path(thread_id)
        self._names.put(thread_id, self._redact(name.encode("utf-8", "replace")).decode("utf-8", "replace"))

    def revert(self, thread_id: str, before_turn: str) -> bool:
        """Cut the thread off where a turn begins; `kernel/reverted/` keeps what is cut off. Raises `StoreError`."""
        from .library import cut_before

        path = self._path(thread_id)
        with alone_with(self._home, path):
            return cut_before(self._home, path, before_turn)

    def _paths_of(self, thread_id: str) -> Sequence[str]:
        return paths_of_thread(self._home, thread_id)

    # -- finding -------------------------------------------------------------------------------------

    def _path(self, thread_id: str) -> str:
        path = self._path_by_id(thread_id)
        if path is None:
            raise StoreError(
                f"no rollout of thread {thread_id} in {self._home}",
                path=self._home,
                operation="find the rollout",
                hint="codex exec resume --last takes the newest",
            )
        return path

    def _path_by_id(self, thread_id: str) -> str | None:
        if is_uuid(thread_id):
            thread_id = thread_id.lower()
        known = self._paths.get(thread_id)
        if known is not None and os.path.isfile(known):
            return known
        path = path_of_thread(self._home, thread_id) if thread_id else None
        if path is not None:
            self._paths[thread_id] = path
        return path

    def _path_by_name(self, name: str) -> str | None:
        found = (self._path_by_id(thread_id) for thread_id in self._names.ids_of(name))
        return next((path for path in found if path is not None), None)

    def _path_by_path(self, path: str) -> str | None:
        return os.path.abspath(path) if path.endswith(".jsonl") and os.path.isfile(path) else None

    def _path_by_prefix(self, prefix: str) -> str | None:
        prefix = prefix.lower()
        if len(prefix) < _MIN_PREFIX or not re.fullmatch(r"[0-9a-f][0-9a-f-]*", prefix):
            return None
        paths = {thread_id_of(os.path.basename(path)): path for path in every_path(self._home)}
        fitting = [thread_id for thread_id in paths if thread_id.startswith(prefix)]
        if len(fitting) > 1:
            some = ", ".join(fitting[:_SHOWN_CANDIDATES]) + (", …" if len(fitting) > _SHOWN_CANDIDATES else "")
            raise UserError(f"{len(fitting)} threads begin with {prefix}: {some}", hint="give more of the id")
        return paths[fitting[0]] if fitting else None

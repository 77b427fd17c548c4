"""Looking through the threads of a home, and putting them in order."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from glob import escape as glob_escape
from glob import glob
from shutil import rmtree

import orjson

from codex_plugin_sdk import StoreError, ThreadPage, ThreadQuery, ThreadSummary, UserError, replace_file
from codex_plugin_sdk.browsing import is_found

from .bases import base_of
from .failures import store_error
from .head import PREVIEW_CHARS, listed, summarize
from .layout import (
    ARCHIVED,
    SESSIONS,
    Folders,
    day_of_name,
    decode_place,
    encode_place,
    paths_of_thread,
)
from .lock import lock_rollout

Entry = tuple[int, str, str]
"""Sort key, file name, folder."""


def browse(home: str, folders: Folders, query: ThreadQuery, names: Mapping[str, str]) -> ThreadPage:
    """A page. Costs the names of all files (by time of change also their stats), and the heads of those shown and
    passed over; the first 4 KB of those that are not wanted. Raises `UserError`, `StoreError`."""
    if query.limit < 1:
        raise UserError(f"a page holds at least 1 thread, not {query.limit}")
    entries = _keyed(folders, query)
    shown: list[ThreadSummary] = []
    places: list[Entry] = []
    for index in _along(entries, query):
        entry = entries[index]
        summary = _summary(home, entry, query, names)
        if summary is None:
            continue
        if len(shown) == query.limit:
            return _page(query, shown, places, more=True)
        shown.append(summary)
        places.append(entry)
    return _page(query, shown, places, more=False)


def _page(query: ThreadQuery, shown: list[ThreadSummary], places: list[Entry], *, more: bool) -> ThreadPage:
    def place(entry: Entry, *, inclusive: bool) -> str:
        return encode_place(query.order, entry[0], entry[1], inclusive=inclusive)

    return ThreadPage(
        threads=tuple(shown),
        next_cursor=place(places[-1], inclusive=False) if more else None,
        backwards_cursor=place(places[0], inclusive=True) if places else None,
    )


def _keyed(folders: Folders, query: ThreadQuery) -> list[Entry]:
    """All rollouts by their key, ascending."""
    if query.order == "created":
        return folders.by_name(archived=query.archived)  # a name begins with the time
    entries = []
    for name, folder in folders.rollouts(archived=query.archived):
        try:
            entries.append((os.stat(f"{folder}/{name}").st_mtime_ns, name, folder))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise store_error(error, "look at the rollout", os.path.join(folder, name)) from error
    return sorted(entries)


def _along(entries: list[Entry], query: ThreadQuery) -> range:
    """The entries from the cursor on, in the order of the query."""
    begin = len(entries) if query.descending else 0
    met = 0
    if query.cursor is not None:
        key, name, inclusive = decode_place(query.cursor, query.order)
        begin = bisect_left(entries, (key, name, ""))
        is_there = begin < len(entries) and entries[begin][:2] == (key, name)
        met = int(is_there and inclusive is query.descending)
    return range(begin - 1 + met, -1, -1) if query.descending else range(begin + met, len(entries))


def _summary(home: str, entry: Entry, query: ThreadQuery, names: Mapping[str, str]) -> ThreadSummary | None:
    path = os.path.join(entry[2], entry[1])
    whole = bool(query.search)
    found = listed(path, names, wanted=query.wanted, whole=whole)
    if found is not None and "history_base" in found.meta:
        found = with_base(home, found, names, whole=whole)
    if found is None or not found.preview or not is_found(query, found):
        return None
    return found.replace(preview=found.preview[:PREVIEW_CHARS]) if whole else found


def with_base(home: str, found: ThreadSummary, names: Mapping[str, str], *, whole: bool = False) -> ThreadSummary:
    """The summary of a rollout that goes on from another one: the first message stands there. `whole` as in
    `summarize`."""
    seen: set[str] = set()
    meta, path = found.meta, found.path
    while isinstance(base := meta.get("history_base"), dict) and path not in seen:
        seen.add(path)
        try:
            path, _ = base_of(path, base, lambda thread_id: paths_of_thread(home, thread_id), frozenset(seen))
        except StoreError:
            break  # the other one is gone: this one is shown with what it has
        earlier = summarize(path, names, whole=whole)
        if earlier is None:
            break
        found = found.replace(preview=earlier.preview or found.preview, model=found.model or earlier.model)
        meta = earlier.meta
    return found


# -- order ------------------------------------------------------------------------------------------------


def move(home: str, paths: Iterable[str], *, archive: bool) -> None:
    """Move the files of a thread aside, or back. Raises `StoreError`."""
    for path in paths:
        name = os.path.basename(path)
        folder = os.path.join(home, ARCHIVED) if archive else os.path.join(home, SESSIONS, day_of_name(name))
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            os.replace(path, os.path.join(folder, name))
        except OSError as error:
            raise store_error(error, "archive" if archive else "unarchive", path) from error


def remove(paths: Iterable[str]) -> None:
    """Delete the files of a thread. Raises `StoreError`."""
    for path in paths:
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise store_error(error, "delete", path) from error


def remove_kept(home: str, thread_id: str) -> None:
    """Delete what plugins keep of a thread (traces, long outputs, what was reverted): files and folders that have its
    id in their name, in the folders of `kernel/`. Raises `StoreError`."""
    kept = glob(os.path.join(glob_escape(home), "kernel", "*", f"*{glob_escape(thread_id)}*"))
    remove(path for path in kept if os.path.islink(path) or not os.path.isdir(path))
    for path in kept:
        if os.path.isdir(path) and not os.path.islink(path):
            try:
                rmtree(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise store_error(error, "delete", path) from error


def check_free(path: str) -> None:
    """Raise `StoreError` while a writer holds the rollout."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise store_error(error, "change the rollout", path) from error
    try:
        lock_rollout(fd, path)
    finally:
        os.close(fd)


def cut_before(home: str, path: str, turn_id: str) -> bool:
    """Cut a rollout off where a turn begins; whether it has that turn. What is cut off is kept in
    `kernel/reverted/` of the home. Raises `StoreError`."""
    mark = b'"task_started"'
    wanted = orjson.dumps(turn_id)
    try:
        with open(path, "r+b") as file:
            lock_rollout(file.fileno(), path)
            at = 0
            for raw in file:
                if mark in raw and wanted in raw and _begins(raw, turn_id):
                    break
                at += len(raw)
            else:
                return False
            file.seek(at)
            kept = os.path.join(home, "kernel", "reverted", f"{os.path.basename(path)}.{time.time_ns() // 1_000_000}")
            replace_file(kept, file.read(), mode=0o600)
            file.truncate(at)
            os.fsync(file.fileno())
    except OSError as error:
        raise store_error(error, "revert the rollout", path) from error
    return True


def _begins(raw: bytes, turn_id: str) -> bool:
    try:
        payload = orjson.loads(raw)["payload"]
        return bool(payload["type"] == "task_started" and payload["turn_id"] == turn_id)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return False

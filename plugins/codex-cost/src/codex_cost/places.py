"""Which rollouts are meant: `$CODEX_HOME/sessions/YYYY/MM/DD/` and `archived_sessions/`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

import orjson

from codex_plugin_sdk import ExitCode, StoreError, UserError

_NAME = re.compile(r"rollout-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-(.+?)(?:_[0-9a-f-]{36})?\.jsonl")
"""Codex writes a thread that it has reverted into a further file, with an id of its own behind the thread's."""

_PARENT = re.compile(rb'"parent_thread_id"\s*:\s*"([^"\\]+)"')
_HEAD_BYTES = 1 << 17


def every_rollout(home: str) -> dict[str, str]:
    """The paths of all rollouts by their file names, the oldest first; of one that is archived and not, the latter.
    Raises `StoreError`."""
    found: dict[str, str] = {}
    for folder in (os.path.join(home, "archived_sessions"), os.path.join(home, "sessions")):
        for place, _, names in os.walk(folder, onerror=_fail):
            found.update((name, os.path.join(place, name)) for name in names if _NAME.fullmatch(name))
    return dict(sorted(found.items()))


def _fail(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # nothing was recorded yet, or it was moved while we looked
        raise StoreError(
            f"the sessions in {error.filename} cannot be listed: {error.strerror}",
            path=str(error.filename),
            operation="list",
        ) from error


def thread_id_of(name: str) -> str:
    """The thread id in a rollout's file name; empty if it is none."""
    match = _NAME.fullmatch(name)
    return match[1] if match else ""


def changed_since(paths: Iterable[str], since_s: float) -> list[str]:
    """Those to which something was added since then: a rollout only grows, so the others need not be read."""
    found = []
    for path in paths:
        try:
            if os.stat(path).st_mtime >= since_s:
                found.append(path)
        except OSError:
            found.append(path)  # reading it says what is wrong
    return found


def last_thread(rollouts: dict[str, str]) -> str:
    """The thread that changed last. Raises `UserError` if there is none."""
    times: list[tuple[float, str]] = []
    for name, path in rollouts.items():
        try:
            times.append((os.stat(path).st_mtime, name))
        except FileNotFoundError:
            continue  # removed while we looked
    if not times:
        raise UserError("no session is recorded yet", hint="codex exec records one", exit_code=ExitCode.USAGE)
    return thread_id_of(max(times)[1])


def named_thread(home: str, rollouts: dict[str, str], wanted: str) -> str:
    """The thread of this id, of a unique beginning of one, or of this name, the newest of them. Raises `UserError`."""
    ids = {thread_id_of(name) for name in rollouts}
    begin = wanted.lower()
    if begin in ids:
        return begin
    by_name = _names(home).get(wanted)
    if by_name in ids and by_name is not None:
        return by_name
    fits = sorted(id for id in ids if begin and id.startswith(begin))
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise UserError(
            f"{len(fits)} sessions begin with {wanted!r}: {', '.join(fits[:3])}{' …' if len(fits) > 3 else ''}",
            hint="give more of the id",
            exit_code=ExitCode.USAGE,
        )
    raise UserError(
        f"there is no session {wanted!r} in {home}",
        hint="give a thread's id, the beginning of one, or its name",
        exit_code=ExitCode.USAGE,
    )


def _names(home: str) -> dict[str, str]:
    """Thread ids by name; a later line holds, as a thread may be named anew."""
    latest: dict[str, str] = {}
    try:
        with open(os.path.join(home, "session_index.jsonl"), "rb") as file:
            for line in file:
                try:
                    entry = orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue
                if isinstance(entry, dict) and isinstance(entry.get("id"), str):
                    latest[entry["id"]] = str(entry.get("thread_name", ""))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StoreError(
            f"the names of sessions cannot be read: {error.strerror}", path=str(error.filename), operation="read"
        ) from error
    return {name: id for id, name in latest.items()}


def family(rollouts: dict[str, str], thread_id: str) -> list[str]:
    """The files of a thread and of its sub-agents, and theirs. Sub-agents say whose they are, and begin later."""
    known = {thread_id}
    began = min(name for name in rollouts if thread_id_of(name) == thread_id)
    found = []
    for name, path in rollouts.items():
        id = thread_id_of(name)
        if id in known or (name > began and _parent(path) in known):
            known.add(id)
            found.append(path)
    return found


def _parent(path: str) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(fd, "rb", buffering=0) as file:
            match = _PARENT.search(file.read(_HEAD_BYTES).partition(b"\n")[0])
    except OSError:
        return ""  # it may be anyone's; reading all sessions says what is wrong with it
    return match[1].decode() if match else ""


def file_given(wanted: str) -> Iterator[str]:
    """The path, if what was asked for is a rollout file of any place."""
    path = os.path.expanduser(wanted)
    if wanted.endswith(".jsonl") and os.path.exists(path):
        yield path

"""A thread's summary from the beginning of its rollout."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from codex_plugin_sdk import StoreError, ThreadSummary, is_uuid, uuid7_unix_ms

from .failures import store_error
from .layout import ARCHIVED, thread_id_of
from .tail import pread_all

_CWD = re.compile(rb'^[^\n]*?"cwd":\s?("(?:[^"\\\n]|\\.)*")')
_CWD_READ = 4 * 1024
_LONG = "base_instructions"
_FIRST_READ = 64 * 1024
_LAST_READ = 1024 * 1024
PREVIEW_CHARS = 200
# How the first user message is marked: as an item, and as older versions wrote it.
_MARKS = (b'"UserMessage"', b'"user_message"')
_CONTEXT_STARTS = ("<", "# AGENTS.md")


def summarize(
    path: str,
    names: Mapping[str, str],
    cwd: str | None = None,
    wanted: Callable[[Mapping[str, Any]], bool] | None = None,
    *,
    whole: bool = False,
) -> ThreadSummary | None:
    """The summary of a rollout; None if nothing is in it (it is gone, empty, or torn within its first line), its thread
    began in another folder than `cwd`, or it is not `wanted` by what its first line says. `names` maps thread ids to
    given names. The preview is cut, unless the `whole` first message is asked for.

    Reads 64 KB, or 1 MB if the first user message is not among them. Raises `StoreError`.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise store_error(error, "read the rollout", path) from error
    try:
        status = os.fstat(fd)
        if status.st_size == 0 or (cwd is not None and not _began_in(fd, cwd)):
            return None
        if wanted is not None and not wanted(_early_meta(fd)):
            return None
        meta, preview, model = _read_head(fd, status.st_size)
        if not meta and _has_no_line(fd, status.st_size):
            return None
    except OSError as error:
        raise store_error(error, "read the rollout", path) from error
    finally:
        os.close(fd)
    thread_id = thread_id_of(os.path.basename(path)) or _text(meta, "id")
    if not thread_id:
        return None
    updated_at_ms = status.st_mtime_ns // 1_000_000
    return ThreadSummary(
        thread_id=thread_id,
        path=path,
        created_at_ms=_created_at_ms(thread_id, meta, updated_at_ms),
        updated_at_ms=updated_at_ms,
        cwd=_text(meta, "cwd"),
        preview=preview if whole else preview[:PREVIEW_CHARS],
        model_provider=_text(meta, "model_provider"),
        source=_text(meta, "source"),
        name=names.get(thread_id, ""),
        size_bytes=status.st_size,
        model=model,
        archived=os.path.basename(os.path.dirname(path)) == ARCHIVED,
        meta={key: found for key, found in meta.items() if key != _LONG},
    )


def listed(
    path: str,
    names: Mapping[str, str],
    cwd: str | None = None,
    wanted: Callable[[Mapping[str, Any]], bool] | None = None,
    *,
    whole: bool = False,
) -> ThreadSummary | None:
    """As `summarize`, for lists: a file that we may not read does not hide the others. It stands there with what its
    name tells, or, where it is asked what is in it, not at all. Raises `StoreError`."""
    try:
        return summarize(path, names, cwd, wanted, whole=whole)
    except StoreError as error:
        if not isinstance(error.__cause__, PermissionError):
            raise
    thread_id = thread_id_of(os.path.basename(path))
    if cwd is not None or wanted is not None or not thread_id:
        return None
    try:
        status = os.stat(path)
    except OSError:
        return None  # gone meanwhile
    updated_at_ms = status.st_mtime_ns // 1_000_000
    return ThreadSummary(
        thread_id=thread_id,
        path=path,
        created_at_ms=_created_at_ms(thread_id, {}, updated_at_ms),
        updated_at_ms=updated_at_ms,
        name=names.get(thread_id, ""),
        size_bytes=status.st_size,
        archived=os.path.basename(os.path.dirname(path)) == ARCHIVED,
    )


def _began_in(fd: int, cwd: str) -> bool:
    """Whether the first line names this folder. It stands near the beginning, before the long instructions."""
    match = _CWD.search(pread_all(fd, _CWD_READ, 0)) or _CWD.search(pread_all(fd, _LAST_READ, 0).partition(b"\n")[0])
    try:
        found = orjson.loads(match[1]) if match else ""
    except orjson.JSONDecodeError:
        found = ""
    return os.path.normpath(found) == os.path.normpath(cwd)


def _early_meta(fd: int) -> Mapping[str, Any]:
    """The members of `session_meta` before the long instructions; all of them if there is nothing to stop at."""
    begin = pread_all(fd, _CWD_READ, 0)
    early, mark, _ = begin.partition(b',"' + _LONG.encode() + b'":')
    if mark and b"\n" not in early and (found := _payload(early + b"}}", "session_meta")):
        return found
    line = begin.partition(b"\n")[0] if b"\n" in begin else pread_all(fd, _LAST_READ, 0).partition(b"\n")[0]
    return _payload(line, "session_meta")


def _read_head(fd: int, size: int) -> tuple[Mapping[str, Any], str, str]:
    """The payload of `session_meta`, the first user message, and the model of the first turn."""
    head = pread_all(fd, _FIRST_READ, 0)
    meta, preview, model = _scan(head)
    if size > len(head) and not (meta and preview):
        meta, preview, model = _scan(pread_all(fd, _LAST_READ, 0))
    return meta, preview, model


def _has_no_line(fd: int, size: int) -> bool:
    """Whether the process died with its very first write: there is nothing to resume, and no head to go on from."""
    return size <= _LAST_READ and b"\n" not in pread_all(fd, size, 0)


def _scan(head: bytes) -> tuple[Mapping[str, Any], str, str]:
    first = head.find(b"\n")
    meta = _payload(head if first < 0 else head[:first], "session_meta")
    model = ""
    begin = first + 1
    while 0 < begin < len(head):  # most of what is passed over is never copied
        found = head.find(b"\n", begin)
        end = len(head) if found < 0 else found
        if not model and head.find(b'"turn_context"', begin, min(end, begin + 160)) >= 0:
            model = _text(_payload(head[begin:end], "turn_context"), "model")
        elif head.find(_MARKS[0], begin, end) >= 0 or head.find(_MARKS[1], begin, end) >= 0:
            text = _user_event(_payload(head[begin:end], "event_msg"))
            if text:
                return meta, text, model
        begin = end + 1
    return meta, _first_message(head.split(b"\n")[1:]), model


def _first_message(lines: Iterable[bytes]) -> str:
    """The first message of the user among the response items, past what is context."""
    for line in lines:
        if b'"role":"user"' not in line and b'"role": "user"' not in line:
            continue
        payload = _payload(line, "response_item")
        if payload.get("role") == "user":
            text = _joined(payload.get("content"))
            if text and not text.startswith(_CONTEXT_STARTS):
                return text
    return ""


def _user_event(payload: Mapping[str, Any]) -> str:
    if payload.get("type") == "user_message":
        return _text(payload, "message").strip()
    item = payload.get("item")
    if payload.get("type") == "item_completed" and isinstance(item, dict) and item.get("type") == "UserMessage":
        return _joined(item.get("content"))
    return ""


def _joined(content: object) -> str:
    parts = content if isinstance(content, list) else ()
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str)).strip()


def _payload(line: bytes, kind: str) -> Mapping[str, Any]:
    """The payload of a whole line of this type; empty for any other, and for one that the read cut off."""
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    payload = found.get("payload") if isinstance(found, dict) and found.get("type") == kind else None
    return payload if isinstance(payload, dict) else {}


def _text(payload: Mapping[str, Any], member: str) -> str:
    found = payload.get(member)
    return found if isinstance(found, str) else ""


def _created_at_ms(thread_id: str, meta: Mapping[str, Any], otherwise: int) -> int:
    if is_uuid(thread_id) and thread_id[14] == "7":
        return uuid7_unix_ms(thread_id)
    from datetime import datetime

    try:
        return int(datetime.fromisoformat(_text(meta, "timestamp")).timestamp() * 1000)
    except ValueError:
        return otherwise

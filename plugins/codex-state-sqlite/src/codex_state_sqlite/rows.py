"""Rows of the index: what is known of a rollout file, and how it becomes a summary."""

from __future__ import annotations

import os
import sqlite3  # noqa: TID253 - nothing on the way to a turn imports this module
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from codex_plugin_sdk import ThreadSummary, is_uuid, uuid7_unix_ms

from .files import RolloutFile

_LONGEST_META = 64 * 1024
_BASE = b'"history_base"'
COLUMNS = (
    "folder, file, thread_id, cwd, preview, model, provider, source, created_ms, updated_ms, archived, parent_id,"
    " forked_from, meta, size, mtime_ns, inode, read_to, tail"
)
NAMES = tuple(COLUMNS.replace(" ", "").split(","))


def new_row(found: RolloutFile) -> dict[str, Any]:
    """What is known of a file that was not read yet."""
    row: dict[str, Any] = dict.fromkeys(NAMES, "")
    id = found.thread_id
    born = uuid7_unix_ms(id) if is_uuid(id) and id[14] == "7" else found.mtime_ns // 1_000_000
    return row | {
        "folder": found.folder,
        "file": found.file,
        "thread_id": id,
        "created_ms": born,
        "updated_ms": 0,
        "archived": int(found.archived),
        "meta": b"{}",
        **dict.fromkeys(("size", "mtime_ns", "inode", "read_to", "tail"), 0),
    }


def with_head(row: dict[str, Any], meta: Mapping[str, Any], preview: str, model: str) -> dict[str, Any]:
    """The row with what the head of the file says, where it was not known."""
    row = {**row, "preview": row["preview"] or preview, "model": row["model"] or model}
    if not meta:
        return row
    encoded = orjson.dumps(meta)
    parent = meta.get("parent_thread_id") or _spawned_by(meta.get("source"))
    return row | {
        "cwd": _text(meta.get("cwd")),
        "provider": _text(meta.get("model_provider")),
        "source": _text(meta.get("source")),
        "parent_id": _text(parent),
        "forked_from": _text(meta.get("forked_from_id")),
        "meta": encoded if len(encoded) <= _LONGEST_META else b"{}",
    }


def summary(home: str, row: Mapping[str, Any], names: Mapping[str, str]) -> ThreadSummary:
    """The row as every listing has it."""
    return ThreadSummary(
        thread_id=row["thread_id"],
        path=os.path.join(home, row["folder"], row["file"]),
        created_at_ms=row["created_ms"],
        updated_at_ms=row["updated_ms"],
        cwd=row["cwd"],
        preview=row["preview"],
        model_provider=row["provider"],
        source=row["source"],
        name=names.get(row["thread_id"], ""),
        size_bytes=row["size"],
        model=row["model"],
        archived=bool(row["archived"]),
        meta=orjson.loads(row["meta"]),
    )


def place(found: RolloutFile) -> dict[str, str]:
    """Where a file lies, as a row says it."""
    return {"folder": found.folder, "file": found.file}


def with_beginnings(rows: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows, those of rollouts that go on from another one with the first message, which stands there; and those
    whose beginning is not known."""
    bases = {row["thread_id"]: row for row in rows}
    whole, orphans = [], []
    for row in rows:
        first: dict[str, Any] | None = row
        seen: set[int] = set()
        while first is not None and _BASE in first["meta"] and first["id"] not in seen:
            seen.add(first["id"])
            first = bases.get(_base_of(first["meta"]))
        if first is None or first["id"] in seen:
            orphans.append(row)
        elif first is row:
            whole.append(row)
        else:
            whole.append({**row, "preview": first["preview"], "model": row["model"] or first["model"]})
    return whole, orphans


def is_current(row: Mapping[str, Any] | None, found: RolloutFile) -> bool:
    """Whether a file is as it was when it was read."""
    return row is not None and (row["size"], row["mtime_ns"], row["inode"]) == (found.size, found.mtime_ns, found.inode)


def select(connection: sqlite3.Connection, where: str, given: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Rows with their `id`."""
    found = connection.execute(f"SELECT id, {COLUMNS} FROM rollouts WHERE {where}", given)  # noqa: S608 - our words
    return [dict(zip(("id", *NAMES), row, strict=True)) for row in found]


def save(connection: sqlite3.Connection, row: Mapping[str, Any]) -> int:
    """Write a row; its id."""
    places = ", ".join(f":{name}" for name in NAMES)
    changes = ", ".join(f"{name} = excluded.{name}" for name in NAMES[2:])
    (id,) = connection.execute(
        f"INSERT INTO rollouts ({COLUMNS}) VALUES ({places})"  # noqa: S608 - our words
        f" ON CONFLICT (folder, file) DO UPDATE SET {changes} RETURNING id",
        {name: _encodable(row[name]) for name in NAMES},
    ).fetchone()
    return int(id)


def _encodable(found: Any) -> Any:
    """Text that SQLite can hold: what is no Unicode becomes a replacement character."""
    return found.encode("utf-8", "replace").decode() if isinstance(found, str) else found


def _spawned_by(source: object) -> object:
    match source:
        case {"subagent": {"thread_spawn": {"parent_thread_id": str() as parent}}}:
            return parent
    return None


def _base_of(meta: bytes) -> str:
    base = orjson.loads(meta).get("history_base")
    return _text(base.get("thread_id")) if isinstance(base, dict) else ""


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""

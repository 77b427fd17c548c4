"""`codex sessions import`: rollout files from elsewhere, checked line by line and taken over byte by byte.

The bytes stay as they are: times, ordinals and the places that forks point to hold in the new home too. The store
says where a rollout of this id lies.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import click
import orjson

from codex_plugin_sdk import CodexError, StoreError, UserError, Value, is_uuid, uuid7_unix_ms, value

from .files import make_folders, new_file
from .home import Home, encodable
from .transcript import unix_ms
from .wording import one_line, plural, size

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

SCHEMA = 1
_LONGEST_LINE = 256 * 1024 * 1024


@value
class Rollout(Value):
    """What a checked file holds. `base` is the thread that it goes on from, or empty."""

    thread_id: str
    created_at_ms: int
    base: str
    lines: int
    size_bytes: int


def import_files(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Take over the files that can be; 0 if that is all of them, else 1. Raises `CodexError` if a single file was
    given and is refused."""
    home = Home(invocation)
    taken: dict[str, str] = {}
    files, refused = given["files"], 0
    if given["as_json"]:
        _write({"type": "import", "schema": SCHEMA, "dry_run": given["dry_run"]})
    for path in files:
        try:
            rollout = _take(home, path, taken, dry_run=given["dry_run"])
        except CodexError as error:
            if len(files) == 1 and not given["as_json"]:
                raise
            refused += 1
            _refuse(path, error, as_json=given["as_json"])
        else:
            taken[rollout.thread_id] = path
            _accept(path, rollout, given)
    if len(files) > 1 and not given["as_json"]:
        verb = "would be taken over" if given["dry_run"] else "taken over"
        click.echo(f"{plural(len(taken), 'session')} {verb}, {plural(refused, 'file')} refused", err=True)
    return 1 if refused else 0


def check_rollout(path: str, file: BinaryIO) -> Rollout:
    """What a file holds. Raises `UserError` with the line that is damaged."""
    meta: Mapping[str, Any] = {}
    count = total = 0
    ordinal = -1
    while raw := file.readline(_LONGEST_LINE):
        count, total = count + 1, total + len(raw)
        line = _checked(path, count, raw)
        if count == 1:
            meta = _head(path, line)
        if isinstance(number := line.get("ordinal"), int):
            if number <= ordinal:
                raise _damaged(path, count, f"its ordinal {number} comes after {ordinal}")
            ordinal = number
    if count == 0:
        raise UserError(f"{path} is empty", hint="a rollout has at least one line")
    thread_id = str(meta["id"]).lower()
    base = meta.get("history_base")
    stamp = meta.get("timestamp")
    created = uuid7_unix_ms(thread_id) if thread_id[14] == "7" else unix_ms(stamp if isinstance(stamp, str) else "")
    return Rollout(
        thread_id=thread_id,
        created_at_ms=created,
        base=str(base.get("thread_id") or "") if isinstance(base, dict) else "",
        lines=count,
        size_bytes=total,
    )


def _checked(path: str, number: int, raw: bytes) -> Mapping[str, Any]:
    """A line: an object with `timestamp`, `type` and `payload`."""
    if len(raw) >= _LONGEST_LINE:
        raise _damaged(path, number, f"it is longer than {size(_LONGEST_LINE)}")
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        torn = "" if raw.endswith(b"\n") else "; it has no end, so the session may still be running there"
        raise _damaged(path, number, f"it is not JSON ({error.msg} at column {error.colno}){torn}") from error
    if not isinstance(line, dict):
        raise _damaged(path, number, "it is not a JSON object")
    for member, kind, word in (("timestamp", str, "text"), ("type", str, "text"), ("payload", dict, "an object")):
        if not isinstance(line.get(member), kind):
            raise _damaged(path, number, f"its `{member}` is {'missing' if member not in line else f'not {word}'}")
    return line


def _head(path: str, line: Mapping[str, Any]) -> Mapping[str, Any]:
    meta: Mapping[str, Any] = line["payload"]
    if line["type"] != "session_meta":
        raise _damaged(path, 1, f"a rollout begins with `session_meta`, not `{one_line(line['type'], 40)}`")
    thread_id = meta.get("id")
    if not isinstance(thread_id, str) or not is_uuid(thread_id):
        raise _damaged(path, 1, "its `id` is no UUID")
    return meta


def _damaged(path: str, line: int, reason: str) -> UserError:
    return UserError(f"{path}, line {line} is damaged: {reason}", hint="nothing of this file was taken over")


# -- taking over --------------------------------------------------------------------------------------


def _take(home: Home, path: str, taken: Mapping[str, str], *, dry_run: bool) -> Rollout:
    """Check a file and put it into the home. Raises `UserError`, `StoreError`."""
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UserError(f"{path} is not a regular file", hint="give rollout files (.jsonl)")
            rollout = check_rollout(path, file)
            _check_free(home, path, rollout, taken)
            if not dry_run:
                file.seek(0)
                _copy(home, file, rollout, status)
            return rollout
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}", hint="give rollout files (.jsonl)") from error


def _check_free(home: Home, path: str, rollout: Rollout, taken: Mapping[str, str]) -> None:
    if rollout.thread_id in taken:
        raise UserError(f"{path} holds the same session as {taken[rollout.thread_id]}: {rollout.thread_id}")
    there = home.store.find(rollout.thread_id)
    if there is not None:
        raise UserError(
            f"{path} holds session {rollout.thread_id}, which is here already: {there.path}",
            hint="delete that one first, if it is not the same (codex sessions delete)",
        )
    if rollout.base and rollout.base not in taken and home.store.find(rollout.base) is None:
        raise UserError(
            f"{path} goes on from session {rollout.base}, which is not here", hint="import that one before it"
        )


def _copy(home: Home, source: BinaryIO, rollout: Rollout, status: os.stat_result) -> None:
    """Put the bytes where the store looks for this id, for this user alone, with the time of the last change."""
    writer = home.store.create(rollout.thread_id, rollout.created_at_ms)
    target = writer.path
    writer.close()
    if target is None:
        raise StoreError("the rollout store that is installed keeps no files", operation="import a rollout")
    try:
        make_folders(os.path.dirname(target))
        with new_file(target) as file:
            shutil.copyfileobj(source, file, 1024 * 1024)
            file.flush()
            if file.tell() != rollout.size_bytes:
                raise UserError(f"{source.name} changed while it was read", hint="end the session there first")
            os.fsync(file.fileno())
            os.utime(file.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
    except OSError as error:
        raise StoreError(
            f"cannot import into {target}: {error.strerror or error}",
            path=target,
            operation="import a rollout",
            hint="set CODEX_HOME to a folder that can be written",
        ) from error


# -- telling ------------------------------------------------------------------------------------------


def _accept(path: str, rollout: Rollout, given: Mapping[str, Any]) -> None:
    if given["as_json"]:
        found = {"lines": rollout.lines, "size_bytes": rollout.size_bytes}
        _write({"type": "imported", "file": encodable(path), "session": rollout.thread_id, **found})
    else:
        verb = "would import" if given["dry_run"] else "imported"
        click.echo(f"{verb} {rollout.thread_id}  {plural(rollout.lines, 'line')}, {size(rollout.size_bytes)}  {path}")


def _refuse(path: str, error: CodexError, *, as_json: bool) -> None:
    if as_json:
        _write(
            {"type": "refused", "file": encodable(path), "error": encodable(error.message), "hint": error.hint or None}
        )
    else:
        click.echo(f"refused: {error.message}", err=True)


def _write(body: Mapping[str, Any]) -> None:
    click.echo(orjson.dumps(body))

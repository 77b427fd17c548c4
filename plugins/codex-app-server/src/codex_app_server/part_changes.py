"""Changes of files of which a client takes a part: it sends the changes that are to be made instead, as unified diffs
of the files as they are, and the model is told what was left out or written in another way."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from codex_plugin_sdk import ApprovalAnswer, ApprovalRequested, ReviewDecision
from codex_plugin_sdk.unified import Hunk, apply, parse, write

from .wire import RpcError

DECISION = "acceptWithChanges"
OFFERED = ("accept", "acceptForSession", DECISION, "decline", "cancel")
MAX_NOTE = 20_000
"""Characters of what the model is told of it."""


def in_part(request: ApprovalRequested, item: Mapping[str, Any] | None, found: Mapping[str, Any]) -> ApprovalAnswer:
    """The answer for `{"acceptWithChanges": {"changes": […]}}`; `item` is the `fileChange` that is asked about. Raises
    `RpcError` for changes of other files and for those that do not apply: nothing is written then."""
    given = found.get("changes")
    proposed = {change["path"]: change for change in (item or {}).get("changes") or ()}
    if not isinstance(given, list) or not given or not all(_is_change(change) for change in given):
        raise RpcError(f"{DECISION} takes a list of changes, each with path, kind and diff")
    edited: dict[str, bytes | None] = {}
    for change in given:
        path = change["path"]
        if path not in proposed or proposed[path]["kind"] != change["kind"]:
            raise RpcError(f"no such change was proposed: {change['kind'].get('type')} {path}")
        target = change["kind"].get("move_path") or path
        if target in edited:
            raise RpcError(f"{path} is changed twice")
        edited[target] = _content(change)
    note = "".join(_note(proposed, {change["path"]: change for change in given}))
    if len(note) > MAX_NOTE:
        note = f"{note[:MAX_NOTE]}\n[…] Read the files to see what they hold now."
    return ApprovalAnswer(
        approval_id=request.approval_id,
        decision=ReviewDecision.APPROVED,
        edited=edited if note else None,  # all of it, as it was proposed
        feedback=note,
    )


def _is_change(found: object) -> bool:
    if not isinstance(found, Mapping) or not isinstance(found.get("kind"), Mapping):
        return False
    return isinstance(found.get("path"), str) and isinstance(found.get("diff"), str)


def _content(change: Mapping[str, Any]) -> bytes | None:
    match change["kind"].get("type"):
        case "delete":
            return None
        case "add":
            return str(change["diff"]).encode(errors="replace")
    try:
        return apply(_read(change["path"]), parse(change["diff"])).encode(errors="replace")
    except (OSError, ValueError) as error:
        raise RpcError(f"the change of {change['path']} does not apply: {error}") from error


def _read(path: str) -> str:
    """The text of a regular file: nothing that would have to be waited for."""
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError("it is no file")
        return file.read().decode()


# -- for the model ---------------------------------------------------------------------------------------


def _note(proposed: Mapping[str, Mapping[str, Any]], given: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What was not done as it was proposed; nothing if all was."""
    refused, other = [], []
    for path, change in proposed.items():
        taken = given.get(path)
        if taken is None:
            refused.append(_shown(path, change, None))
        elif taken["diff"] != change["diff"]:
            if change["kind"]["type"] == "add":
                other.append(_shown(path, taken, None))
                continue
            before, after = parse(change["diff"]), parse(taken["diff"])
            places = {(hunk.start, hunk.old) for hunk in after}
            gone = [hunk for hunk in before if (hunk.start, hunk.old) not in places]
            new = [hunk for hunk in after if hunk not in before]
            refused += [_shown(path, change, gone)] if gone else []
            other += [_shown(path, taken, new)] if new else []
    if refused or other:
        yield "The user did not take this change as it was."
    if refused:
        yield " Not done, since the user refused it:\n" + "".join(refused)
    if other:
        yield f"{'' if refused else ' '}Done in the words of the user instead:\n" + "".join(other)


def _shown(path: str, change: Mapping[str, Any], hunks: Sequence[Hunk] | None) -> str:
    kind = change["kind"]["type"]
    if hunks is not None:
        return f"{path}\n{write(hunks)}"
    if kind == "delete":
        return f"{path} (deleting it)\n"
    text = change["diff"]
    return f"{path} ({'adding' if kind == 'add' else 'changing'} it)\n{text}{'' if text.endswith(chr(10)) else chr(10)}"

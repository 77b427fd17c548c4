"""A recorded session as one row, or as two."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import attrs
from rich.style import Style
from rich.text import Text

from .drawn import NO_POINTER, POINTER, fitted, plain

AGE, BRANCH, FOLDER = 5, 14, 26
NARROW, ROOMY = 56, 76
_UNITS = ((60, "s"), (60, "m"), (24, "h"), (7, "d"), (52, "w"))


@attrs.frozen(kw_only=True)
class Columns:
    """How wide it may be, what is shown, and in which styles. `now` in Unix seconds."""

    width: int
    folders: bool
    now: float
    created: bool
    muted: Style
    pointed: Style
    good: Style
    open_thread: str = ""


def age(seconds: float) -> str:
    """How long ago, in at most four cells: `now`, `5m`, `3h`, `2d`, `7w`, `2y`."""
    left = max(0.0, seconds)
    if left < 60:
        return "now"
    for size, unit in _UNITS:
        if left < size:
            return f"{int(left)}{unit}"
        left /= size
    return f"{int(left)}y"


def folder_name(path: str, width: int) -> str:
    """A folder in at most `width` cells, its end being what counts."""
    home = os.path.expanduser("~")
    if path == home or path.startswith(home + os.sep):
        path = "~" + path[len(home) :]
    path = plain(path)
    return path if len(path) <= width else "…" + path[len(path) - width + 1 :]


def thread_rows(thread: Mapping[str, Any], columns: Columns, *, pointed: bool, dense: bool) -> list[Text]:
    """One session."""
    return [_dense_row(thread, columns, pointed)] if dense else _comfortable_rows(thread, columns, pointed)


def _dense_row(thread: Mapping[str, Any], columns: Columns, pointed: bool) -> Text:
    """Age, branch, name, folder."""
    row = _lead(columns, pointed)
    row.append(_age(thread, columns).ljust(AGE), columns.muted)
    if columns.width >= NARROW:
        branch = fitted(Text(_branch(thread), columns.muted), BRANCH - 1)
        branch.pad_right(BRANCH - branch.cell_len)
        row.append_text(branch)
    tail = Text()
    if columns.folders and columns.width >= ROOMY:
        tail = Text(folder_name(str(thread.get("cwd") or ""), FOLDER), columns.muted)
    room = columns.width - row.cell_len - (FOLDER + 1 if tail else 0)
    title = fitted(_title(thread, columns, pointed), room)
    row.append_text(title)
    if tail:
        row.pad_right(max(0, room - title.cell_len) + 1)
        row.append_text(tail)
    return fitted(row, columns.width)


def _comfortable_rows(thread: Mapping[str, Any], columns: Columns, pointed: bool) -> list[Text]:
    """The name, and the rest below."""
    first = _lead(columns, pointed).append_text(_title(thread, columns, pointed))
    facts = [_age(thread, columns), _branch(thread), plain(str(thread.get("model") or ""))]
    if columns.folders:
        facts.append(folder_name(str(thread.get("cwd") or ""), max(12, columns.width // 2)))
    second = Text("    " + " · ".join(fact for fact in facts if fact), columns.muted)
    return [fitted(first, columns.width), fitted(second, columns.width)]


def _lead(columns: Columns, pointed: bool) -> Text:
    return Text(POINTER if pointed else NO_POINTER, columns.pointed if pointed else "")


def _title(thread: Mapping[str, Any], columns: Columns, pointed: bool) -> Text:
    title = plain(str(thread.get("name") or thread.get("preview") or "(nothing said)")[:400])
    found = Text(title, columns.pointed if pointed else "")
    if thread["id"] == columns.open_thread:
        found.append(" (open)", columns.good)
    return found


def _age(thread: Mapping[str, Any], columns: Columns) -> str:
    stamp = thread.get("createdAt" if columns.created else "updatedAt")
    return age(columns.now - stamp) if isinstance(stamp, int | float) else ""


def _branch(thread: Mapping[str, Any]) -> str:
    git = thread.get("gitInfo")
    return plain(str(git.get("branch") or "")) if isinstance(git, Mapping) else ""

"""The last line of the screen: what works on what, and how."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from ..measures import counted, duration, short_count
from ..render import one_line

if TYPE_CHECKING:
    from ..render.theme import Theme
    from ..session.status import Status

DEFAULT_FIELDS = (
    "model-with-reasoning",
    "current-dir",
    "git-branch",
    "approval",
    "sandbox",
    "context-used",
    "used-tokens",
    "cost",
    "elapsed",
)
SEPARATOR = " · "


def short_path(path: str, home: str) -> str:
    """A folder with the home as `~`."""
    if home and (path == home or path.startswith(home + os.sep)):
        return "~" + path[len(home) :]
    return path


class StatusLine:
    """Writes the line for a width: fields that do not fit are left out from the end. `home` shortens the folder."""

    def __init__(self, fields: Sequence[str], home: str) -> None:
        self.fields = tuple(fields) or DEFAULT_FIELDS
        self._home = home

    def row(self, status: Status, theme: Theme, width: int, *, mode: str = "", hint: str = "") -> Text:
        """The line. `mode` is that of the editor (vim), `hint` what a key would do now: it comes first."""
        parts = [(hint, "accent")] if hint else []
        parts += [(mode, "accent")] if mode else []
        for name in self.fields:
            text = _FIELDS[name](status, self._home) if name in _FIELDS else ""
            if text:  # names of folders and branches may hold anything
                parts.append((one_line(text), "warning" if _is_alarming(name, status) else "dim"))
        row, used = Text(no_wrap=True, end=""), 1
        row.append(" ")
        for place, (text, role) in enumerate(parts):
            needed = cell_len(text) + (len(SEPARATOR) if place else 0)
            if used + needed > width:
                break
            if place:
                row.append(SEPARATOR, theme["dim"])
            row.append(text, theme[role])
            used += needed
        return row


def _is_alarming(name: str, status: Status) -> bool:
    if name == "context-used":
        return (status.context_used or 0) >= 0.85
    return name == "sandbox" and status.sandbox in ("dangerFullAccess", "danger-full-access")


def _model(status: Status, home: str) -> str:
    return f"{status.model} {status.effort}".strip()


def _folder(status: Status, home: str) -> str:
    return short_path(status.cwd, home)


def _context(status: Status, home: str) -> str:
    used = status.context_used
    return "" if used is None else f"{used:.0%} context"


def _context_left(status: Status, home: str) -> str:
    used = status.context_used
    return "" if used is None else f"{1 - used:.0%} context left"


def _of_tokens(name: str, word: str = "") -> Callable[[Status, str], str]:
    """A field with a number of tokens, which is left out while there are none."""

    def text(status: Status, home: str) -> str:
        number = getattr(status, name)
        return f"{short_count(number)} {word}".rstrip() if number else ""

    return text


def _cost(status: Status, home: str) -> str:
    if status.usd is None:
        return ""
    return f"${status.usd:.2f}" if status.usd >= 0.1 or not status.usd else f"${status.usd:.4f}"


def _elapsed(status: Status, home: str) -> str:
    if status.turn_started_at is None or status.turn_id is None:
        return ""
    return duration(time.monotonic() - status.turn_started_at, tenths=False)


_SANDBOXES = {
    "readOnly": "read-only",
    "workspaceWrite": "workspace-write",
    "dangerFullAccess": "full access",
    "danger-full-access": "full access",
    "externalSandbox": "external sandbox",
}
_FIELDS: Mapping[str, Callable[[Status, str], str]] = {
    "model": lambda status, home: status.model,
    "model-with-reasoning": _model,
    "effort": lambda status, home: status.effort,
    "current-dir": _folder,
    "project-root": _folder,
    "git-branch": lambda status, home: status.branch,
    "approval": lambda status, home: status.approval,
    "sandbox": lambda status, home: _SANDBOXES.get(status.sandbox, status.sandbox),
    "context-used": _context,
    "context-remaining": _context_left,
    "context-window-size": _of_tokens("context_window"),
    "used-tokens": _of_tokens("total_tokens", "tokens"),
    "total-input-tokens": _of_tokens("input_tokens", "in"),
    "total-output-tokens": _of_tokens("output_tokens", "out"),
    "cost": _cost,
    "elapsed": _elapsed,
    "session-id": lambda status, home: status.thread_id,
    "thread-title": lambda status, home: status.thread_name,
    "agents": lambda status, home: counted(status.agents_running, "agent") if status.agents_running else "",
}
NAMES = tuple(_FIELDS)
"""What `[tui] status_line` may list."""


def field_text(name: str, status: Status, home: str) -> str:
    """The text of one of `NAMES`; empty for any other, and where nothing is known."""
    found = _FIELDS.get(name)
    return found(status, home) if found is not None else ""

"""The last line of the screen: what works on what, and how."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

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


def tokens(count: int) -> str:
    """A count in three or four characters."""
    if count < 1000:
        return str(count)
    if count < 100_000:
        return f"{count / 1000:.1f}k"
    return f"{count // 1000}k" if count < 10_000_000 else f"{count / 1_000_000:.1f}M"


def seconds(elapsed_s: float) -> str:
    """A time span, as people say it."""
    whole = int(elapsed_s)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


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
            if text:
                parts.append((text, "warning" if _is_alarming(name, status) else "dim"))
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


def _tokens(status: Status, home: str) -> str:
    return f"{tokens(status.total_tokens)} tokens" if status.total_tokens else ""


def _cost(status: Status, home: str) -> str:
    if status.usd is None:
        return ""
    return f"${status.usd:.2f}" if status.usd >= 0.1 or not status.usd else f"${status.usd:.4f}"


def _elapsed(status: Status, home: str) -> str:
    if status.turn_started_at is None or status.turn_id is None:
        return ""
    return seconds(time.monotonic() - status.turn_started_at)


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
    "context-window-size": lambda status, home: tokens(status.context_window) if status.context_window else "",
    "used-tokens": _tokens,
    "total-input-tokens": lambda status, home: f"{tokens(status.input_tokens)} in" if status.input_tokens else "",
    "total-output-tokens": lambda status, home: f"{tokens(status.output_tokens)} out" if status.output_tokens else "",
    "cost": _cost,
    "elapsed": _elapsed,
    "session-id": lambda status, home: status.thread_id,
    "thread-title": lambda status, home: status.thread_name,
    "agents": lambda status, home: f"{status.agents_running} agents" if status.agents_running else "",
}
NAMES = tuple(_FIELDS)
"""What `[tui] status_line` may list."""


def field_text(name: str, status: Status, home: str) -> str:
    """The text of one of `NAMES`; empty for any other, and where nothing is known."""
    found = _FIELDS.get(name)
    return found(status, home) if found is not None else ""

"""The frame that is on the screen before anything else is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import splash
from .early_keys import EarlyKeys
from .painter import Row

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

PLACEHOLDER = "Ask Codex to do anything"
MARK = "\u203a "
_LINE = 1
"""The row of the frame in which the user writes."""


def show(invocation: Invocation, given: Mapping[str, Any]) -> splash.Splash:
    """Draw where the user will write, and what is known of the status."""
    flags = invocation.flags
    cwd = os.path.abspath(os.path.expanduser(flags.get("cwd") or os.getcwd()))
    home = invocation.environ.get("HOME", "")
    if home and (cwd == home or cwd.startswith(home + os.sep)):
        cwd = "~" + cwd[len(home) :]
    known = " · ".join(text for text in (str(flags.get("model") or ""), cwd) if text)

    def rows(columns: int) -> Sequence[Row]:
        return [
            splash.row("", columns),
            splash.row(MARK + PLACEHOLDER, columns, "2"),
            splash.row(f" {known}", columns, "2"),
        ]

    full = bool(given.get("alt_screen") or flags.get("alt_screen"))
    return splash.begin(rows, cursor=(len(MARK), _LINE), full_screen=full)


def keys(drawn: splash.Splash) -> EarlyKeys:
    """What shows the keys that are typed into this frame."""
    return EarlyKeys(drawn, MARK, _LINE)

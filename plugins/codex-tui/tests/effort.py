"""How much the tests try that try at random: `CODEX_TUI_EFFORT=20` tries twenty times as much."""

from __future__ import annotations

import os


def effort(times: int) -> int:
    """`times` in a usual run, which is soon over; more when more is wanted."""
    return int(times * float(os.environ.get("CODEX_TUI_EFFORT", "1")))

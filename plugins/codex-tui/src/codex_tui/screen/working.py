"""The rows between the transcript and the composer: what goes on, and what waits to be sent."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from ..measures import counted, duration
from ..render import one_line, shorten

if TYPE_CHECKING:
    from ..render.theme import Theme
    from ..session.controller import Draft
    from ..session.status import Status

_WORDS = {
    "working": "Working",
    "reviewing": "Reviewing",
    "compacting": "Shortening the history",
    "waiting": "Waiting for you",
    "lost": "No server",
}
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
FRAME_S = 0.12
MOST_QUEUED = 5


def working_rows(status: Status, theme: Theme, width: int, *, animate: bool, hint: str) -> list[Text]:
    """One row while something runs, none otherwise. `hint` says which key stops it."""
    if status.phase == "idle":
        return []
    word = _WORDS.get(status.phase, status.phase)
    mark = _FRAMES[int(time.monotonic() / FRAME_S) % len(_FRAMES)] if animate else "•"
    row = Text(no_wrap=True, end="")
    row.append(f"{mark} ", theme["warning" if status.phase in ("waiting", "lost") else "accent"])
    row.append(word, theme["strong"])
    begun = status.turn_started_at
    facts = [] if begun is None else [duration(time.monotonic() - begun, tenths=False)]
    if status.agents_running:
        facts.append(counted(status.agents_running, "agent"))
    facts += [hint] if hint else []
    if facts:
        row.append(f" ({' · '.join(facts)})", theme["dim"])
    if status.detail:
        row.append(f"  {one_line(status.detail)}", theme["dim"])
    row.truncate(width, overflow="ellipsis")
    return [row]


def queue_rows(queue: Sequence[Draft], theme: Theme, width: int, *, hint: str) -> list[Text]:
    """What is sent after the turn, one row each; `hint` says how to take it back."""
    if not queue:
        return []
    rows = [Text(shorten(f"  {len(queue)} queued ({hint})", width), theme["dim"])]
    for draft in list(queue)[:MOST_QUEUED]:
        text = one_line(draft.text) or counted(len(draft.images), "image")
        rows.append(Text(shorten(f"  ↳ {text}", width), theme["dim"]))
    if len(queue) > MOST_QUEUED:
        rows.append(Text(f"  … {len(queue) - MOST_QUEUED} more", theme["dim"]))
    return rows

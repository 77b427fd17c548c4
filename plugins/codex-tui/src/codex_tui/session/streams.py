"""Pieces of items that stream. This is the hot path: thousands a second, of which most are text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .cells import AgentCell, CommandCell, PatchCell, PlanCell, ReasoningCell, ToolCell
from .items import Malformed, changes_of, text_of
from .places import Places
from .progress import Progress

Params = Mapping[str, Any]
MAX_PARTS = 1000
"""Parts of a thought; what comes beyond goes into the last one."""
HEADING_CHARS = 400
"""A heading is within the first ones of a part."""
_HEADING = re.compile(r"\s*(?:#+ +([^\n]+)\n|\*\*([^*\n]+)\*\*)")


class Streams:
    """Puts pieces where they belong."""

    def __init__(self, places: Places, progress: Progress) -> None:
        self._places = places
        self._touch = places.transcript.touch
        self._progress = progress
        self._headed: tuple[str, int] | None = None

    def handlers(self) -> dict[str, Callable[[Params], None]]:
        """By the notification that each takes."""
        return {
            "item/agentMessage/delta": self._message,
            "item/plan/delta": self._plan,
            "item/reasoning/summaryPartAdded": self._part_added,
            "item/reasoning/summaryTextDelta": self._summary,
            "item/reasoning/textDelta": self._thought,
            "item/commandExecution/outputDelta": self._output,
            "item/commandExecution/terminalInteraction": self._typed,
            "item/fileChange/patchUpdated": self._patch,
            "item/fileChange/outputDelta": self._patch_output,
            "item/mcpToolCall/progress": self._told,
        }

    def _message(self, params: Params) -> None:
        delta = _delta(params)
        if delta and (cell := self._places.growing(params, "agentMessage", AgentCell)) is not None:
            cell.add(delta)
            self._touch(cell)

    def _plan(self, params: Params) -> None:
        delta = _delta(params)
        if delta and (cell := self._places.growing(params, "plan", PlanCell)) is not None:
            cell.explanation += delta
            self._touch(cell)

    def _part_added(self, params: Params) -> None:
        part = _part(params, "summaryIndex")
        cell = self._places.find(text_of(params, "turnId"), text_of(params, "itemId"))
        if isinstance(cell, ReasoningCell) and not cell.done:  # else there is not a word to be seen yet
            cell.add_summary(part, "")
            self._touch(cell)

    def _summary(self, params: Params) -> None:
        delta, part = _delta(params), _part(params, "summaryIndex")
        if delta and (cell := self._places.growing(params, "reasoning", ReasoningCell)) is not None:
            cell.add_summary(part, delta)
            if self._headed != (cell.key, part):
                self._look_for_heading(cell, part)
            self._touch(cell)

    def _look_for_heading(self, cell: ReasoningCell, part: int) -> None:
        text = cell.summary[part]
        found = _HEADING.match(text)
        if found is not None:
            self._progress.thinks(found[1] or found[2])
        if found is not None or len(text) > HEADING_CHARS:
            self._headed = (cell.key, part)

    def _thought(self, params: Params) -> None:
        delta, part = _delta(params), _part(params, "contentIndex")
        if delta and (cell := self._places.growing(params, "reasoning", ReasoningCell)) is not None:
            cell.add_content(part, delta)
            self._touch(cell)

    def _output(self, params: Params) -> None:
        delta = _delta(params)
        if delta and (cell := self._places.growing(params, "commandExecution", CommandCell)) is not None:
            cell.output.add(delta)
            self._touch(cell)

    def _typed(self, params: Params) -> None:
        typed = text_of(params, "stdin")
        if typed and (cell := self._places.growing(params, "commandExecution", CommandCell)) is not None:
            cell.typed.append(typed)
            self._touch(cell)

    def _patch(self, params: Params) -> None:
        changes = changes_of(params)
        if changes and (cell := self._places.growing(params, "fileChange", PatchCell)) is not None:
            cell.changes = changes
            self._touch(cell)

    def _patch_output(self, params: Params) -> None:
        delta = _delta(params)
        if delta and (cell := self._places.growing(params, "fileChange", PatchCell)) is not None:
            cell.output += delta
            self._touch(cell)

    def _told(self, params: Params) -> None:
        message = text_of(params, "message")
        if message and (cell := self._places.growing(params, "mcpToolCall", ToolCell)) is not None:
            cell.progress = message
            self._touch(cell)


def _delta(params: Params) -> str:
    delta = params.get("delta")
    if not isinstance(delta, str):
        raise Malformed("no delta")
    return delta


def _part(params: Params, name: str) -> int:
    part = params.get(name, 0)
    if not isinstance(part, int) or part < 0:
        raise Malformed(f"{name} is no number")
    return min(part, MAX_PARTS - 1)

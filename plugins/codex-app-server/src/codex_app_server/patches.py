"""Patches that a model still writes: clients see them grow, a few times a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from codex_plugin_sdk import FileChange, ToolInputDelta

from .items import wire_change

EVERY_S = 0.5
"""Codex tells as often."""


class Followed(Protocol):
    """What a tool's `follow_input` gives."""

    def feed(self, text: str) -> None: ...
    def changes(self) -> tuple[FileChange, ...]: ...


class StreamedPatches:
    """Follows the inputs of freeform calls of one thread. `tools` gives its tools by name."""

    def __init__(
        self, thread_id: str, tools: Callable[[], Mapping[str, object]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._thread_id = thread_id
        self._tools = tools
        self._clock = clock
        self._calls: dict[str, _Call] = {}

    @property
    def under_way(self) -> bool:
        """Whether an input streams."""
        return bool(self._calls)

    def take(self, turn_id: str, msg: ToolInputDelta) -> Iterator[tuple[str, dict[str, Any], bool]]:
        """More of an input; tells of it, unless it has told of the call just now."""
        call = self._calls.get(msg.call_id)
        if call is None:
            call = self._calls[msg.call_id] = _Call(turn_id, self._followers())
        if call.followers:
            call.feed(msg.delta)
            if self._clock() >= call.next_s:
                yield from self._tell(msg.call_id, call)

    def end(self) -> Iterator[tuple[str, dict[str, Any], bool]]:
        """Something else happens: the inputs are complete, or given up. Tells what was not told yet."""
        calls, self._calls = self._calls, {}
        for call_id, call in calls.items():
            yield from self._tell(call_id, call)

    def _followers(self) -> list[Followed]:
        found = (tool.follow_input() for tool in self._tools().values() if hasattr(tool, "follow_input"))
        return [follower for follower in found if follower is not None]

    def _tell(self, call_id: str, call: _Call) -> Iterator[tuple[str, dict[str, Any], bool]]:
        changes = [wire_change(change) for change in call.changes()]
        if changes and changes != call.told:
            call.told, call.next_s = changes, self._clock() + EVERY_S
            place = {"threadId": self._thread_id, "turnId": call.turn_id, "itemId": call_id}
            yield "item/fileChange/patchUpdated", {**place, "changes": changes}, True


class _Call:
    def __init__(self, turn_id: str, followers: list[Followed]) -> None:
        self.turn_id = turn_id
        self.followers = followers
        self.next_s = 0.0
        self.told: list[dict[str, Any]] = []

    def feed(self, text: str) -> None:
        for follower in self.followers:
            follower.feed(text)

    def changes(self) -> tuple[FileChange, ...]:
        """Of the one whose input it is."""
        return next((found for follower in self.followers if (found := follower.changes())), ())

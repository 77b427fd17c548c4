"""Turns of sub-agents, for those who listen to the thread at the top: that they run, and how they ended.

Agents are no threads of the server: a tool of their parent opens and drives them. What their turns consist of is in
their rollouts (`thread/read`); Codex tells all of it, with the id of the agent's thread as here.
"""

from __future__ import annotations

import time
from typing import Any

from codex_plugin_sdk import GuardSetup, TurnFacts, TurnGuard, TurnId

from .loaded import OPEN
from .translate import TurnRecord


class AgentTurns(TurnGuard):
    """Watches one agent. Told on the event loop of its parent, which is the server's."""

    def __init__(self, setup: GuardSetup) -> None:
        self._id, self._root_id = str(setup.thread_id), setup.root_id
        self._record: TurnRecord | None = None

    def turn_begins(self, turn: TurnFacts) -> None:
        """Tell that it runs."""
        record = self._record = TurnRecord(str(turn.turn_id), _now_ms())
        self._tell("thread/status/changed", status={"type": "active", "activeFlags": []})
        self._tell("turn/started", turn=record.wire("notLoaded"))

    async def turn_ends(self, turn_id: TurnId, state: str) -> None:
        """Tell how it ended."""
        record, self._record = self._record, None
        if record is None or record.id != str(turn_id):
            return
        record.status, record.completed_ms = state, _now_ms()
        record.duration_ms = record.completed_ms - record.started_ms
        self._tell("thread/status/changed", status={"type": "idle"})
        self._tell("turn/completed", turn=record.wire("notLoaded"))

    async def aclose(self) -> None:
        """Tell that the agent is gone."""
        self._tell("thread/status/changed", status={"type": "notLoaded"})
        self._tell("thread/closed")

    def _tell(self, method: str, **params: Any) -> None:
        root = OPEN.get(self._root_id)
        if root is not None:
            root.tell([(method, {"threadId": self._id, **params}, False)])


def _now_ms() -> int:
    return int(time.time() * 1000)

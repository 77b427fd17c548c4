"""What the notifications say of the status line: phase, what is done now, tokens, settings, servers, sub-agents."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from .items import Malformed, mapping_of, text_of, texts_of
from .status import Status

Params = Mapping[str, Any]
DETAIL_CHARS = 120
_WAITING = ("waitingOnApproval", "waitingOnUserInput")
_RUNNING = ("pendingInit", "running")


class Progress:
    """Keeps a `Status` right. `clock` is `time.monotonic`."""

    def __init__(self, status: Status, clock: Callable[[], float]) -> None:
        self.status = status
        self.agents: dict[str, str] = {}
        """Sub-agents by their thread ids, and what was said last of each."""
        self._clock = clock
        self._active = status.turn_id is not None
        self._waiting = False
        self._modes: dict[str, str] = {}
        self._doing: dict[str, str] = {}
        self._heading = ""
        self._tokens_before: dict[str, int] = {}

    # -- turns -----------------------------------------------------------------------------------

    def turn_began(self, turn_id: str, started_s: object = None) -> None:
        """A turn runs; `started_s` is when it began, in Unix seconds."""
        status = self.status
        self._active = True
        if status.turn_id != turn_id or status.turn_started_at is None:
            status.turn_started_at = self._clock() - _seconds_ago(started_s)
        status.turn_id = turn_id
        self._phase()

    def turn_ended(self, turn_id: str) -> int | None:
        """It has ended: the tokens that it took, as far as they are known."""
        status = self.status
        before = self._tokens_before.pop(turn_id, None)
        if status.turn_id in (None, turn_id):
            status.turn_id = status.turn_started_at = None
            self._active = self._waiting = False
            self._modes.clear()
            self._doing.clear()
            self._heading = ""
            self._detail()
            self._phase()
        return None if before is None else max(0, status.total_tokens - before)

    def thread_status(self, found: Params) -> None:
        """What the thread is doing. Raises `Malformed`."""
        kind = text_of(found, "type")
        if not kind:
            raise Malformed("no status")
        self._active = kind == "active"
        self._waiting = self._active and any(flag in _WAITING for flag in texts_of(found, "activeFlags"))
        self._phase()

    def closed(self) -> None:
        """The server has closed the thread."""
        if self.status.turn_id is not None:
            self.turn_ended(self.status.turn_id)
        self._active = self._waiting = False
        self._phase()

    def mode(self, key: str, word: str) -> None:
        """The turn is no common one from here on: reviewing, compacting."""
        self._modes[key] = word
        self._phase()

    def mode_over(self, key: str) -> None:
        """It is a common one again."""
        if self._modes.pop(key, None) is not None:
            self._phase()

    def _phase(self) -> None:
        mode = next(reversed(self._modes.values()), "working")
        self.status.phase = "waiting" if self._waiting else mode if self._active else "idle"

    # -- what is done now ------------------------------------------------------------------------

    def doing(self, key: str, words: str) -> None:
        """Something runs, known by `key`."""
        self._doing[key] = words.strip().partition("\n")[0][:DETAIL_CHARS]
        self._detail()

    def did(self, key: str) -> None:
        """It has ended."""
        if self._doing.pop(key, None) is not None:
            self._detail()

    def thinks(self, heading: str) -> None:
        """The heading of the newest thought."""
        self._heading = heading.strip()[:DETAIL_CHARS]
        self._detail()

    def _detail(self) -> None:
        self.status.detail = next(reversed(self._doing.values()), self._heading)

    # -- figures and settings --------------------------------------------------------------------

    def usage(self, turn_id: str, found: Params) -> None:
        """Tokens of the thread, and of the last request. Raises `Malformed`."""
        total, last = mapping_of(found, "total"), mapping_of(found, "last")
        if not total:
            raise Malformed("no tokenUsage")
        status = self.status
        status.total_tokens = _count(total, "totalTokens")
        status.input_tokens = _count(total, "inputTokens")
        status.cached_tokens = _count(total, "cachedInputTokens")
        status.output_tokens = _count(total, "outputTokens")
        status.context_tokens = _count(last, "totalTokens")
        status.context_window = _count(found, "modelContextWindow") or status.context_window
        self._tokens_before.setdefault(turn_id, status.total_tokens - status.context_tokens)

    def settings(self, found: Params) -> None:
        """Settings of the thread, as a notification has them. Raises `Malformed`."""
        if not found:
            raise Malformed("no threadSettings")
        status = self.status
        status.model = text_of(found, "model") or status.model
        status.provider = text_of(found, "modelProvider") or status.provider
        status.cwd = text_of(found, "cwd") or status.cwd
        status.reviewer = text_of(found, "approvalsReviewer") or status.reviewer
        status.approval = _word(found.get("approvalPolicy")) or status.approval
        status.sandbox = _word(found.get("sandboxPolicy")) or status.sandbox
        if "effort" in found:
            status.effort = text_of(found, "effort")

    def server(self, name: str, state: str) -> None:
        """How the start of an MCP server goes."""
        others = tuple(other for other in self.status.servers_starting if other != name)
        self.status.servers_starting = (*others, name) if state == "starting" else others

    def agent(self, thread_id: str, state: str) -> None:
        """What is known of a sub-agent."""
        self.agents[thread_id] = state
        self.status.agents_running = sum(state in _RUNNING for state in self.agents.values())


def _count(found: Params, name: str) -> int:
    value = found.get(name)
    return value if isinstance(value, int) and value > 0 else 0


def _word(found: object) -> str:
    """A policy in one word: it is a word, or an object with a `type`, or with one member."""
    if isinstance(found, str):
        return found
    if isinstance(found, Mapping):
        return text_of(found, "type") or str(next(iter(found), ""))
    return ""


def _seconds_ago(started_s: object) -> float:
    """How long ago this was, to the second; less than two seconds are none, since the server cuts off fractions."""
    if not isinstance(started_s, int | float):
        return 0.0
    ago = time.time() - started_s
    return ago if ago >= 2 else 0.0

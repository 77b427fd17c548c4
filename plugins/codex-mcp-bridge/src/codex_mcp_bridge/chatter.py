"""Notifications of a server that are worth nothing: passed over before they cost anything. The library takes a fifth
of a millisecond for each, so that a server could keep us from its own answers by talking."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

HEARD = frozenset(
    {
        "notifications/cancelled",
        "notifications/initialized",
        "notifications/progress",
        "notifications/subscriptions/acknowledged",
        "notifications/tools/list_changed",
    }
)
"""Those that somebody listens to. All others, logs among them, go nowhere."""
_REPLACED = frozenset({b"notifications/progress", b"notifications/tools/list_changed"})
"""Of these the last one says what those before it said."""
FREE = 8
"""So many of these are handed on of what was read at once; behind them only the last one of a kind is."""
FLOOD = 1_000
"""So many notifications within a second are a flood."""
_MAX_HELD = 64
_HEAD_BYTES = 512
# Only at the very beginning of a message: deeper within, the same words may be part of an answer.
_METHOD = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"method"\s*:\s*"(notifications/[\w/.$-]+)"\s*[,}]')
_TOKEN = re.compile(rb'"progressToken"\s*:\s*("[^"\\]*"|-?\d+)')


class Chatter:
    """Counts and holds back what one server says unasked. `passed_over` is how much nobody was told of; `flooded` is
    called when it becomes a flood."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.passed_over = 0
        self.flooded: Callable[[], None] = lambda: None
        self._now = now
        self._window_s = self._in_window = 0.0
        self._free = FREE
        self._held: dict[tuple[bytes, bytes], bytes] = {}

    def begin(self) -> None:
        """More was read."""
        self._free = FREE

    def takes(self, line: bytes) -> bool:
        """Whether nothing has to be done about a line for now. Others come behind what is `released` first."""
        found = _METHOD.match(line, 0, _HEAD_BYTES)
        if found is None:
            return False
        method = found[1]
        if method.decode("latin-1") not in HEARD:
            self.pass_over()
            return True
        if method not in _REPLACED:
            return False
        if self._free:
            self._free -= 1
            return False
        token = _TOKEN.search(line) if method == b"notifications/progress" else None
        key = method, token[1] if token else b""
        if key not in self._held and len(self._held) >= _MAX_HELD:
            return False
        if self._held.pop(key, None) is not None:
            self.pass_over()
        self._held[key] = line
        return True

    def released(self) -> Iterator[bytes]:
        """What was held back and is due, in its order."""
        held, self._held = self._held, {}
        yield from held.values()

    def pass_over(self) -> None:
        """Count one that nobody is told of."""
        self.passed_over += 1
        self._in_window += 1
        if self._in_window >= FLOOD:
            now = self._now()
            if now - self._window_s < 1.0:
                self.flooded()
            self._window_s, self._in_window = now, 0

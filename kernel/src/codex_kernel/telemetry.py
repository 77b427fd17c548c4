"""Handing events to telemetry sinks without ever hurting a turn: one thread, one bounded queue, drops when full."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

from .contracts.observe import TelemetrySink
from .log import logger
from .protocol.events import Event

QUEUE_SIZE = 4096
CLOSE_TIMEOUT_S = 1.0


class TelemetryHub:
    """Feeds all sinks of a thread. A sink that raises is dropped after one log line."""

    def __init__(self, sinks: Sequence[tuple[str, TelemetrySink]]) -> None:
        self._sinks = list(sinks)
        self._queue: queue.Queue[Event | None] = queue.Queue(QUEUE_SIZE)
        self.dropped = 0
        self._worker = threading.Thread(target=self._run, daemon=True, name="codex-telemetry")
        self._worker.start()

    def emit(self, event: Event) -> None:
        """Queue an event, or count it as dropped."""
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Let the sinks finish, for at most a second."""
        try:
            self._queue.put(None, timeout=CLOSE_TIMEOUT_S)
        except queue.Full:
            return  # a sink hangs; the thread is a daemon
        self._worker.join(CLOSE_TIMEOUT_S)
        if self.dropped:
            logger().warning("telemetry fell behind", dropped=self.dropped)

    def _run(self) -> None:
        while (event := self._queue.get()) is not None:
            self._each(lambda sink, event=event: sink.emit(event))  # type: ignore[misc]
        self._each(lambda sink: sink.close())

    def _each(self, act: Callable[[TelemetrySink], None]) -> None:
        for name, sink in list(self._sinks):
            try:
                act(sink)
            except Exception as error:  # noqa: BLE001 - observers can never hurt a turn
                self._sinks.remove((name, sink))
                logger().warning("telemetry sink dropped", sink=name, exc_info=error)

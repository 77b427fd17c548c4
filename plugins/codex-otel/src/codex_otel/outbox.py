"""What waits to be sent, and the one thread that sends it. Nobody else ever waits for a receiver.

Everything is bounded: records in the queue, one batch per signal that waits for another attempt, the time of an
attempt, the time at the end. What does not fit or is not taken is counted.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from time import monotonic, time
from typing import Any

import orjson

from codex_plugin_sdk import __version__

from .metrics import Metrics
from .post import Poster, PostFailed
from .protobuf import encode
from .records import Attributes
from .settings import Settings

BATCH = 512
ATTEMPTS = 5
RETRY_S = 1.0
CLOSE_S = 0.7
"""For what is left at the end; the kernel waits for a second."""

_SHAPES = {
    "traces": ("resourceSpans", "scopeSpans", "spans"),
    "logs": ("resourceLogs", "scopeLogs", "logRecords"),
    "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
}


class _Batch:
    """An encoded request that was not taken yet."""

    def __init__(self, body: bytes, records: int) -> None:
        self.body, self.records, self.attempts, self.due = body, records, 0, 0.0


class Outbox:
    """Takes records from the sink's thread and sends them from its own."""

    def __init__(self, settings: Settings, metrics: Metrics, made: Attributes, environ: Mapping[str, str]) -> None:
        self._settings, self._metrics, self._made = settings, metrics, made
        self._resource = {"attributes": made.make(settings.resource)}
        self._queues: dict[str, deque[dict[str, Any]]] = {"traces": deque(), "logs": deque()}
        self._pending: dict[str, _Batch] = {}
        self._wake = threading.Condition()
        self._deadline: float | None = None
        self._metrics_due = monotonic() + settings.metrics_interval_s
        self.dropped = 0
        self.problem = ""
        self._poster = Poster(environ, lambda: self._deadline or float("inf"))
        self._worker = threading.Thread(target=self._run, daemon=True, name="codex-otel")
        self._worker.start()

    def add(self, signal: str, record: dict[str, Any]) -> None:
        """Queue a span or a log record, or count it as dropped."""
        if signal not in self._settings.exporters:
            return
        with self._wake:
            queue = self._queues[signal]
            if len(queue) >= self._settings.queue_size:
                self.dropped += 1
                return
            queue.append(record)
            if len(queue) == min(BATCH, self._settings.queue_size):
                self._wake.notify()

    def count(self, name: str, amount: float, attributes: Mapping[str, Any]) -> None:
        """Add to a metric."""
        if "metrics" in self._settings.exporters:
            with self._wake:
                self._metrics.add(name, amount, attributes)

    def close(self) -> int:
        """Send what is left for at most `CLOSE_S`; how many records were lost in all."""
        with self._wake:
            self._deadline = monotonic() + CLOSE_S
            self._wake.notify()
        self._worker.join(CLOSE_S)
        if self._worker.is_alive():
            self._poster.abort()
        with self._wake:
            self.dropped += sum(map(len, self._queues.values())) + sum(b.records for b in self._pending.values())
            for queue in self._queues.values():
                queue.clear()
            self._pending.clear()
            return self.dropped

    # -- the worker ------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._wait():
                self._flush(final=False)
            self._flush(final=True)
        except Exception as error:  # noqa: BLE001 - a thread of its own: told at the end, when somebody listens
            self.problem = repr(error)
        finally:
            self._poster.close()

    def _wait(self) -> bool:
        """Until there is something to do; whether it is the last time."""
        with self._wake:
            full = any(len(queue) >= BATCH for queue in self._queues.values()) and not self._pending
            if self._deadline is None and not full:
                self._wake.wait(self._settings.interval_s)
            return self._deadline is not None

    def _flush(self, *, final: bool) -> None:
        metrics_due = final or monotonic() >= self._metrics_due
        if metrics_due:
            self._metrics_due = monotonic() + self._settings.metrics_interval_s
        for signal in self._settings.exporters:
            if signal in self._pending and not self._send(signal, final=final):
                continue
            while self._take(signal, metrics_due=metrics_due) and self._send(signal, final=final):
                if signal == "metrics" or monotonic() >= (self._deadline or float("inf")):
                    break

    def _take(self, signal: str, *, metrics_due: bool) -> bool:
        """Make the next batch of a signal; whether there is one."""
        with self._wake:
            if signal == "metrics":
                records = self._metrics.take(int(time() * 1000), self._made) if metrics_due else []
            else:
                queue = self._queues[signal]
                records = [queue.popleft() for _ in range(min(BATCH, len(queue)))]
            if not records:
                return False
            batch = self._pending[signal] = _Batch(b"", len(records))  # counted from here on
        outer, inner, name = _SHAPES[signal]
        scope = {"name": "codex-otel", "version": __version__}
        request = {outer: [{"resource": self._resource, inner: [{"scope": scope, name: records}]}]}
        binary = self._settings.exporters[signal].binary
        batch.body = encode(signal.upper(), request) if binary else orjson.dumps(request)
        return True

    def _send(self, signal: str, *, final: bool) -> bool:
        """One attempt; whether the way is free for the next batch."""
        batch = self._pending[signal]
        if not final and monotonic() < batch.due:
            return False
        batch.attempts += 1
        try:
            self._poster.post(self._settings.exporters[signal], batch.body)
        except PostFailed as failure:
            self.problem = str(failure)
            if not final and failure.retry and batch.attempts < ATTEMPTS:
                batch.due = monotonic() + RETRY_S * 2 ** (batch.attempts - 1)
                return False
            lost = True
        else:
            lost = False
        with self._wake:
            if self._pending.pop(signal, None) is not None and lost:  # else the end has counted it already
                self.dropped += batch.records
        return not lost

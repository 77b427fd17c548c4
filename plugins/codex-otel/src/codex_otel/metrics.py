"""Counters and histograms, summed here and sent as points."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from .records import Attribute, Attributes, nanos

TOKEN_BOUNDS = tuple(float(4**power) for power in range(14))
SECOND_BOUNDS = tuple(0.01 * 2**power for power in range(14))
"""The boundaries that the conventions ask for, in tokens and in seconds."""

MAX_SERIES = 200
"""Attribute sets per instrument; further ones are summed in one that says so, as tool names come from a model."""

OVERFLOW = (("otel.metric.overflow", True),)
INSTRUMENTS: dict[str, tuple[str, str, tuple[float, ...]]] = {
    "gen_ai.client.token.usage": ("{token}", "Tokens of model requests", TOKEN_BOUNDS),
    "gen_ai.client.operation.duration": ("s", "Duration of model requests", SECOND_BOUNDS),
    "gen_ai.client.operation.time_to_first_chunk": ("s", "Time until a model begins to answer", SECOND_BOUNDS),
    "codex.turn.duration": ("s", "Duration of turns by how they ended", SECOND_BOUNDS),
    "codex.tool.duration": ("s", "Duration of tool calls", SECOND_BOUNDS),
    "codex.tool.calls": ("{call}", "Tool calls by tool and outcome", ()),
    "codex.errors": ("{error}", "Errors by kind", ()),
    "codex.approvals": ("{request}", "Approval requests by decision", ()),
    "codex.telemetry.dropped": ("{record}", "Records that were not delivered", ()),
}
"""Name -> unit, meaning, and the boundaries of a histogram; without any it is a counter."""


class _Series:
    def __init__(self, bounds: int) -> None:
        self.count, self.sum, self.low, self.high = 0, 0.0, float("inf"), float("-inf")
        self.buckets = [0] * (bounds + 1)


class Metrics:
    """All instruments of a thread. With `delta`, what has been taken counts no more."""

    def __init__(self, start_ms: int, *, delta: bool) -> None:
        self._start_ms, self._delta = start_ms, delta
        self._found: dict[str, dict[tuple[tuple[str, Attribute], ...], _Series]] = {}

    def add(self, name: str, amount: float, attributes: Mapping[str, Attribute | None]) -> None:
        """Count, or put into a histogram."""
        bounds = INSTRUMENTS[name][2]
        all_series = self._found.setdefault(name, {})
        key = tuple(sorted((key, found) for key, found in attributes.items() if found is not None))
        if key not in all_series and len(all_series) >= MAX_SERIES:
            key = OVERFLOW
        series = all_series.setdefault(key, _Series(len(bounds)))
        series.count += 1
        series.sum += amount
        series.low, series.high = min(series.low, amount), max(series.high, amount)
        series.buckets[bisect_left(bounds, amount)] += 1

    def take(self, now_ms: int, made: Attributes) -> list[dict[str, Any]]:
        """All metrics in OTLP's form, empty if there are none."""
        metrics = [self._metric(name, now_ms, made) for name in self._found]
        if self._delta:
            self._found, self._start_ms = {}, now_ms
        return metrics

    def _metric(self, name: str, now_ms: int, made: Attributes) -> dict[str, Any]:
        unit, meaning, bounds = INSTRUMENTS[name]
        points = []
        for key, series in self._found[name].items():
            point: dict[str, Any] = {
                "startTimeUnixNano": nanos(self._start_ms),
                "timeUnixNano": nanos(now_ms),
                "attributes": made.make(dict(key)),
            }
            point.update(_histogram(series, bounds) if bounds else {"asInt": str(int(series.sum))})
            points.append(point)
        data: dict[str, Any] = {"dataPoints": points, "aggregationTemporality": 1 if self._delta else 2}
        if not bounds:
            data["isMonotonic"] = True
        return {"name": name, "unit": unit, "description": meaning, "histogram" if bounds else "sum": data}


def _histogram(series: _Series, bounds: tuple[float, ...]) -> dict[str, Any]:
    return {
        "count": str(series.count),
        "sum": series.sum,
        "min": series.low,
        "max": series.high,
        "bucketCounts": [str(count) for count in series.buckets],
        "explicitBounds": list(bounds),
    }

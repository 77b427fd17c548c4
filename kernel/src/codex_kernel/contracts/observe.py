"""The contracts of those who only watch: renderers and telemetry sinks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from ..protocol.events import Event
from ..protocol.value import Value, field, value


@value
class RenderSetup(Value):
    """What a renderer's factory gets. `color` is already decided from `--color` and the terminal."""

    stdout: TextIO
    stderr: TextIO
    color: bool = False
    options: Mapping[str, Any] = field(factory=dict)


class Renderer(Protocol):
    """Shows a thread's events. Replay feeds the same events from a rollout."""

    def handle(self, event: Event) -> None:
        """Show one event; quick. An exception is logged once and the renderer dropped, except
        `BrokenPipeError`, which ends the program quietly."""
        ...

    def close(self) -> None:
        """Write what is left (a final message, a summary)."""
        ...


@value
class TelemetrySetup(Value):
    """What a sink's factory gets."""

    thread_id: str
    codex_home: str
    environ: Mapping[str, str] = field(repr=False)
    options: Mapping[str, Any] = field(factory=dict)


class TelemetrySink(Protocol):
    """Receives every event of a thread, deltas left out, behind a bounded queue that drops when full."""

    def emit(self, event: Event) -> None:
        """Take one event; runs outside the turn. An exception drops the sink after one log line."""
        ...

    def close(self) -> None:
        """Flush; bounded by the kernel to a second."""
        ...

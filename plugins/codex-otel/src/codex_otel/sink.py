"""The sink `otel`."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from codex_plugin_sdk import CodexError, Event, TelemetrySetup

if TYPE_CHECKING:
    from .outbox import Outbox
    from .watch import Watch


class TelemetryLost(CodexError):
    """Records were dropped, or a receiver did not take them. Nothing else has suffered."""


class OtelSink:
    """Telemetry of one thread. Everything is loaded and made with the first event, beside the turn and not before
    its first request."""

    def __init__(self, setup: TelemetrySetup) -> None:
        self._setup = setup
        self._parts: tuple[Watch, Outbox] | None = None

    def emit(self, event: Event) -> None:
        """Follow an event; takes microseconds and never waits. The first raises `ConfigError` for a table that cannot
        be carried out, which ends the sink."""
        if self._parts is None:
            self._parts = self._made()
        self._parts[0].take(event)

    def close(self) -> None:
        """Send what is left, for less than a second. Raises `TelemetryLost`, which the kernel logs, with how many
        records did not arrive and why."""
        if self._parts is None:
            return
        watch, outbox = self._parts
        watch.end(int(time() * 1000))
        if dropped := outbox.dropped:
            outbox.count("codex.telemetry.dropped", dropped, {})
        lost = outbox.close()
        if lost:
            why = f" ({outbox.problem})" if outbox.problem else ""
            raise TelemetryLost(f"{lost} telemetry records were not delivered{why}", hint="see [otel] in config.toml")

    def _made(self) -> tuple[Watch, Outbox]:
        from codex_plugin_sdk.redact import Redactor

        from .metrics import Metrics
        from .outbox import Outbox
        from .records import Attributes
        from .settings import read_settings
        from .watch import Watch

        setup = self._setup
        settings = read_settings(setup.options, setup.environ, setup.thread_id)
        made = Attributes(Redactor(setup.environ))
        outbox = Outbox(settings, Metrics(int(time() * 1000), delta=settings.delta), made, setup.environ)
        return Watch(settings, outbox, made, setup.thread_id), outbox

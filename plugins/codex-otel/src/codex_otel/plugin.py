"""Offers the telemetry sink `otel`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import TelemetrySinkSpec, hookimpl

if TYPE_CHECKING:
    from codex_plugin_sdk import TelemetrySetup, TelemetrySink


@hookimpl
def codex_telemetry_sinks() -> Iterable[TelemetrySinkSpec]:
    """Traces, metrics and logs, as `[otel]` says."""
    yield TelemetrySinkSpec(name="otel", factory=_open)


def _open(setup: TelemetrySetup) -> TelemetrySink:
    from .switch import Off, is_on

    if not is_on(setup.options, setup.environ):
        return Off()
    from .sink import OtelSink

    return OtelSink(setup)

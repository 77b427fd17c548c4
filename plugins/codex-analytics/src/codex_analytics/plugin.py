"""Offers the telemetry sink `local_analytics` and the configuration table of the same name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import ConfigSectionSpec, TelemetrySinkSpec, hookimpl

if TYPE_CHECKING:
    from codex_plugin_sdk import TelemetrySetup, TelemetrySink


@hookimpl
def codex_telemetry_sinks() -> Iterable[TelemetrySinkSpec]:
    """Events as JSON lines below `CODEX_HOME`, where `[local_analytics]` wants them."""
    yield TelemetrySinkSpec(name="local_analytics", factory=_open)


@hookimpl
def codex_config_sections() -> Iterable[ConfigSectionSpec]:
    """The table `[local_analytics]`."""
    from .section import LocalAnalyticsSection

    yield ConfigSectionSpec(name="local_analytics", section=LocalAnalyticsSection)


def _open(setup: TelemetrySetup) -> TelemetrySink:
    from .section import Off

    if setup.options.get("enabled") is not True:
        return Off()
    from .sink import AnalyticsSink

    return AnalyticsSink(setup)

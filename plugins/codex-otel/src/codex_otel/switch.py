"""Whether anything is to be sent at all. Imports nothing: with telemetry off, this is all that runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SIGNALS = {"traces": "trace_exporter", "metrics": "metrics_exporter", "logs": "exporter"}
"""Each signal and the key that chooses its exporter."""


def is_on(options: Mapping[str, Any], environ: Mapping[str, str]) -> bool:
    """Whether `[otel]` names an exporter. The environment alone switches nothing on, but it can switch off."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    return any(exporter_kind(options.get(key)) not in ("", "none", "statsig") for key in SIGNALS.values())


def exporter_kind(setting: Any) -> str:
    """`otlp-http` for the word as well as for a table `{otlp-http = {…}}`; empty where nothing is set."""
    if isinstance(setting, Mapping):
        return next(iter(setting), "")
    return setting if isinstance(setting, str) else "" if setting is None else repr(setting)


class Off:
    """The sink that nobody has asked for."""

    def emit(self, event: Any) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""

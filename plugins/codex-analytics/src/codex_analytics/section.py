"""`[local_analytics]`, and the sink where it is off. Loaded at every start, so there is nothing else here."""

from __future__ import annotations

from typing import Any

from codex_plugin_sdk import Value, value


@value
class LocalAnalyticsSection(Value):
    """`max_bytes` is the size at which a file is put aside, `max_files` how many of those are kept."""

    enabled: bool = False
    max_bytes: int = 5_000_000
    max_files: int = 8


class Off:
    """The sink that nobody has asked for."""

    def emit(self, event: Any) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""

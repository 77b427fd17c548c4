"""The table `[trace]`."""

from __future__ import annotations

from codex_plugin_sdk import Value, value

MAX_BYTES = 256 * 1024 * 1024


@value
class TraceSection(Value):
    """`enabled` says whether threads are traced, `max_bytes` how much one thread may write before its trace ends."""

    enabled: bool = True
    max_bytes: int = MAX_BYTES

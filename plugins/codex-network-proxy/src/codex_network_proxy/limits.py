"""How much and how long."""

from __future__ import annotations

from codex_plugin_sdk import Value, value


@value
class Limits(Value):
    """The bounds of a session. Times in seconds, sizes in bytes; `concurrent_lookups` is per thread."""

    connections: int = 256
    head_s: float = 30.0
    idle_s: float = 600.0
    connect_s: float = 30.0
    lookup_s: float = 10.0
    next_address_s: float = 0.25
    linger_s: float = 2.0
    head_bytes: int = 65536
    hello_bytes: int = 65536
    chunk_bytes: int = 262144
    addresses: int = 8
    concurrent_lookups: int = 8

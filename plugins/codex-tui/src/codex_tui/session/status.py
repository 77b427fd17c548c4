"""What the status line tells."""

from __future__ import annotations

import attrs


@attrs.define(kw_only=True)
class Status:
    """Facts of the thread that is shown. What is not known is empty or None. `phase` is idle, working, waiting (for an
    answer of the user), reviewing, compacting, or lost (no server)."""

    thread_id: str = ""
    thread_name: str = ""
    model: str = ""
    provider: str = ""
    effort: str = ""
    cwd: str = ""
    branch: str = ""
    approval: str = ""
    reviewer: str = ""
    sandbox: str = ""
    engine: str = ""
    """What confines commands (bwrap, landlock, none), once a command has asked the server for it."""
    context_window: int | None = None
    context_tokens: int | None = None
    total_tokens: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = None
    phase: str = "idle"
    detail: str = ""
    """What it does now, in a few words: the heading of a thought, a command."""
    turn_id: str | None = None
    turn_started_at: float | None = None
    """By `time.monotonic`."""
    agents_running: int = 0
    servers_starting: tuple[str, ...] = ()

    @property
    def context_used(self) -> float | None:
        """Part of the context window in use, 0 to 1."""
        if not self.context_window or self.context_tokens is None:
            return None
        return min(1.0, self.context_tokens / self.context_window)

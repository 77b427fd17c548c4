"""The table `[sessions]` of the configuration."""

from __future__ import annotations

from codex_plugin_sdk import ConfigError, Value, value


@value
class SessionsSection(Value):
    """What `codex sessions gc` keeps: sessions changed within `max_age_days`, at most `max_count` of them, in files of
    at most `max_bytes` together. None is no limit."""

    max_age_days: int | None = None
    max_count: int | None = None
    max_bytes: int | None = None

    def checked(self) -> SessionsSection:
        """The same. Raises `ConfigError` for a negative limit: it would have everything deleted."""
        for name in ("max_age_days", "max_count", "max_bytes"):
            limit = getattr(self, name)
            if limit is not None and limit < 0:
                raise ConfigError(f"`sessions.{name}` is {limit}, which is no limit", hint="give 0 or more")
        return self

"""The table `[app_server]` of the configuration."""

from __future__ import annotations

from codex_plugin_sdk import ConfigError, Value, value


@value
class AppServerSection(Value):
    """How long the server keeps what nobody needs: a thread that no client listens to and in which nothing happens is
    closed after `unload_after_s` seconds, and is there again when it is resumed. 0 keeps it until the server ends."""

    unload_after_s: float = 60.0

    def checked(self) -> AppServerSection:
        """The same. Raises `ConfigError` for less than no time."""
        if not 0 <= self.unload_after_s < float("inf"):
            raise ConfigError(f"`app_server.unload_after_s` is {self.unload_after_s}", hint="give 0 or more seconds")
        return self

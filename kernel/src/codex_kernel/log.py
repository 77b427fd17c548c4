"""Logging: structlog to stderr and to `$CODEX_HOME/log/codex.log`, never to stdout.

Nothing is imported before something has to be logged, which in a good run never happens.
"""

from __future__ import annotations

import os
import sys
from typing import Any

_settings: dict[str, Any] = {"debug": False, "path": None}
_logger: Any = None


def configure(*, debug: bool, codex_home: str | None) -> None:
    """Set where log lines go: to the file, and with `debug` to stderr as well."""
    global _logger
    _settings.update(debug=debug, path=os.path.join(codex_home, "log", "codex.log") if codex_home else None)
    _logger = None


def logger() -> Any:
    """The structlog logger."""
    global _logger
    if _logger is None:
        _logger = _make()
    return _logger


def _make() -> Any:
    import structlog

    processors: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ]
    return structlog.wrap_logger(_Sink(), processors=processors, wrapper_class=structlog.BoundLogger)


class _Sink:
    """Writes each line to where the settings say; a log that cannot be written is no reason to stop."""

    def msg(self, text: str) -> None:
        if _settings["debug"]:
            sys.stderr.write(text + "\n")
        path = _settings["path"]
        if path is None:
            return
        try:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
                file.write(text + "\n")
        except OSError as error:
            if _settings["debug"]:
                sys.stderr.write(f"{path}: {error.strerror}\n")

    debug = info = warning = error = critical = msg

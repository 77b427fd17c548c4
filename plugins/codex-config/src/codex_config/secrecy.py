"""Which values are not for showing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MASK = "***"
_TABLES = frozenset({"env", "headers", "http_headers", "query_params", "set", "tracestate"})
"""Tables whose values may all be secret: those of processes' environments and of requests."""
_WORDS = ("token", "secret", "password", "passwd", "authorization", "cookie", "credential", "api_key", "apikey")
_NAMES = frozenset({"key", "private_key"})
_HARMLESS = ("_env_var", "_limit", "_scope", "_budget", "_store", "_instructions", "tokens")
"""Names that end so speak of secrets and hold none."""


def is_secret(path: Sequence[str]) -> bool:
    """Whether the value of a key is not to be shown, as far as its name can tell."""
    if any(part in _TABLES for part in path[1:]) or tuple(path[-2:]) == ("auth", "args"):
        return True
    name = path[-1].lower().replace("-", "_")
    if name.endswith(_HARMLESS) or "env_http_headers" in path[:-1]:
        return False
    return name in _NAMES or any(word in name for word in _WORDS)


def masked(path: Sequence[str], found: Any) -> Any:
    """A value, or a table of them, as it may be shown. Texts that look like a secret are masked wherever they are."""
    if isinstance(found, Mapping):
        return {name: masked((*path, name), entry) for name, entry in found.items()}
    if isinstance(found, bool):
        return found
    if is_secret(path):
        return MASK
    if isinstance(found, list):
        return [masked(path, entry) for entry in found]
    if isinstance(found, str):
        from codex_plugin_sdk.redact import redact_text

        return redact_text(found)
    return found

"""`managed.toml`: where the administrator says that the bundle comes from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from codex_plugin_sdk import ConfigError, Value, value
from codex_plugin_sdk.http.message import parse_url

from .guard import read_guarded
from .toml_text import parse_toml

MAX_SETTINGS_BYTES = 1 << 20
DAY_S = 86_400.0
_EXAMPLE = 'for instance [bundle] url = "https://config.example.com/codex.toml" and its public_key'
_LOOPBACK = ("localhost", "::1")
_ON_FAILURE = ("last-good", "refuse")
_KNOWN = ("file", "url", "public_key", "refresh_s", "timeout_s", "max_age_s", "on_failure")


@value
class BundleSettings(Value):
    """Where the bundle comes from: `file` or `url`, the other is empty. `public_key` is base64 of 32 bytes, empty
    for a file that is trusted because only root can write it. `last_good` says whether a copy that was verified
    may stand in when the bundle cannot be had."""

    path: str
    file: str = ""
    url: str = ""
    public_key: str = ""
    refresh_s: float = 3600.0
    timeout_s: float = 2.0
    max_age_s: float = 30 * DAY_S
    last_good: bool = True

    @property
    def source(self) -> str:
        """The file or the URL."""
        return self.file or self.url

    @property
    def signature_source(self) -> str:
        """Where the signature is: the same name with `.sig`, before a query."""
        path, mark, query = self.url.partition("?")
        return f"{path}.sig{mark}{query}" if self.url else f"{self.file}.sig"


def read_settings(path: str) -> BundleSettings:
    """The settings in `managed.toml`. Raises `ConfigError` for a file that cannot be understood whole, or that
    somebody but root could have written."""
    try:
        raw = read_guarded(path, MAX_SETTINGS_BYTES)
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", where=path, hint="as root: make it a file that all can read"
        ) from error
    table = parse_toml(raw, path)
    for key in table:
        if key != "bundle":
            raise ConfigError(f"unknown key `{key}`", where=path, hint="known: the table [bundle]")
    bundle = table.get("bundle")
    if not isinstance(bundle, Mapping):
        raise ConfigError("has no table [bundle]", where=path, hint=_EXAMPLE)
    return _settings(path, bundle)


def _settings(path: str, bundle: Mapping[str, Any]) -> BundleSettings:
    for key in bundle:
        if key not in _KNOWN:
            raise ConfigError(f"unknown key `bundle.{key}`", where=path, hint=f"known: {', '.join(_KNOWN)}")
    file, url, key = (_text(path, bundle, name) for name in ("file", "url", "public_key"))
    if bool(file) == bool(url):
        raise ConfigError("[bundle] must have one of `file` and `url`", where=path, hint=_EXAMPLE)
    if url:
        _check_url(path, url)
        if not key:
            hint = "codex managed keygen makes a pair of keys"
            raise ConfigError("`bundle.url` needs `bundle.public_key`", where=path, hint=hint)
    elif not os.path.isabs(file):
        raise ConfigError(f"`bundle.file` is {file!r}, which is not an absolute path", where=path)
    if key:
        _check_key(path, key)
    on_failure = _text(path, bundle, "on_failure") or "last-good"
    if on_failure not in _ON_FAILURE:
        known = " or ".join(_ON_FAILURE)
        raise ConfigError(f"`bundle.on_failure` is {on_failure!r}; it must be {known}", where=path)
    timeout_s = _seconds(path, bundle, "timeout_s", 2.0)
    if timeout_s == 0:
        raise ConfigError("`bundle.timeout_s` must be more than 0", where=path)
    return BundleSettings(
        path=path,
        file=file,
        url=url,
        public_key=key,
        refresh_s=_seconds(path, bundle, "refresh_s", 3600.0),
        timeout_s=timeout_s,
        max_age_s=_seconds(path, bundle, "max_age_s", 30 * DAY_S),
        last_good=on_failure == "last-good",
    )


def _text(path: str, bundle: Mapping[str, Any], key: str) -> str:
    found = bundle.get(key, "")
    if not isinstance(found, str) or (key in bundle and not found):
        raise ConfigError(f"`bundle.{key}` must be a string that says something", where=path)
    return found


def _seconds(path: str, bundle: Mapping[str, Any], key: str, default: float) -> float:
    found = bundle.get(key, default)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= 100 * 366 * DAY_S:
        raise ConfigError(f"`bundle.{key}` must be a number of seconds, 0 or more", where=path)
    return float(found)


def _check_url(path: str, url: str) -> None:
    try:
        parts = parse_url(url)
    except ValueError as error:
        raise ConfigError(f"`bundle.url`: {error}", where=path) from error
    if "#" in url:
        raise ConfigError(
            f"`bundle.url` names a part of a page: {url}", where=path, hint="leave out the # and the rest"
        )
    if parts.scheme == "http" and not is_loopback(parts.host):
        raise ConfigError(f"`bundle.url` is not encrypted: {url}", where=path, hint="use https://")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name."""
    if host.lower() in _LOOPBACK:
        return True
    parts = host.split(".")
    return len(parts) == 4 and parts[0] == "127" and all(part.isdecimal() for part in parts)


def _check_key(path: str, key: str) -> None:
    from .signing import decode

    if decode(key.encode(), 32) is None:
        hint = "codex managed keygen prints it as 44 base64 characters"
        raise ConfigError("`bundle.public_key` is not an Ed25519 public key", where=path, hint=hint)

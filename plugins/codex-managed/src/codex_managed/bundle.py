"""The bundle: one TOML document with a version, dates, a configuration and requirements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import UserError, Value, field, positions, value

from .toml_text import parse_toml, part_of, stands_alone

if TYPE_CHECKING:
    from datetime import datetime

MAX_BUNDLE_BYTES = 4 * 1024 * 1024
CLOCK_SLACK_S = 86_400.0
"""How far a bundle may seem to come from the future: clocks are set wrong by a time zone, not by a year."""

TABLES = ("config", "requirements")
_KNOWN = ("version", "issued_at", "expires_at", *TABLES)


class BundleRefused(UserError):
    """A bundle cannot be had or used. The message goes on after the name of its source."""


@value
class Bundle(Value):
    """A bundle. `config` is the layer, `requirements` are as in requirements.toml; the texts are these tables as
    documents of their own, with all keys in the lines of the bundle."""

    version: int
    issued_at: datetime
    expires_at: datetime | None = None
    config: Mapping[str, Any] = field(factory=dict)
    requirements: Mapping[str, Any] = field(factory=dict)
    config_text: str = field(default="", repr=False)
    requirements_text: str = field(default="", repr=False)

    def check_dates(self, now_s: float) -> None:
        """Raises `BundleRefused` for a bundle that has expired, or comes from the future."""
        if self.expires_at is not None and self.expires_at.timestamp() <= now_s:
            raise BundleRefused(f"it expired at {self.expires_at.isoformat()}", hint="a newer one has to be signed")
        if self.issued_at.timestamp() > now_s + CLOCK_SLACK_S:
            raise BundleRefused(
                f"it was issued at {self.issued_at.isoformat()}, in the future", hint="is this machine's clock right?"
            )

    def check_newer(self, held: Bundle | None) -> None:
        """Raises `BundleRefused` if `held`, which was good before, is newer: then somebody replays an old bundle."""
        if held is None:
            return
        older_by = ""
        if self.version < held.version:
            older_by = f"version {self.version}, and version {held.version} was in use before"
        elif self.issued_at < held.issued_at:
            was = held.issued_at.isoformat()
            older_by = f"issued at {self.issued_at.isoformat()}, and one issued at {was} was in use before"
        if older_by:
            raise BundleRefused(f"it is a step back: {older_by}", hint="sign a bundle with a higher version")


def parse_bundle(raw: bytes, where: str) -> Bundle:
    """The bundle in these bytes. Raises `ConfigError` or `BundleRefused` for what cannot be understood whole."""
    table = parse_toml(raw, where)
    for key in table:
        if key not in _KNOWN:
            raise BundleRefused(f"it has an unknown key `{key}`", hint=f"known: {', '.join(_KNOWN)}")
    version = table.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        raise BundleRefused("it must have a `version`, an integer", hint="version = 1")
    texts = _texts(table, raw.decode())
    issued_at, expires_at = _date(table, "issued_at"), _date(table, "expires_at")
    if issued_at is None:
        raise BundleRefused("it must have `issued_at`, a date", hint="issued_at = 2026-01-31T12:00:00Z")
    return Bundle(
        version=version,
        issued_at=issued_at,
        expires_at=expires_at,
        config=table.get("config", {}),
        requirements=table.get("requirements", {}),
        config_text=texts["config"],
        requirements_text=texts["requirements"],
    )


def _texts(table: Mapping[str, Any], text: str) -> dict[str, str]:
    present = [name for name in TABLES if name in table]
    places = positions(text) if present else {}
    for name in present:
        if not isinstance(table[name], Mapping) or not stands_alone(name, places, text):
            # Otherwise a message could not name the line that set a value.
            raise BundleRefused(
                f"`{name}` must be a table below a header",
                hint=f"write [{name}] on a line of its own, before its inner tables",
            )
    return {name: part_of(text, name, places) if table.get(name) else "" for name in TABLES}


def _date(table: Mapping[str, Any], key: str) -> datetime | None:
    from datetime import datetime

    found = table.get(key)
    if found is None:
        return None
    if not isinstance(found, datetime) or found.tzinfo is None:
        raise BundleRefused(f"`{key}` must be a date with time and zone", hint=f"{key} = 2026-01-31T12:00:00Z")
    return found

"""How things are said: text of others made harmless, moments and ages."""

from __future__ import annotations


def shown(text: str, limit: int = 160) -> str:
    """Text of somebody else, so that a terminal shows it and does not obey it."""
    clean = "".join(c if c.isprintable() else " " for c in text[:limit])
    return clean + "…" if len(text) > limit else clean


def moment(unix_s: float) -> str:
    """A moment in Unix seconds, as ISO 8601 in UTC."""
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(int(unix_s), UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return "an impossible time"


def ago(seconds: float) -> str:
    """An age in words: `3 hours ago`."""
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"

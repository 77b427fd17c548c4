"""Numbers as people read them: times, counts, and how many there are of something."""

from __future__ import annotations


def duration(seconds: float, *, tenths: bool = True) -> str:
    """`0.4s`, `12s`, `1m 12s`, `2h 05m`. A clock that runs has no `tenths`, and is never ahead."""
    if tenths and seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds) if tenths else int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"


def short_count(number: int) -> str:
    """`950`, `12.3k`, `1.2M`."""
    if number < 1000:
        return str(number)
    if number < 999_950:
        return f"{number / 1000:.1f}k"
    return f"{number / 1_000_000:.1f}M"


def counted(number: int, what: str) -> str:
    """`1 line`, `2,000 lines`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"

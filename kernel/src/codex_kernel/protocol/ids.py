"""Identifiers. Threads, turns and the items that we make carry UUIDv7, so that they sort by time."""

from __future__ import annotations

import os
import threading
import time
from typing import NewType

ThreadId = NewType("ThreadId", str)
TurnId = NewType("TurnId", str)
ItemId = NewType("ItemId", str)
CallId = NewType("CallId", str)
ApprovalId = NewType("ApprovalId", str)

_lock = threading.Lock()
_last = 0


def uuid7() -> str:
    """A UUID version 7 (RFC 9562), strictly increasing within this process."""
    global _last
    now = (time.time_ns() // 1_000_000) << 12 | int.from_bytes(os.urandom(2), "big") & 0x7FF
    with _lock:
        # A 60-bit clock: 48 bits of milliseconds, 12 bits that count on within one of them.
        now = _last = max(now, _last + 1)
    tail = int.from_bytes(os.urandom(8), "big") & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    millis, counter = now >> 12, now & 0xFFF
    text = f"{millis:012x}7{counter:03x}{tail:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_uuid(text: str) -> bool:
    """Whether `text` has the shape of a UUID of any version."""
    parts = text.split("-")
    return [len(p) for p in parts] == [8, 4, 4, 4, 12] and all(c in "0123456789abcdefABCDEF" for p in parts for c in p)


def uuid7_unix_ms(text: str) -> int:
    """The creation time in a UUIDv7, in Unix milliseconds."""
    return int(text[:8] + text[9:13], 16)


def new_thread_id() -> ThreadId:
    """A fresh thread id."""
    return ThreadId(uuid7())


def new_turn_id() -> TurnId:
    """A fresh turn id."""
    return TurnId(uuid7())


def new_item_id(prefix: str = "") -> ItemId:
    """A fresh item id; `prefix` as Codex writes it (`msg`, `fco`, `ctco`, …)."""
    return ItemId(f"{prefix}_{uuid7()}" if prefix else uuid7())

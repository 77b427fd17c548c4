"""Server-sent events, decoded from bytes as they come (WHATWG HTML, section 9.2.6)."""

from __future__ import annotations

import re

from codex_kernel.errors import ProviderError

MAX_EVENT_BYTES = 64 * 1024 * 1024
"""An event may be this large; a server that sends more without an end is stopped."""

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\r")


class SseDecoder:
    """Turns reads of any size into events.

    An event is `(name, data)`, both bytes: `name` is empty where the server gave none, `data` has its lines
    joined by a line feed. Events whose name is in `skip` are dropped without looking at their data.
    """

    def __init__(self, *, skip: frozenset[bytes] = frozenset(), max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._skip = skip
        self._max = max_event_bytes
        self._pending: list[bytes] = []  # reads since the last blank line
        self._size = 0
        self._last = 10  # the last byte seen, a line feed at the start
        self._after_cr = False
        self._start: bytes | None = b""  # bytes held back until it is known whether they are a BOM

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The events that `data` completes. Raises `ProviderError` for one over the limit."""
        if self._start is not None:
            data = self._strip_bom(data)
        if self._after_cr or b"\r" in data:
            data = self._line_feeds(data)
        if not data:
            return []
        cut = 0
        if b"\n" in data:  # a look that costs nothing inside a large event
            cut = data.rfind(b"\n\n") + 2
            if cut == 1:
                # The blank line may lie between two reads.
                cut = 1 if self._last == 10 and data[0] == 10 else 0
        self._last = data[-1]
        if not cut:
            self._hold(data)
            return []
        self._pending.append(data[:cut])
        text = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
        self._pending.clear()
        self._size = 0
        if cut < len(data):
            self._hold(data[cut:])
        return self._events(text)

    def finish(self) -> list[tuple[bytes, bytes]]:
        """The event that the end of the stream left without its blank line, if any. It may be cut short."""
        held = (self._start or b"") + b"".join(self._pending)
        self._pending.clear()
        self._size = 0
        return self._events(held)

    def _events(self, text: bytes) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        skip, add = self._skip, found.append
        for block in text.split(b"\n\n"):
            # The common shapes by slices alone: perhaps an event line, then one data line.
            if block[:7] == b"event: ":
                end = block.find(b"\n", 7)
                if end > 0 and block[end + 1 : end + 7] == b"data: " and block.find(b"\n", end + 7) < 0:
                    name = block[7:end]
                    if name not in skip:
                        add((name, block[end + 7 :]))
                    continue
            elif block[:6] == b"data: " and block.find(b"\n", 6) < 0:
                add((b"", block[6:]))
                continue
            if block:
                event = _parse(block)
                if event is not None and event[0] not in skip:
                    add(event)
        if len(text) > self._max and any(len(data) > self._max for _, data in found):
            raise self._too_large()
        return found

    def _hold(self, data: bytes) -> None:
        self._pending.append(data)
        self._size += len(data)
        if self._size > self._max:
            raise self._too_large()

    def _too_large(self) -> ProviderError:
        return ProviderError(f"the server sent an event of more than {self._max} bytes", retryable=False)

    def _line_feeds(self, data: bytes) -> bytes:
        if self._after_cr and data[:1] == b"\n":
            data = data[1:]
            self._after_cr = False
        if data:
            self._after_cr = data[-1] == 13
        return _LINE_END.sub(b"\n", data)

    def _strip_bom(self, data: bytes) -> bytes:
        data = (self._start or b"") + data
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._start = data
            return b""
        self._start = None
        return data.removeprefix(_BOM)


def _parse(block: bytes) -> tuple[bytes, bytes] | None:
    name = b""
    data: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, text = line.partition(b":")
        if field == b"data":
            data.append(text.removeprefix(b" "))
        elif field == b"event":
            name = text.removeprefix(b" ")
    return (name, b"\n".join(data)) if data else None

"""JSON-RPC by the line, from a program that may write anything at any length."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .chatter import Chatter
from .link import MAX_MESSAGE_BYTES, Tail

if TYPE_CHECKING:
    from mcp.shared.message import SessionMessage

MAX_VALUES = 2_000_000
"""How many values a message may hold: parsed, each takes a hundred times its two bytes on the wire."""
_COUNTED_FROM_BYTES = 1024 * 1024
_EDGE_BYTES = 512
# The number of the request that a message answers, where it cannot be parsed: before anything nested, or at the end.
_ID_FIRST = re.compile(rb'\s*\{[^{\[]*?"id"\s*:\s*(\d{1,18})\s*[,}]')
_ID_LAST = re.compile(rb'"id"\s*:\s*(\d{1,18})\s*\}\s*$')


class TooLarge(Exception):
    """A message is larger than is taken, and it cannot be told which request it answers."""


class Frames:
    """Splits what a program writes into messages. Lines that are none go to `tail`; of a message that is too large
    nothing is kept, and its request gets an error for an answer. Notifications go by way of `chatter`."""

    def __init__(self, tail: Tail, max_bytes: int = MAX_MESSAGE_BYTES, chatter: Chatter | None = None) -> None:
        self._tail, self._max_bytes = tail, max_bytes
        self._chatter = chatter or Chatter()
        self._chunks: list[bytes] = []
        self._size_bytes = 0
        self._head, self._last = b"", b""

    def feed(self, data: bytes) -> Iterator[SessionMessage]:
        """The messages that are complete with this. Raises `TooLarge`."""
        start = 0
        self._chatter.begin()
        while (end := data.find(b"\n", start)) >= 0:
            self._add(data[start:end])
            yield from self._line()
            start = end + 1
        yield from self._released()
        if start < len(data):
            self._add(data[start:])

    def _add(self, chunk: bytes) -> None:
        self._size_bytes += len(chunk)
        if self._size_bytes <= self._max_bytes:
            self._chunks.append(chunk)
            return
        if self._chunks:
            self._head = b"".join(self._chunks)[:_EDGE_BYTES]
            self._chunks = []
        self._last = (self._last + chunk)[-_EDGE_BYTES:]

    def _line(self) -> Iterator[SessionMessage]:
        """The message of a line that is complete, behind what was held back before it."""
        if self._size_bytes <= self._max_bytes:
            self._chunks = [b"".join(self._chunks)]
            if self._chatter.takes(self._chunks[0]):
                self._size_bytes, self._chunks = 0, []
                return
        yield from self._released()
        message = self._complete()
        if message is not None:
            yield message

    def _released(self) -> Iterator[SessionMessage]:
        for line in self._chatter.released():
            message = self._parsed(line)
            if message is not None:
                yield message

    def _complete(self) -> SessionMessage | None:
        size_bytes, self._size_bytes = self._size_bytes, 0
        line, self._chunks = b"".join(self._chunks), []
        head, last, self._head, self._last = self._head, self._last, b"", b""
        if size_bytes > self._max_bytes:
            return self._refusal(head, last, f"it is larger than {self._max_bytes // (1024 * 1024)} MiB")
        if not line.strip():
            return None
        if size_bytes > _COUNTED_FROM_BYTES and sum(map(line.count, (b",", b"[", b"{"))) > MAX_VALUES:
            return self._refusal(line[:_EDGE_BYTES], line[-_EDGE_BYTES:], f"it holds more than {MAX_VALUES} values")
        return self._parsed(line)

    def _parsed(self, line: bytes) -> SessionMessage | None:
        from mcp.shared.message import SessionMessage
        from mcp.types import PARSE_ERROR
        from mcp_types import jsonrpc_message_adapter

        try:
            return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
        except ValueError:
            pass
        number = _request_id(line[:_EDGE_BYTES], line[-_EDGE_BYTES:]) if b'"jsonrpc"' in line[:_EDGE_BYTES] else None
        if number is not None:
            return _error(number, PARSE_ERROR, "the answer is no valid JSON-RPC message")
        self._tail.add(line)
        return None

    def _refusal(self, head: bytes, last: bytes, why: str) -> SessionMessage:
        from mcp.types import INTERNAL_ERROR

        number = _request_id(head, last)
        if number is None:
            raise TooLarge(f"it sent a message that is not taken: {why}")
        return _error(number, INTERNAL_ERROR, f"the answer is not taken: {why}")


def _request_id(head: bytes, last: bytes) -> int | None:
    found = _ID_FIRST.match(head) or _ID_LAST.search(last)
    return int(found[1]) if found else None


def _error(number: int, code: int, text: str) -> SessionMessage:
    from mcp.shared.message import SessionMessage
    from mcp.types import ErrorData, JSONRPCError

    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=number, error=ErrorData(code=code, message=text)))

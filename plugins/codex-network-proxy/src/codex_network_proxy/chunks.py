"""The chunked coding, read strictly and in any slices."""

from __future__ import annotations

import re

from .faults import Malformed
from .head import parse_fields

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_LONGEST_LINE = 4096
_LONGEST_TRAILER = 16384


class ChunkDecoder:
    """Fed with what arrives, gives the content. Chunk extensions and trailers are checked and dropped."""

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self._left = 0
        self._trailer: list[bytes] | None = None
        self._trailer_bytes = 0
        self._after_chunk = False
        self.done = False

    @property
    def rest(self) -> bytes:
        """When done: what came after the body."""
        return self._data if self.done else b""

    def feed(self, data: bytes) -> bytes:
        """The content in `data`. Raises `Malformed`."""
        self._data += data
        found: list[bytes] = []
        while not self.done and (self._content(found) if self._left else self._line()):
            pass
        self._data, self._at = self._data[self._at :], 0  # once, so that many small chunks do not copy the rest
        return found[0] if len(found) == 1 else b"".join(found)

    def _content(self, found: list[bytes]) -> bool:
        part = self._data[self._at : self._at + self._left]
        if part:
            found.append(part)
            self._at += len(part)
            self._left -= len(part)
            self._after_chunk = not self._left
        return bool(part)

    def _line(self) -> bool:
        start, end = self._at, self._data.find(b"\n", self._at, self._at + _LONGEST_LINE)
        if end < 0:
            if len(self._data) - start >= _LONGEST_LINE:
                raise Malformed("a line of the chunked body is too long")
            return False
        if end == start or self._data[end - 1] != 0x0D:
            raise Malformed("a line of the chunked body does not end in CR LF")
        line, self._at = self._data[start : end - 1], end + 1
        if self._after_chunk:
            if line:
                raise Malformed("a chunk is longer than it says")
            self._after_chunk = False
        elif self._trailer is None:
            self._size(line)
        else:
            self._trailer_line(line)
        return True

    def _size(self, line: bytes) -> None:
        found = _SIZE.fullmatch(line)
        if found is None:
            raise Malformed("the size of a chunk is not a hexadecimal number")
        self._left = int(found[1], 16)
        if not self._left:
            self._trailer = []

    def _trailer_line(self, line: bytes) -> None:
        assert self._trailer is not None
        if not line:
            parse_fields(self._trailer)
            self.done = True
            return
        self._trailer.append(line)
        self._trailer_bytes += len(line)
        if self._trailer_bytes > _LONGEST_TRAILER:
            raise Malformed("the trailer is too long")


def encode_chunk(content: bytes) -> bytes:
    """A chunk; for no content, the last one."""
    return b"%x\r\n%b\r\n" % (len(content), content)

"""Output of any size in bounded memory: a head, a tail, and the whole in a file once it is too much to show."""

from __future__ import annotations

import os
from collections.abc import Callable

from codex_plugin_sdk import Value, value

BYTES_PER_TOKEN = 4
SPILL_LIMIT_BYTES = 64 * 1024 * 1024


def estimated_tokens(size_bytes: int) -> int:
    """Tokens of so many bytes, estimated as Codex does."""
    return -(-size_bytes // BYTES_PER_TOKEN)


class SpillFile:
    """The whole output, up to a limit, readable by its owner only. A disk error stops it and is kept for the
    model to read; it never harms the command."""

    def __init__(self, folder: str, *, limit_bytes: int = SPILL_LIMIT_BYTES) -> None:
        self.path = os.path.join(folder, f"output-{os.urandom(6).hex()}.txt")
        self.error = ""
        self._left_bytes = limit_bytes
        self._limit_bytes = limit_bytes
        self._fd = -1
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            self._fd = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self.error = error.strerror or str(error)

    def write(self, data: bytes | bytearray) -> None:
        """Append as much as the limit allows."""
        if self._fd < 0 or not data:
            return
        rest = memoryview(data)[: self._left_bytes]
        over = len(rest) < len(data)
        try:
            while rest:
                written = os.write(self._fd, rest)
                self._left_bytes -= written
                rest = rest[written:]
            if over:
                os.write(self._fd, b"\n[cut here: no more than %d bytes of output are kept]\n" % self._limit_bytes)
        except OSError as error:
            self.error = error.strerror or str(error)
        if over or self.error:
            self.close()

    def close(self) -> None:
        """Nothing more will come."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def describe(self, total_bytes: int) -> str:
        """One line for the model."""
        if self.error:
            return f"[Truncated: {total_bytes} bytes in all, which could not be saved: {self.error}]"
        if self._left_bytes <= 0 and total_bytes > self._limit_bytes:
            return f"[Truncated: the first {self._limit_bytes} of {total_bytes} bytes are in {self.path}]"
        return f"[Truncated: all {total_bytes} bytes are in {self.path}]"


@value
class Excerpt(Value):
    """What the model reads of an output; `tokens` is the estimate for the whole."""

    text: str
    tokens: int


class OutputBuffer:
    """Output since it was last taken. Keeps the first and the last `keep_bytes`, at least, and twice that at
    most; `open_spill` is called once the output exceeds them, or what the reader wants of them."""

    def __init__(self, keep_bytes: int, open_spill: Callable[[], SpillFile] | None = None) -> None:
        self._keep_bytes = keep_bytes
        self._open_spill = open_spill
        self._reset(b"")

    def _reset(self, head: bytes) -> None:
        self._head = bytearray(head)
        self._tail = bytearray()
        self._total_bytes = len(head)
        self._spill: SpillFile | None = None

    def append(self, chunk: bytes) -> None:
        """More output."""
        self._total_bytes += len(chunk)
        room = self._keep_bytes - len(self._head)
        if room > 0:
            self._head += chunk[:room]
            chunk = chunk[room:]
        if chunk:
            self._spilling(chunk)
            if len(chunk) >= self._keep_bytes:
                self._tail[:] = chunk[len(chunk) - self._keep_bytes :]
                return
            self._tail += chunk
            if len(self._tail) > 2 * self._keep_bytes:
                del self._tail[: len(self._tail) - self._keep_bytes]

    def _spilling(self, chunk: bytes | bytearray) -> None:
        """Write `chunk` behind all that came before it, which on the first call is the head."""
        if self._open_spill is None:
            return
        if self._spill is None:
            self._spill = self._open_spill()
            self._spill.write(self._head)
        self._spill.write(chunk)

    def take(self, budget_bytes: int, *, final: bool) -> Excerpt:
        """What has come since the last call, cut to `budget_bytes` in the middle, and start anew. Unless
        `final`, the beginning of a character at the end stays for the next time."""
        budget_bytes = min(budget_bytes, self._keep_bytes)
        held = b"" if final else _unfinished((self._head[-3:] + self._tail[-3:])[-3:])
        total = self._total_bytes - len(held)
        if total <= budget_bytes:
            text = self._head[:total].decode("utf-8", "replace")
        else:
            text = self._cut(budget_bytes, total, len(held))
        self.close()
        self._reset(held)
        return Excerpt(text=text, tokens=estimated_tokens(total))

    def _cut(self, budget_bytes: int, total: int, held_bytes: int) -> str:
        kept = self._head + self._tail if len(self._tail) < self._keep_bytes else self._tail
        end = kept[: len(kept) - held_bytes]
        first = self._head[: budget_bytes // 2]
        first = first[: len(first) - len(_unfinished(first))]
        last = end[len(end) - (budget_bytes - budget_bytes // 2) :]
        last = last[_continuation(last) :]
        removed = estimated_tokens(total - len(first) - len(last))
        text = f"{first.decode('utf-8', 'replace')}…{removed} tokens truncated…{last.decode('utf-8', 'replace')}"
        if self._open_spill is None:
            return text
        self._spilling(b"")  # where the reader's budget is smaller than what is kept, nothing was written yet
        assert self._spill is not None
        return f"{self._spill.describe(self._total_bytes)}\n\n{text}"

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._spill is not None:
            self._spill.close()


def _unfinished(data: bytes | bytearray) -> bytes:
    """The first bytes of a UTF-8 sequence whose rest has not come, at the end of `data`."""
    for length in range(1, min(3, len(data)) + 1):
        byte = data[-length]
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return bytes(data[-length:]) if needed > length and byte <= 0xF4 else b""
        if byte < 0x80:
            return b""
    return b""


def _continuation(data: bytes | bytearray) -> int:
    """How many bytes at the start of `data` belong to a character that began before it."""
    for index, byte in enumerate(data[:4]):
        if byte & 0xC0 != 0x80:
            return index
    return 0 if len(data) > 3 else len(data)  # four in a row are no part of any character

"""What the transports have in common: a pair of streams, and why they ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from types import ModuleType

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""The largest single message that is taken from a server."""
TAIL_LINES = 40
TAIL_BYTES = 8 * 1024
_LINE_BYTES = 1024


class Link:
    """A connection before MCP speaks over it: streams as `ClientSession` wants them.

    `closed` is set as soon as nothing will come any more, `put_away` when nothing of it is left; `expired` is true
    once the server has said that it does not know the session any more. `why` says what is known of the end, `note`
    of the last refusal, "" if nothing.
    """

    def __init__(self, read: Any, write: Any, tail: Tail | None = None) -> None:
        self.read, self.write = read, write
        self.tail = tail or Tail()
        self.closed = anyio.Event()
        self.put_away = anyio.Event()
        self.expired = False
        self.why = self.note = ""

    def close(self, why: str = "") -> None:
        """Say that it has ended; whoever holds the link open lets go of it."""
        self.why = self.why or why
        self.closed.set()

    def reason(self) -> str:
        """Why it ended, with the last words of the program."""
        why = self.why or "the connection was closed"
        said = self.tail.text()
        return f"{why}; its last words: {said}" if said else why


class Tail:
    """The last lines that a program wrote beside the protocol, of bounded size."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=TAIL_LINES)
        self._open = b""

    def feed(self, data: bytes) -> None:
        """Take what was written; long lines are cut."""
        *lines, rest = (self._open + data).split(b"\n")
        for line in lines[-TAIL_LINES:]:
            self.add(line)
        self._open = rest[:_LINE_BYTES]

    def add(self, line: bytes) -> None:
        """Take one line."""
        text = line[:_LINE_BYTES].decode(errors="replace").strip()
        if text:
            self._lines.append(text)

    def lines(self) -> Sequence[str]:
        """All that is kept, oldest first."""
        rest = self._open.decode(errors="replace").strip()
        return [*self._lines, rest] if rest else list(self._lines)

    def text(self) -> str:
        """On one line, without control characters; the end of it counts."""
        joined = " | ".join(self.lines())
        shown = "".join(char if char.isprintable() else " " for char in joined)
        return shown if len(shown) <= TAIL_BYTES else "… " + shown[-TAIL_BYTES:]


def cause_of(error: BaseException) -> BaseException:
    """Of a group of errors the first, of another error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def reason_of(error: BaseException) -> str:
    """What to say of an error."""
    cause = cause_of(error)
    return str(cause) or type(cause).__name__


async def library() -> ModuleType:
    """The `mcp` package. Its import takes half a second, so it happens in another thread, once."""
    import sys

    if (found := sys.modules.get("mcp")) is not None and hasattr(found, "ClientSession"):
        return found
    from anyio.to_thread import run_sync

    return await run_sync(_import_mcp, abandon_on_cancel=True)


def _import_mcp() -> ModuleType:
    import logging

    # Without a handler anywhere, the standard library prints the package's warnings on stderr: the user's screen.
    for name in ("mcp", "client", "httpx2", "httpcore2"):
        logging.getLogger(name).addHandler(logging.NullHandler())
    import mcp
    import mcp.client.streamable_http

    return mcp

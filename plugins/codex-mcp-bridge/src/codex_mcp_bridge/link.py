"""What the transports have in common: a pair of streams, and why they ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import anyio

from .chatter import Chatter
from .mending import Mending
from .safe_text import shown

if TYPE_CHECKING:
    from types import ModuleType

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""The largest single message that is taken from a server."""
TAIL_LINES = 40
TAIL_CHARS = 2_000
_LINE_BYTES = 1024
_REASON_CHARS = 1_000
_NO_TEXT = "(bytes that are no text)"


class Link:
    """A connection before MCP speaks over it: streams as `ClientSession` wants them.

    `closed` is set as soon as nothing will come any more, `put_away` when nothing of it is left; `expired` is true
    once the server has said that it does not know the session any more. `why` says what is known of the end, `note`
    of the last refusal, "" if nothing. `mending` says what becomes of tools that are defined wrongly, `chatter`
    of notifications.
    """

    def __init__(self, read: Any, write: Any, tail: Tail | None = None) -> None:
        self.read, self.write = read, write
        self.tail = tail or Tail()
        self.closed = anyio.Event()
        self.put_away = anyio.Event()
        self.chatter = Chatter()
        self.mending = Mending(self.chatter)
        self.expired = False
        self.why = self.note = ""

    def close(self, why: str = "") -> None:
        """Say that it has ended; whoever holds the link open lets go of it."""
        self.why = self.why or why
        self.closed.set()

    def reason(self) -> str:
        """Why it ended, with the last words of the program."""
        why = self.why or "the connection was closed"
        said = without_secrets(self.tail.text())
        return f"{why}; its last words: {said}" if said else why


class Tail:
    """The last lines that a program wrote beside the protocol, of bounded size. The same line several times in a row is
    kept once."""

    def __init__(self) -> None:
        self._lines: deque[tuple[str, int]] = deque(maxlen=TAIL_LINES)
        self._open = b""

    def feed(self, data: bytes) -> None:
        """Take what was written; long lines are cut."""
        *lines, rest = (self._open + data).split(b"\n")
        for line in lines[-TAIL_LINES:]:
            self.add(line)
        self._open = rest[:_LINE_BYTES]

    def add(self, line: bytes) -> None:
        """Take one line."""
        text = _readable(line)
        if text and self._lines and self._lines[-1][0] == text:
            self._lines[-1] = text, self._lines[-1][1] + 1
        elif text:
            self._lines.append((text, 1))

    def lines(self) -> Sequence[str]:
        """All that is kept, oldest first."""
        rest = _readable(self._open)
        found = [text if times == 1 else f"{text} ({times} times)" for text, times in self._lines]
        return [*found, rest] if rest else found

    def text(self) -> str:
        """On one line, without control characters; the end of it counts."""
        joined = " | ".join(self.lines())
        printable = "".join(char if char.isprintable() else " " for char in joined)
        return printable if len(printable) <= TAIL_CHARS else "… " + printable[-TAIL_CHARS:]


def _readable(line: bytes) -> str:
    text = line[:_LINE_BYTES].decode(errors="replace").strip()
    strange = sum(char == "\N{REPLACEMENT CHARACTER}" or not char.isprintable() for char in text)
    return _NO_TEXT if strange * 8 > len(text) else text


def without_secrets(text: str) -> str:
    """A stranger's words without what looks like a secret: they go into warnings, records and logs."""
    from codex_plugin_sdk.redact import redact_text

    return redact_text(text) if text else ""


def cause_of(error: BaseException) -> BaseException:
    """Of a group of errors the first, of another error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def reason_of(error: BaseException) -> str:
    """What to say of an error: one line, of bounded length. Its words may be the server's."""
    import sys

    cause = cause_of(error)
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(cause, pydantic.ValidationError):
        text = _mistakes(cause)
    else:
        text = " ".join(str(cause).split())
    return without_secrets(shown(text, _REASON_CHARS, lines=False)) or type(cause).__name__


def _mistakes(error: Any) -> str:
    """Where an answer is not as it must be. What stands there instead is not told."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    told = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}".lstrip(": ") for one in found[:3]]
    more = f"; and {len(found) - len(told)} more" if len(found) > len(told) else ""
    return f"it is no valid answer: {'; '.join(told)}{more}"


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

"""The file of a trace: lines that are appended at once, and bodies that are written once."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import __version__
from codex_plugin_sdk.redact import Redactor

from .blobs import Blobs, digest_of, make_private, raw_digest, trace_folder, write_all
from .plain import encoded
from .section import MAX_BYTES

if TYPE_CHECKING:
    from codex_plugin_sdk import GuardSetup, ToolDefinition

VERSION = 1
INLINE_BYTES = 4096
"""Bodies up to this size stand in the trace itself: a file for each would cost more than it saves."""


_BARE = frozenset({"request", "answer", "call", "result", "turn", "end", "closed"})
"""Lines of names, figures and words of the program alone."""


class TraceFile:
    """One thread's trace, open for appending. Secrets are taken out of all that is written."""

    def __init__(self, path: str, blobs: Blobs, redactor: Redactor, max_bytes: int) -> None:
        self._blobs = blobs
        self._redactor = redactor
        self._redact = redactor.redact_bytes
        self._left = max_bytes
        self._known: dict[bytes, str] = {}
        self._written: set[str] = set()
        self._tools: tuple[Sequence[ToolDefinition], str] | None = None
        self._text: tuple[str, str] | None = None
        self._parts: list[bytes] = []
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if os.fstat(self._fd).st_size:
            self._parts.append(b"\n")  # a torn last line is ended, so that only it is lost

    def line(self, kind: str, /, **members: Any) -> None:
        """Append a line, and the bodies before it, with one write. Raises `OSError`."""
        members.setdefault("at", time.time_ns() // 1_000_000)
        data = encoded({"k": kind, **members})
        self._parts += (data if kind in _BARE else self._redact(data), b"\n")
        data = b"".join(self._parts)
        self._parts.clear()
        if self._left <= 0 or self._fd < 0:
            return
        self._left -= len(data)
        if self._left <= 0:
            data = encoded({"k": "full", "at": members["at"]}) + b"\n"
        write_all(self._fd, data)

    def body(self, data: bytes) -> str:
        """The name of a body of encoded JSON, which is stored if it is new. Raises `OSError`."""
        raw = raw_digest(data)
        name = self._known.get(raw)
        if name is None:
            clean = self._redact(data)
            name = raw.hex() if clean is data else digest_of(clean)
            self._known[raw] = name
            if name not in self._written:
                self._written.add(name)
                self._store(name, clean)
        return name

    def clean(self, text: str) -> str:
        """A text without secrets."""
        return self._redactor.redact_text(text)

    def text(self, text: str) -> str:
        """The name of a text."""
        if self._text is None or self._text[0] is not text:
            self._text = (text, self.body(encoded(text)))
        return self._text[1]

    def tools(self, tools: Sequence[ToolDefinition]) -> str:
        """The name of a list of tools; the same list is looked at once."""
        if self._tools is None or self._tools[0] is not tools:
            self._tools = (tools, self.body(encoded(tools)))
        return self._tools[1]

    def digest(self, *names: str) -> str:
        """One digest for a whole request, of the names of its parts."""
        return digest_of("\n".join(names).encode())

    def close(self) -> None:
        """Release the file."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _store(self, name: str, data: bytes) -> None:
        if self._left <= 0:
            return
        if len(data) > INLINE_BYTES:
            self._left -= self._blobs.put(name, data)
        else:
            self._parts.append(b'{"k":"body","d":"%b","b":%b}\n' % (name.encode(), data.replace(b"\n", b" ")))


def open_trace(setup: GuardSetup) -> TraceFile:
    """The trace of a thread, new or continued, its first line written. Raises `OSError`."""
    folder = trace_folder(setup.codex_home)
    make_private(folder)
    table = setup.config.get("trace")
    limit = table.get("max_bytes", MAX_BYTES) if isinstance(table, dict) else MAX_BYTES
    path = os.path.join(folder, f"{setup.thread_id}.jsonl")
    file = TraceFile(path, Blobs(folder), Redactor(setup.environ), limit)
    _head(file, setup)
    return file


def _head(file: TraceFile, setup: GuardSetup) -> None:
    from .facts import platform_facts, without_secrets

    config = file.body(encoded(without_secrets(setup.config)))
    file.line(
        "thread",
        v=VERSION,
        thread_id=setup.thread_id,
        root_id=setup.root_id,
        parent_id=setup.parent_id,
        cwd=setup.cwd,
        source=setup.source,
        resumed=setup.resumed,
        rollout=setup.rollout_path,
        version=__version__,
        config=config,
        plugins=dict(setup.plugins()),
        platform=platform_facts(setup.environ),
        pid=os.getpid(),
    )

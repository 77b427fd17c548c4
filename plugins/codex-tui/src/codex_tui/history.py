"""What was typed, in this session and before: `$CODEX_HOME/history.jsonl`, in Codex's own format.

One line is `{"session_id": …, "ts": Unix seconds, "text": …}`. The file is shared by all sessions and by Codex itself,
so lines are appended in one write under its lock. It is read late and from the end, a block at a time, since it may
be long and nobody may ask for it. `add` costs nothing; what touches the disk (`save`, `entry`, `find`) is called in a
thread.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from codex_plugin_sdk import Config, StoreError

NAME = "history.jsonl"
BLOCK_BYTES = 65_536
LOCK_TRIES = 20
LOCK_PAUSE_S = 0.05
KEPT_OF_MAX = 0.8
"""A file that has grown over its limit is cut to this part of it, so that not every line cuts again."""


class History:
    """The entries, newest first. `session_id` is written into the lines, or what it gives at that time. `persistence`
    is `save-all` or `none`, which writes nothing (what is there is still read); `max_bytes` bounds the file. `redact`
    takes secrets out of what is written: by default what looks like one, and those of the environment."""

    def __init__(
        self,
        path: str,
        session_id: str | Callable[[], str] = "",
        *,
        persistence: str = "save-all",
        max_bytes: int | None = None,
        redact: Callable[[str], str] | None = None,
    ) -> None:
        self.path = path
        self.session_id = session_id
        self._saves = persistence != "none"
        self._max_bytes = max_bytes
        self._redact = redact
        self._own: list[str] = []
        self._unsaved: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._earlier = _Earlier(path)

    @classmethod
    def from_config(cls, config: Config, session_id: str | Callable[[], str]) -> History:
        """As `[history]` has it. Raises `ConfigError`."""
        return cls(
            os.path.join(config.codex_home, NAME),
            session_id,
            persistence=config.choice("history.persistence", ("save-all", "none"), "save-all"),
            max_bytes=config.get("history.max_bytes", int),
        )

    def add(self, text: str) -> None:
        """Remember what was sent; the same twice in a row is one entry. Touches no disk: `save` does."""
        if not text.strip() or (self._own and self._own[-1] == text):
            return
        self._own.append(text)
        if self._saves:
            self._unsaved.append(self._line(text))

    def keep(self, text: str) -> None:
        """Remember what was typed and not sent, for this session alone."""
        if text.strip() and not (self._own and self._own[-1] == text):
            self._own.append(text)

    def save(self) -> None:
        """Write what was added. Raises `StoreError`; what could not be written is tried again with the next."""
        with self._lock:
            lines = list(self._unsaved)
            if lines:
                self._append(b"".join(self._clean(line) for line in lines))
                for _ in lines:
                    self._unsaved.popleft()

    def recent(self, place: int) -> str | None:
        """The entry at `place` (0: the newest) if it is in memory, without looking at the disk."""
        if place < len(self._own):
            return self._own[-1 - place]
        rest = place - len(self._own)
        return self._earlier.entries[rest] if rest < len(self._earlier.entries) else None

    def entry(self, place: int) -> str | None:
        """The entry at `place`, 0 being the newest; None beyond the oldest. Raises `StoreError`."""
        with self._lock:
            while place - len(self._own) >= len(self._earlier.entries) and self._earlier.read_more():
                pass
        return self.recent(place)

    def find(self, words: str, start: int = 0) -> tuple[int, str] | None:
        """The next entry from `start` on, going back, that contains the words (in any case), with its place."""
        wanted = words.casefold()
        place = start
        while (text := self.recent(place) or self.entry(place)) is not None:
            if wanted in text.casefold():
                return place, text
            place += 1
        return None

    def _line(self, text: str) -> bytes:
        import orjson

        whole = text.encode("utf-8", "replace").decode()
        session_id = self.session_id if isinstance(self.session_id, str) else self.session_id()
        return orjson.dumps({"session_id": session_id, "ts": int(time.time()), "text": whole}) + b"\n"

    def _clean(self, line: bytes) -> bytes:
        import orjson

        if self._redact is None:
            from codex_plugin_sdk.redact import Redactor

            self._redact = Redactor(os.environ).redact_text
        entry = orjson.loads(line)
        entry["text"] = self._redact(entry["text"])
        return orjson.dumps(entry) + b"\n"

    def _append(self, data: bytes) -> None:
        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
            try:
                _lock(fd)
                if os.fstat(fd).st_mode & 0o077:
                    os.chmod(self.path, 0o600)  # made by something careless: what was typed is nobody else's
                os.write(fd, data)
                if self._max_bytes is not None and os.fstat(fd).st_size > self._max_bytes:
                    _shorten(fd, self.path, int(self._max_bytes * KEPT_OF_MAX), len(data))
            finally:
                os.close(fd)
        except OSError as error:
            raise StoreError(
                f"the history could not be written to {self.path}: {error.strerror or error}",
                hint='make it writable, or set persistence = "none" in [history]',
            ) from error


class _Earlier:
    """What the file held when the session began, newest first, read block by block from the end."""

    def __init__(self, path: str) -> None:
        self.entries: list[str] = []
        self._path = path
        self._rest = b""
        try:
            self._left = os.stat(path).st_size
        except OSError:
            self._left = 0

    def read_more(self) -> bool:
        """Read the block before what was read; False when there is none."""
        if not self._left:
            return False
        size = min(BLOCK_BYTES, self._left)
        self._left -= size
        try:
            with open(self._path, "rb") as file:
                file.seek(self._left)
                block = file.read(size) + self._rest
        except OSError as error:
            self._left = 0
            raise StoreError(f"the history could not be read from {self._path}: {error.strerror or error}") from error
        if self._left:
            head, newline, tail = block.partition(b"\n")
            # The line that the block begins within belongs to the block before.
            self._rest, block = (head + newline, tail) if newline else (block, b"")
        for text in _texts(block):
            if not self.entries or self.entries[-1] != text:
                self.entries.append(text)
        return True


def _texts(block: bytes) -> Iterator[str]:
    import orjson

    for line in reversed(block.splitlines()):
        try:
            entry = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue  # half a line of a program that was killed: the others count
        text = entry.get("text") if isinstance(entry, dict) else None
        if isinstance(text, str) and text:
            yield text


def _lock(fd: int) -> None:
    """Take the lock of the file. Raises `OSError` when another program keeps it."""
    try:
        import fcntl
    except ImportError:  # Windows: appending one line in one write is as good as it gets
        return
    for left in reversed(range(LOCK_TRIES)):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not left:
                raise
            time.sleep(LOCK_PAUSE_S)
        else:
            return


def _shorten(fd: int, path: str, keep_bytes: int, last_bytes: int) -> None:
    """Drop the oldest lines in place, under the lock; the last write stays, however long it is."""
    with open(path, "rb") as file:
        data = file.read()
    start = max(0, len(data) - max(keep_bytes, last_bytes))
    if start and data[start - 1 : start] != b"\n":
        start = data.find(b"\n", start) + 1 or len(data) - last_bytes
    kept = data[start:]
    # A file opened for appending writes at its end wherever one seeks: so another descriptor, and first the lines,
    # then the length: whoever is killed in between leaves lines twice, and loses none.
    with open(path, "r+b", buffering=0) as whole:
        whole.write(kept)
    os.ftruncate(fd, len(kept))

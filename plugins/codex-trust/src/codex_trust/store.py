"""What was agreed to: `$CODEX_HOME/kernel/trust.json`, and beside it what the files held then.

trust.json     {"version": 1, "first_use": true, "roots": {ROOT: {"pin": DIGEST, "at": SECONDS, "how": WORD}}}
trust/DIGEST.json    the pin: {path: sha256}, named by its own hash
trust/DIGEST.texts   copies of the text files, to show differences: zlib, {sha256: text}
trust/stamps/NAME    {path: [sha256, device, inode, size, mtime_ns, ctime_ns]}: a cache
trust/seen/NAME      projects that were trusted while there was nothing to obey
"""

from __future__ import annotations

import os
import stat
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import Any

import orjson

from codex_plugin_sdk import Value, replace_file, value

from .snapshot import Entry, Stamp

VERSION = 1
MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_TEXT_BYTES = 256 * 1024
MAX_TEXTS_BYTES = 8 * 1024 * 1024


class StoreUnusable(Exception):
    """Nothing is trusted for now; the text says why and what to do."""


@value
class Pin(Value):
    """What was agreed to for one project. `how` is `asked` or `first-use`."""

    digest: str
    at: int
    how: str


class TrustStore:
    """The files of one `$CODEX_HOME`. Methods raise `StoreUnusable` and, where they write, `OSError`."""

    def __init__(self, codex_home: str) -> None:
        self.folder = os.path.join(codex_home, "kernel")
        self.path = os.path.join(self.folder, "trust.json")
        self._content: dict[str, Any] | None = None
        self._holding = False

    # -- reading -------------------------------------------------------------------------------------

    @property
    def first_use(self) -> bool:
        """Whether what the user calls trusted is pinned when it is first met. Not after a file was lost."""
        return bool(self._load()["first_use"])

    def pins(self) -> dict[str, Pin]:
        """All of them, by the real path of the project's root."""
        return {root: Pin(**_fields(found)) for root, found in self._load()["roots"].items()}

    def files(self, pin: Pin) -> dict[str, str]:
        """Path -> sha256. Raises `StoreUnusable` where they are not what was written."""
        data = _read(self._file(pin.digest, "json"))
        if data is None or sha256(data).hexdigest() != pin.digest:
            raise StoreUnusable(f"what was agreed to is lost or damaged: {self._file(pin.digest, 'json')}")
        found: dict[str, str] = orjson.loads(data)
        return found

    def texts(self, pin: Pin) -> dict[str, str]:
        """sha256 -> text, for those files of which a copy was kept; copies that are damaged are left out."""
        data = _read(self._file(pin.digest, "texts"))
        if data is None:
            return {}
        try:
            found = orjson.loads(zlib.decompressobj().decompress(data, MAX_FILE_BYTES))
        except (zlib.error, orjson.JSONDecodeError):
            return {}
        return {sha: text for sha, text in found.items() if sha256(text.encode()).hexdigest() == sha}

    def stamps(self, root: str) -> dict[str, tuple[str, Stamp]]:
        """Hashes with the stamps of the files that had them; empty where the cache is lost."""
        data = _read(self._stamps(root))
        try:
            rows = orjson.loads(data) if data else {}
            return {name: (row[0], (row[1], row[2], row[3], row[4], row[5])) for name, row in rows.items()}
        except (orjson.JSONDecodeError, AttributeError, IndexError, TypeError):
            return {}

    # -- writing -------------------------------------------------------------------------------------

    def pin(self, root: str, files: Mapping[str, str], entries: Mapping[str, Entry], how: str) -> None:
        """Agree to files; copies are kept of the `entries` that have their content."""
        with self._locked():
            before = self.pins().get(root)
            data = orjson.dumps(dict(files), option=orjson.OPT_SORT_KEYS)
            digest = sha256(data).hexdigest()
            texts = self.texts(before) if before else {}
            texts = _texts({sha: texts[sha] for sha in set(files.values()) & set(texts)}, entries)
            self._write(self._file(digest, "json"), data)
            self._write(self._file(digest, "texts"), zlib.compress(orjson.dumps(texts), 1))
            row = {"pin": digest, "at": int(time.time()), "how": how}
            self._save({**self._load(), "roots": {**self._load()["roots"], root: row}})
            self._sweep()

    def forget(self, root: str) -> bool:
        """Take an agreement back; whether there was one."""
        with self._locked():
            roots = dict(self._load()["roots"])
            known = roots.pop(root, None) is not None
            if known:
                self._save({**self._load(), "roots": roots})
                with suppress(FileNotFoundError):
                    os.unlink(self._stamps(root))
                self._sweep()
            return known

    def keep_stamps(self, root: str, entries: Mapping[str, Entry]) -> None:
        """Remember which content has which stamp."""
        rows = {name: (entry.sha, *entry.stamp) for name, entry in entries.items() if entry.stamp is not None}
        self._write(self._stamps(root), orjson.dumps(rows))

    # -- parts ---------------------------------------------------------------------------------------

    def _load(self) -> dict[str, Any]:
        if self._content is None:
            data = _read(self.path)
            content = _checked(data) if data is not None else _empty(first_use=True)
            self._content = self._put_aside() if content is None else content
        return self._content

    def _put_aside(self) -> dict[str, Any]:
        """Move a broken file away. From now on everything has to be agreed to again: what the broken file said
        cannot be known, so that nothing counts as met for the first time."""
        with self._locked():
            data = _read(self.path)
            if data is not None and (content := _checked(data)) is not None:
                return content  # another process was quicker
            aside = f"{self.path}.broken-{time.time_ns()}"
            if data is not None:
                os.rename(self.path, aside)
            self._save(_empty(first_use=False))
            self._content = None
        raise StoreUnusable(f"{self.path} was damaged and is now {os.path.basename(aside)}")

    def _save(self, content: dict[str, Any]) -> None:
        self._write(self.path, orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
        self._content = content

    def _write(self, path: str, data: bytes) -> None:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        replace_file(path, data, mode=0o600)

    def _sweep(self) -> None:
        """Remove what no pin needs any more."""
        wanted = {pin.digest for pin in self.pins().values()}
        folder = os.path.join(self.folder, "trust")
        for name in os.listdir(folder):
            digest, _, kind = name.partition(".")
            if kind in ("json", "texts") and digest not in wanted:
                with suppress(FileNotFoundError):
                    os.unlink(os.path.join(folder, name))

    def _file(self, digest: str, kind: str) -> str:
        return os.path.join(self.folder, "trust", f"{digest}.{kind}")

    def _stamps(self, root: str) -> str:
        return os.path.join(self.folder, "trust", "stamps", sha256(os.fsencode(root)).hexdigest()[:32])

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time; what was read before is read again."""
        if self._holding:
            yield
            return
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        descriptor = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            _lock(descriptor)
            self._content, self._holding = None, True
            yield
        finally:
            self._holding = False
            os.close(descriptor)


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:
        return  # no such locks on this system: the last writer wins, each file stays whole
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def _read(path: str) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreUnusable(f"{path} cannot be read: {error.strerror}") from error
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_FILE_BYTES:
            raise StoreUnusable(f"{path} is not a file of ours: move it away")
        return file.read()


def _empty(*, first_use: bool) -> dict[str, Any]:
    return {"version": VERSION, "first_use": first_use, "roots": {}}


def _checked(data: bytes) -> dict[str, Any] | None:
    """The content, None if it is broken. Raises `StoreUnusable` for a file of a later version."""
    try:
        found = orjson.loads(data)
        version, roots = found["version"], found["roots"]
        sound = isinstance(found["first_use"], bool) and all(Pin(**_fields(row)) for row in roots.values())
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None
    if isinstance(version, int) and version > VERSION:
        raise StoreUnusable("trust.json was written by a later version of codex: update this one")
    return found if sound and version == VERSION else None


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    if not (isinstance(row["pin"], str) and isinstance(row["at"], int) and isinstance(row["how"], str)):
        raise TypeError("not a pin")
    return {"digest": row["pin"], "at": row["at"], "how": row["how"]}


def _texts(known: dict[str, str], entries: Mapping[str, Entry]) -> dict[str, str]:
    """Copies of what can be shown as a difference, the small ones first, as many as there is room for."""
    room = MAX_TEXTS_BYTES - sum(map(len, known.values()))
    for entry in sorted(entries.values(), key=lambda entry: len(entry.data or b"")):
        if entry.data is None or len(entry.data) > min(room, MAX_TEXT_BYTES) or entry.sha in known:
            continue
        try:
            text = entry.data.decode()
        except UnicodeDecodeError:
            continue  # not text: its hash has to do
        known[entry.sha] = text
        room -= len(entry.data)
    return known

"""What a project's files hold at one moment: read as bytes, bounded, never blocking, never understood."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

MAX_FILES = 10_000
MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 64
_SETTLED_NS = 2_000_000_000
"""A file that changed this shortly before it was read may change again without its times showing it."""

_READ = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
Stamp = tuple[int, int, int, int, int]
"""Device, inode, size, mtime and ctime in ns. Who may write to a file can forge all of them but the last."""


class Unpinnable(Exception):
    """Content to which nobody can agree; the text says why."""


class Entry(NamedTuple):
    """A file. `stamp` is set once it has settled; `data` if it was to be kept."""

    sha: str
    stamp: Stamp | None
    data: bytes | None


class Snapshot:
    """Files by path relative to the project's root, with `/`.

    `known` are hashes with the stamps that the files had: a file that still has its stamp is not read again.
    `keep` retains all content. `skip` are folders that are left out. Nothing leads out of the project.
    """

    def __init__(
        self, root: str, known: Mapping[str, tuple[str, Stamp]], *, skip: Sequence[str] = (), keep: bool = False
    ) -> None:
        self.entries: dict[str, Entry] = {}
        self.read_again = 0
        self._root = root
        self._known = known
        self._keep = keep
        self._bytes = 0
        self._always = frozenset[str]()
        self._seen = {(found.st_dev, found.st_ino) for path in skip if (found := _status_or_none(path))}

    def add_tree(self, path: str, always: Sequence[str] = ()) -> None:
        """Everything below a folder; `always` are names of files whose content is kept. Raises `Unpinnable`."""
        self._always = frozenset(always)
        pending = [(path, self._name(path), 0)]
        while pending:
            here, name, depth = pending.pop()
            found = self._status(here, name)
            if stat.S_ISLNK(found.st_mode):
                here = self._link(here, name)
                if not here:
                    continue
                name = self._name(here)
                found = self._status(here, name)
            if stat.S_ISDIR(found.st_mode):
                if depth > MAX_DEPTH:
                    raise Unpinnable(f"{name} lies more than {MAX_DEPTH} folders deep")
                pending += self._children(here, name, found, depth)
            else:
                self._file(here, name, found)

    def add_file(self, path: str) -> None:
        """One file, if there is one; a link counts with what it leads to. Raises `Unpinnable`."""
        self._always = frozenset[str]()
        try:
            found = os.lstat(path)
        except (OSError, ValueError):
            return  # nothing is there that could be run
        name = self._name(path)
        if stat.S_ISLNK(found.st_mode):
            path = self._link(path, name)
            if not path:
                return
            name = self._name(path)
            found = self._status(path, name)
        if stat.S_ISREG(found.st_mode):
            self._file(path, name, found)

    # -- parts ---------------------------------------------------------------------------------------

    def _name(self, path: str) -> str:
        return _checked(os.path.relpath(path, self._root).replace(os.sep, "/"))

    def _status(self, path: str, name: str) -> os.stat_result:
        try:
            return os.lstat(path)
        except OSError as error:
            raise Unpinnable(f"{name} cannot be read: {error.strerror}") from error

    def _children(self, folder: str, name: str, found: os.stat_result, depth: int) -> list[tuple[str, str, int]]:
        place = (found.st_dev, found.st_ino)
        if place in self._seen:
            return []
        self._seen.add(place)
        if len(self._seen) > MAX_FILES:
            raise Unpinnable(f"there are more than {MAX_FILES:,} folders in its folders")
        try:
            names = os.listdir(folder)
        except OSError as error:
            raise Unpinnable(f"{name} cannot be read: {error.strerror}") from error
        return [(f"{folder}/{child}", f"{name}/{_checked(child)}", depth + 1) for child in names]

    def _add(self, name: str, entry: Entry) -> None:
        self.entries[name] = entry
        if len(self.entries) > MAX_FILES:
            raise Unpinnable(f"there are more than {MAX_FILES:,} files in its folders")

    def _link(self, path: str, name: str) -> str:
        """Note a link; what it leads to, which may be nothing. Raises `Unpinnable` for a way out."""
        target = os.readlink(path)
        digest = sha256(b"link\0" + os.fsencode(target)).hexdigest()
        self._add(name, Entry(digest, None, f"-> {target}\n".encode(errors="replace")))
        real = os.path.realpath(path)
        if real != self._root and not real.startswith(self._root.rstrip(os.sep) + os.sep):
            raise Unpinnable(f"{name} is a link that leads out of the project")
        return real if os.path.lexists(real) else ""

    def _file(self, path: str, name: str, found: os.stat_result) -> None:
        wanted = self._keep or name.rpartition("/")[2] in self._always
        before = self.entries.get(name)
        if before is not None and (before.data is not None or not wanted):
            return
        if not stat.S_ISREG(found.st_mode):
            raise Unpinnable(f"{name} is neither a file nor a folder")
        self._bytes += found.st_size
        if self._bytes > MAX_BYTES:
            raise Unpinnable(f"its folders hold more than {MAX_BYTES >> 20} MiB")
        known = self._known.get(name)
        if known is not None and not wanted and known[1] == _stamp(found):
            self._add(name, Entry(known[0], known[1], None))
        else:
            self._add(name, self._hashed(path, name, keep=wanted))

    def _hashed(self, path: str, name: str, *, keep: bool) -> Entry:
        self.read_again += 1
        now = time.time_ns()
        try:
            descriptor = os.open(path, _READ)
        except OSError as error:
            raise Unpinnable(f"{name} cannot be read: {error.strerror}") from error
        with open(descriptor, "rb", buffering=0) as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise Unpinnable(f"{name} is neither a file nor a folder")
            try:
                data = file.read(MAX_BYTES + 1) or b""
                while len(data) < found.st_size and (more := file.read(MAX_BYTES)):
                    data += more
            except OSError as error:
                raise Unpinnable(f"{name} cannot be read: {error.strerror}") from error
        if len(data) > MAX_BYTES:
            raise Unpinnable(f"its folders hold more than {MAX_BYTES >> 20} MiB")
        settled = max(found.st_ctime_ns, found.st_mtime_ns) < now - _SETTLED_NS
        return Entry(sha256(data).hexdigest(), _stamp(found) if settled else None, data if keep else None)


def _checked(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = name.encode(errors="backslashreplace").decode()
        raise Unpinnable(f"{shown} is not a UTF-8 name") from None
    return name


def _status_or_none(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

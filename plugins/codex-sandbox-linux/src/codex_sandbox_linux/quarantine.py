"""Taking away what appeared where a protected entry would be, and putting links back.

Whatever is there after a command and was not before, is moved to `STATE/quarantine/TIME-N/`, with a record beside
it, so that nothing is lost and nothing is obeyed. Who made it cannot be told: a repository that the user makes by
hand at the very place, while a command runs, is moved as well, and the notice says how to take it back.

A journal stands on the disk for as long as a command runs, locked by us. A lock that is gone means that its owner
was killed: then the next process does what it could not.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from codex_plugin_sdk import SandboxUnavailable

from .protected import Watched

COPIED_BYTES = 64 * 1024 * 1024
"""What is larger is not copied to another file system, but left under another name beside where it was."""
_DRAFT = ".draft"
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Watch:
    """What is looked after during one command. `end` is to be called once when nothing of it runs any more."""

    def __init__(self, state_dir: str, watched: Sequence[Watched], tell: Callable[[str], None]) -> None:
        """Raises `SandboxUnavailable` when the journal cannot be written: what appears would survive our end."""
        self._state_dir = state_dir
        self._watched = watched
        self._tell = tell
        self._journal, self._fd = "", -1
        if watched:
            self._journal, self._fd = _write_journal(state_dir, watched)

    def end(self) -> list[str]:
        """Put things right; what was done, in words."""
        if self._fd < 0:
            return []
        said = _sweep(self._state_dir, self._watched)
        os.unlink(self._journal)
        os.close(self._fd)
        self._fd = -1
        for text in said:
            self._tell(text)
        return said


def recover(state_dir: str) -> list[str]:
    """Do for processes that were killed what they could not do; what was done, in words. Cheap when there is
    nothing to do. What living processes watch is left to them."""
    folder = _journals(state_dir)
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    said: list[str] = []
    for name in names:
        path = os.path.join(folder, name)
        if name.endswith(_DRAFT):
            continue  # its command never started
        with suppress(OSError):  # its owner has just removed it, or still holds it
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                said += _sweep(state_dir, _read_journal(fd))
                os.unlink(path)
            finally:
                os.close(fd)
    return said


# -- the journal -------------------------------------------------------------------------------------------

_numbers = itertools.count()


def _journals(state_dir: str) -> str:
    return os.path.join(state_dir, "journal")


def _write_journal(state_dir: str, watched: Sequence[Watched]) -> tuple[str, int]:
    folder = _journals(state_dir)
    name = f"{os.getpid()}-{next(_numbers)}-{os.urandom(4).hex()}"
    path = os.path.join(folder, name)
    draft = path + _DRAFT
    text = json.dumps([[entry.path, entry.target] for entry in watched]).encode()
    fd = -1
    try:
        fd = _create(draft, folder)
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.write(fd, text)
        os.rename(draft, path)  # locked and whole before anybody sees it
    except OSError as error:
        if fd >= 0:
            os.close(fd)
            with suppress(OSError):
                os.unlink(draft)
        raise SandboxUnavailable(
            f"the journal of the sandbox cannot be written to {folder}: {error.strerror}",
            hint="make CODEX_HOME writable for you",
        ) from error
    return path, fd


def _create(path: str, folder: str) -> int:
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        return os.open(path, flags, 0o600)


def _read_journal(fd: int) -> list[Watched]:
    parts = []
    while part := os.read(fd, 65536):
        parts.append(part)
    try:
        return [Watched(path=path, target=target) for path, target in json.loads(b"".join(parts))]
    except (ValueError, TypeError):
        return []  # cut off by a full disk: there is nothing to be known from it


# -- sweeping ----------------------------------------------------------------------------------------------


def _sweep(state_dir: str, watched: Sequence[Watched]) -> list[str]:
    said: list[str] = []
    for entry in watched:
        try:
            said += _put_right(state_dir, entry)
        except OSError as error:
            said.append(
                f"{entry.path} appeared while a confined command ran and could not be moved away"
                f" ({error.strerror or error}): do not trust it"
            )
    return said


def _put_right(state_dir: str, entry: Watched) -> list[str]:
    try:
        found = os.lstat(entry.path)
    except (FileNotFoundError, NotADirectoryError):
        if entry.target is None:
            return []
    else:
        if entry.target is not None and stat.S_ISLNK(found.st_mode) and os.readlink(entry.path) == entry.target:
            return []
    parent = os.path.dirname(entry.path)
    try:
        folder = os.open(parent, _FOLDER)
    except (FileNotFoundError, NotADirectoryError):  # the folder itself is gone, or no folder any more
        return [_moved_folder(parent)] if os.path.islink(parent) else []
    try:
        # A folder on the way may have been swapped for a link to somebody's real one.
        if os.readlink(f"/proc/self/fd/{folder}") != parent:
            return [_moved_folder(parent)]
        return _replace(state_dir, folder, entry)
    finally:
        os.close(folder)


def _moved_folder(parent: str) -> str:
    return f"{parent} was replaced by a link while a confined command ran; what it leads to was left alone"


def _replace(state_dir: str, folder: int, entry: Watched) -> list[str]:
    said = []
    name = os.path.basename(entry.path)
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        pass
    else:
        place = _move_away(state_dir, folder, entry.path)
        said.append(
            f"{entry.path} appeared while a confined command ran and was moved to {place}, because it would be"
            f" obeyed outside the sandbox; to take it back: mv {place} {entry.path}"
        )
    if entry.target is not None:
        os.symlink(entry.target, name, dir_fd=folder)
        said.append(f"the link {entry.path} was put back")
    return said


def _move_away(state_dir: str, folder: int, path: str) -> str:
    """Rename into the quarantine; returns the new path. Raises `OSError` when it stays where it is."""
    name = os.path.basename(path)
    cell = _new_cell(state_dir)
    place = os.path.join(cell, name)
    try:
        os.rename(name, place, src_dir_fd=folder)
    except OSError as error:
        if error.errno != errno.EXDEV:
            os.rmdir(cell)
            raise
        place = _move_across(folder, path, place)
    record = {"path": path, "moved_to": place, "at": int(time.time())}
    with open(os.path.join(cell, "record.json"), "x") as file:
        json.dump(record, file)
    return place


def _new_cell(state_dir: str) -> str:
    base = os.path.join(state_dir, "quarantine")
    os.makedirs(base, mode=0o700, exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    for number in itertools.count(1):
        cell = os.path.join(base, f"{stamp}-{number}")
        with suppress(FileExistsError):
            os.mkdir(cell, 0o700)
            return cell
    raise AssertionError("unreachable")


def _move_across(folder: int, path: str, place: str) -> str:
    """To another file system: out of the way by one rename, then copied, unless it is large."""
    aside_name = f".codex-quarantined-{os.urandom(6).hex()}"
    os.rename(os.path.basename(path), aside_name, src_dir_fd=folder, dst_dir_fd=folder)
    aside = os.path.join(os.path.dirname(path), aside_name)
    try:
        if _size(aside) > COPIED_BYTES:
            return aside
        if os.path.isdir(aside) and not os.path.islink(aside):
            shutil.copytree(aside, place, symlinks=True)
            shutil.rmtree(aside)
        else:
            shutil.move(aside, place)
    except (OSError, shutil.Error):
        return aside  # pipes, devices or unreadable folders inside: it stays, but under a name that nobody obeys
    return place


def _size(path: str) -> int:
    total = os.lstat(path).st_size
    for base, _folders, files in os.walk(path):
        for name in files:
            total += os.lstat(os.path.join(base, name)).st_size
            if total > COPIED_BYTES:
                return total
    return total

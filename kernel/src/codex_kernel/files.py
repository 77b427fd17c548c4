"""Changing files: whole or not at all, and only where it is allowed.

A file is written beside its final place and then renamed over it, so that a reader sees the old or the new
content and a full disk leaves the old one. No fsync: a lost machine may lose an edit, but never half of one.
Renaming also means that a second hard link keeps the old content; that is wanted, since package stores
share files by hard links.

"Confined" functions are for paths that a model chose. `resolve_confined` decides by the real place of a path,
and the writers then walk there folder by folder without following any symlink, so that one swapped in after
the decision leads to an error instead of out of the root.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache

PROTECTED = (".git", ".codex", ".agents")
"""Entries of a writable root that stay read-only: what they hold is run or obeyed outside the sandbox."""

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# O_PATH needs only the right to pass through a folder, as an ordinary path lookup does.
_FOLDER = (
    getattr(os, "O_PATH", os.O_RDONLY)
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_HAS_DIR_FD = os.open in os.supports_dir_fd and os.mkdir in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
_CASE_BLIND = sys.platform in ("darwin", "win32")


def replace_file(path: str, content: bytes, *, mode: int | None = None) -> None:
    """Write `content` to `path`, making parent folders as needed.

    An existing file keeps its permissions (and its owner, when we are root), unless `mode` gives the bits; a
    new one gets `mode` or what the umask leaves. A symlink is followed to its target. Raises `OSError`, with
    nothing changed: among others `IsADirectoryError`, `PermissionError` (also for a file that is read-only
    for us, although its folder would allow the rename), EINVAL for a device or pipe, ELOOP.
    """
    _check(path)
    target = _target_of(path)
    try:
        _write_beside(target, content, mode, os.path.dirname(target), None)
    except FileNotFoundError:
        # Only the folders of the path as written are made: those of a dangling link's target are not ours.
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        _write_beside(target, content, mode, os.path.dirname(target), None)


def remove_file(path: str) -> None:
    """Remove a file; a symlink itself, not its target. Raises `OSError` when missing or a folder."""
    _check(path)
    os.unlink(path)


def resolve_confined(path: str, roots: Sequence[str], protected: Sequence[str] = PROTECTED) -> str | None:
    """The real place of `path` when it lies in one of `roots`, else None.

    Symlinks are resolved in both; what does not exist yet is taken as written. None also for a `protected`
    entry of a root and all below it, whether reached by its name or by a symlink. Of nested roots the
    innermost decides, so that naming `ROOT/.git` as a root of its own opens it on purpose.
    """
    try:
        resolved = os.path.realpath(path)
        bases = [_real_root(root) for root in roots]
    except (OSError, ValueError):
        return None
    base = max((base for base in bases if _within(resolved, base)), key=len, default=None)
    if base is None or any(_guards(os.path.join(base, name), resolved) for name in protected):
        return None
    return resolved


def replace_confined(resolved_path: str, content: bytes, *, mode: int | None = None) -> None:
    """`replace_file` for a path that `resolve_confined` gave: no component may be a symlink any more.

    Raises `OSError`, in particular ELOOP or ENOTDIR when a symlink was swapped in meanwhile.
    """
    _check(resolved_path)
    folder, name = os.path.split(os.path.abspath(resolved_path))
    if not _HAS_DIR_FD:
        _require_unmoved(folder)
        os.makedirs(folder, exist_ok=True)
        _require_unmoved(folder)
        _write_beside(os.path.join(folder, name), content, mode, folder, None)
        return
    folder_fd = _walk(folder, make=True)
    try:
        _write_beside(name, content, mode, "", folder_fd)
    finally:
        os.close(folder_fd)


def remove_confined(path: str, roots: Sequence[str], protected: Sequence[str] = PROTECTED) -> None:
    """Remove a file, or a symlink itself, whose own place (not its target's) lies in one of `roots`.

    Raises `PermissionError` when it does not, and `OSError` as `remove_file` does.
    """
    _check(path)
    folder, name = os.path.split(os.path.abspath(path))
    resolved = resolve_confined(folder, roots, protected)
    at_top = resolved is not None and any(resolved == _real_root(root) for root in roots)
    if resolved is None or (at_top and _fold(name) in map(_fold, protected)):
        raise PermissionError(errno.EACCES, "outside the writable roots", path)
    if not _HAS_DIR_FD:
        _require_unmoved(resolved)
        os.unlink(os.path.join(resolved, name))
        return
    folder_fd = _walk(resolved, make=False)
    try:
        os.unlink(name, dir_fd=folder_fd)
    finally:
        os.close(folder_fd)


def _check(path: str) -> None:
    """A path that no system call accepts is the model's mistake: an `OSError` like any other, not a ValueError."""
    try:
        impossible = b"\0" in os.fsencode(path)
    except UnicodeEncodeError:
        impossible = True
    if impossible:
        raise OSError(errno.EINVAL, "not a possible path", path)


def _target_of(path: str) -> str:
    try:
        is_link = stat.S_ISLNK(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return path
    return os.path.realpath(path) if is_link else path


def _walk(folder: str, *, make: bool) -> int:
    """A descriptor of an absolute folder, reached from the top without following a symlink."""
    fd = os.open("/", _FOLDER)
    try:
        for part in folder.split("/"):
            if part:
                inner = _enter(part, fd, make=make)
                os.close(fd)
                fd = inner
    except BaseException:
        os.close(fd)
        raise
    return fd


def _enter(name: str, fd: int, *, make: bool) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=fd)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):  # somebody else made it: the open below says whether it is a folder
        os.mkdir(name, dir_fd=fd)
    return os.open(name, _FOLDER, dir_fd=fd)


def _require_unmoved(folder: str) -> None:
    """Where there are no folder descriptors (Windows), the best left to do is to look again just before."""
    if os.path.realpath(folder) != folder:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), folder)


def _write_beside(target: str, content: bytes, mode: int | None, folder: str, dir_fd: int | None) -> None:
    """Write a new file in the folder of `target` and rename it over; both relative to `dir_fd` if given."""
    old = _existing(target, dir_fd)
    temporary = os.path.join(folder, f".codex-{os.urandom(8).hex()}.tmp")
    keeps_umask = old is None and mode is None
    fd = os.open(temporary, _CREATE, 0o666 if keeps_umask else 0o600, dir_fd=dir_fd)
    try:
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(fd, view) :]
            if not keeps_umask:
                _dress(fd, old, mode)
        finally:
            os.close(fd)
        os.replace(temporary, target, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    except BaseException:
        with suppress(OSError):  # the first error is the one to tell; a folder that refuses this refuses everything
            os.unlink(temporary, dir_fd=dir_fd)
        raise


def _existing(target: str, dir_fd: int | None) -> os.stat_result | None:
    """What will be replaced, or None; raises `OSError` for what must not be."""
    try:
        old = os.stat(target, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if stat.S_ISREG(old.st_mode):
        if not os.access(target, os.W_OK, dir_fd=dir_fd):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), target)
        return old
    if stat.S_ISDIR(old.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), target)
    if stat.S_ISLNK(old.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), target)
    raise OSError(errno.EINVAL, "not a regular file", target)


def _dress(fd: int, old: os.stat_result | None, mode: int | None) -> None:
    """Give the new file the owner and the permissions that it should have."""
    if sys.platform == "win32":
        return  # permissions are inherited from the folder there
    if old is not None and os.geteuid() == 0:
        os.fchown(fd, old.st_uid, old.st_gid)  # before fchmod: a change of owner clears setuid bits
    bits = mode if mode is not None else stat.S_IMODE(old.st_mode) if old is not None else None
    if bits is not None:
        os.fchmod(fd, bits)


def _real_root(root: str) -> str:
    """The real place of a root. A patch of thousands of files asks again and again, so that the answer is kept
    for as long as the name leads to the same folder; a name that leads nowhere is resolved each time."""
    try:
        found = os.stat(root)
    except OSError:
        return os.path.realpath(root)
    return _real_root_of(os.path.abspath(root), found.st_dev, found.st_ino)


@lru_cache(maxsize=256)
def _real_root_of(root: str, _device: int, _inode: int) -> str:
    return os.path.realpath(root)


def _within(path: str, base: str) -> bool:
    """Whether `path` is `base` or below it; by whole components, so that `/ws2` is not in `/ws`."""
    return path == base or path.startswith(base if base.endswith(os.sep) else base + os.sep)


def _guards(entry: str, resolved: str) -> bool:
    """Whether a protected entry covers a resolved path; the entry itself may be a symlink."""
    if _within(_fold(resolved), _fold(entry)):
        return True
    return os.path.islink(entry) and _within(resolved, os.path.realpath(entry))


def _fold(name: str) -> str:
    return name.casefold() if _CASE_BLIND else name

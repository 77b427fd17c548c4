"""Files that only an administrator may change, and reading files without being held up by them."""

from __future__ import annotations

import os
import stat
import sys

from codex_plugin_sdk import ConfigError

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OPEN = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read_guarded(path: str, limit_bytes: int) -> bytes:
    """The bytes of a file that nobody but root, its folder's owner or this user can write, nor put another in its
    place. Raises `ConfigError` with the cure, `OSError` where it cannot be read."""
    fd = _open(path)
    try:
        found = os.fstat(fd)
        raw = _read(fd, path, found, limit_bytes)
    finally:
        os.close(fd)
    if sys.platform != "win32":  # there permissions are not in the mode
        _require_guarded(path, found)
    return raw


def read_plain(path: str, limit_bytes: int) -> bytes:
    """The bytes of a regular file. Raises `OSError`, also for one that is larger."""
    fd = _open(path)
    try:
        return _read(fd, path, os.fstat(fd), limit_bytes)
    finally:
        os.close(fd)


def _open(path: str) -> int:
    return os.open(path, _OPEN)  # a pipe in its place must not hold us up


def _read(fd: int, path: str, found: os.stat_result, limit_bytes: int) -> bytes:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(0, "it is not a regular file", path)
    parts, left = [], limit_bytes + 1
    while left > 0 and (part := os.read(fd, min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    if left <= 0:
        raise OSError(0, f"it is larger than {_size(limit_bytes)}", path)
    return b"".join(parts)


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"


def _require_guarded(path: str, found: os.stat_result) -> None:
    real = os.path.realpath(path)
    folders = {os.path.dirname(path) or ".", os.path.dirname(real)}
    owners = {0, os.geteuid()}
    for folder in sorted(folders):
        held = os.stat(folder)
        # In a folder with the sticky bit nobody can replace what is another's.
        if held.st_mode & _OTHERS_WRITE and not held.st_mode & stat.S_ISVTX:
            raise _refusal(path, f"others may put another file in its folder {folder}", f"chmod go-w {folder}")
        if folder == os.path.dirname(real):
            # Whoever owns the folder can replace the file anyway. (In a user namespace root may show as nobody.)
            owners.add(held.st_uid)
    if found.st_mode & _OTHERS_WRITE:
        raise _refusal(path, f"others may write it (mode {stat.S_IMODE(found.st_mode):04o})", f"chmod go-w {real}")
    if found.st_uid not in owners:
        whose = f"it belongs to user {found.st_uid}, who is neither root nor you"
        raise _refusal(path, whose, f"chown root {real}")


def _refusal(path: str, why: str, cure: str) -> ConfigError:
    return ConfigError(f"is not obeyed: {why}", where=path, hint=f"as root: {cure}")

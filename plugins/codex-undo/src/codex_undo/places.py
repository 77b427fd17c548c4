"""Touching files by their absolute path without ever following a symlink: a folder that became one is an error."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .blobs import Blobs, write_all
from .states import State

_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def folder_of(path: bytes) -> Iterator[tuple[int, bytes]]:
    """A descriptor of the folder that holds a path, and the path's name in it. Raises `OSError`."""
    folder, name = os.path.split(path)
    fd = os.open("/", _FOLDER)
    try:
        for part in folder.split(b"/"):
            if part:
                inner = os.open(part, _FOLDER, dir_fd=fd)
                os.close(fd)
                fd = inner
        yield fd, name
    finally:
        os.close(fd)


def remove(path: bytes, kind: str) -> None:
    """Remove a file, a link, or an empty folder. Raises `OSError`."""
    with folder_of(path) as (fd, name):
        if kind == "dir":
            os.rmdir(name, dir_fd=fd)
        else:
            os.unlink(name, dir_fd=fd)


def make_folder(path: bytes) -> None:
    """Make a folder that is open to its owner for now. Raises `OSError`."""
    with folder_of(path) as (fd, name):
        os.mkdir(name, 0o700, dir_fd=fd)


def dress_folder(path: bytes, state: State) -> None:
    """Give a folder its owner and permissions. Raises `OSError`."""
    with folder_of(path) as (fd, name):
        if os.geteuid() == 0:
            os.chown(name, state.uid, state.gid, dir_fd=fd, follow_symlinks=False)
        if not hasattr(os, "O_PATH"):
            os.chmod(name, state.mode, dir_fd=fd, follow_symlinks=False)
            return
        # Linux changes no permissions without following links, nor through a descriptor that needs no right to open it,
        # but through the latter's name.
        inner = os.open(name, _FOLDER, dir_fd=fd)
        try:
            os.chmod(f"/proc/self/fd/{inner}", state.mode)
        finally:
            os.close(inner)


def put_file(path: bytes, state: State, blobs: Blobs) -> None:
    """Write a file whole beside its place and rename it there. Raises `OSError`, `StoreError`."""
    with folder_of(path) as (fd, name):
        temporary = b".codex-%s.tmp" % os.urandom(8).hex().encode()
        out = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=fd)
        try:
            try:
                for chunk in blobs.chunks(state.content):
                    write_all(out, chunk)
                _own(out, state)
                os.fchmod(out, state.mode)
            finally:
                os.close(out)
            os.replace(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=fd)
            raise


def put_link(path: bytes, state: State) -> None:
    """Make a symlink, in place of what is there. Raises `OSError`."""
    with folder_of(path) as (fd, name):
        temporary = b".codex-%s.tmp" % os.urandom(8).hex().encode()
        os.symlink(state.content.encode("latin-1"), temporary, dir_fd=fd)
        try:
            os.replace(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=fd)
            raise


def join(path: bytes, peer: bytes) -> None:
    """Make a path another name of an existing file. Raises `OSError`."""
    with folder_of(path) as (fd, name), folder_of(peer) as (peer_fd, peer_name):
        temporary = b".codex-%s.tmp" % os.urandom(8).hex().encode()
        os.link(peer_name, temporary, src_dir_fd=peer_fd, dst_dir_fd=fd, follow_symlinks=False)
        os.replace(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
        with suppress(FileNotFoundError):  # a rename onto another name of the same file leaves both
            os.unlink(temporary, dir_fd=fd)


def seen(path: bytes) -> os.stat_result | None:
    """What is at a path, without following any symlink; None if nothing is. Raises `OSError`: ELOOP or ENOTDIR where a
    folder became a link or a file."""
    try:
        with folder_of(path) as (fd, name):
            return os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def opened(path: bytes) -> int:
    """A descriptor for reading a regular file. Raises `OSError`."""
    with folder_of(path) as (fd, name):
        found = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=fd)
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise OSError(errno.EINVAL, "not a regular file", os.fsdecode(path))
    return found


def _own(fd: int, state: State) -> None:
    """The owner, where we may give files away."""
    if os.geteuid() == 0:
        os.fchown(fd, state.uid, state.gid)

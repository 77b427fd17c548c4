"""The Unix socket: web sockets for programs of the same user, no others."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import stat
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from codex_plugin_sdk import UserError
from codex_plugin_sdk.remote.address import default_socket

from .accept import BACKLOG
from .gate import Gate
from .ws import Listener

if TYPE_CHECKING:
    from .server import Server

MAX_PATH_BYTES = 107 if hasattr(socket, "SO_PEERCRED") else 103
"""What fits into the address of a Unix socket: 108 bytes on Linux, 104 elsewhere, one of them for the end."""


def address_of(path: str) -> str:
    """What to connect to: the place of the socket behind a link."""
    return os.path.realpath(path) if os.path.islink(path) else path


def is_alive(path: str) -> bool:
    """Whether somebody listens there. Raises `UserError` when we may not ask."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a full queue is an answer too
        try:
            probe.connect(address_of(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except BlockingIOError:
            return True
        except OSError as error:
            raise UserError(f"cannot reach the socket {path}: {error.strerror or error}") from error
    return True


async def serve_unix(
    server: Server, path: str | None, *, home: str, ready: Callable[[str], None] = lambda _: None
) -> None:
    """Serve the socket at a path, by default that of the home, until cancelled. `ready` is told the path. Raises
    `UserError` for what stands in the way."""
    place = path or default_socket(home)
    real = place
    if path is None and len(os.fsencode(place)) > MAX_PATH_BYTES:
        real = _short_place(place)
    if len(os.fsencode(real)) > MAX_PATH_BYTES:
        raise UserError(
            f"the socket path {real} is too long: {len(os.fsencode(real))} bytes, {MAX_PATH_BYTES} are possible",
            hint="choose a shorter one: --listen unix:///tmp/NAME/server.sock",
        )
    bound = _bind(place, real)
    try:
        identity = os.stat(real)
        listener = Listener(server, Gate(any_host=True), "unix", ping_s=None)
        await listener.serve(bound, lambda: ready(place), is_ours)
    finally:
        bound.close()
        with suppress(OSError):
            if os.path.samestat(os.stat(real), identity):
                os.unlink(real)
                if real != place:
                    os.unlink(place)


def is_ours(writer: asyncio.StreamWriter) -> bool:
    """Whether a client is of our own user. Where the system cannot tell, the mode of the socket has to do."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    peer = writer.get_extra_info("socket")
    _pid, uid, _gid = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return uid in (os.geteuid(), 0)


def _bind(place: str, real: str) -> socket.socket:
    """A listening socket, with what a dead server left replaced."""
    for folder in dict.fromkeys((os.path.dirname(os.path.abspath(place)), os.path.dirname(os.path.abspath(real)))):
        _require_private(folder)
    with _alone(os.path.dirname(os.path.abspath(place))):
        _clear(place)
        if real != place:
            _clear(real)
            os.symlink(real, place)
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)  # so that there is no moment at which others may connect
        try:
            found.bind(real)
            found.listen(BACKLOG)
        except OSError as error:
            found.close()
            raise UserError(f"cannot listen on {real}: {error.strerror}") from error
        finally:
            os.umask(mask)
    return found


def _clear(path: str) -> None:
    """Remove a socket that nobody listens on, or a link to one. Raises `UserError` for anything else."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if found.st_uid != os.geteuid():
        raise UserError(f"{path} belongs to another user (uid {found.st_uid})", hint="choose another path")
    if not _is_socket(path, found):
        raise UserError(f"{path} exists and is not a socket", hint="choose another path, or remove it")
    if is_alive(path):
        raise UserError(f"a server listens on {path} already", hint="use it, or stop it first")
    os.unlink(path)


def _is_socket(path: str, found: os.stat_result) -> bool:
    """A socket, or a link to one, or to one that is gone. Raises `UserError`."""
    try:
        return stat.S_ISSOCK((os.stat(path) if stat.S_ISLNK(found.st_mode) else found).st_mode)
    except FileNotFoundError:
        return True
    except OSError as error:
        raise UserError(f"cannot follow the link {path}: {error.strerror}", hint="remove it") from error


def _require_private(folder: str) -> None:
    """Make the folder for us alone; one that is there must not let others swap the socket."""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        found = os.stat(folder)
    except OSError as error:
        raise UserError(f"cannot use the folder {folder}: {error.strerror}") from error
    if found.st_uid not in (os.geteuid(), 0):
        raise UserError(f"{folder} belongs to another user (uid {found.st_uid})", hint="choose another folder")
    if found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX:
        raise UserError(f"others may write to {folder}", hint=f"chmod 700 {folder}, or choose another folder")


def _short_place(place: str) -> str:
    """A place in the folder for temporary files that stands for a long one."""
    folder = os.path.join(tempfile.gettempdir(), f"codex-app-server-{os.geteuid()}")
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    found = os.lstat(folder)
    if found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
        raise UserError(f"{folder} is not a folder of yours alone", hint="remove it, or set TMPDIR")
    return os.path.join(folder, hashlib.sha256(os.fsencode(os.path.abspath(place))).hexdigest()[:32])


@contextmanager
def _alone(folder: str) -> Iterator[None]:
    """Two servers that start at once must not both take the other's socket for a stale one."""
    import fcntl

    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)

"""auth.json: read without surprises, changed under a lock, as a whole, for its owner only.

The lock is the one that Codex itself takes (`auth.json.lock`, flock), so that both programs may share a home. A
symlink is followed: its target is what is read, written and removed.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from codex_kernel.errors import AuthenticationFailed

MAX_BYTES = 1024 * 1024
LOCK_TIMEOUT_S = 10.0
_READ = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe in its place must not hold us up
    | getattr(os, "O_BINARY", 0)
)
_LOCK = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)

_MENDED_BY_LOGIN = "`codex login` moves it aside and writes it anew"


class BrokenFile(AuthenticationFailed):
    """The file is ours to read, but holds no JSON object of a sensible size."""


def read_members(path: str) -> dict[str, Any]:
    """The members of the file, none if it is missing, empty or JSON of another kind. Raises
    `AuthenticationFailed`."""
    import orjson

    raw = _read(path)
    found = _parse(path, raw, orjson.loads) if raw.strip() else None
    return found if isinstance(found, dict) else {}


def edit_members(path: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> tuple[str, ...]:
    """Write what `change` makes of the members, and remove the file where that is nothing; returns what to tell the
    user. A file that holds no JSON object is moved aside first. Raises `AuthenticationFailed`, with the file as it
    was."""
    from codex_kernel.files import replace_file

    with _failing(path, "written"):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    target = os.path.realpath(path)
    with _locked(target):
        members, aside, why = _members_or_aside(target)
        try:
            with _failing(path, "written"):
                changed = change(members)
                if changed:
                    replace_file(target, _encode(changed), mode=0o600)
                elif not aside:
                    os.unlink(target)
        except AuthenticationFailed:
            if aside:
                os.rename(aside, target)
            raise
    return (why,) if why else ()


def delete_file(path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Remove the file; returns what was removed and what to tell the user. One that is no JSON object is moved
    aside, since nobody knows what it was. Raises `AuthenticationFailed`."""
    target = os.path.realpath(path)
    if not os.path.lexists(target):
        return (), ()
    with _locked(target):
        _, _, why = _members_or_aside(target)
        if why:
            return (), (why,)
        with _failing(path, "removed"):
            try:
                os.unlink(target)
            except FileNotFoundError:
                return (), ()  # another program was faster
    return (path,), ()


def _members_or_aside(target: str) -> tuple[dict[str, Any], str, str]:
    """The members; or none, where the file was moved to, and the words for the user."""
    import json

    import orjson

    try:
        raw = _read(target)
        if not raw.strip():
            return {}, "", ""
        _parse(target, raw, orjson.loads)  # what counts as JSON is the same as for reading
        found = _parse(target, raw, json.loads)  # but members that we do not know keep their exact numbers
        if not isinstance(found, dict):
            raise BrokenFile(f"{target} holds no JSON object.")
    except BrokenFile as error:
        aside = _move_aside(target)
        why = f"{error.message} It was moved to {aside}, which may hold a key: look at it, then remove it."
        return {}, aside, why
    return found, "", ""


def _move_aside(target: str) -> str:
    number = 1
    while os.path.lexists(aside := f"{target}.broken-{number}"):
        number += 1
    with _failing(target, "moved aside"):
        os.chmod(target, 0o600)
        os.rename(target, aside)
    return aside


def _read(path: str) -> bytes:
    """The content, empty if there is no file."""
    try:
        fd = os.open(path, _READ)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    try:
        _check_kind(os.fstat(fd), path)
    except BaseException:
        os.close(fd)
        raise
    with open(fd, "rb") as file:
        return file.read()


def _check_kind(found: os.stat_result, path: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or device"
        raise AuthenticationFailed(f"{path} cannot be read: it is {kind}.", hint="move it away")
    if found.st_size > MAX_BYTES:
        raise BrokenFile(f"{path} is larger than {MAX_BYTES >> 20} MiB, which no auth.json is.", hint=_MENDED_BY_LOGIN)


def _parse(path: str, raw: bytes, loads: Callable[[bytes], Any]) -> Any:
    try:
        return loads(raw)
    except (ValueError, RecursionError) as error:
        # The decoder's own words hold no content, only its place; its error object does, so it is not chained.
        line = getattr(error, "lineno", None)
        place = f" (line {line})" if line else ""
        raise BrokenFile(f"{path} is not JSON{place}.", hint=_MENDED_BY_LOGIN) from None


def _encode(members: dict[str, Any]) -> bytes:
    import json

    return json.dumps(members, indent=2).encode("ascii")


def _unreadable(path: str, reason: str) -> AuthenticationFailed:
    return AuthenticationFailed(f"{path} cannot be read: {reason}.", hint="check its owner and permissions")


@contextmanager
def _failing(path: str, verb: str) -> Iterator[None]:
    """Tell what the disk refused."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise AuthenticationFailed(
            f"{path} cannot be {verb}: {reason}.", hint="check the owner and permissions of it and of its folder"
        ) from error


@contextmanager
def _locked(target: str) -> Iterator[None]:
    """Hold the lock beside the file. The lock's file stays: removing it would let a third program in."""
    path = f"{target}.lock"
    with _failing(target, "changed"):
        fd = os.open(path, _LOCK, 0o600)
    try:
        _wait_for(fd, path)
        yield
    finally:
        os.close(fd)  # which ends the lock


def _wait_for(fd: int, path: str) -> None:
    import time

    ends = time.monotonic() + LOCK_TIMEOUT_S
    while not _try_lock(fd, path):
        if time.monotonic() > ends:
            raise AuthenticationFailed(
                f"{path} is held by another program for more than {LOCK_TIMEOUT_S:g} s.",
                hint="end it, or try again when it is done",
            )
        time.sleep(0.02)


def _try_lock(fd: int, path: str) -> bool:
    with _failing(path, "locked"):
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # the latter is how Windows says it
            return False
    return True

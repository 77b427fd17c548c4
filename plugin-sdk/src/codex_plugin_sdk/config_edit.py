"""Changing a TOML file that people write too: comments and order stay, nothing of a concurrent change is lost.

The file is replaced whole and atomically; one that is a symbolic link stays one, and what it leads to is replaced.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from codex_kernel.errors import ConfigError, UserError
from codex_kernel.files import replace_file
from codex_kernel.protocol.value import Value, value
from codex_kernel.toml_files import read_toml

ABSENT = "absent"
"""The version of a file that does not exist."""
ATTEMPTS = 5
"""How often an edit is made anew because the file was written meanwhile."""


class ConfigConflict(UserError):
    """The file is not the one that the change was made for. `version` is that of the file as it is."""

    def __init__(self, path: str, version: str) -> None:
        super().__init__(f"{path} was changed meanwhile", hint="look at it again, then try again")
        self.version = version


@value
class Edited(Value):
    """A file after its change; `version` is its fingerprint, `changed` false if it was like this before."""

    path: str
    version: str
    changed: bool


def version_of(path: str) -> str:
    """`sha256:` and 64 hexadecimal digits of a file's text, or `absent`. Raises `ConfigError`."""
    found = read_toml(path)
    return ABSENT if found is None else _version(found[1])


def edit_config(
    path: str, edits: Mapping[str, Any], *, lock: str | None = None, expected_version: str | None = None
) -> Edited:
    """Set dotted keys to values, or remove those whose value is None.

    A part of a key that holds a dot is put in double quotes. `lock` is a file by which processes take turns; one that
    does not take it, an editor say, is noticed when it writes while we work, and the edits are made again in what it
    wrote. Raises `ConfigConflict` if the file does not have the expected version or does not come to rest,
    `ConfigError` for a file that is no TOML or cannot be written, or a key below something that is no table.
    """
    with _locked(lock):
        for _ in range(ATTEMPTS):
            target = os.path.realpath(path)
            found = read_toml(target)
            text = "" if found is None else found[1]
            version = ABSENT if found is None else _version(text)
            if expected_version is not None and expected_version != version:
                raise ConfigConflict(path, version)
            new = edited_text(text, edits, path)
            if new == text:
                return Edited(path=path, version=version, changed=False)
            if version_of(target) == version:
                _write(target, new)
                return Edited(path=path, version=_version(new), changed=True)
        raise ConfigConflict(path, version)


def edited_text(text: str, edits: Mapping[str, Any], path: str = "") -> str:
    """TOML with the edits made. Raises `ConfigError`."""
    import tomlkit
    import tomlkit.exceptions

    try:
        document = tomlkit.parse(text)
        for key, wanted in edits.items():
            parts = key_parts(key)
            if wanted is None:
                _remove(document, parts)
            else:
                _set(document, parts, wanted)
        new = tomlkit.dumps(document)
        if not _says(new, text, edits):
            raise ValueError("the result would not say what was asked for; change it by hand")
    except (tomlkit.exceptions.TOMLKitError, TypeError, ValueError) as error:
        raise ConfigError(f"cannot be changed: {error}", where=path) from error
    # Lines that were added end like those that are there.
    return re.sub(r"(?<!\r)\n", "\r\n", new) if text and text.count("\n") == text.count("\r\n") > 0 else new


def _says(new: str, text: str, edits: Mapping[str, Any]) -> bool:
    """Whether the new text holds the edits and all else of the old one: the writer of TOML is not to be believed."""
    import tomllib

    table: dict[str, Any] = tomllib.loads(text)
    for key, wanted in edits.items():
        parts, at = key_parts(key), table
        for part in parts[:-1]:
            at = at.setdefault(part, {})
            if not isinstance(at, dict):
                break
        else:
            at[parts[-1]] = wanted
    return _same(tomllib.loads(new), table)


def _same(one: Any, other: Any) -> bool:
    """Equal values; tables without what is None or an empty table, and a NaN is like another."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        left, right = ({k: v for k, v in table.items() if v is not None and not _hollow(v)} for table in (one, other))
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other) or (one != one and other != other)  # noqa: PLR0124 - only a NaN differs from itself


def _hollow(found: Any) -> bool:
    return isinstance(found, Mapping) and all(entry is None or _hollow(entry) for entry in found.values())


def key_parts(key: str) -> list[str]:
    """A dotted key's parts; one in double quotes may hold dots. Raises `ConfigError`."""
    parts, rest = [], key
    while True:
        if rest.startswith('"'):
            part, quote, rest = rest[1:].partition('"')
            if not quote or (rest and not rest.startswith(".")):
                raise ConfigError(f"{key!r} is not a key", hint='write it as table.key or table."a.b".key')
            rest = rest.removeprefix(".") if rest else ""
            ended = not rest
        else:
            part, dot, rest = rest.partition(".")
            ended = not dot
        if not part:
            raise ConfigError(f"{key!r} is not a key", hint='write it as table.key or table."a.b".key')
        parts.append(part)
        if ended:
            return parts


def _set(document: Any, parts: list[str], wanted: Any) -> None:
    import tomlkit

    table = document
    for index, part in enumerate(parts[:-1]):
        below = table.get(part)
        if below is None:
            below = table[part] = tomlkit.table(is_super_table=index < len(parts) - 2)
            below = table[part]
        if not isinstance(below, Mapping):
            raise ValueError(f"`{'.'.join(parts[: index + 1])}` is not a table")
        table = below
    table[parts[-1]] = wanted


def _remove(document: Any, parts: list[str]) -> None:
    tables = [document]
    for part in parts[:-1]:
        below = tables[-1].get(part)
        if not isinstance(below, Mapping):
            return
        tables.append(below)
    tables[-1].pop(parts[-1], None)


def _write(target: str, text: str) -> None:
    try:
        os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
        mode = os.stat(target).st_mode & 0o777 if os.path.exists(target) else 0o600
        replace_file(target, text.encode(), mode=mode)
    except OSError as error:
        raise ConfigError(
            f"cannot be written: {error.strerror}", where=target, hint="nothing was changed; check its permissions"
        ) from error


def _version(text: str) -> str:
    import hashlib

    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _locked(path: str | None) -> Iterator[None]:
    if path is None:
        yield
        return
    try:
        import fcntl

        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"cannot be locked: {error.strerror}", where=path) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)

"""Reading TOML files, with errors that point at the place, and finding the places of keys."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from typing import Any

from .errors import ConfigError

MAX_BYTES = 16 * 1024 * 1024
_KEY = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*""")
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)")


def read_toml(path: str) -> tuple[dict[str, Any], str] | None:
    """The table and the text of a file; None if there is none. Raises `ConfigError` with line and column for
    what cannot be read or is not TOML."""
    text = _read_text(path)
    if text is None or not text.strip():
        return None if text is None else ({}, text)
    import tomllib  # late: ten milliseconds that a start without configuration need not pay

    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        found = _PLACE.search(str(error))
        line = found[1] if found and found[1] else str(text.count("\n") + 1)
        raise ConfigError(
            _PLACE.sub("", str(error)),
            where=f"{path}:{line}" + (f":{found[2]}" if found and found[2] else ""),
            hint="the file is TOML: strings want quotes; --ignore-user-config leaves it out",
        ) from error
    except RecursionError as error:
        raise ConfigError("is nested too deeply", where=path) from error


def _read_text(path: str) -> str | None:
    try:
        # A pipe in its place must not hold us up.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=path, hint="check its permissions") from error
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
        os.close(fd)
        if stat.S_ISREG(found.st_mode):
            raise ConfigError(f"is larger than {MAX_BYTES >> 20} MiB", where=path, hint="is it a configuration?")
        what = "a directory" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
        raise ConfigError(f"is {what}, not a file", where=path, hint="put a TOML file there, or nothing")
    with open(fd, "rb") as file:
        raw = file.read()
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError("is not UTF-8 text", where=f"{path}:{line}", hint="save it as UTF-8") from error


def positions(text: str) -> dict[str, tuple[int, int]]:
    """Dotted key -> line and column (from 1) of the place that sets it first, for valid TOML. Tables of an array
    have their number as a part: `hooks.Stop.0.hooks`. Keys in inline tables are found at their table's."""
    found: dict[str, tuple[int, int]] = {}
    table: tuple[str, ...] = ()
    counts: dict[tuple[str, ...], int] = {}
    for number, line in _logical_lines(text):
        column = len(line) - len(line.lstrip()) + 1
        bare = line.lstrip()
        if bare.startswith("["):
            array = bare.startswith("[[")
            path = _numbered(_keys(bare[2 if array else 1 :])[0], counts, last=not array)
            if array:
                counts[path] = counts.get(path, -1) + 1
                found.setdefault(".".join(path), (number, column))
                path = (*path, str(counts[path]))
            table = path
        elif bare and not bare.startswith("#"):
            table_keys, _ = _keys(bare)
            path = (*table, *table_keys)
            for end in range(len(table) + 1, len(path)):
                found.setdefault(".".join(path[:end]), (number, column))
        else:
            continue
        found.setdefault(".".join(path), (number, column))
    return found


def _numbered(keys: list[str], counts: dict[tuple[str, ...], int], *, last: bool) -> tuple[str, ...]:
    """The path of a header: below an array of tables its latest number belongs to it."""
    path: tuple[str, ...] = ()
    for index, key in enumerate(keys):
        path = (*path, key)
        if path in counts and (index < len(keys) - 1 or last):
            path = (*path, str(counts[path]))
    return path


def _keys(text: str) -> tuple[list[str], int]:
    keys, at = [], 0
    while match := _KEY.match(text, at):
        keys.append(next(part for part in match.groups() if part is not None))
        at = match.end()
        if text[at : at + 1] != ".":
            break
        at += 1
    return keys, at


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines at which a header or a key can stand: not those inside arrays and strings of several lines."""
    depth, quote = 0, ""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not depth and not quote:
            yield number, line
            header = line.lstrip().startswith("[")
            rest = "" if header else line.partition("=")[2]
        else:
            rest = line
        depth, quote = _scan(rest, depth, quote)


def _scan(text: str, depth: int, quote: str) -> tuple[int, str]:
    at = 0
    while at < len(text):
        if quote:
            if text[at] == "\\" and quote[0] == '"':
                at += 2
                continue
            if text.startswith(quote, at):
                at, quote = at + len(quote), ""
                continue
        elif text[at] in "\"'":
            quote = text[at] * 3 if text.startswith(text[at] * 3, at) else text[at]
            at += len(quote)
            continue
        elif text[at] == "#":
            break
        else:
            depth += (text[at] in "[{") - (text[at] in "]}")
        at += 1
    return depth, quote if len(quote) == 3 else ""

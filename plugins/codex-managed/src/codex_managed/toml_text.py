"""TOML from bytes, with the place of an error; and the part of a text that one table is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from codex_plugin_sdk import ConfigError

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)")
_HEADER = re.compile(r"""(\s*\[\[?\s*)((?:"[^"\\]*"|'[^']*'|[A-Za-z0-9_-]+)\s*)(\.?)""")


def parse_toml(raw: bytes, where: str) -> dict[str, Any]:
    """The table. Raises `ConfigError` with `where:LINE:COLUMN`."""
    import tomllib

    try:
        return tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError("is not UTF-8 text", where=f"{where}:{line}") from error
    except tomllib.TOMLDecodeError as error:
        found = _PLACE.search(str(error))
        place = f"{found[1]}:{found[2]}" if found and found[1] else str(raw.count(b"\n") + 1)
        raise ConfigError(f"is not TOML: {_PLACE.sub('', str(error))}", where=f"{where}:{place}") from error
    except (RecursionError, ValueError) as error:  # nesting without end; numbers of thousands of digits
        raise ConfigError("is not TOML that can be read", where=where) from error


def part_of(text: str, name: str, places: Mapping[str, tuple[int, int]]) -> str:
    """`text` with nothing left but the table `name`, which is now the whole document: its keys stand in the same
    lines and columns as before. `places` are the positions of `text`."""
    starts = {line for line, _ in places.values()}
    kept = False
    lines = []
    for number, line in enumerate(re.findall(r"[^\n]*\n|[^\n]+\Z", text), 1):
        if number in starts and line.lstrip().startswith("[") and (found := _HEADER.match(line)):
            kept = found[2].strip().strip("\"'") == name
            if kept and found[3]:  # [name.inner] -> [     inner]
                lines.append(found[1] + " " * (len(found[2]) + 1) + line[found.end() :])
                continue
            lines.append("\n")
            continue
        lines.append(line if kept else "\n")
    return "".join(lines)


def stands_alone(name: str, places: Mapping[str, tuple[int, int]], text: str) -> bool:
    """Whether a table is set below headers of its own, the outermost first: not by dotted keys or braces at the
    top. Only such a table can be a document of its own."""
    lines = text.split("\n")
    headers = [line for line, _ in places.values() if lines[line - 1].lstrip().startswith("[")]
    first = min(headers, default=len(lines) + 1)
    mine = [line for key, (line, _) in places.items() if key.partition(".")[0] == name]
    return bool(mine) and min(mine) >= first and (name not in places or places[name][0] == min(mine))

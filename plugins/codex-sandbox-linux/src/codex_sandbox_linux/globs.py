"""Finding what denied-read globs name, within bounds: a `*` crosses `/`, so that a pattern may mean a whole tree."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from fnmatch import translate

from codex_plugin_sdk import SandboxUnavailable

MAX_ENTRIES = 200_000
MAX_SECONDS = 5.0
_SIGN = re.compile(r"[*?\[]")


def matches(pattern: str) -> Iterator[str]:
    """The existing paths that a pattern names, not following links; nothing below a folder that matches.

    Raises `SandboxUnavailable` when the tree below the pattern's fixed part is too large to be searched: a read
    that is to be denied must not be allowed because searching took too long.
    """
    sign = _SIGN.search(pattern)
    assert sign is not None
    base = pattern[: sign.start()].rpartition("/")[0] or "/"
    wanted = re.compile(translate(pattern)).match
    deadline, left = time.monotonic() + MAX_SECONDS, MAX_ENTRIES
    waiting = [base]
    while waiting:
        for entry in _entries(waiting.pop()):
            left -= 1
            if left < 0 or time.monotonic() > deadline:
                raise SandboxUnavailable(
                    f"the denied read {pattern!r} would have to be searched for in too large a tree below {base}",
                    hint="name a folder that is nearer to what is to be denied",
                )
            if wanted(entry.path):
                yield entry.path
            elif entry.is_dir(follow_symlinks=False) and _leads_on(pattern, entry.path):
                waiting.append(entry.path)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []  # what we may not list, a command of ours may not either


def _leads_on(pattern: str, folder: str) -> bool:
    """Whether something below the folder can match: without a `*`, a pattern has a fixed number of parts."""
    parts = pattern.split("/")
    free = next((index for index, part in enumerate(parts) if "*" in part), len(parts))
    depth = folder.count("/") + 1
    return depth < len(parts) or free < len(parts)

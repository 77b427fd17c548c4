"""Files of the project that its configuration names: scripts of handlers and servers, instruction files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_WORDS = re.compile(r"[\s\"'`;|&()<>=,:]+")
_VARIABLE = re.compile(r"\$(?:\w+|\{[^}]*\})/?")
_MAX_PATH = 4096


def named_paths(table: Mapping[str, Any], root: str, bases: Sequence[str]) -> tuple[str, ...]:
    """Paths below `root` at which something that any string of the table names could lie.

    A string is cut into words as shells and programs might; each is taken as a path relative to every base, to
    every `cwd` that the table sets, and as what stands behind a variable. Too many are better than one too few:
    only files that exist are looked at.
    """
    texts = list(_strings(table))
    places = [*bases, *(os.path.join(base, text) for key, text in texts if key == "cwd" for base in bases)]
    found: dict[str, None] = {}
    for _, text in texts:
        for word in _words(text):
            for base in places:
                path = os.path.normpath(os.path.join(base, word))
                if path.startswith(root.rstrip(os.sep) + os.sep):
                    found[path] = None
    return tuple(found)


def _words(text: str) -> set[str]:
    bare = _VARIABLE.sub(" ", text)
    words = {text, *_WORDS.split(text), *_WORDS.split(bare)}
    words |= {word.lstrip("/") for word in words} | {word.partition("=")[2] for word in words}
    return {word for word in words if word and "\0" not in word and len(word) < _MAX_PATH}


def _strings(found: object, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(found, str):
        yield key, found
    elif isinstance(found, Mapping):
        for name, entry in found.items():
            yield from _strings(entry, str(name))
    elif isinstance(found, list):
        for entry in found:
            yield from _strings(entry, key)

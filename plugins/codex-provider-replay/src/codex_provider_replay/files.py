"""Reading what is to be played: a script is one JSON object, a rollout has one object a line."""

from __future__ import annotations

import orjson

from .script import Script, ScriptError


def load(path: str) -> Script:
    """A script or a rollout, told apart by the first line. Raises `ScriptError` with path and position."""
    data = _read(path)
    if not data.strip():
        raise ScriptError("the file is empty", path=path, hint=_HINT)
    first = _first_object(data)
    if isinstance(first, dict) and "type" in first and "payload" in first:
        from .rollout import read_rollout

        return read_rollout(path, data)
    from .scripted import read_script

    return read_script(path, data)


_HINT = 'write {"version": 1, "responses": [...]}, or give a rollout (rollout-….jsonl)'


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ScriptError(f"cannot be read: {error.strerror or error}", path=path, hint="check the path") from error


def _first_object(data: bytes) -> object:
    """The first line if it is an object by itself, else None: a script may spread over many lines."""
    line = data.lstrip().split(b"\n", 1)[0]
    try:
        found: object = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return found

"""The drift alarm: what a tool was when it was first approved, kept in the home, so that a server cannot change it
unseen afterwards."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson

from codex_plugin_sdk import Value, replace_file, value

from .safe_text import shown

if TYPE_CHECKING:
    from mcp.types import Tool

FILE = os.path.join("kernel", "mcp-approved-tools.json")
MAX_ENTRIES = 5_000
MAX_KEPT_CHARS = 8_000
MAX_DIFF_LINES = 40
PART_CHARS = 160
MAX_FILE_BYTES = 64 * 1024 * 1024


@value
class Definition(Value):
    """What counts of a tool: its `digest`, and its text for a comparison (empty if too long to be kept)."""

    digest: str
    text: str


def definition_of(tool: Tool) -> Definition:
    """The fingerprint of all that the model and the user are told of a tool, whatever the order of its members."""
    from hashlib import sha256

    told = {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "inputSchema": tool.input_schema,
        "annotations": None if tool.annotations is None else tool.annotations.model_dump(by_alias=True),
    }
    text = _dumped(told)
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return Definition(digest=digest, text=text if len(text) <= MAX_KEPT_CHARS else "")


def _dumped(told: dict[str, Any]) -> str:
    import json

    return json.dumps(told, ensure_ascii=False, sort_keys=True, indent=1)


class ApprovedTools:
    """The record, shared by all processes of a home. `changed` and `approve` block for a moment: call them in a
    thread."""

    def __init__(self, codex_home: str) -> None:
        self._path = os.path.join(codex_home, FILE)
        self._settled: dict[str, str] = {}

    def settled(self, server: str, tool: str, now: Definition) -> bool:
        """Whether this very definition was approved through this object: then nothing need be read or written."""
        return self._settled.get(_key(server, tool)) == now.digest

    def changed(self, server: str, tool: str, now: Definition) -> str:
        """How the tool differs from what was approved, for a person; empty if it does not or was never approved.
        A record that cannot be read counts as a change of everything."""
        try:
            entry = self._entries().get(_key(server, tool))
        except (OSError, ValueError) as error:
            return f"the record of approved tools cannot be read ({self._path}: {error})"
        if not isinstance(entry, dict) or entry.get("digest") == now.digest:
            return ""
        return "the tool has changed since it was approved:\n" + difference(str(entry.get("text") or ""), now.text)

    def approve(self, server: str, tool: str, now: Definition) -> None:
        """Remember the tool as it is now. Raises `OSError` when that cannot be written."""
        self._record(server, tool, now)
        self._settled[_key(server, tool)] = now.digest

    def _record(self, server: str, tool: str, now: Definition) -> None:
        with self._alone():
            try:
                entries = self._entries()
            except ValueError:  # damaged: begun anew, and every tool in it was asked about again
                entries = {}
            key = _key(server, tool)
            known = entries.get(key)
            if isinstance(known, dict) and known.get("digest") == now.digest:
                return
            entries.pop(key, None)
            entries[key] = {"digest": now.digest, "text": now.text, "approved_at": int(time.time())}
            while len(entries) > MAX_ENTRIES:
                del entries[next(iter(entries))]
            body = {"version": 1, "tools": entries}
            replace_file(self._path, orjson.dumps(body, option=orjson.OPT_INDENT_2), mode=0o600)

    def _entries(self) -> dict[str, Any]:
        try:
            with open(self._path, "rb") as file:
                raw = file.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            return {}
        body = orjson.loads(raw) if len(raw) <= MAX_FILE_BYTES else None
        tools = body.get("tools") if isinstance(body, dict) and body.get("version") == 1 else None
        if not isinstance(tools, dict):
            raise ValueError("it is no record of version 1")
        return tools

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process writes meanwhile."""
        os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
        fd = os.open(self._path + ".lock", os.O_CREAT | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            _lock(fd)
            yield
        finally:
            os.close(fd)  # which gives the lock back, too


def _lock(fd: int) -> None:
    try:
        import fcntl
    except ImportError:  # no such locks on Windows: the last writer wins there
        return
    fcntl.flock(fd, fcntl.LOCK_EX)


def _key(server: str, tool: str) -> str:
    return orjson.dumps([server, tool.encode("utf-8", "backslashreplace").decode()]).decode()


def difference(before: str, now: str) -> str:
    """A unified diff of two definitions, bounded and escaped."""
    if not before or not now:
        return "its definition is too long to be compared here"
    from difflib import unified_diff

    lines = list(unified_diff(_parts(before), _parts(now), "approved", "now", lineterm="", n=1))
    kept = [shown(line, lines=False) for line in lines[:MAX_DIFF_LINES]]
    if len(lines) > MAX_DIFF_LINES:
        kept.append(f"… and {len(lines) - MAX_DIFF_LINES} more lines")
    return "\n".join(kept)


def _parts(text: str) -> list[str]:
    """Short lines that hold all of a definition: nothing may change behind the end of one that is cut. Texts are parted
    at line ends and sentences, so that a word that is new does not move all that follows it."""
    import re

    found = []
    for line in text.splitlines():
        for part in re.split(r"(?<=\\n)|(?<=[.!?;] )", line):
            found += [part[at : at + PART_CHARS] for at in range(0, len(part), PART_CHARS)]
    return found

"""Reads the requests out of a rollout, ours or Codex's, one line at a time.

What a rollout says of tokens, and what to make of it:

- `token_usage_record` (Codex since 0.169) stands for one response and is counted as it is.
- `token_count` (all versions, and ours) repeats itself: for rate limits, and after a compaction. So the growth of its
  running total counts, not its `last_token_usage`; in a turn that has records it is not counted at all.
- A fork holds the lines of the thread that it came from, or goes on from its total. A thread pays for its own turns:
  those that began after it did, which their ids tell.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import IO, Any

import orjson

from codex_plugin_sdk import is_uuid, uuid7_unix_ms

from .spending import Spending, Tokens, read_tokens

_TAIL_BYTES = 64
LONGEST_LINE_BYTES = 4 << 20
"""Longer lines are passed over, so that memory is bounded. Lines about tokens have a few hundred bytes."""

_CALLS = {
    "function_call": "",
    "custom_tool_call": "",
    "local_shell_call": "local_shell",
    "web_search_call": "web_search",
}
_KINDS = ("token_usage_record", "turn_context", "session_meta")
_EVENTS = ("token_count", "task_started")
_HEAD = re.compile(rb'\{"timestamp":"[^"]{0,40}",(?:"ordinal":\d+,)?"type":"(\w+)"(?:,"payload":\{"type":"(\w+)")?')
"""A line as Codex and we begin it: what it is about stands in front."""


class Troubles:
    """What could not be read, over all files."""

    def __init__(self) -> None:
        self.files: list[tuple[str, str]] = []
        self.broken_lines = 0
        self.undated_requests = 0
        self.doubtful_forks = 0


def spendings(path: str, troubles: Troubles, *, with_tools: bool = False) -> Iterator[Spending]:
    """The requests of a rollout in order; those that it inherited are left out. What is wrong is noted in `troubles`.
    `with_tools` also looks at the calls of tools, which costs time."""
    reader = _Reader(troubles, with_tools=with_tools)
    try:
        # Not blocking: whatever stands under such a name must not hang us.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(fd, "rb", buffering=1 << 18) as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                troubles.files.append((path, "not a regular file"))
                return
            for line in _lines(file, troubles):
                found = reader.take(line)
                if found is not None:
                    yield found
    except OSError as error:
        troubles.files.append((path, error.strerror or str(error)))
    troubles.doubtful_forks += reader.is_doubtful


def _lines(file: IO[bytes], troubles: Troubles) -> Iterator[bytes]:
    while line := file.readline(LONGEST_LINE_BYTES):
        if len(line) < LONGEST_LINE_BYTES or line.endswith(b"\n"):
            yield line
            continue
        head = _HEAD.match(line)
        if head is None or head[1].decode() in _KINDS or (head[2] or b"").decode() in _EVENTS:
            troubles.broken_lines += 1
        while line and not line.endswith(b"\n"):
            line = file.readline(LONGEST_LINE_BYTES)


class Follower:
    """A rollout that is read on from where it was read to. One task or thread at a time."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.troubles = Troubles()
        self._reader = _Reader(self.troubles, with_tools=False)
        self._file, self._at, self._tail = (0, 0), 0, b""

    def more(self) -> tuple[bool, list[Spending]]:
        """The requests of the lines that are new, and whether they are all there are, because it is the first time or
        what was read is no longer there: turns were taken back. Raises `OSError`."""
        fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(fd, "rb", buffering=1 << 16) as file:
            found = os.fstat(fd)
            file.seek(self._at - len(self._tail))
            if (found.st_dev, found.st_ino) != self._file or file.read(len(self._tail)) != self._tail:
                self._begin_anew()
                self._file = (found.st_dev, found.st_ino)
                file.seek(0)
            fresh = not self._at
            return fresh, list(self._rest(file))

    def _rest(self, file: IO[bytes]) -> Iterator[Spending]:
        for line in _lines(file, self.troubles):
            if not line.endswith(b"\n"):
                return  # it is being written
            self._at, self._tail = file.tell(), line[-_TAIL_BYTES:]
            spending = self._reader.take(line)
            if spending is not None:
                yield spending


class _Reader:
    def __init__(self, troubles: Troubles, *, with_tools: bool) -> None:
        self.is_doubtful = False
        self._troubles = troubles
        words = {*_KINDS, *_EVENTS, *(_CALLS if with_tools else ())}
        self._words = frozenset(word.encode() for word in words)
        self._marks = tuple(b'"' + word + b'"' for word in self._words)
        self._thread_id = self._provider = self._cwd = self._agent = ""
        self._has_meta = self._is_heir = self._is_fork = False
        self._turn_id = self._model = self._tier = ""
        self._has_records = False
        self._total: Tokens | None = None
        self._tools: set[str] = set()

    def take(self, line: bytes) -> Spending | None:
        """One line; the request that it completes, if it does."""
        if not self._is_wanted(line):
            return None
        try:
            entry = orjson.loads(line)
        except orjson.JSONDecodeError:
            self._troubles.broken_lines += line.endswith(b"\n")  # else it is being written, or was torn
            return None
        payload = entry.get("payload") if isinstance(entry, dict) else None
        if not isinstance(payload, dict):
            return None
        return self._entry(entry, payload)

    def _is_wanted(self, line: bytes) -> bool:
        """To look is cheaper than to decode."""
        head = _HEAD.match(line)
        if head is not None:
            kind, event = head.groups()
            if kind in self._words or event in self._words:
                return True
            if event is not None or kind not in (b"event_msg", b"response_item"):
                return False
        # Another program put the members in another order. Within a text these words would have their quotes escaped.
        return any(mark in line for mark in self._marks)

    def _entry(self, entry: Mapping[str, Any], payload: Mapping[str, Any]) -> Spending | None:
        match entry.get("type"), payload.get("type"):
            case "token_usage_record", _:
                return self._record(entry, payload)
            case "event_msg", "token_count":
                return self._count(entry, payload.get("info"))
            case "event_msg", "task_started":
                self._begin(_text(payload, "turn_id"))
            case "turn_context", _:
                self._context(payload)
            case "session_meta", _:
                self._meta(payload)
            case "response_item", kind if isinstance(kind, str) and kind in _CALLS:
                name = _text(payload, "name") or _CALLS[kind]
                space = _text(payload, "namespace")
                self._tools.add(f"{space}__{name}" if space else name)
        return None

    def _meta(self, payload: Mapping[str, Any]) -> None:
        if self._has_meta:  # of the thread whose lines were copied
            if _text(payload, "id") != self._thread_id:
                self._is_heir = self._is_fork = True
            return
        self._has_meta = True
        self._thread_id, self._cwd = _text(payload, "id"), _text(payload, "cwd")
        self._provider = _text(payload, "model_provider")
        self._agent = agent_of(payload.get("source"))
        self._is_fork = bool(payload.get("forked_from_id") or payload.get("history_base"))
        self._is_heir = self._is_fork or bool(self._agent)  # a sub-agent may begin with its parent's history

    def _begin(self, turn_id: str) -> None:
        if turn_id != self._turn_id:
            self._turn_id, self._has_records, self._tools = turn_id, False, set()

    def _context(self, payload: Mapping[str, Any]) -> None:
        self._begin(_text(payload, "turn_id") or self._turn_id)
        self._model = _text(payload, "model") or self._model
        self._cwd = _text(payload, "cwd") or self._cwd
        self._tier = _text(payload, "service_tier")

    def _record(self, entry: Mapping[str, Any], payload: Mapping[str, Any]) -> Spending | None:
        self._begin(_text(payload, "turn_id") or self._turn_id)
        tokens = read_tokens(payload.get("usage"))
        if tokens is None:
            self._troubles.broken_lines += 1
            return None
        self._has_records = True
        self._total = read_tokens(payload.get("thread_token_usage")) or (self._total or Tokens()).plus(tokens)
        return self._spent(entry, tokens.sound())

    def _count(self, entry: Mapping[str, Any], info: object) -> Spending | None:
        if info is None:
            return None  # rate limits alone
        given = info if isinstance(info, Mapping) else {}
        total, last = read_tokens(given.get("total_token_usage")), read_tokens(given.get("last_token_usage"))
        if total is None or last is None:
            self._troubles.broken_lines += 1
            return None
        before, self._total = self._total, total
        if self._has_records:
            return None
        # A first total may hold what a thread before this one used; one that shrank has been set anew.
        grown = None if before is None else total.beyond(before)
        return self._spent(entry, last.sound() if grown is None else grown)

    def _spent(self, entry: Mapping[str, Any], tokens: Tokens) -> Spending | None:
        if self._is_heir and self._is_inherited():
            self._tools = set()
            return None
        if not any(tokens):
            return None
        tools, self._tools = tuple(sorted(self._tools)), set()
        return Spending(
            at=_moment(entry.get("timestamp")),
            model=self._model,
            provider=self._provider,
            service_tier=self._tier,
            tokens=tokens,
            thread_id=self._thread_id,
            cwd=self._cwd,
            agent=self._agent,
            tools=tools,
        )

    def _is_inherited(self) -> bool:
        if not self._turn_id and not self._model:
            return True  # before any turn
        begun, born = _uuid7_ms(self._turn_id), _uuid7_ms(self._thread_id)
        if begun is None or born is None:  # a version that did not name its turns
            self.is_doubtful = self._is_fork
            return False
        self._is_heir = begun < born  # what it inherited stands in front; later a clock may have been set back
        return self._is_heir


def agent_of(source: object) -> str:
    """What kind of sub-agent a thread of this source is; empty for one that the user began."""
    match source:
        case {"subagent": str() as kind}:
            return kind
        case {"subagent": {"thread_spawn": {"agent_role": str() as role}}} if role:
            return role
        case {"subagent": {"other": str() as name}}:
            return name
        case {"subagent": _}:
            return "sub-agent"
        case _:
            return ""


def _uuid7_ms(id: str) -> int | None:
    return uuid7_unix_ms(id) if is_uuid(id) and id[14] == "7" else None


def _text(payload: Mapping[str, Any], name: str) -> str:
    found = payload.get(name)
    return found if isinstance(found, str) else ""


def _moment(stamp: object) -> datetime | None:
    if not isinstance(stamp, str):
        return None
    try:
        found = datetime.fromisoformat(stamp)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None

"""Reads the trace of a thread. A line that is torn or damaged is passed over."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from codex_plugin_sdk import is_uuid

from .blobs import Blobs, trace_folder
from .recording import Body, RecordedRequest, Trace, TracedCall


def trace_path(codex_home: str, thread_id: str) -> str | None:
    """Where the trace of a thread lies; None where there is none."""
    path = os.path.join(trace_folder(codex_home), f"{thread_id}.jsonl")
    return path if is_uuid(thread_id) and os.path.isfile(path) else None


def read_trace(path: str, blobs: Blobs) -> Trace | None:
    """The trace; None if it holds nothing that can be used. Raises `OSError`."""
    reader = _Reader(blobs)
    with open(path, "rb") as file:
        for raw in file:
            try:
                line = orjson.loads(raw)
            except orjson.JSONDecodeError:
                continue
            if isinstance(line, dict):
                reader.take(line)
    return reader.finish()


class _Reader:
    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._inline: dict[str, Any] = {}
        self._facts: Body = {}
        self._began = 0
        self._count = 0
        self._base = 0
        self._requests: list[RecordedRequest] = []
        self._answers: dict[int, Body] = {}
        self._calls: dict[str, TracedCall] = {}
        self._images: list[Body] = []
        self._full = False

    def take(self, line: dict[str, Any]) -> None:
        """One line."""
        call = str(line.get("call") or "")
        known = self._calls.get(call, TracedCall())
        match line.get("k"):
            case "body":
                self._inline[str(line.get("d"))] = line.get("b")
            case "thread":
                self._thread(line)
            case "request":
                self._request(line)
            case "answer":
                self._answers[self._base + _number(line.get("n"))] = line
            case "call":
                self._calls[call] = known.replace(tool=str(line.get("tool") or ""))
            case "result":
                took = line.get("ms")
                tool = known.tool or str(line.get("tool") or "")
                self._calls[call] = known.replace(tool=tool, ok=bool(line.get("ok")), took_ms=took)
            case "judged":
                self._calls[call] = known.replace(decisions=(*known.decisions, line))
            case "exec":
                self._calls[call] = known.replace(mode=str(line.get("mode") or ""))
            case "edits":
                files = [entry for entry in line.get("files", ()) if isinstance(entry, dict)]
                self._calls[call] = known.replace(edits=(*known.edits, *files))
                self._images += files
            case "full":
                self._full = True

    def finish(self) -> Trace | None:
        """All of it."""
        if not self._facts:
            return None
        bodies = _bodies(self._inline, self._blobs)
        config = bodies(str(self._facts.get("config") or ""))
        return Trace(
            facts=self._facts,
            config=config if isinstance(config, dict) else {},
            requests=tuple(self._requests),
            answers=self._answers,
            calls=self._calls,
            images=tuple(self._images),
            bodies=bodies,
            began_ms=self._began,
            is_full=self._full,
        )

    def _thread(self, line: dict[str, Any]) -> None:
        if not self._facts:
            self._facts, self._began = line, _number(line.get("at"))
        self._count = 0
        self._base = max((request.number for request in self._requests), default=0)

    def _request(self, line: Mapping[str, Any]) -> None:
        added = tuple(str(name) for name in line.get("add", ()))
        keep = min(_number(line.get("keep")), self._count)
        self._count = keep + len(added)
        settings = line.get("settings")
        self._requests.append(
            RecordedRequest(
                number=self._base + _number(line.get("n")),
                turn_id=str(line.get("turn") or ""),
                kind=str(line.get("kind") or ""),
                model=str(line.get("model") or ""),
                settings=settings if isinstance(settings, dict) else {},
                instructions=str(line.get("instructions") or ""),
                tools=str(line.get("tools") or ""),
                added=added,
                keep=keep,
                at_ms=_number(line.get("at")),
            )
        )


def _bodies(inline: Mapping[str, Any], blobs: Blobs) -> Callable[[str], Any]:
    def body(name: str) -> Any:
        if name in inline:
            return inline[name]
        data = blobs.get(name)
        if data is None:
            return None
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            return None

    return body


def _number(found: object) -> int:
    return found if isinstance(found, int) and not isinstance(found, bool) else 0

"""The guard that writes a thread's trace. docs/replay.md describes the lines.

What a request holds is mostly what the one before it held: a line names how many entries it keeps and which it adds.
Bodies stand in the trace where they are short, else among the blobs, and each stands there once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ProviderError, TurnGuard

if TYPE_CHECKING:
    from codex_plugin_sdk import (
        ExecRequest,
        FileEdit,
        GuardSetup,
        HistoryEntry,
        Intent,
        ModelRequest,
        ResponseItem,
        SandboxPolicy,
        TokenUsage,
        ToolCall,
        ToolOutput,
        TurnFacts,
        TurnId,
        Verdict,
    )

    from .trace_file import TraceFile

SETTINGS = ("parallel_tool_calls", "effort", "summary", "verbosity", "service_tier", "output_schema")
PRE_IMAGE_BYTES = 4 * 1024 * 1024


class TraceGuard(TurnGuard):
    """Writes what it is told, a line for each event, at once. The first request of a process waits for the next event:
    it leaves before anything is imported for the trace."""

    def __init__(self, setup: GuardSetup) -> None:
        self._setup = setup
        self._file: TraceFile | None = None
        self._turn: TurnFacts | None = None
        self._turn_at = 0
        self._waiting: tuple[ModelRequest, int] | None = None
        self._input: tuple[HistoryEntry, ...] = ()
        self._names: list[str] = []
        self._requests = 0
        self._asked: dict[int, tuple[int, int]] = {}
        self._calls: dict[str, int] = {}
        self._images: set[str] = set()

    # -- the model ---------------------------------------------------------------------------------------

    def turn_begins(self, turn: TurnFacts) -> None:
        self._turn, self._turn_at = turn, _now_ms()
        if self._file is not None:
            self._begin_turn(self._file)

    def request_begins(self, request: ModelRequest) -> None:
        if self._waiting is not None:
            self._open()
        self._requests += 1
        self._asked[id(request)] = (self._requests, time.monotonic_ns())
        self._waiting = (request, _now_ms())
        if self._file is not None:
            self._open()

    def request_ends(
        self,
        request: ModelRequest,
        items: Sequence[ResponseItem],
        usage: TokenUsage | None,
        error: BaseException | None = None,
    ) -> None:
        file = self._open()
        from codex_plugin_sdk import encode_item

        names = [file.body(encode_item(item)) for item in items]
        number, began = self._asked.pop(id(request))
        file.line(
            "answer",
            n=number,
            items=names,
            usage=None if usage is None else usage.as_dict(),
            ms=_since(began),
            **({} if error is None else {"error": file.clean(_words(error))}),
        )

    # -- tools -------------------------------------------------------------------------------------------

    async def call_begins(self, call: ToolCall) -> None:
        self._calls[call.call_id] = time.monotonic_ns()
        self._open().line("call", call=call.call_id, tool=call.name)

    def call_ends(self, call: ToolCall, output: ToolOutput) -> None:
        began = self._calls.pop(call.call_id, None)
        took = None if began is None else _since(began)
        self._open().line("result", call=call.call_id, tool=call.name, ok=output.success, ms=took)

    async def exec_begins(self, call_id: str, request: ExecRequest, policy: SandboxPolicy) -> ExecRequest:
        argv = [word.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for word in request.argv]
        self._open().line("exec", call=call_id, argv=argv, cwd=request.cwd, tty=request.tty, mode=policy.mode.value)
        return request

    async def edits_begin(self, call_id: str, edits: Sequence[FileEdit]) -> None:
        file = self._open()
        paths = dict.fromkeys(path for edit in edits for path in (edit.move_from, edit.path) if path)
        file.line("edits", call=call_id, files=[self._before(file, path) for path in paths])

    def judged(self, call_id: str, intent: Intent, verdict: Verdict | None, refusal: str = "") -> None:
        self._open().line("judged", call=call_id, intent=intent, verdict=verdict, refusal=refusal)

    # -- ends --------------------------------------------------------------------------------------------

    async def turn_ends(self, turn_id: TurnId, state: str) -> None:
        self._open().line("end", turn=turn_id, state=state)

    async def aclose(self) -> None:
        if self._file is not None:
            self._open().line("closed")
            self._file.close()

    # -- lines -------------------------------------------------------------------------------------------

    def _open(self) -> TraceFile:
        """The file, with what still waited written to it. Raises `OSError`."""
        file = self._file
        if file is None:
            from .trace_file import open_trace

            file = self._file = open_trace(self._setup)
            if self._turn is not None:
                self._begin_turn(file)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._request(file, *waiting)
        return file

    def _begin_turn(self, file: TraceFile) -> None:
        turn = self._turn
        assert turn is not None
        file.line(
            "turn", turn=turn.turn_id, cwd=turn.cwd, model=turn.model, sandbox=turn.sandbox_policy, at=self._turn_at
        )

    def _request(self, file: TraceFile, request: ModelRequest, at: int) -> None:
        kept = self._kept(request.input)
        added = [file.body(entry.encoded) for entry in request.input[kept:]]
        self._names[kept:] = added
        self._input = request.input
        settings = {name: getattr(request, name) for name in SETTINGS}
        instructions, tools = file.text(request.instructions), file.tools(request.tools)
        file.line(
            "request",
            n=self._asked[id(request)][0],
            turn=request.turn_id,
            kind=request.kind,
            model=request.model,
            settings=settings,
            instructions=instructions,
            tools=tools,
            keep=kept,
            add=added,
            digest=file.digest(request.model, instructions, tools, *self._names),
            at=at,
        )

    def _kept(self, entries: tuple[HistoryEntry, ...]) -> int:
        """How many entries at the front are those of the last request."""
        before = self._input
        if before and len(entries) >= len(before) and entries[len(before) - 1] is before[-1]:
            return len(before)  # a history grows at its end, or is made anew
        kept = 0
        for old, new in zip(before, entries, strict=False):
            if old is not new:
                break
            kept += 1
        return kept

    def _before(self, file: TraceFile, path: str) -> dict[str, Any]:
        """A file as it is before it is changed: its text the first time, then only that it is changed once more."""
        found: dict[str, Any] = {"path": path}
        if path in self._images:
            return found
        self._images.add(path)
        try:
            status = os.stat(path)
            if status.st_size > PRE_IMAGE_BYTES:
                return {**found, "size": status.st_size}
            from .plain import encoded

            with open(path, "rb") as opened:
                text = opened.read().decode("utf-8")
        except FileNotFoundError:
            return {**found, "absent": True}
        except (OSError, UnicodeDecodeError):
            return {**found, "unread": True}
        name = file.body(encoded(text))
        return {**found, "before": name, "mode": status.st_mode & 0o777, "mtime_ms": status.st_mtime_ns // 1_000_000}


def _words(error: BaseException) -> str:
    return error.message if isinstance(error, ProviderError) else "cancelled"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _since(began_ns: int) -> int:
    return (time.monotonic_ns() - began_ns) // 1_000_000

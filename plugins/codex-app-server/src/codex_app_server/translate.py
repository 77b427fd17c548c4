"""Events of a thread as notifications, in the order that clients rely on: an item's start, its deltas, its end; the
end of the turn last."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from typing import Any

from codex_plugin_sdk import (
    AgentMessageDelta,
    ApprovalRequested,
    CommandExecutionItem,
    ContextCompactionItem,
    EditIntent,
    ErrorInfo,
    ErrorItem,
    Event,
    FileChangeItem,
    HookRun,
    ItemCompleted,
    ItemStarted,
    ItemUpdated,
    McpServerStatus,
    Notice,
    OutputDelta,
    ReasoningDelta,
    RunIntent,
    StreamRetry,
    ThreadItem,
    TodoListItem,
    TokenCount,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    TurnStarted,
)
from codex_plugin_sdk.remote.events import DETAIL

from .hook_shapes import wire_hook
from .items import shown_command, wire_error, wire_item, wire_usage

Message = tuple[str, dict[str, Any], bool]
"""Method, params, and whether it may be dropped for a client that reads slowly."""

_PLAN = {"pending": "pending", "in_progress": "inProgress", "completed": "completed"}


class TurnRecord:
    """A turn as clients see it."""

    def __init__(self, id: str, started_ms: int) -> None:
        self.id = id
        self.started_ms = started_ms
        self.status = "inProgress"
        self.items: dict[str, dict[str, Any]] = {}
        self.times: dict[str, tuple[int | None, int | None]] = {}
        """Start and end of each item, in Unix milliseconds."""
        self.error: dict[str, Any] | None = None
        self.completed_ms: int | None = None
        self.duration_ms: int | None = None

    def wire(self, view: str = "full") -> dict[str, Any]:
        """With all items, or none; `summary` has the last message of the agent only."""
        items = list(self.items.values())
        if view == "summary":
            items = [item for item in items if item["type"] == "agentMessage"][-1:]
        return {
            "id": self.id,
            "items": [] if view == "notLoaded" else items,
            "itemsView": view,
            "status": self.status,
            "error": self.error,
            "startedAt": self.started_ms // 1000,
            "completedAt": None if self.completed_ms is None else self.completed_ms // 1000,
            "durationMs": self.duration_ms,
        }


class Translator:
    """Makes notifications of one thread's events and keeps its turns."""

    def __init__(self, thread_id: str) -> None:
        self._thread_id = thread_id
        self.turns: list[TurnRecord] = []
        self.status: dict[str, Any] = {"type": "idle"}
        self._started: set[str] = set()
        self._declined: set[str] = set()
        self._parts: set[tuple[str, int]] = set()
        self._decoders: dict[str, Any] = {}
        self._diffs: dict[str, str] = {}
        self._waiting: dict[str, int] = {}
        self.shown: Mapping[str, Mapping[str, Any]] = {}
        """What clients see beside the items, by their ids."""

    @property
    def turn(self) -> TurnRecord | None:
        """The turn under way."""
        return self.turns[-1] if self.turns and self.turns[-1].status == "inProgress" else None

    def item(self, id: str) -> dict[str, Any] | None:
        """An item of the turn under way as clients know it."""
        return self.turns[-1].items.get(id) if self.turns else None

    def messages(self, event: Event) -> Iterator[Message]:
        """What clients are told of an event."""
        turn_id, at, msg = str(event.turn_id or ""), event.at_ms, event.msg
        match msg:
            case TurnStarted():
                yield from self._begin(turn_id, at)
            case AgentMessageDelta() | ReasoningDelta() | OutputDelta():
                yield from self._stream(turn_id, msg, at)
            case ItemStarted():
                yield from self._start(turn_id, msg.item, at)
            case ItemUpdated():
                yield from self._update(turn_id, msg.item)
            case ItemCompleted():
                yield from self._complete(turn_id, msg.item, at)
            case TokenCount():
                usage = {
                    "total": wire_usage(msg.total),
                    "last": wire_usage(msg.last),
                    "modelContextWindow": msg.context_window,
                }
                yield self._of_turn("thread/tokenUsage/updated", turn_id, tokenUsage=usage)
            case StreamRetry():
                text = f"Reconnecting... {msg.attempt}/{msg.max_attempts}"
                error = wire_error(ErrorInfo(message=text, kind="StreamClosed", hint=msg.cause))
                yield self._detail(turn_id, "error", delayS=msg.delay_s)
                yield self._of_turn("error", turn_id, error=error, willRetry=True)
            case HookRun():
                yield wire_hook(self._thread_id, turn_id, msg, at)
            case Notice():
                yield from self._notice(msg)
            case McpServerStatus():
                yield self._server_status(msg)
            case TurnCompleted() | TurnFailed() | TurnInterrupted():
                yield from self._end(turn_id, msg, at)
            case _:
                return

    # -- turns -----------------------------------------------------------------------------------

    def _begin(self, turn_id: str, at: int) -> Iterator[Message]:
        record = TurnRecord(turn_id, at)
        self.turns.append(record)
        self._diffs.clear()
        yield self._status({"type": "active", "activeFlags": []})
        yield "turn/started", {"threadId": self._thread_id, "turn": record.wire("notLoaded")}, False

    def _end(self, turn_id: str, msg: TurnCompleted | TurnFailed | TurnInterrupted, at: int) -> Iterator[Message]:
        record = self.turns[-1] if self.turns else TurnRecord(turn_id, at)
        if isinstance(msg, TurnFailed):
            record.error = wire_error(msg.error)
            yield self._detail(turn_id, "error", kind=msg.error.kind, exitCode=msg.error.exit_code)
            yield self._of_turn("error", turn_id, error=record.error, willRetry=False)
        for id in [id for id in self._started if record.items.get(id, {}).get("status") == "inProgress"]:
            knows = record.items[id]["type"] != "mcpToolCall"
            status = "declined" if knows and id in self._declined else "failed"
            yield from self._closed(turn_id, {**record.items[id], "status": status}, at)
        self._started.clear()
        self._declined.clear()
        self._decoders.clear()
        record.status = {TurnCompleted: "completed", TurnFailed: "failed", TurnInterrupted: "interrupted"}[type(msg)]
        record.completed_ms, record.duration_ms = at, msg.duration_ms
        self._waiting.clear()
        yield self._status({"type": "idle"})
        if isinstance(msg, TurnInterrupted):
            yield self._detail(turn_id, "turn/completed", reason=msg.reason)
        yield "turn/completed", {"threadId": self._thread_id, "turn": record.wire("summary")}, False

    def _status(self, status: dict[str, Any]) -> Message:
        self.status = status
        return "thread/status/changed", {"threadId": self._thread_id, "status": status}, False

    def waiting(self, more: int, flag: str = "waitingOnApproval") -> Iterator[Message]:
        """Somebody is asked (1), or a question is resolved (-1)."""
        before = [name for name, count in self._waiting.items() if count]
        self._waiting[flag] = max(0, self._waiting.get(flag, 0) + more)
        flags = [name for name, count in self._waiting.items() if count]
        if before != flags and self.turn is not None:
            yield self._status({"type": "active", "activeFlags": flags})

    # -- items -----------------------------------------------------------------------------------

    def _start(self, turn_id: str, item: ThreadItem, at: int) -> Iterator[Message]:
        if isinstance(item, TodoListItem):
            yield from self._plan(turn_id, item)
        elif (wire := wire_item(item)) is not None:
            yield from self._appear(turn_id, {**wire, **self.shown.get(item.id, {})}, at)

    def _appear(self, turn_id: str, wire: dict[str, Any], at: int) -> Iterator[Message]:
        id = wire["id"]
        if id in self._started:
            return
        self._started.add(id)
        self._keep(wire, (at, None))
        yield self._of_turn("item/started", turn_id, item=wire, startedAtMs=at)

    def _complete(self, turn_id: str, item: ThreadItem, at: int) -> Iterator[Message]:
        if isinstance(item, TodoListItem):
            return
        if isinstance(item, ErrorItem):  # the wire has no such item
            yield "warning", {"threadId": self._thread_id, "message": item.message}, False
            return
        wire = wire_item(item)
        if wire is None:
            return
        wire |= self.shown.get(item.id, {})
        first = {**wire, "text": ""} if wire["type"] == "agentMessage" else wire
        yield from self._appear(turn_id, first, at)
        if isinstance(item, FileChangeItem) and (item.stdout or item.stderr):
            yield self._detail(turn_id, "item/completed", stdout=item.stdout, stderr=item.stderr)
        elif isinstance(item, ContextCompactionItem) and item.fallback:
            yield self._detail(turn_id, "item/completed", fallback=True)
        yield from self._closed(turn_id, wire, at)
        if isinstance(item, ContextCompactionItem):
            yield self._of_turn("thread/compacted", turn_id)
        if isinstance(item, FileChangeItem) and wire["status"] == "completed":
            for change in item.changes:
                self._diffs[change.path] = self._diffs.get(change.path, "") + _diff_of(change)
            yield self._of_turn("turn/diff/updated", turn_id, diff="".join(self._diffs.values()))

    def _closed(self, turn_id: str, wire: dict[str, Any], at: int) -> Iterator[Message]:
        start = self.turns[-1].times.get(wire["id"], (at, None))[0] if self.turns else at
        self._keep(wire, (start, at))
        yield self._of_turn("item/completed", turn_id, item=wire, completedAtMs=at)

    def _keep(self, wire: dict[str, Any], times: tuple[int | None, int | None]) -> None:
        if self.turns:
            self.turns[-1].items[wire["id"]] = wire
            self.turns[-1].times[wire["id"]] = times

    def _update(self, turn_id: str, item: ThreadItem) -> Iterator[Message]:
        if isinstance(item, CommandExecutionItem) and item.stdin is not None:
            place = self._params(turn_id, itemId=item.id, processId=item.process_id or "")
            yield "item/commandExecution/terminalInteraction", {**place, "stdin": item.stdin}, False
        yield from self._plan(turn_id, item)

    def _plan(self, turn_id: str, item: ThreadItem) -> Iterator[Message]:
        if isinstance(item, TodoListItem):
            steps = [{"step": entry.text, "status": _PLAN.get(entry.status, "pending")} for entry in item.items]
            yield self._of_turn("turn/plan/updated", turn_id, explanation=item.explanation or None, plan=steps)

    def proposed(self, turn_id: str, request: ApprovalRequested, at: int) -> Iterator[Message]:
        """The item that an approval request is about, which has not begun."""
        match request.intent:
            case RunIntent() as intent:
                text = intent.display or shown_command(intent.argv)
                wire = {
                    "type": "commandExecution",
                    "id": request.call_id,
                    "command": text,
                    "cwd": intent.cwd,
                    "processId": None,
                    "source": "agent",
                    "status": "inProgress",
                    "commandActions": [{"type": "unknown", "command": text}],
                    "aggregatedOutput": None,
                    "exitCode": None,
                    "durationMs": None,
                }
                yield from self._appear(turn_id, wire, at)
            case EditIntent():
                yield from self._appear(
                    turn_id, {"type": "fileChange", "id": request.call_id, "changes": [], "status": "inProgress"}, at
                )

    def declined(self, call_id: str) -> None:
        """A request was refused: unless its item ends by itself, it ends as declined with the turn."""
        self._declined.add(call_id)

    # -- deltas ----------------------------------------------------------------------------------

    def _stream(
        self, turn_id: str, msg: AgentMessageDelta | ReasoningDelta | OutputDelta, at: int
    ) -> Iterator[Message]:
        match msg:
            case AgentMessageDelta():
                yield from self._appear(
                    turn_id, {"type": "agentMessage", "id": msg.item_id, "text": "", "phase": None}, at
                )
                yield self._delta("item/agentMessage/delta", turn_id, msg.item_id, msg.delta)
            case ReasoningDelta():
                yield from self._reason(turn_id, msg, at)
            case OutputDelta() if (self.item(msg.item_id) or {}).get("type") == "mcpToolCall":
                yield self._progress(turn_id, msg)
            case OutputDelta():
                if text := self._decoded(msg.item_id, msg.chunk):
                    yield self._delta("item/commandExecution/outputDelta", turn_id, msg.item_id, text)

    def _progress(self, turn_id: str, msg: OutputDelta) -> Message:
        """What a server tells of a call under way: each chunk is a message."""
        message = msg.chunk.decode("utf-8", "replace").rstrip("\n")
        return "item/mcpToolCall/progress", self._params(turn_id, itemId=msg.item_id, message=message), True

    def _reason(self, turn_id: str, msg: ReasoningDelta, at: int) -> Iterator[Message]:
        yield from self._appear(turn_id, {"type": "reasoning", "id": msg.item_id, "summary": [], "content": []}, at)
        if msg.raw:
            params = self._params(turn_id, itemId=msg.item_id, delta=msg.delta, contentIndex=0)
            yield "item/reasoning/textDelta", params, True
            return
        if (msg.item_id, 0) not in self._parts:
            self._parts.add((msg.item_id, 0))
            part = self._params(turn_id, itemId=msg.item_id, summaryIndex=0)
            yield "item/reasoning/summaryPartAdded", part, False
        params = self._params(turn_id, itemId=msg.item_id, delta=msg.delta, summaryIndex=0)
        yield "item/reasoning/summaryTextDelta", params, True

    def _decoded(self, item_id: str, chunk: bytes) -> str:
        decoder = self._decoders.get(item_id)
        if decoder is None:
            decoder = self._decoders[item_id] = codecs.getincrementaldecoder("utf-8")("replace")
        text: str = decoder.decode(chunk)
        return text

    def _delta(self, method: str, turn_id: str, item_id: str, delta: str) -> Message:
        params = {"threadId": self._thread_id, "turnId": turn_id, "itemId": item_id, "delta": delta}
        return method, params, True

    def _server_status(self, msg: McpServerStatus) -> Message:
        told = {"name": msg.server, "status": msg.status, "error": msg.error or None, "failureReason": None}
        return "mcpServer/startupStatus/updated", {"threadId": self._thread_id, **told}, False

    def _notice(self, msg: Notice) -> Iterator[Message]:
        about = {"level": msg.level, "source": msg.source}
        if msg.level == "info":  # a warning would be too much for most clients
            yield self._detail(None, None, **about, message=msg.message)
            return
        yield self._detail(None, "warning", **about)
        yield "warning", {"threadId": self._thread_id, "message": msg.message}, False

    def _detail(self, turn_id: str | None, completes: str | None, **more: Any) -> Message:
        """What the next message, of the method `completes`, has no words for; clients must ask to be told."""
        return DETAIL, {"threadId": self._thread_id, "turnId": turn_id, "completes": completes, **more}, False

    def rejected(self, op: str, message: str) -> Iterator[Message]:
        """An op could not be carried out."""
        yield self._detail(None, "warning", rejected=op)
        yield "warning", {"threadId": self._thread_id, "message": message}, False

    def _params(self, turn_id: str, **more: Any) -> dict[str, Any]:
        return {"threadId": self._thread_id, "turnId": turn_id, **more}

    def _of_turn(self, method: str, turn_id: str, **more: Any) -> Message:
        return method, self._params(turn_id, **more), False


def _diff_of(change: Any) -> str:
    path = change.path.lstrip("/")
    head = f"diff --git a/{path} b/{(change.move_path or change.path).lstrip('/')}\n"
    if change.kind == "update":
        return f"{head}--- a/{path}\n+++ b/{path}\n{change.unified_diff.rstrip(chr(10))}\n"
    lines = change.content.splitlines()
    sign, old, new = ("+", "/dev/null", f"b/{path}") if change.kind == "add" else ("-", f"a/{path}", "/dev/null")
    span = f"-0,0 +1,{len(lines)}" if change.kind == "add" else f"-1,{len(lines)} +0,0"
    body = "".join(f"{sign}{line}\n" for line in lines)
    return f"{head}--- {old}\n+++ {new}\n@@ {span} @@\n{body}"

"""Notifications of the server as cells and status.

What is said twice, late or out of order does no harm: a cell that is done stays as it is, a turn that has ended takes
no more items, and what cannot be read is told once for each kind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from . import notices
from .cells import (
    AgentsCell,
    AnyCell,
    CommandCell,
    CompactionCell,
    DecisionCell,
    PatchCell,
    PlanCell,
    ReasoningCell,
    ReviewCell,
    SearchCell,
    ToolCell,
    TurnEndCell,
)
from .items import Malformed, fill, kind_and_id, mapping_of, mappings_of, seconds_of, settle, text_of
from .places import Places, end_key, needs_end
from .progress import Progress
from .status import Status
from .streams import Streams
from .transcript import Transcript

Message = Mapping[str, Any]
Handler = Callable[[Message], None]

DETAIL = "x-codex-agent/detail"
"""What our own servers tell, to who asks for it, right before the message that it completes."""
_NOTHING: Message = {}
_AGENT_ENDS = {"failed": "errored", "interrupted": "interrupted"}


class Reader:
    """Takes what the server says of one thread. `turn_diff` is the newest diff of all changes of a turn. `clock` is
    that of `Status.turn_started_at`."""

    def __init__(
        self,
        transcript: Transcript,
        status: Status,
        thread_id: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.transcript = transcript
        self.thread_id = thread_id
        self.turn_diff = ""
        self._status = status
        self._places = Places(transcript, clock)
        self._progress = Progress(status, clock)
        self._told: set[str] = set()
        self._unknown: dict[str, str] = {}
        """What was said of threads that may be agents: no item has named them yet."""
        self._detail: Message = _NOTHING
        self._handlers = {**self._own_handlers(), **Streams(self._places, self._progress).handlers()}

    def handle(self, message: Message) -> None:
        """Take a notification. Those of other threads tell of sub-agents at most; those that are not known are passed
        over. Never raises for what the server says."""
        method, params = message.get("method"), message.get("params")
        handler = self._handlers.get(method) if isinstance(method, str) else None
        if handler is None or not isinstance(method, str):
            return
        try:
            if not isinstance(params, Mapping):
                raise Malformed("no params")
            thread_id = params.get("threadId")
            if thread_id == self.thread_id or (thread_id is None and method in _OF_ANY):
                handler(params)
            else:
                self._elsewhere(method, thread_id, params)
        except Malformed as error:
            if method not in self._told:
                self._told.add(method)
                self._places.say("warning", f"The server sent {method} in a form that cannot be read: {error}")
        if self._detail and method != DETAIL:
            self._detail = _NOTHING

    def cell(self, turn_id: str, item_id: str) -> AnyCell | None:
        """The cell of an item: a model may use an id again in another turn."""
        return self._places.find(turn_id, item_id)

    def has_ended(self, turn_id: str) -> bool:
        """Whether the end of this turn was told: the answer to `turn/start` may be read after it."""
        return self._places.has_ended(turn_id)

    def rewound(self, turn_id: str) -> None:
        """This turn and all after it were taken back: their cells go, and what is still said of them is passed
        over."""
        self._places.cut(turn_id)

    def _own_handlers(self) -> dict[str, Handler]:
        handlers: dict[str, Handler] = {
            method: lambda params, method=method: self._notice(method, params)  # type: ignore[misc]
            for method in notices.NOTICES
        }
        return handlers | {
            "turn/started": self._turn_started,
            "turn/completed": self._turn_completed,
            "turn/diff/updated": self._turn_diff,
            "turn/plan/updated": self._turn_plan,
            "error": self._error,
            "item/started": self._item_started,
            "item/updated": self._item_started,
            "item/completed": self._item_completed,
            "item/autoApprovalReview/started": self._review_started,
            "item/autoApprovalReview/completed": self._review_completed,
            "hook/started": self._hook_started,
            "hook/completed": self._hook_completed,
            "thread/status/changed": self._thread_status,
            "thread/tokenUsage/updated": self._token_usage,
            "thread/settings/updated": self._settings,
            "thread/name/updated": self._name,
            "thread/compacted": self._compacted,
            "thread/closed": self._thread_closed,
            "mcpServer/startupStatus/updated": self._server_status,
            "model/rerouted": self._rerouted,
            DETAIL: self._detailed,
        }

    # -- turns -----------------------------------------------------------------------------------

    def _turn_started(self, params: Message) -> None:
        turn = mapping_of(params, "turn")
        turn_id = _required(turn, "id")
        if not self._places.has_ended(turn_id):
            self._progress.turn_began(turn_id, turn.get("startedAt"))

    def _turn_completed(self, params: Message) -> None:
        turn = mapping_of(params, "turn")
        turn_id = _required(turn, "id")
        if self._places.has_ended(turn_id):
            return
        self._places.end(turn_id)
        if error := mapping_of(turn, "error"):
            self._places.failed(turn_id, *notices.error_of(error))
        tokens = self._progress.turn_ended(turn_id)
        status = text_of(turn, "status") or "completed"
        if needs_end(status, reversed(self.transcript.cells), turn_id):
            took = seconds_of(turn, "durationMs")
            key = end_key(turn_id)
            self.transcript.add(TurnEndCell(key=key, turn_id=turn_id, status=status, elapsed_s=took, tokens=tokens))

    def _turn_diff(self, params: Message) -> None:
        self.turn_diff = text_of(params, "diff")

    def _turn_plan(self, params: Message) -> None:
        turn_id = self._places.open_turn(params)
        if turn_id is None:
            return
        steps = tuple((text_of(step, "status"), text_of(step, "step")) for step in mappings_of(params, "plan"))
        explanation = text_of(params, "explanation")
        last = next((cell for cell in reversed(self.transcript.cells) if isinstance(cell, PlanCell)), None)
        if last is not None and (last.turn_id, last.steps, last.explanation) == (turn_id, steps, explanation):
            return
        key = self._places.new_key("plan")
        self._places.retried()
        self.transcript.add(PlanCell(key=key, turn_id=turn_id, explanation=explanation, steps=steps, done=True))

    def _error(self, params: Message) -> None:
        error = mapping_of(params, "error")
        if not error:
            raise Malformed("no error")
        turn_id = self._places.open_turn(params)
        if turn_id is None:
            return
        if params.get("willRetry") is True:
            self._places.retries(turn_id, *notices.error_of(error))
        else:
            self._places.failed(turn_id, *notices.error_of(error))

    # -- items -----------------------------------------------------------------------------------

    def _item(self, params: Message) -> tuple[AnyCell, Message] | None:
        """The open cell of an item, and the item; None for one that comes too late."""
        item = mapping_of(params, "item")
        kind, item_id = kind_and_id(item)
        turn_id = self._places.open_turn(params)
        if turn_id is None:
            return None
        self._places.retried()
        cell = self._places.cell_for(turn_id, kind, item_id)
        return None if cell.done else (cell, item)

    def _item_started(self, params: Message) -> None:
        found = self._item(params)
        if found is None:
            return
        cell, item = found
        fill(cell, item)
        began = self._places.began.setdefault(cell.key, self._places.clock())
        if isinstance(cell, CommandCell) and cell.started_at is None:
            cell.started_at = began
        self._places.show(cell)
        self._note_start(cell)

    def _item_completed(self, params: Message) -> None:
        found = self._item(params)
        if found is None:
            return
        cell, item = found
        fill(cell, item)
        began = self._places.began.pop(cell.key, None)
        if isinstance(cell, ReasoningCell) and began is not None:
            cell.elapsed_s = self._places.clock() - began
        if isinstance(cell, PatchCell) and self._detail.get("completes") == "item/completed":
            printed = (text_of(self._detail, "stdout"), text_of(self._detail, "stderr"))
            cell.output = "".join(printed) or cell.output
        settle(cell)
        self._places.show(cell)
        self._note_end(cell)

    def _note_start(self, cell: AnyCell) -> None:
        progress, key = self._progress, cell.key
        match cell:
            case CommandCell():
                progress.doing(key, cell.command)
            case PatchCell():
                progress.doing(key, "editing " + ", ".join(change.path for change in cell.changes))
            case ToolCell():
                progress.doing(key, f"{cell.server}.{cell.tool}" if cell.server else cell.tool)
            case SearchCell():
                progress.doing(key, f"searching {cell.query}")
            case AgentsCell():
                progress.doing(key, cell.tool)
                self._note_agents(cell)
            case CompactionCell():
                progress.mode(key, "compacting")

    def _note_end(self, cell: AnyCell) -> None:
        self._progress.did(cell.key)
        match cell:
            case AgentsCell():
                self._note_agents(cell)
            case CompactionCell():
                self._progress.mode_over(cell.key)
            case ReviewCell(entered=True):
                self._progress.mode("review", "reviewing")
            case ReviewCell():
                self._progress.mode_over("review")

    def _compacted(self, params: Message) -> None:
        turn_id = self._places.open_turn(params)
        if turn_id is None:
            return
        for cell in reversed(self.transcript.cells):
            if isinstance(cell, CompactionCell) and cell.turn_id == turn_id:
                return
        self.transcript.add(CompactionCell(key=f"compacted/{turn_id}", turn_id=turn_id, done=True))

    # -- the thread ------------------------------------------------------------------------------

    def _thread_status(self, params: Message) -> None:
        self._progress.thread_status(mapping_of(params, "status"))

    def _token_usage(self, params: Message) -> None:
        self._progress.usage(_required(params, "turnId"), mapping_of(params, "tokenUsage"))

    def _settings(self, params: Message) -> None:
        self._progress.settings(mapping_of(params, "threadSettings"))

    def _name(self, params: Message) -> None:
        self._status.thread_name = text_of(params, "threadName")

    def _thread_closed(self, params: Message) -> None:
        self._places.retried()
        self._progress.closed()
        self._notice("thread/closed", params)

    # -- sub-agents ------------------------------------------------------------------------------

    def _elsewhere(self, method: str, thread_id: object, params: Message) -> None:
        """A message of another thread: of a sub-agent, it tells whether that one still runs. Raises `Malformed`."""
        if not isinstance(thread_id, str):
            raise Malformed("no threadId")
        if method == "turn/started":
            state = "running"
        elif method == "turn/completed":
            state = _AGENT_ENDS.get(text_of(mapping_of(params, "turn"), "status"), "completed")
        elif method == "thread/closed":
            state = "shutdown"
        else:
            return
        if thread_id in self._progress.agents:
            self._agent_is(thread_id, state)
        else:  # one that begins before the call that made it has ended
            self._unknown[thread_id] = state

    def _agent_is(self, thread_id: str, state: str) -> None:
        self._progress.agent(thread_id, state)
        for cell in self.transcript.cells:
            if not cell.done and isinstance(cell, AgentsCell) and any(id == thread_id for id, _, _ in cell.agents):
                cell.agents = tuple((id, state if id == thread_id else was, text) for id, was, text in cell.agents)
                self.transcript.touch(cell)

    def _note_agents(self, cell: AgentsCell) -> None:
        for id, state, _ in cell.agents:
            self._progress.agent(id, self._unknown.pop(id, state))

    # -- notices ---------------------------------------------------------------------------------

    def _notice(self, method: str, params: Message) -> None:
        said = notices.notice_of(method, params)
        if said is not None:
            level = text_of(self._detail, "level") if self._detail.get("completes") == method else ""
            self._places.say(level or said.level, said.text, said.hint)

    def _detailed(self, params: Message) -> None:
        """What the next message, of the method `completes`, has no words for; alone it is plain information."""
        if params.get("completes") is not None:
            self._detail = params
        elif text := text_of(params, "message"):
            self._places.say(text_of(params, "level") or "info", text)

    def _server_status(self, params: Message) -> None:
        self._notice("mcpServer/startupStatus/updated", params)
        self._progress.server(text_of(params, "name"), text_of(params, "status"))

    def _rerouted(self, params: Message) -> None:
        self._notice("model/rerouted", params)
        self._status.model = text_of(params, "toModel")

    def _hook_started(self, params: Message) -> None:
        run = mapping_of(params, "run")
        key = "hook/" + _required(run, "id")
        if params.get("turnId") == self._status.turn_id:
            self._progress.doing(key, f"hook {text_of(run, 'eventName')}")

    def _hook_completed(self, params: Message) -> None:
        self._progress.did("hook/" + _required(mapping_of(params, "run"), "id"))
        self._notice("hook/completed", params)

    def _review_started(self, params: Message) -> None:
        wanted = notices.wanted_of(mapping_of(params, "action"))
        if self._places.open_turn(params) is not None:
            self._progress.doing("review/" + _required(params, "reviewId"), f"a reviewer looks at {wanted}")

    def _review_completed(self, params: Message) -> None:
        review_id = _required(params, "reviewId")
        turn_id = self._places.open_turn(params)
        self._progress.did("review/" + review_id)
        found, key = notices.decision_of(params), f"decision/{review_id}"
        if found is not None and turn_id is not None and self.transcript.get(key) is None:
            text, approved = found
            self.transcript.add(DecisionCell(key=key, turn_id=turn_id, text=text, approved=approved))


_OF_ANY = frozenset({*notices.NOTICES, DETAIL})
"""Notifications that may be of no thread."""


def _required(found: Message, name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise Malformed(f"no {name}")
    return value

"""The turn: context, request, stream, tool calls, outputs, and again, until the model asks for nothing more."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio

from .compaction import shortened, summarised
from .contracts.model import ModelRequest
from .errors import CodexError, ContextWindowExceeded, ExitCode, LimitReached, ProviderError, StoreError, advice
from .history import History
from .instructions import COMPACT_PROMPT, TURN_ABORTED
from .log import logger
from .protocol.events import (
    ErrorInfo,
    ItemCompleted,
    Notice,
    TokenCount,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    TurnState,
    TurnStateChanged,
)
from .protocol.ids import TurnId, new_item_id
from .protocol.ops import Steer, UserTurn
from .protocol.response_items import (
    AnyToolCall,
    CustomToolCall,
    FunctionCall,
    HistoryEntry,
    Message,
    Reasoning,
    ResponseItem,
    WebSearchCall,
    item_to_dict,
    text_message,
)
from .protocol.thread_items import (
    AgentMessageItem,
    ContextCompactionItem,
    ReasoningItem,
    ThreadItem,
    TodoListItem,
    WebSearchItem,
)
from .protocol.usage import TokenUsage
from .rollout_lines import line
from .sampling import ModelResponse, sample
from .thread_state import ThreadState
from .tool_calls import ToolRunner
from .turn_opening import (
    Opening,
    begin,
    compaction_due,
    model_request,
    open_handled,
    open_turn,
    prompt_text,
    take_input,
    tell_context,
)

MAX_STOP_BLOCKS = 20
"""How often handlers of Stop may send the model on in one turn."""


class Turn:
    """One turn of one thread. `run` ends in exactly one of completed, failed, interrupted."""

    def __init__(
        self,
        state: ThreadState,
        turn_id: TurnId,
        output_schema: Mapping[str, Any] | None = None,
        opening: Opening | None = None,
    ) -> None:
        self.state = state
        self.turn_id = turn_id
        self.usage = TokenUsage()
        self.notes: dict[str, str] = {}
        """What the model is told with the output of a call, by call id: how its edits were changed."""
        self._output_schema = output_schema
        self._opening = opening
        self._steers: deque[Steer] = deque()
        self._open_lists: dict[str, TodoListItem] = {}
        self._asking = 0
        self._last_message: str | None = None
        self._prompts: list[str] = []
        self._began = time.monotonic()
        self._scope = anyio.CancelScope()
        self._reason: str | None = None
        self._tools = ToolRunner(self)

    # -- from outside ----------------------------------------------------------------------------

    def steer(self, given: Steer) -> None:
        """Input that the model reads with its next request."""
        self._steers.append(given)

    def interrupt(self, reason: str) -> None:
        """Stop as soon as possible."""
        if self._reason is None:
            self._reason = reason
        self._scope.cancel()

    # -- the frame ---------------------------------------------------------------------------------

    async def run(self, op: UserTurn) -> None:
        """A whole turn with the user's input."""
        await self._frame(self._converse(op))

    async def run_compaction(self) -> None:
        """A turn that only shortens the history."""
        await self._frame(self._compact_only())

    async def _frame(self, body: Any) -> None:
        state = self.state
        state.recorder.turn_id = self.turn_id
        ending: TurnCompleted | TurnFailed | TurnInterrupted
        terminal = TurnState.FAILED
        try:
            with self._scope:
                await self._bounded(body)
            if self._reason is not None or self._scope.cancelled_caught:
                terminal, ending = TurnState.INTERRUPTED, self._interrupted()
            else:
                terminal, ending = TurnState.COMPLETED, self._completed()
        except CodexError as error:
            ending = self._failed(error)
        except Exception as error:  # noqa: BLE001 - a bug ends the turn with its name, never the thread
            self.log_exception("the turn failed", error)
            ending = self._failed(CodexError(f"internal error: {type(error).__name__}: {error}"))
        except BaseException:
            self._end(TurnState.INTERRUPTED, self._interrupted())
            raise
        if state.guards:
            terminal, ending = await self._guarded_end(terminal, ending)
        self._end(terminal, ending)
        self._notify()

    async def _guarded_end(
        self, terminal: TurnState, ending: TurnCompleted | TurnFailed | TurnInterrupted
    ) -> tuple[TurnState, TurnCompleted | TurnFailed | TurnInterrupted]:
        with anyio.CancelScope(shield=True):
            try:
                await self.state.guards.turn_ends(self.turn_id, terminal.value)
            except CodexError as error:
                return TurnState.FAILED, ending if isinstance(ending, TurnFailed) else self._failed(error)
        return terminal, ending

    def _notify(self) -> None:
        """Tell handlers that the turn is over, without waiting for them."""
        state = self.state
        if state.lifecycle.wants("Notification") and state.start_task is not None:
            state.start_task(
                partial(
                    state.lifecycle.fire,
                    "Notification",
                    "agent-turn-complete",
                    type="agent-turn-complete",
                    message=self._last_message or "",
                    turn_id=self.turn_id,
                    input_messages=self._prompts,
                    last_assistant_message=self._last_message,
                )
            )

    async def _bounded(self, body: Any) -> None:
        limit = self.state.settings.turn_timeout_s
        if limit is None:
            await body
            return
        with anyio.move_on_after(limit) as scope:
            await body
        if scope.cancelled_caught and self._reason is None:
            self._close_open_calls()
            raise LimitReached(f"the turn was stopped after {limit:g} s", hint="raise turn_timeout_sec")

    def _end(self, terminal: TurnState, ending: TurnCompleted | TurnFailed | TurnInterrupted) -> None:
        """Tell the end, whatever happens to the recording; the machine is idle afterwards."""
        recorder, machine = self.state.recorder, self.state.machine
        if machine.state is TurnState.IDLE:
            machine.move(TurnState.BUILDING_CONTEXT)
        lists = [ItemCompleted(item=item) for item in self._open_lists.values()]
        self._open_lists.clear()
        change = TurnStateChanged(previous=machine.state, state=terminal)
        try:
            recorder.emit_nowait(*lists, change, ending)
        except StoreError as error:
            terminal, failed = TurnState.FAILED, ending if isinstance(ending, TurnFailed) else self._failed(error)
            recorder.show_nowait(*lists, change.replace(state=terminal), failed)
        machine.move(terminal)
        machine.move(TurnState.IDLE)
        recorder.turn_id = None

    # -- endings -------------------------------------------------------------------------------------

    def _elapsed_ms(self) -> int:
        return int((time.monotonic() - self._began) * 1000)

    def _completed(self) -> TurnCompleted:
        return TurnCompleted(usage=self.usage, last_agent_message=self._last_message, duration_ms=self._elapsed_ms())

    def _interrupted(self) -> TurnInterrupted:
        self._close_open_calls()
        self.remember_quietly([text_message("user", TURN_ABORTED, id=new_item_id("msg"))])
        return TurnInterrupted(reason=self._reason or "interrupted", usage=self.usage, duration_ms=self._elapsed_ms())

    def _failed(self, error: CodexError) -> TurnFailed:
        self._close_open_calls()
        info = ErrorInfo(
            message=error.message,
            kind=type(error).__name__,
            hint=advice(error),
            exit_code=int(error.exit_code or ExitCode.FAILED),
            http_status=error.status if isinstance(error, ProviderError) else None,
        )
        return TurnFailed(error=info, usage=self.usage, duration_ms=self._elapsed_ms())

    def _close_open_calls(self) -> None:
        from .history import aborted_output

        self.remember_quietly([aborted_output(call) for call in self.state.recorder.history.open_calls()])

    # -- the loop ------------------------------------------------------------------------------------

    async def _converse(self, op: UserTurn) -> None:
        state = self.state
        if self._opening is None:
            if state.lifecycle.wants("SessionStart", "UserPromptSubmit"):
                await open_handled(state, op)
            else:
                open_turn(state, op)
        elif self._opening.error is not None:
            raise self._opening.error
        state.lifecycle.begun = True
        self._prompts = [prompt_text(op.input)]
        requests = stops = 0
        while True:
            limit = state.settings.max_turns
            if limit is not None and requests >= limit:
                raise LimitReached(f"the turn was stopped after {requests} model requests", hint="raise max_turns")
            if compaction_due(state):
                await self._compact("auto")
            response = await self._ask_model()
            requests += 1
            calls = await self._take_response(response)
            if calls:
                await self._move(TurnState.RUNNING_TOOLS)
                await self._tools.run_all(calls)
                if self._tools.abort:
                    self.interrupt("a reviewer stopped the turn")
                    await anyio.lowlevel.checkpoint()
            steered = await self._take_steers()
            if not calls and not steered:
                if not await self._goes_on(stops):
                    return
                stops += 1
            await self._move(TurnState.BUILDING_CONTEXT)

    async def _goes_on(self, stops: int) -> bool:
        """Whether handlers of Stop give the model something more to do."""
        state = self.state
        if not state.lifecycle.wants("Stop"):
            return False
        found = await state.lifecycle.fire(
            "Stop", stop_hook_active=stops > 0, last_assistant_message=self._last_message
        )
        if not found.block or found.stop:
            return False
        if stops >= MAX_STOP_BLOCKS:
            self.notify_once("warning", f"Stop hooks sent the model on {stops} times; the turn ends all the same")
            return False
        state.recorder.remember([text_message("user", found.block, id=new_item_id("msg"))])
        return True

    async def _compact_only(self) -> None:
        begin(self.state)
        await self._compact("manual")
        await self._move(TurnState.STREAMING)

    async def _take_steers(self) -> bool:
        steered = False
        while self._steers:
            take_input(self.state, self._steers.popleft())
            steered = True
        return steered

    async def _ask_model(self) -> ModelResponse:
        try:
            return await self._sample()
        except ContextWindowExceeded:
            # The server knows better than our count: shorten once, then let it say so again.
            await self._compact("auto")
            return await self._sample()

    async def _sample(self) -> ModelResponse:
        state = self.state
        if state.sources:
            await state.take_tools()
        await self._move(TurnState.STREAMING)
        try:
            return await sample(state.provider, self._next_request(), state.provider_info, state.recorder, state.guards)
        except ContextWindowExceeded:
            await self._move(TurnState.BUILDING_CONTEXT)
            raise

    def _next_request(self) -> ModelRequest:
        opening, self._opening = self._opening, None
        if opening is not None and opening.request is not None:
            return opening.request
        return model_request(self.state, self.turn_id, self._output_schema)

    async def _take_response(self, response: ModelResponse) -> list[AnyToolCall]:
        state = self.state
        shown = [ItemCompleted(item=item) for raw in response.items if (item := self._thread_item(raw)) is not None]
        state.recorder.remember(response.items)
        await state.recorder.emit(*shown, self._count(response.usage))
        return [item for item in response.items if isinstance(item, FunctionCall | CustomToolCall)]

    def _count(self, usage: TokenUsage | None) -> TokenCount:
        state = self.state
        last = usage or TokenUsage()
        state.last_total_tokens = last.total_tokens or state.recorder.history.estimated_tokens()
        return self.count_aside(last)

    def count_aside(self, last: TokenUsage) -> TokenCount:
        """Count what was used for something that is not in the history."""
        state = self.state
        self.usage += last
        state.total += last
        return TokenCount(last=last, total=state.total, context_window=state.model_info.context_window)

    def _thread_item(self, item: ResponseItem) -> ThreadItem | None:
        match item:
            case Message(role="assistant"):
                self._last_message = item.text
                return AgentMessageItem(id=item.id or new_item_id("msg"), text=item.text, phase=item.phase)
            case Reasoning() if item.summary or item.content:
                raw = tuple(part.get("text", "") for part in item.content or () if isinstance(part, dict))
                return ReasoningItem(id=item.id or new_item_id("rs"), summary=item.summary, raw_content=raw)
            case WebSearchCall():
                action = item.action if isinstance(item.action, dict) else {}
                query = str(action.get("query", ""))
                return WebSearchItem(id=item.id or new_item_id("ws"), query=query, action=item.action)
            case _:
                return None

    # -- compaction ----------------------------------------------------------------------------------

    async def _compact(self, trigger: str) -> None:
        """Shorten the history: by the model's summary, else by cutting. Raises `LimitReached` when a handler
        forbids it."""
        state = self.state
        found = await state.lifecycle.fire("PreCompact", trigger, trigger=trigger)
        if reason := found.stop or found.block:
            raise LimitReached(f"a hook kept the history from being shortened: {reason}")
        entries = state.recorder.history.entries()
        questions = [request.reason for request in state.gate.open_requests()]
        summary, why = await self._summary(entries)
        if summary:
            shorter = summarised(entries, summary, state.plan, questions)
        else:
            budget = state.model_info.context_window or state.compact_limit or 32_000
            shorter = shortened(entries, budget, state.plan, questions)
            await state.recorder.emit(
                Notice(level="warning", message=f"the history was cut without a summary, which failed: {why}")
            )
        replacement = [item_to_dict(entry.item) for entry in shorter]
        state.recorder.write(line("compacted", {"message": summary, "replacement_history": replacement}))
        state.recorder.history.replace(shorter)
        state.last_total_tokens = 0
        state.context.forget()
        item = ContextCompactionItem(id=new_item_id(), fallback=not summary)
        await state.recorder.emit(ItemCompleted(item=item))
        tell_context(state, self.turn_id)
        found = await state.lifecycle.fire("PostCompact", trigger, trigger=trigger)
        state.lifecycle.remember(found.context)

    async def _summary(self, entries: Sequence[HistoryEntry]) -> tuple[str, str]:
        """The model's hand-over and, where there is none, the reason."""
        state = self.state
        prompt = text_message("user", state.settings.compact_prompt or COMPACT_PROMPT, id=new_item_id("msg"))
        history = History([*entries, HistoryEntry.of(prompt)])
        request = model_request(state, self.turn_id, None).replace(
            input=history.entries(), tools=(), want_deltas=False, kind="compact"
        )
        try:
            response = await sample(state.provider, request, state.provider_info, state.recorder, state.guards)
        except ProviderError as error:
            return "", error.message
        await state.recorder.emit(self._count(response.usage))
        texts = [item.text for item in response.items if isinstance(item, Message)]
        return "".join(texts).strip(), "the model answered without text"

    # -- services for the tools ------------------------------------------------------------------------

    async def _move(self, to: TurnState) -> None:
        previous = self.state.machine.move(to)
        await self.state.recorder.emit(TurnStateChanged(previous=previous, state=to))

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """The turn waits for an approval; several calls may at once."""
        self._asking += 1
        if self._asking == 1:
            await self._move(TurnState.WAITING_FOR_APPROVAL)
        try:
            yield
        finally:
            self._asking -= 1
            if self._asking == 0:
                previous = self.state.machine.move(TurnState.RUNNING_TOOLS)
                self.state.recorder.emit_nowait(TurnStateChanged(previous=previous, state=TurnState.RUNNING_TOOLS))

    def note_item(self, item: ThreadItem) -> None:
        """Plans stay open until the turn ends; the kernel completes them."""
        if isinstance(item, TodoListItem):
            self._open_lists[item.id] = item
            self.state.plan = item

    def note_done(self, item: ThreadItem) -> None:
        """An item is complete."""
        self._open_lists.pop(item.id, None)

    def notify_once(self, level: str, text: str) -> None:
        """Tell the user something, once per thread."""
        if text not in self.state.told_once:
            self.state.told_once.add(text)
            self.state.recorder.emit_nowait(Notice(level=level, message=text))

    def log_exception(self, text: str, error: BaseException) -> None:
        """Keep the traceback for `--debug`."""
        logger().error(text, exc_info=error)

    def remember_quietly(self, items: Sequence[ResponseItem]) -> None:
        """Remember while something else is already wrong: a disk that fails now must not hide the first cause."""
        try:
            self.state.recorder.remember(items)
        except StoreError as error:
            for item in items:
                self.state.recorder.history.add(HistoryEntry.of(item))
            logger().error("could not record the end of a turn", exc_info=error)

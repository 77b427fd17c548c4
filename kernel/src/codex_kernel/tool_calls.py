"""Running the calls of one response: in parallel where the tools allow it, results in the order of the calls."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anyio
import orjson

from .contracts.model import ToolDefinition
from .contracts.tool import Tool, ToolCall, ToolOutput
from .errors import LimitReached, PluginError, PolicyDenied, StoreError, ToolFailed
from .history import aborted_output
from .instructions import REPEATED_CALL
from .protocol.ids import new_item_id
from .protocol.response_items import (
    AnyToolCall,
    ContentPart,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    ResponseItem,
)
from .tool_context import KernelToolContext

if TYPE_CHECKING:
    from .turn import Turn

REPEATS_NOTICED = 3


class RepeatWatch:
    """Notices a model that sends one failing call again and again."""

    def __init__(self) -> None:
        self._last: tuple[str, str] | None = None
        self._count = 0

    def note(self, call: AnyToolCall, *, success: bool) -> int:
        """How often in a row this exact call has failed now; 0 after a success."""
        key = (call.name, _raw_input(call))
        self._count = 0 if success else (self._count + 1 if key == self._last else 1)
        self._last = key
        return self._count


class ToolRunner:
    """Runs calls for one turn."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._watch = RepeatWatch()
        self.abort = False

    async def run_all(self, calls: Sequence[AnyToolCall]) -> None:
        """Run the calls and remember their outputs in the order of the calls. When cancelled, every call
        that has no output yet gets one that says so, and the cancellation goes on."""
        done: dict[int, ResponseItem] = {}
        began = time.monotonic()
        recorded = 0
        try:
            for group in self._groups(calls):
                await self._run_group(calls, group, done)
                outputs = [done[index] for index in group]
                self._turn.state.recorder.remember(outputs)
                recorded = group[-1] + 1
                if self.abort:
                    break
        finally:
            rest = range(recorded, len(calls))
            if rest:
                elapsed = time.monotonic() - began
                self._turn.remember_quietly(
                    [done.get(index) or aborted_output(calls[index], elapsed) for index in rest]
                )

    def _groups(self, calls: Sequence[AnyToolCall]) -> list[list[int]]:
        """Neighbouring parallel-safe calls together, every other one alone."""
        groups: list[list[int]] = []
        joinable = False
        for index, call in enumerate(calls):
            tool = self._turn.state.tools.get(_name(call))
            safe = tool is None or tool.parallel_safe
            if groups and safe and joinable:
                groups[-1].append(index)
            else:
                groups.append([index])
            joinable = safe
        return groups

    async def _run_group(
        self, calls: Sequence[AnyToolCall], group: Sequence[int], done: dict[int, ResponseItem]
    ) -> None:
        async def one(index: int) -> None:
            done[index] = await self._run_one(calls[index])

        if len(group) == 1:
            await one(group[0])
            return
        async with anyio.create_task_group() as tasks:
            for index in group:
                tasks.start_soon(one, index)

    async def _run_one(self, call: AnyToolCall) -> ResponseItem:
        output = await self._outcome(call)
        told = ToolCall(call_id=call.call_id, name=_name(call), input=_raw_input(call))
        self._turn.state.guards.call_ends(told, output)
        count = self._watch.note(call, success=output.success)
        if note := self._turn.notes.pop(call.call_id, ""):
            output = _with_note(output, note)
        if count >= REPEATS_NOTICED:
            output = _with_note(output, REPEATED_CALL.format(count=count))
        return _output_item(call, output)

    async def _outcome(self, call: AnyToolCall) -> ToolOutput:
        tool = self._turn.state.tools.get(_name(call))
        if tool is None or tool.definition not in self._turn.state.definitions:
            kind = "custom tool call" if isinstance(call, CustomToolCall) else "call"
            return ToolOutput(output=f"unsupported {kind}: {_name(call)}", success=False)
        try:
            ctx = KernelToolContext(self._turn, call.call_id)
            parsed = parse_call(call, tool.definition)
            await self._turn.state.guards.call_begins(parsed)
            lifecycle = self._turn.state.lifecycle
            if lifecycle.wants("PreToolUse", "PostToolUse"):
                return await self._handled(tool, parsed, ctx)
            tool, parsed = self._claimed(tool, parsed, ctx)
            return await tool.run(parsed, ctx)
        except PolicyDenied as error:
            self.abort = self.abort or error.abort
            return ToolOutput(output=str(error), success=False)
        except ToolFailed as error:
            return ToolOutput(output=str(error), success=False)
        except (StoreError, LimitReached, PluginError):
            raise  # the turn's recording failed, or a guard ends it, not the tool
        except Exception as error:  # noqa: BLE001 - a broken tool is told to the model and the user; the turn goes on
            return await self._broken(call, tool, error)

    async def _handled(self, tool: Tool, call: ToolCall, ctx: KernelToolContext) -> ToolOutput:
        """Run a call with handlers told before and after. Raises as `Tool.run`, `PolicyDenied` when they block it."""
        lifecycle = self._turn.state.lifecycle
        payload: dict[str, Any] = {"tool_name": call.name, "tool_input": _tool_input(call), "tool_use_id": call.call_id}
        before = await lifecycle.fire("PreToolUse", call.name, **payload)
        if before.stop or before.block:
            raise PolicyDenied(f"blocked by a hook: {before.block or before.stop}", abort=bool(before.stop))
        if before.updated_input is not None:
            call = _with_input(call, before.updated_input)
            payload["tool_input"] = _tool_input(call)
        tool, call = self._claimed(tool, call, ctx)
        output = await tool.run(call, ctx)
        after = await lifecycle.fire("PostToolUse", call.name, **payload, tool_response=_text(output))
        self.abort = self.abort or bool(after.stop)
        notes = [*before.context, *after.context]
        if after.block:
            notes.append(f"A hook calls this result wrong: {after.block}")
        return _with_note(output, "\n\n".join(notes)) if notes else output

    def _claimed(self, tool: Tool, call: ToolCall, ctx: KernelToolContext) -> tuple[Tool, ToolCall]:
        """The tool that runs a call: another may have a better way to do it."""
        for other in self._turn.state.tools.values():
            claim = getattr(other, "claim", None)
            if claim is not None and other is not tool and (taken := claim(call, ctx)) is not None:
                return other, taken
        return tool, call

    async def _broken(self, call: AnyToolCall, tool: Tool, error: Exception) -> ToolOutput:
        text = f"tool {tool.definition.name} failed: {type(error).__name__}: {error}"
        self._turn.notify_once("warning", text)
        self._turn.log_exception(text, error)
        return ToolOutput(output=text, success=False)


def parse_call(call: AnyToolCall, definition: ToolDefinition) -> ToolCall:
    """The call as the tool gets it. Raises `ToolFailed` when a function's arguments are not an object or
    lack a required member."""
    raw = _raw_input(call)
    if definition.freeform:
        # Servers without freeform tools send {"input": text}.
        text = raw if isinstance(call, CustomToolCall) else _arguments(raw, ("input",)).get("input")
        if not isinstance(text, str):
            raise ToolFailed("failed to parse function arguments: `input` must be a string")
        return ToolCall(call_id=call.call_id, name=definition.name, input=text, freeform=True)
    required = definition.parameters.get("required", ())
    arguments = _arguments(raw, required if isinstance(required, list | tuple) else ())
    return ToolCall(call_id=call.call_id, name=definition.name, input=raw, arguments=arguments)


def _arguments(raw: str, required: Sequence[Any]) -> Mapping[str, Any]:
    try:
        parsed = orjson.loads(raw or "{}")
    except orjson.JSONDecodeError as error:
        raise ToolFailed(f"failed to parse function arguments: {error}") from error
    if not isinstance(parsed, dict):
        raise ToolFailed("failed to parse function arguments: expected a JSON object")
    missing = [name for name in required if name not in parsed]
    if missing:
        raise ToolFailed(f"failed to parse function arguments: missing field `{missing[0]}`")
    return parsed


def _name(call: AnyToolCall) -> str:
    namespace = call.namespace if isinstance(call, FunctionCall) else None
    return f"{namespace}{call.name}" if namespace else call.name


def _raw_input(call: AnyToolCall) -> str:
    return call.input if isinstance(call, CustomToolCall) else call.arguments


def _tool_input(call: ToolCall) -> Mapping[str, Any]:
    return {"input": call.input} if call.freeform else call.arguments


def _with_input(call: ToolCall, given: Mapping[str, Any]) -> ToolCall:
    if call.freeform:
        return call.replace(input=str(given.get("input", call.input)))
    return call.replace(input=orjson.dumps(given).decode(), arguments=given)


def _text(output: ToolOutput) -> str:
    if isinstance(output.output, str):
        return output.output
    return "\n".join(part.text or "" for part in output.output)


def _with_note(output: ToolOutput, note: str) -> ToolOutput:
    if isinstance(output.output, str):
        return output.replace(output=f"{output.output}\n\n{note}")
    return output.replace(output=(*output.output, ContentPart(type="input_text", text=note)))


def _output_item(call: AnyToolCall, output: ToolOutput) -> ResponseItem:
    if isinstance(call, CustomToolCall):
        return CustomToolCallOutput(call_id=call.call_id, output=output.output, id=new_item_id("ctco"))
    return FunctionCallOutput(call_id=call.call_id, output=output.output, id=new_item_id("fco"))

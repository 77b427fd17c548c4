"""Tools that a client brings with a thread: the model calls them, the client carries them out."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import (
    ContentPart,
    ItemStatus,
    ToolCall,
    ToolCallItem,
    ToolContext,
    ToolDefinition,
    ToolFailed,
    ToolOutput,
    Value,
    value,
)

from .wire import RpcError

if TYPE_CHECKING:
    from .client import Client

META = "dynamic_tools"
"""Where a rollout keeps them, for who resumes the thread."""
MAX_NAME_CHARS = 128
_NAME = re.compile(r"[a-zA-Z0-9_-]+\Z")
_RESERVED = "mcp__"


@value
class DynamicToolSpec(Value):
    """One tool; `namespace` is empty for one that has none."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    namespace: str = ""

    @property
    def model_name(self) -> str:
        """What the model calls it."""
        return f"{self.namespace}__{self.name}" if self.namespace else self.name


def read_specs(given: Sequence[Mapping[str, Any]], taken: Sequence[str] = ()) -> list[DynamicToolSpec]:
    """The tools that a client declares; `taken` are names that the thread has already. Raises `RpcError`."""
    found: list[DynamicToolSpec] = []
    names = set(taken)
    for spec in _each(given):
        if spec.model_name in names:
            raise RpcError(f"duplicate dynamic tool name: {spec.model_name}")
        names.add(spec.model_name)
        found.append(spec)
    return found


def _each(given: Sequence[Mapping[str, Any]]) -> Iterator[DynamicToolSpec]:
    for entry in given:
        if entry.get("type") == "namespace":
            namespace = _checked(entry, "namespace")
            for inner in entry.get("tools") or ():
                yield _spec(inner, namespace)
        else:
            yield _spec(entry, "")


def _spec(entry: Mapping[str, Any], namespace: str) -> DynamicToolSpec:
    name, schema = _checked(entry, "name"), entry.get("inputSchema")
    if not isinstance(schema, dict):
        raise RpcError(f"dynamic tool input schema is not supported for {name}: it is not an object")
    description = entry.get("description")
    if not isinstance(description, str):
        raise RpcError("Invalid request: missing field `description`")
    return DynamicToolSpec(name=name, description=description, parameters=schema, namespace=namespace)


def _checked(entry: Mapping[str, Any], what: str) -> str:
    name = entry.get("name")
    if not isinstance(name, str):
        raise RpcError("Invalid request: missing field `name`")
    if not name:
        raise RpcError(f"dynamic tool {what} must not be empty")
    if len(name) > MAX_NAME_CHARS:
        raise RpcError(
            f"dynamic tool {what} must be at most {MAX_NAME_CHARS} characters to match Responses API: {name}"
        )
    if not _NAME.match(name):
        raise RpcError(f"dynamic tool {what} must match ^[a-zA-Z0-9_-]+$ to match Responses API: {name}")
    if name.startswith(_RESERVED):
        raise RpcError(f"dynamic tool {what} is reserved: {name}")
    return name


class DynamicCalls:
    """The calls of one thread's dynamic tools. They go to the client that declared the tools; once that has left, to
    another that listens."""

    def __init__(self, thread_id: str, listeners: set[Client]) -> None:
        self._thread_id, self._listeners = thread_id, listeners
        self.owner: Client | None = None
        self.shown: dict[str, dict[str, Any]] = {}
        """What clients see of a call beside its item, by call id."""
        self._heard: dict[str, anyio.Event] = {}

    def heard(self, item_id: str) -> None:
        """Clients have been told that the call begins: now the request may follow."""
        if (event := self._heard.get(item_id)) is not None:
            event.set()

    def end_turn(self) -> None:
        """Nothing is shown of the turn's calls any more."""
        self.shown.clear()

    async def ask(self, spec: DynamicToolSpec, call: ToolCall, ctx: ToolContext) -> tuple[list[dict[str, Any]], bool]:
        """Content items, and whether it went well. Raises `ToolFailed`."""
        await self._heard[call.call_id].wait()
        client = self.owner if self.owner in self._listeners else next(iter(self._listeners), None)
        if client is None:
            raise ToolFailed("no client is there to carry out the tool")
        params = {
            "threadId": self._thread_id,
            "turnId": ctx.turn_id,
            "callId": call.call_id,
            "namespace": spec.namespace or None,
            "tool": spec.name,
            "arguments": call.arguments,
        }
        try:
            answer = await client.ask("item/tool/call", params)
        except RpcError as error:
            raise ToolFailed(f"dynamic tool request failed: {error.message}") from error
        return _read(answer)

    async def carry_out(self, spec: DynamicToolSpec, call: ToolCall, ctx: ToolContext) -> ToolOutput:
        """A whole call: shown, asked for, shown again."""
        began = time.monotonic()
        self._heard[call.call_id] = anyio.Event()
        self.shown[call.call_id] = {"namespace": spec.namespace or None, "arguments": call.arguments}
        item = ToolCallItem(id=call.call_id, tool=spec.name, arguments=call.input, status=ItemStatus.IN_PROGRESS)
        content: list[dict[str, Any]] = []
        success = False
        try:
            await ctx.item_started(item)
            content, success = await self.ask(spec, call, ctx)
        except ToolFailed as error:
            content = [{"type": "inputText", "text": str(error)}]
            raise
        finally:
            del self._heard[call.call_id]
            self.shown[call.call_id] |= {"contentItems": content, "durationMs": int((time.monotonic() - began) * 1000)}
            status = ItemStatus.COMPLETED if success else ItemStatus.FAILED
            with anyio.CancelScope(shield=True):
                await ctx.item_completed(item.replace(status=status, output=_text(content)))
        return ToolOutput(output=_output(content), success=success)


class DynamicTool:
    """Implements the `Tool` contract for one of them."""

    parallel_safe = True

    def __init__(self, spec: DynamicToolSpec, calls: DynamicCalls) -> None:
        self._spec, self._calls = spec, calls
        self.definition = ToolDefinition(
            name=spec.model_name, description=spec.description, parameters={"properties": {}, **spec.parameters}
        )

    async def run(self, call: ToolCall, ctx: ToolContext) -> ToolOutput:
        """Ask the client. Raises `ToolFailed`."""
        return await self._calls.carry_out(self._spec, call, ctx)

    async def aclose(self) -> None:
        """Nothing outlives a call."""


def _read(answer: Any) -> tuple[list[dict[str, Any]], bool]:
    items = answer.get("contentItems") if isinstance(answer, Mapping) else None
    if not isinstance(items, list) or not isinstance(answer.get("success"), bool):
        raise ToolFailed(f"dynamic tool response is not one: {answer!r:.200}")
    for item in items:
        key = _MEMBERS.get(str(item.get("type"))) if isinstance(item, dict) else None
        if key is None or not isinstance(item.get(key), str):
            raise ToolFailed(f"dynamic tool response has content that is none: {item!r:.200}")
    found = [{"type": item["type"], _MEMBERS[item["type"]]: item[_MEMBERS[item["type"]]]} for item in items]
    return found, answer["success"]


_MEMBERS = {"inputText": "text", "inputImage": "imageUrl", "inputAudio": "audioUrl"}


def _text(content: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(str(item.get("text", f"[{item['type']}]")) for item in content)


def _output(content: Sequence[Mapping[str, Any]]) -> str | tuple[ContentPart, ...]:
    """What the model reads: text, or parts where there is more. No model here hears: sound is told of in words."""
    if all(item["type"] == "inputText" for item in content) and len(content) <= 1:
        return _text(content)
    return tuple(
        ContentPart(type="input_image", image_url=item["imageUrl"])
        if item["type"] == "inputImage"
        else ContentPart(type="input_text", text=_text([item]))
        for item in content
    )

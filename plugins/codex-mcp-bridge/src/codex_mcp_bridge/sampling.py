"""What a server asks the thread's model while it carries out a call: only with consent, bounded, and counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ContentPart, Message, PolicyDenied, ProviderError, text_message

from .approval import McpIntent, authorize, must_ask
from .results import CHARS_PER_TOKEN
from .safe_text import shown

if TYPE_CHECKING:
    import mcp.types

    from codex_plugin_sdk import ResponseItem, ToolSourceSetup

    from .running import RunningCall, RunningCalls

MAX_SAMPLES = 20
MAX_MESSAGES = 100
MAX_CHARS = 200_000
MAX_IMAGE_CHARS = 8_000_000
REJECTED = -1
"""The code of an error that says that the user refused, as the protocol's own example has it."""


class _Refused(Exception):
    """The request is not carried out; for the server."""


class Sampler:
    """Answers sampling requests of one server."""

    def __init__(self, server: str, setup: ToolSourceSetup, running: RunningCalls) -> None:
        self._server, self._setup, self._running = server, setup, running

    async def sample(
        self, params: mcp.types.CreateMessageRequestParams
    ) -> mcp.types.CreateMessageResult | mcp.types.ErrorData:
        """The model's answer, or the error that says why there is none."""
        from mcp.types import INVALID_PARAMS, ErrorData

        call = self._running.latest()
        if call is None:
            return ErrorData(code=REJECTED, message="sampling is answered only while a call of this server runs")
        if call.sampled >= MAX_SAMPLES:
            return ErrorData(code=REJECTED, message=f"no more than {MAX_SAMPLES} samples are taken in one call")
        call.sampled += 1
        found: mcp.types.CreateMessageResult | mcp.types.ErrorData
        found = ErrorData(code=REJECTED, message="the call ended before the model had answered")
        with call.attached():
            async with self._running.turn:
                try:
                    found = await self._sampled(call, params)
                except _Refused as refused:
                    found = ErrorData(code=INVALID_PARAMS, message=str(refused))
                except PolicyDenied as denied:
                    found = ErrorData(code=REJECTED, message=f"User rejected sampling request: {denied.message}")
                except ProviderError as error:
                    found = ErrorData(code=REJECTED, message=f"the model did not answer: {error.message}")
        return found

    async def _sampled(
        self, call: RunningCall, params: mcp.types.CreateMessageRequestParams
    ) -> mcp.types.CreateMessageResult:
        if params.tools:
            raise _Refused("sampling with tools is not offered")
        items = _items(params.messages)
        system = params.system_prompt or ""
        if len(system) > MAX_CHARS:
            raise _Refused(f"the system prompt is longer than {MAX_CHARS:,} characters")
        await authorize(call.ctx, self._intent(call, params))
        frame = f"The MCP server {self._server} asks this of you for its tool. Answer directly; you have no tools here."
        answer = await call.ctx.sample(items, instructions=f"{frame}\n\n{system}".strip())
        return self._result(answer, params.max_tokens)

    def _intent(self, call: RunningCall, params: mcp.types.CreateMessageRequestParams) -> McpIntent:
        last = next((block.text for block in params.messages[-1].content_as_list if block.type == "text"), "")
        free = must_ask(call.mode, None) == ""
        return McpIntent(
            tool=f"mcp__{self._server}__sampling",
            arguments={
                "messages": len(params.messages),
                "system_prompt": shown(params.system_prompt or "", 1_000),
                "last_message": shown(last, 2_000),
            },
            summary=f"{self._server} asks the model",
            read_only=free,
            must_ask="" if free else f"the MCP server {self._server} wants to ask the model something",
        )

    def _result(self, answer: Sequence[ResponseItem], max_tokens: int) -> mcp.types.CreateMessageResult:
        from mcp.types import CreateMessageResult, TextContent

        text = "".join(item.text for item in answer if isinstance(item, Message))
        limit = max(1, max_tokens) * CHARS_PER_TOKEN
        return CreateMessageResult(
            role="assistant",
            content=TextContent(type="text", text=text[:limit]),
            model=str(self._setup.tools.config.get("model") or "unknown"),
            stop_reason="maxTokens" if len(text) > limit else "endTurn",
        )


def _items(messages: Sequence[mcp.types.SamplingMessage]) -> list[Message]:
    """The messages as the model reads them. Raises `_Refused`."""
    if not 0 < len(messages) <= MAX_MESSAGES:
        raise _Refused(f"there must be 1 to {MAX_MESSAGES} messages")
    room = MAX_CHARS
    items = []
    for message in messages:
        parts: list[ContentPart] = []
        for block in message.content_as_list:
            part = _part(block, message.role)
            room -= len(part.text or "")
            parts.append(part)
        items.append(text_message(message.role).replace(content=tuple(parts)))
    if room < 0:
        raise _Refused(f"the messages are longer than {MAX_CHARS:,} characters")
    return items


def _part(block: Any, role: str) -> ContentPart:
    if block.type == "text":
        return ContentPart(type="output_text" if role == "assistant" else "input_text", text=shown(block.text))
    if block.type == "image" and role == "user" and len(block.data) <= MAX_IMAGE_CHARS:
        from .results import image_url

        url = image_url(block.data)
        if url is not None:
            return ContentPart(type="input_image", image_url=url)
    raise _Refused(f"{block.type} is not taken in a message of the {role}")

"""The body of a request, as parts: history items are joined as they lie in the history, never encoded again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from codex_plugin_sdk import ModelRequest, ToolDefinition, encode_item, text_message

from .models import model_info

OUTPUT_SCHEMA_NAME = "codex_output_schema"
_SERVICE_TIERS = {"fast": "priority"}


class RequestEncoder:
    """Encodes requests; keeps the encoded tools and instructions, which rarely change between requests."""

    def __init__(self) -> None:
        self._tools: tuple[ToolDefinition, ...] | None = None
        self._encoded_tools = b"[]"
        self._instructions: str | None = None
        self._encoded_instructions = b""

    def parts(self, request: ModelRequest) -> tuple[bytes, ...]:
        """The JSON body in three parts; the history is joined once."""
        head = orjson.dumps(_settings(request))[:-1]
        items = [entry.encoded for entry in request.input]
        if request.instructions:
            items.insert(0, self._instruction_item(request.instructions))
        if request.tools:
            head = b'%b,"tools":%b' % (head, self._tool_list(request.tools))
        return head + b',"input":[', b",".join(items), b"]}"

    def _instruction_item(self, instructions: str) -> bytes:
        if instructions != self._instructions:
            self._instructions = instructions
            self._encoded_instructions = encode_item(text_message("developer", instructions))
        return self._encoded_instructions

    def _tool_list(self, tools: tuple[ToolDefinition, ...]) -> bytes:
        # By identity: comparing schemas each time would cost more than it saves.
        if tools is not self._tools:
            self._tools = tools
            self._encoded_tools = orjson.dumps([_tool(tool) for tool in tools])
        return self._encoded_tools


def _settings(request: ModelRequest) -> dict[str, Any]:
    """Everything but tools and input, in the order in which Codex writes it."""
    info = model_info(request.model)
    body: dict[str, Any] = {"model": request.model, "stream": True, "tool_choice": "auto"}
    body["parallel_tool_calls"] = request.parallel_tool_calls
    reasoning = _reasoning(request.effort or info.default_effort, request.summary)
    if reasoning:
        body["reasoning"] = reasoning
    body["store"] = False
    # Models that do not reason refuse to be asked for encrypted reasoning.
    body["include"] = ["reasoning.encrypted_content"] if reasoning else []
    body["prompt_cache_key"] = request.thread_id
    text = _text(request.verbosity or info.default_verbosity, request.output_schema)
    if text:
        body["text"] = text
    if request.service_tier:
        body["service_tier"] = _SERVICE_TIERS.get(request.service_tier, request.service_tier)
    body["client_metadata"] = {
        "thread_id": request.thread_id,
        "turn_id": request.turn_id,
        "session_id": request.thread_id,
    }
    return body


def _reasoning(effort: str | None, summary: str | None) -> dict[str, str]:
    found = {}
    if effort:
        found["effort"] = effort
    if summary and summary != "none":
        found["summary"] = summary
    return found


def _text(verbosity: str | None, schema: Mapping[str, Any] | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if verbosity:
        found["verbosity"] = verbosity
    if schema is not None:
        found["format"] = {"type": "json_schema", "strict": True, "name": OUTPUT_SCHEMA_NAME, "schema": schema}
    return found


def _tool(tool: ToolDefinition) -> dict[str, Any]:
    if tool.freeform:
        form = dict(tool.grammar) if tool.grammar is not None else {"type": "text"}
        return {"type": "custom", "name": tool.name, "description": tool.description, "format": form}
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "strict": tool.strict,
        "parameters": tool.parameters,
    }

"""The body of a request, as parts."""

from __future__ import annotations

from typing import Any

import orjson

from codex_plugin_sdk import ModelRequest, ToolDefinition

from .messages import MessageEncoder

OUTPUT_SCHEMA_NAME = "codex_output_schema"
FREEFORM_PARAMETER = "input"


class RequestEncoder:
    """Encodes requests; keeps the encoded tools and each history entry's share."""

    def __init__(self) -> None:
        self._messages = MessageEncoder()
        self._tools: tuple[ToolDefinition, ...] | None = None
        self._encoded_tools = b"[]"

    def parts(self, request: ModelRequest, *, reasoning_field: str | None = None) -> tuple[bytes, ...]:
        """The JSON body in three parts. `reasoning_field` is where this server reads reasoning back."""
        head = orjson.dumps(_settings(request))[:-1]
        if request.tools:
            head = b'%b,"tools":%b' % (head, self._tool_list(request.tools))
        messages = self._messages.encode(request.instructions, request.input, reasoning_field=reasoning_field)
        return head + b',"messages":[', b",".join(messages), b"]}"

    def _tool_list(self, tools: tuple[ToolDefinition, ...]) -> bytes:
        if tools is not self._tools:
            self._tools = tools
            self._encoded_tools = orjson.dumps([_tool(tool) for tool in tools])
        return self._encoded_tools


def _settings(request: ModelRequest) -> dict[str, Any]:
    body: dict[str, Any] = {"model": request.model, "stream": True, "stream_options": {"include_usage": True}}
    if request.tools:
        body["tool_choice"] = "auto"
        body["parallel_tool_calls"] = request.parallel_tool_calls
    # The rest only when it was asked for: many servers refuse what their model cannot do.
    if request.effort:
        body["reasoning_effort"] = request.effort
    if request.verbosity:
        body["verbosity"] = request.verbosity
    if request.service_tier:
        body["service_tier"] = request.service_tier
    if request.output_schema is not None:
        schema = {"name": OUTPUT_SCHEMA_NAME, "strict": True, "schema": request.output_schema}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def _tool(tool: ToolDefinition) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    if tool.freeform:
        function["description"] = _freeform_description(tool)
        function["parameters"] = {
            "type": "object",
            "properties": {FREEFORM_PARAMETER: {"type": "string", "description": "The whole text, as it is."}},
            "required": [FREEFORM_PARAMETER],
            "additionalProperties": False,
        }
    elif not tool.parameters:
        function["parameters"] = {"type": "object", "properties": {}}
    if tool.strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _freeform_description(tool: ToolDefinition) -> str:
    text = f"{tool.description}\n\nPut the text into the parameter `{FREEFORM_PARAMETER}`.".lstrip()
    definition = (tool.grammar or {}).get("definition")
    if isinstance(definition, str) and definition:
        text += f" It must fit this grammar:\n{definition}"
    return text

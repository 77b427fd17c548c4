"""Scripts: `{"version": 1, "responses": [...]}`, written by hand or by a program. README.md has the format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import orjson

from codex_plugin_sdk import ModelEvent, ModelInfo, ResponseItem, TokenUsage, UnknownItem, decode_item

from .script import CONTEXT_WINDOW, FAULTS, Answer, Fault, Script, ScriptError, usage_from

VERSION = 1
_TOP = {"version", "responses", "strict", "model_info", "comment"}
_RESPONSE = {
    "items",
    "events",
    "usage",
    "deltas",
    "kind",
    "outputs",
    "fault",
    "status",
    "message",
    "retry_after_s",
    "comment",
}
_FIGURES = {"context_window", "auto_compact_token_limit"}
_SWITCHES = {"supports_images", "supports_freeform_tools"}


def read_script(path: str, data: bytes) -> Script:
    """The script in `data`. Raises `ScriptError`, for JSON that does not parse with line and column."""
    try:
        raw = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise ScriptError(f"is not JSON: {error.msg}", path=path, where=where) from error
    return _Reader(path).script(raw)


class _Reader:
    """Knows the path, so that every complaint can name it."""

    def __init__(self, path: str) -> None:
        self._path = path

    def script(self, raw: Any) -> Script:
        top = self._object(raw, "the top level", _TOP)
        version = top.get("version")
        if version != VERSION or isinstance(version, bool):
            raise self._error("version", f"this is version {version!r}, and only {VERSION} is known")
        responses = self._list(top.get("responses"), "responses")
        answers = [self._answer(entry, f"responses[{index}]") for index, entry in enumerate(responses)]
        return Script(
            path=self._path,
            answers=tuple(answers),
            strict=self._switch(top, "strict", default=False, where=""),
            model_info=self._model_info(top.get("model_info", {})),
        )

    def _answer(self, raw: Any, where: str) -> Answer:
        body = self._object(raw, where, _RESPONSE)
        fault = self._fault(body, where)
        if "events" in body and ({"items", "usage"} & body.keys()):
            raise self._error(where, "give either `events`, or `items` and `usage`")
        if fault is None and not {"events", "items"} & body.keys():
            raise self._error(where, "an answer needs `items`, `events` or `fault`")
        kind = body.get("kind", "turn")
        if not isinstance(kind, str):
            raise self._error(f"{where}.kind", "must be a string")
        return Answer(
            where=where,
            items=self._items(body.get("items", []), f"{where}.items"),
            events=self._events(body["events"], f"{where}.events") if "events" in body else None,
            usage=self._usage(body.get("usage"), f"{where}.usage"),
            deltas=self._switch(body, "deltas", default=True, where=where),
            kind=kind,
            fault=fault,
            outputs=self._outputs(body.get("outputs", {}), f"{where}.outputs"),
        )

    def _items(self, raw: Any, where: str) -> tuple[ResponseItem, ...]:
        return tuple(self.item(entry, f"{where}[{index}]") for index, entry in enumerate(self._list(raw, where)))

    def item(self, raw: Any, where: str) -> ResponseItem:
        body = self._object(raw, where)
        if not isinstance(body.get("type"), str):
            raise self._error(where, "an item needs a `type`")
        item = decode_item(body)
        if isinstance(item, UnknownItem) and item.tag in _KNOWN_TAGS:
            raise self._error(where, f"a {item.tag} item needs {_KNOWN_TAGS[item.tag]}")
        return item

    def _events(self, raw: Any, where: str) -> tuple[ModelEvent, ...]:
        from .wire import WireError, decode_event

        events: list[ModelEvent] = []
        for index, entry in enumerate(self._list(raw, where)):
            here = f"{where}[{index}]"
            try:
                events += decode_event(self._object(entry, here), partial(self.item, where=f"{here}.item"))
            except WireError as error:
                raise self._error(here, str(error)) from error
        return tuple(events)

    def _usage(self, raw: Any, where: str) -> TokenUsage | None:
        if raw is None:
            return None
        try:
            return usage_from(self._object(raw, where))
        except (ValueError, TypeError) as error:
            raise self._error(where, str(error)) from error

    def _fault(self, body: Mapping[str, Any], where: str) -> Fault | None:
        kind = body.get("fault", "status" if "status" in body else None)
        if kind is None:
            return None
        if kind not in FAULTS:
            raise self._error(f"{where}.fault", f"{kind!r} is not one of {', '.join(FAULTS)}")
        status, wait, message = body.get("status"), body.get("retry_after_s"), body.get("message", "")
        if kind == "status" and (not isinstance(status, int) or not 300 <= status <= 599):
            raise self._error(f"{where}.status", f"must be an HTTP status from 300 to 599, not {status!r}")
        if wait is not None and (not isinstance(wait, int | float) or isinstance(wait, bool) or wait < 0):
            raise self._error(f"{where}.retry_after_s", f"must be a number of seconds, not {wait!r}")
        if not isinstance(message, str):
            raise self._error(f"{where}.message", "must be a string")
        return Fault(kind=kind, message=message, status=status, retry_after_s=wait)

    def _outputs(self, raw: Any, where: str) -> dict[str, str]:
        outputs = self._object(raw, where)
        for call_id, text in outputs.items():
            if not isinstance(text, str):
                raise self._error(f"{where}.{call_id}", "must be a string")
        return dict(outputs)

    def _model_info(self, raw: Any) -> ModelInfo:
        body = self._object(raw, "model_info", _FIGURES | _SWITCHES)
        for name in _FIGURES & body.keys():
            if not isinstance(body[name], int) or isinstance(body[name], bool) or body[name] <= 0:
                raise self._error(f"model_info.{name}", "must be a number above 0")
        for name in _SWITCHES:
            self._switch(body, name, default=True, where="model_info")
        return ModelInfo(known=True, **{"context_window": CONTEXT_WINDOW, **body})

    # -- shapes ----------------------------------------------------------------------------------------

    def _object(self, raw: Any, where: str, known: set[str] | None = None) -> dict[str, Any]:
        if not isinstance(raw, dict):
            raise self._error(where, "must be an object")
        strangers = sorted(raw.keys() - known) if known is not None else []
        if strangers:
            raise self._error(where, f"unknown member {strangers[0]!r}; known: {', '.join(sorted(known or ()))}")
        return raw

    def _list(self, raw: Any, where: str) -> Sequence[Any]:
        if not isinstance(raw, list):
            raise self._error(where, "must be an array")
        return raw

    def _switch(self, body: Mapping[str, Any], name: str, *, default: bool, where: str) -> bool:
        found = body.get(name, default)
        if not isinstance(found, bool):
            raise self._error(f"{where}.{name}" if where else name, "must be true or false")
        return found

    def _error(self, where: str, message: str) -> ScriptError:
        return ScriptError(message, path=self._path, where=where)


_KNOWN_TAGS = {
    "message": "`role` and `content` (an array of parts)",
    "reasoning": "`summary` (an array of parts)",
    "function_call": "`call_id`, `name` and `arguments` (a string)",
    "custom_tool_call": "`call_id`, `name` and `input` (a string)",
    "web_search_call": "an `action`",
    "function_call_output": "`call_id` and `output`",
    "custom_tool_call_output": "`call_id` and `output`",
}

"""Tool calls put together from their deltas, however a server cuts them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from codex_plugin_sdk import CustomToolCall, FunctionCall, new_item_id

from .body import FREEFORM_PARAMETER


class _Call:
    """One call in the making."""

    def __init__(self, index: object) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []

    def add(self, delta: Mapping[str, Any]) -> None:
        function = delta.get("function")
        body = function if isinstance(function, Mapping) else delta
        if isinstance(delta.get("id"), str):
            self.id = self.id or delta["id"]
        name, arguments = body.get("name"), body.get("arguments")
        # A name may come in pieces, or whole with every delta; it is settled when arguments begin.
        if isinstance(name, str) and name != self.name and not self.arguments:
            self.name += name
        if isinstance(arguments, str):
            if arguments:
                self.arguments.append(arguments)
        elif arguments is not None:
            self.arguments.append(orjson.dumps(arguments).decode())


class CallAssembler:
    """The calls of one answer. `freeform` names the tools whose calls become `CustomToolCall`, `known` all."""

    def __init__(self, *, known: frozenset[str], freeform: frozenset[str]) -> None:
        self._known, self._freeform = known, freeform
        self._calls: list[_Call] = []

    def add(self, deltas: Any) -> None:
        """Take the `tool_calls` of one delta."""
        for delta in deltas if isinstance(deltas, list) else ():
            if isinstance(delta, Mapping):
                self._find(delta).add(delta)

    def _find(self, delta: Mapping[str, Any]) -> _Call:
        index, id = delta.get("index"), delta.get("id")
        last = self._calls[-1] if self._calls else None
        # Some servers give every call the index 0, or none, and a new id instead.
        another = bool(id) and last is not None and bool(last.id) and id not in {call.id for call in self._calls}
        if not another:
            for call in reversed(self._calls):
                if (id and call.id == id) or (index is not None and call.index == index):
                    return call
            if index is None and last is not None and not (last.arguments and _name_of(delta)):
                return last
        self._calls.append(_Call(index))
        return self._calls[-1]

    def items(self) -> list[FunctionCall | CustomToolCall]:
        """The calls in order, once all deltas have come; nameless ones are left out."""
        return [self._item(call) for call in self._calls if call.name]

    def _item(self, call: _Call) -> FunctionCall | CustomToolCall:
        name, arguments = call.name, "".join(call.arguments)
        if name not in self._known and name.removeprefix("functions.") in self._known:
            name = name.removeprefix("functions.")  # how some open models write the name of any tool
        call_id = call.id or new_item_id("call")
        if name in self._freeform:
            return CustomToolCall(id=new_item_id("ctc"), call_id=call_id, name=name, input=unwrap(arguments))
        return FunctionCall(id=new_item_id("fc"), call_id=call_id, name=name, arguments=arguments.strip() or "{}")


def _name_of(delta: Mapping[str, Any]) -> object:
    function = delta.get("function")
    return function.get("name") if isinstance(function, Mapping) else None


def unwrap(arguments: str) -> str:
    """The text within the arguments of a freeform call.

    By rights `{"input": text}`; models also send the member under another name, a JSON string, or the bare text.
    """
    try:
        parsed = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments
    if isinstance(parsed, str):
        return parsed
    if isinstance(parsed, dict):
        if isinstance(parsed.get(FREEFORM_PARAMETER), str):
            return str(parsed[FREEFORM_PARAMETER])
        members = list(parsed.values())
        if len(members) == 1 and isinstance(members[0], str):
            return members[0]
    return arguments

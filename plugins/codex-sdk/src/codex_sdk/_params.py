"""The params of requests, from keyword arguments. What is None is left out; `extra` is laid over the rest."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import attrs

from .config import ApprovalMode, Sandbox
from .inputs import RunInput, wire_input

JsonObject = Mapping[str, Any]
Folder = str | os.PathLike[str]


@attrs.frozen(kw_only=True)
class DynamicTool:
    """A tool of yours that the model may call; `Handlers(dynamic_tool=…)` runs it. `input_schema` is JSON Schema."""

    name: str
    description: str
    input_schema: JsonObject

    def wire(self) -> dict[str, Any]:
        """As the protocol has it."""
        schema = dict(self.input_schema)
        return {"type": "function", "name": self.name, "description": self.description, "inputSchema": schema}


class ThreadOptions(TypedDict, total=False):
    """What `thread_start`, `thread_resume` and `thread_fork` take."""

    approval_mode: ApprovalMode | str | None
    base_instructions: str | None
    config: JsonObject | None
    cwd: Folder | None
    developer_instructions: str | None
    dynamic_tools: Sequence[DynamicTool] | None
    ephemeral: bool | None
    extra: JsonObject | None
    model: str | None
    model_provider: str | None
    personality: str | None
    sandbox: Sandbox | str | None
    service_tier: str | None


class TurnOptions(TypedDict, total=False):
    """What `turn` and `run` take beside the input; they hold from this turn on, `output_schema` for it alone."""

    approval_mode: ApprovalMode | str | None
    cwd: Folder | None
    effort: str | None
    extra: JsonObject | None
    model: str | None
    output_schema: JsonObject | None
    personality: str | None
    sandbox: Sandbox | str | None
    service_tier: str | None
    summary: str | None


class ListOptions(TypedDict, total=False):
    """What `thread_list` takes. `sort_key`: created_at or updated_at; `sort_direction`: asc or desc."""

    archived: bool | None
    cursor: str | None
    cwd: Folder | Sequence[str] | None
    extra: JsonObject | None
    limit: int | None
    model_providers: Sequence[str] | None
    search_term: str | None
    sort_direction: str | None
    sort_key: str | None
    source_kinds: Sequence[str] | None


_NAMES = {
    "base_instructions": "baseInstructions",
    "developer_instructions": "developerInstructions",
    "model_provider": "modelProvider",
    "service_tier": "serviceTier",
    "output_schema": "outputSchema",
    "model_providers": "modelProviders",
    "search_term": "searchTerm",
    "sort_direction": "sortDirection",
    "sort_key": "sortKey",
    "source_kinds": "sourceKinds",
}


def thread_params(options: ThreadOptions) -> dict[str, Any]:
    """Of `thread/start` and its kind. Raises `ValueError` for a word that is none of those there are."""
    given: dict[str, Any] = dict(options)
    sandbox = given.pop("sandbox", None)
    found = _common(given)
    if sandbox is not None:
        found["sandbox"] = _sandbox(sandbox).value
    return {**found, **(options.get("extra") or {})}


def turn_params(thread_id: str, input: RunInput, options: TurnOptions) -> dict[str, Any]:
    """Of `turn/start`. Raises `ValueError`, `TypeError`."""
    given: dict[str, Any] = dict(options)
    sandbox = given.pop("sandbox", None)
    found = {"threadId": thread_id, "input": wire_input(input), **_common(given)}
    if sandbox is not None:
        found["sandboxPolicy"] = _sandbox(sandbox).policy()
    return {**found, **(options.get("extra") or {})}


def list_params(options: ListOptions) -> dict[str, Any]:
    """Of `thread/list`."""
    return {**_common(dict(options)), **(options.get("extra") or {})}


def _common(given: dict[str, Any]) -> dict[str, Any]:
    given.pop("extra", None)
    mode, tools = given.pop("approval_mode", None), given.pop("dynamic_tools", None)
    found = {_NAMES.get(name, name): _plain(value) for name, value in given.items() if value is not None}
    if mode is not None:
        found |= ApprovalMode(mode).params()
    if tools is not None:
        found["dynamicTools"] = [tool.wire() for tool in tools]
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return list(value) if isinstance(value, tuple) else value


def _sandbox(given: Sandbox | str) -> Sandbox:
    return Sandbox(given.replace("_", "-") if given != "full_access" else Sandbox.full_access)

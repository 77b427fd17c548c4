"""Items of the protocol as cells: the same for those that stream and for those that were recorded.

What is missing or of another type counts as empty, since servers of other versions leave things out; only an item
without a type or an id is none.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from .cells import (
    COMPLETED,
    DECLINED,
    FAILED,
    RUNNING,
    AgentCell,
    AgentsCell,
    AnyCell,
    CommandCell,
    CompactionCell,
    FileDiff,
    ImageCell,
    NoticeCell,
    PatchCell,
    PlanCell,
    ReasoningCell,
    ReviewCell,
    SearchCell,
    ToolCell,
    UserCell,
)
from .output import Output

Item = Mapping[str, Any]
_STATES = (RUNNING, COMPLETED, FAILED, DECLINED)
_SHELL = re.compile(r"(?:\S*/)?(?:ba|z|da|fi|k)?sh -l?c (.+)\Z", re.DOTALL)


class Malformed(ValueError):
    """A message of the server that cannot be read; the text says why."""


def text_of(found: Mapping[str, Any], name: str) -> str:
    """A member that is text; empty for any other."""
    value = found.get(name)
    return value if isinstance(value, str) else ""


def mapping_of(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A member that is an object; empty for any other."""
    value = found.get(name)
    return value if isinstance(value, Mapping) else {}


def mappings_of(found: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """A member that is an array, its objects."""
    value = found.get(name)
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list | tuple) else []


def texts_of(found: Mapping[str, Any], name: str) -> list[str]:
    """A member that is an array, its texts."""
    value = found.get(name)
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list | tuple) else []


def seconds_of(found: Mapping[str, Any], name: str) -> float | None:
    """A member that is a time in milliseconds."""
    value = found.get(name)
    return value / 1000 if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def kind_and_id(item: Item) -> tuple[str, str]:
    """Type and id of an item. Raises `Malformed`."""
    kind, id = item.get("type"), item.get("id")
    if not isinstance(kind, str) or not isinstance(id, str):
        raise Malformed("an item without a type or an id")
    return kind, id


def new_cell(kind: str, key: str, turn_id: str | None) -> AnyCell:
    """An empty cell for an item of this type."""
    make = _KINDS.get(kind, _OTHER)[0]
    return make(key, turn_id)


def fill(cell: AnyCell, item: Item) -> None:
    """Take over all that an item tells. Raises `Malformed` when the cell is one of another type."""
    made, take = _KINDS.get(str(item.get("type")), _OTHER)[1:]
    if not isinstance(cell, made):
        raise Malformed(f"an item that was a {type(cell).__name__} is a {item.get('type')}")
    take(cell, item)


def says_nothing(cell: AnyCell) -> bool:
    """Whether there is nothing in it to see yet: a message or a thought without a word."""
    if isinstance(cell, AgentCell):
        return not cell.text
    return isinstance(cell, ReasoningCell) and not (any(cell.summary) or any(cell.content))


def bounded(text: str) -> str:
    """A text without its middle, if it is very long."""
    if len(text) <= Output.HEAD_CHARS + Output.TAIL_CHARS:
        return text
    output = Output()
    output.set(text[: Output.HEAD_CHARS] + text[Output.HEAD_CHARS :])
    return output.text


def bare_command(command: str) -> str:
    """What a shell is asked to run, without the shell."""
    found = _SHELL.match(command)
    if found is None:
        return command
    script = found[1]
    if script[0] == "'" == script[-1] and script.count("'") == 2:
        return script[1:-1]
    if script.isalnum():
        return script
    try:
        words = shlex.split(script)
    except ValueError:
        return command
    return words[0] if len(words) == 1 else command


# -- what is said ------------------------------------------------------------------------------------


def _user(cell: UserCell, item: Item) -> None:
    texts, images, mentions = [], [], []
    for part in mappings_of(item, "content"):
        match part.get("type"):
            case "text":
                texts.append(text_of(part, "text"))
            case "skill" | "mention":
                mentions.append(text_of(part, "name") or text_of(part, "path"))
            case _:
                images.append(_attached(part))
    cell.text = "\n".join(texts)
    cell.images, cell.mentions = tuple(image for image in images if image), tuple(mentions)


def _attached(part: Item) -> str:
    """Where an image or a sound is; one that is in the message itself is named by its type."""
    place = text_of(part, "path") or text_of(part, "url") or text_of(part, "fileId")
    return place.partition(";")[0][:100] if place.startswith("data:") else place


def _agent(cell: AgentCell, item: Item) -> None:
    if text := text_of(item, "text"):
        cell.text = text
    if phase := text_of(item, "phase"):
        cell.final = phase == "final_answer"


def _reasoning(cell: ReasoningCell, item: Item) -> None:
    cell.summary = texts_of(item, "summary") or cell.summary
    cell.content = texts_of(item, "content") or cell.content


def _plan(cell: PlanCell, item: Item) -> None:
    cell.explanation = text_of(item, "text") or cell.explanation


def _hook_prompt(cell: NoticeCell, item: Item) -> None:
    cell.text = "A hook goes on: " + "\n".join(text_of(part, "text") for part in mappings_of(item, "fragments"))


def _review(cell: ReviewCell, item: Item) -> None:
    cell.text = text_of(item, "review") or cell.text


def _compaction(cell: CompactionCell, item: Item) -> None:
    """It has nothing to tell."""


# -- what is done ------------------------------------------------------------------------------------


def _status(item: Item, before: str) -> str:
    found = item.get("status")
    if found in _STATES:
        return str(found)
    return FAILED if found == "interrupted" else before


def _command(cell: CommandCell, item: Item) -> None:
    if command := text_of(item, "command"):
        cell.command = bare_command(command)
    cell.cwd = text_of(item, "cwd") or cell.cwd
    cell.status = _status(item, cell.status)
    cell.by_user = item.get("source") == "userShell"
    code = item.get("exitCode")
    cell.exit_code = code if isinstance(code, int) else None
    cell.elapsed_s = seconds_of(item, "durationMs")
    cell.actions = tuple(mappings_of(item, "commandActions"))
    if output := text_of(item, "aggregatedOutput"):
        cell.output.set(output)


def changes_of(found: Mapping[str, Any]) -> tuple[FileDiff, ...]:
    """The member `changes`."""
    changes = []
    for change in mappings_of(found, "changes"):
        kind = mapping_of(change, "kind")
        name = text_of(kind, "type") or "update"
        move = text_of(kind, "move_path") or None
        changes.append(FileDiff(path=text_of(change, "path"), kind=name, diff=text_of(change, "diff"), move_path=move))
    return tuple(changes)


def _patch(cell: PatchCell, item: Item) -> None:
    cell.changes = changes_of(item) or cell.changes
    cell.status = _status(item, cell.status)


def _mcp_call(cell: ToolCell, item: Item) -> None:
    cell.server, cell.tool = text_of(item, "server"), text_of(item, "tool")
    cell.arguments = item.get("arguments")
    cell.status = _status(item, cell.status)
    cell.result = _mcp_result(mapping_of(item, "result"))
    cell.error = text_of(mapping_of(item, "error"), "message")
    cell.elapsed_s = seconds_of(item, "durationMs")


def _mcp_result(result: Mapping[str, Any]) -> str:
    parts = [_content(part) for part in mappings_of(result, "content")]
    if not parts and result.get("structuredContent") is not None:
        return bounded(as_json(result["structuredContent"]))
    return bounded("\n".join(parts))


def _content(part: Item) -> str:
    text = text_of(part, "text")
    if text:
        return text
    resource = mapping_of(part, "resource") or part
    if text := text_of(resource, "text"):
        return text
    place = text_of(resource, "uri") or text_of(part, "mimeType") or text_of(part, "imageUrl")[:100]
    return f"[{text_of(part, 'type') or 'content'}{': ' + place if place else ''}]"


def as_json(value: object) -> str:
    """A value for people."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except TypeError:
        return str(value)


def _tool_call(cell: ToolCell, item: Item) -> None:
    space = text_of(item, "namespace")
    cell.tool = f"{space}.{text_of(item, 'tool')}" if space else text_of(item, "tool")
    cell.arguments = item.get("arguments")
    cell.status = _status(item, cell.status)
    told = bounded("\n".join(_content(part) for part in mappings_of(item, "contentItems")))
    failed = cell.status == FAILED
    cell.result, cell.error = ("", told) if failed else (told, "")
    cell.elapsed_s = seconds_of(item, "durationMs")


def _function_output(cell: ToolCell, item: Item) -> None:
    cell.tool = text_of(item, "name") or "tool"
    parts = [_content(part) for part in mappings_of(item, "output")]
    cell.result = bounded(text_of(item, "output") or "\n".join(parts))
    cell.status = COMPLETED


def _agents(cell: AgentsCell, item: Item) -> None:
    cell.tool = text_of(item, "tool")
    cell.status = _status(item, cell.status)
    cell.prompt = text_of(item, "prompt")
    states = mapping_of(item, "agentsStates")
    ids = [*texts_of(item, "receiverThreadIds"), *(id for id in states if isinstance(id, str))]
    cell.agents = tuple((id, *_agent_state(states.get(id))) for id in dict.fromkeys(ids))


def _agent_state(state: object) -> tuple[str, str]:
    if not isinstance(state, Mapping):
        return "pendingInit", ""
    return text_of(state, "status") or "pendingInit", bounded(text_of(state, "message"))


_ACTIVITY = {"interrupted": "interrupted", "completed": "completed"}


def _agent_activity(cell: AgentsCell, item: Item) -> None:
    kind = text_of(item, "kind")
    cell.tool, cell.status = kind, COMPLETED
    cell.agents = ((text_of(item, "agentThreadId"), _ACTIVITY.get(kind, "running"), text_of(item, "agentPath")),)


def _search(cell: SearchCell, item: Item) -> None:
    action = mapping_of(item, "action")
    place, pattern = text_of(action, "url"), text_of(action, "pattern")
    looked = f"{pattern} in {place}" if pattern and place else pattern or place
    cell.query = text_of(item, "query") or text_of(action, "query") or looked
    cell.queries = tuple(texts_of(action, "queries"))


def _image(cell: ImageCell, item: Item) -> None:
    cell.path = os.path.normpath(text_of(item, "path")) if text_of(item, "path") else ""


def _unknown(cell: ToolCell, item: Item) -> None:
    cell.tool = text_of(item, "type")
    cell.arguments = {name: value for name, value in item.items() if name not in ("type", "id", "status")}
    cell.status = _status(item, cell.status)


# -- kinds -------------------------------------------------------------------------------------------

Make = Callable[[str, str | None], AnyCell]
Kind = tuple[Make, type[Any], Callable[[Any, Item], None]]


def _kind(made: type[Any], take: Callable[[Any, Item], None], **empty: Any) -> Kind:
    return lambda key, turn_id: made(key=key, turn_id=turn_id, **empty), made, take


_KINDS: dict[str, Kind] = {
    "userMessage": _kind(UserCell, _user, text=""),
    "agentMessage": _kind(AgentCell, _agent),
    "reasoning": _kind(ReasoningCell, _reasoning),
    "plan": _kind(PlanCell, _plan),
    "hookPrompt": _kind(NoticeCell, _hook_prompt, level="info", text="", done=False),
    "commandExecution": _kind(CommandCell, _command, command=""),
    "fileChange": _kind(PatchCell, _patch),
    "mcpToolCall": _kind(ToolCell, _mcp_call, tool=""),
    "dynamicToolCall": _kind(ToolCell, _tool_call, tool=""),
    "functionCallOutput": _kind(ToolCell, _function_output, tool=""),
    "collabAgentToolCall": _kind(AgentsCell, _agents, tool=""),
    "subAgentActivity": _kind(AgentsCell, _agent_activity, tool=""),
    "webSearch": _kind(SearchCell, _search),
    "imageView": _kind(ImageCell, _image, path=""),
    "enteredReviewMode": _kind(ReviewCell, _review, entered=True),
    "exitedReviewMode": _kind(ReviewCell, _review, entered=False),
    "contextCompaction": _kind(CompactionCell, _compaction),
}
_OTHER: Kind = _kind(ToolCell, _unknown, tool="")


def settle(cell: AnyCell, *, was_told: bool = True) -> None:
    """An item that is complete, whatever it says of itself; else (not `was_told`) its turn has ended, and nobody said
    what became of it."""
    if getattr(cell, "status", None) == RUNNING:
        cell.status = COMPLETED if was_told else FAILED  # type: ignore[union-attr]
    cell.done = True

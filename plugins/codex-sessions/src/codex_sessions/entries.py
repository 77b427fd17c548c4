"""What happened in a turn, one JSON-ready entry each, from the items of `item_completed` lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

Body = Mapping[str, Any]


def entry_of_item(item: Body) -> dict[str, Any] | None:
    """The entry of an item; None for kinds that are not known here."""
    make = _KINDS.get(str(item.get("type")))
    return None if make is None else make(item)


def asked(words: str, images: int = 0) -> dict[str, Any]:
    """What the user said."""
    return {"type": "user_message", "text": words, **({"images": images} if images else {})}


def said(words: str) -> dict[str, Any]:
    """What the agent said."""
    return {"type": "agent_message", "text": words}


def thought(words: str) -> dict[str, Any]:
    """A summary of what the model thought."""
    return {"type": "reasoning", "text": words}


def called(tool: str, arguments: object, output: str | None, status: str = "completed") -> dict[str, Any]:
    """A call of a tool that is no command; `output` is None while it is not there."""
    return {"type": "tool_call", "tool": tool, "arguments": arguments, "output": output, "status": status}


def ran(command: str, output: str | None, *, cwd: str = "", exit_code: object = None) -> dict[str, Any]:
    """A command."""
    code = exit_code if isinstance(exit_code, int) else None
    return {
        "type": "command_execution",
        "command": command,
        "cwd": cwd,
        "aggregated_output": output or "",
        "exit_code": code,
        "status": "failed" if code else "completed",
        "duration_ms": None,
    }


def shown_command(words: list[str]) -> str:
    """A command line as one would type it; what a shell was given to run stands without the shell."""
    import shlex

    if len(words) == 3 and words[1] in ("-lc", "-c"):
        return words[2]
    return shlex.join(words)


def texts(entry: Body) -> Iterator[tuple[str, str]]:
    """Where something can be found in an entry, and the text: messages, commands and outputs, changes."""
    match entry["type"]:
        case "user_message":
            yield "user", entry["text"]
        case "agent_message":
            yield "agent", entry["text"]
        case "command_execution":
            yield "command", entry["command"]
            yield "output", entry["aggregated_output"]
        case "tool_call" | "mcp_tool_call":
            yield "output", entry["output"] or ""
        case "file_change":
            for change in entry["changes"]:
                yield "change", f"{change['path']}\n{change['diff']}"


def text_of(parts: object) -> str:
    """The texts of a list of content parts, one after another."""
    found = parts if isinstance(parts, list) else []
    return "".join(text(part.get("text")) for part in found if isinstance(part, dict))


def text(found: object) -> str:
    """A string; empty for anything else."""
    return found if isinstance(found, str) else ""


# -- kinds of items -----------------------------------------------------------------------------------


def _user(item: Body) -> dict[str, Any]:
    parts = item.get("content")
    images = [
        part
        for part in (parts if isinstance(parts, list) else [])
        if isinstance(part, dict) and part.get("type") in ("image", "local_image", "localImage")
    ]
    return asked(text_of(parts), len(images))


def _agent(item: Body) -> dict[str, Any]:
    return said(text_of(item.get("content")))


def _reasoning(item: Body) -> dict[str, Any]:
    parts = item.get("summary_text")
    return thought("\n".join(map(text, parts)) if isinstance(parts, list) else "")


def _command(item: Body) -> dict[str, Any]:
    words = item.get("command")
    line = shown_command([word for word in words if isinstance(word, str)]) if isinstance(words, list) else text(words)
    cwd = text(item.get("cwd")).removeprefix("file://")
    made = ran(line, text(item.get("aggregated_output")), cwd=cwd, exit_code=item.get("exit_code"))
    return {**made, "status": text(item.get("status")) or made["status"], "duration_ms": _took(item.get("duration"))}


def _change(item: Body) -> dict[str, Any]:
    changes = item.get("changes")
    found = [
        {
            "path": path,
            "kind": text(change.get("type")),
            "move_path": change.get("move_path"),
            "diff": text(change.get("unified_diff")) or text(change.get("content")),
        }
        for path, change in (changes if isinstance(changes, dict) else {}).items()
        if isinstance(change, dict)
    ]
    return {"type": "file_change", "changes": found, "status": text(item.get("status"))}


def _mcp(item: Body) -> dict[str, Any]:
    result, error = item.get("result"), item.get("error")
    output = text_of(result.get("content")) if isinstance(result, dict) else ""
    if isinstance(error, dict):
        error = error.get("message")
    made = called(text(item.get("tool")), item.get("arguments"), output or text(error), text(item.get("status")))
    return {**made, "type": "mcp_tool_call", "server": text(item.get("server"))}


def _tool(item: Body) -> dict[str, Any]:
    return called(text(item.get("tool")), item.get("arguments"), text(item.get("output")), text(item.get("status")))


def _collab(item: Body) -> dict[str, Any]:
    states = item.get("agents_states")
    said = [state for state in (states if isinstance(states, dict) else {}).values() if isinstance(state, dict)]
    output = "\n".join(text(message) for state in said for message in state.values() if message)
    return called(text(item.get("tool")), text(item.get("prompt")), output, text(item.get("status")))


def _plan(item: Body) -> dict[str, Any]:
    steps = item.get("plan")
    found = [
        {"step": text(step.get("step")), "status": text(step.get("status"))}
        for step in (steps if isinstance(steps, list) else [])
        if isinstance(step, dict)
    ]
    return {"type": "todo_list", "steps": found}


_KINDS: dict[str, Callable[[Body], dict[str, Any]]] = {
    "UserMessage": _user,
    "AgentMessage": _agent,
    "Reasoning": _reasoning,
    "CommandExecution": _command,
    "FileChange": _change,
    "McpToolCall": _mcp,
    "ToolCall": _tool,
    "CollabAgentToolCall": _collab,
    "TodoList": _plan,
    "Plan": lambda item: {"type": "plan", "text": text(item.get("text"))},
    "WebSearch": lambda item: {"type": "web_search", "query": text(item.get("query"))},
    "ImageView": lambda item: {"type": "image_view", "path": text(item.get("path"))},
    "ContextCompaction": lambda item: {"type": "context_compaction"},
    "Error": lambda item: {"type": "error", "message": text(item.get("message"))},
}


def _took(duration: object) -> int | None:
    if not isinstance(duration, dict):
        return None
    secs, nanos = duration.get("secs"), duration.get("nanos")
    return (secs if isinstance(secs, int) else 0) * 1000 + (nanos if isinstance(nanos, int) else 0) // 1_000_000


def arguments_of(raw: object) -> Any:
    """The arguments of a call, decoded where they are JSON."""
    if not isinstance(raw, str):
        return raw
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return raw

"""Items as rollouts hold them, in the wire's words: what `items.py` does for live ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from .items import review_mode, shown_command, wire_mcp_result, wire_phase, wire_search, wire_source

_STATUS = {"in_progress": "inProgress", "completed": "completed", "failed": "failed", "declined": "declined"}
_AGENT_TOOLS = {
    "spawn_agent": "spawnAgent",
    "send_input": "sendInput",
    "resume_agent": "resumeAgent",
    "close_agent": "closeAgent",
    "send_message": "sendMessage",
    "followup_task": "followupTask",
    "interrupt_agent": "interruptAgent",
    "list_agents": "listAgents",
}
_AGENT_STATES = {"pending_init": "pendingInit", "not_found": "notFound"}
Body = Mapping[str, Any]


def stored_item(body: Body, *, escaped_cwd: bool = False) -> dict[str, Any] | None:
    """An item of an `item_completed` line; None for kinds that clients are told in another way, or do not know.
    `escaped_cwd` says that the folder is a proper URL, as Codex writes it."""
    make = _KINDS.get(str(body.get("type")))
    if make is None or not isinstance(body.get("id"), str):
        return None
    made = make(body)
    if escaped_cwd and made["type"] == "commandExecution":
        made["cwd"] = unquote(made["cwd"])
    return made


def user_message(id: str, text: str, images: object = None) -> dict[str, Any]:
    """What the user said, of the older lines that hold a text."""
    parts: list[dict[str, Any]] = [{"type": "text", "text": text, "text_elements": []}] if text else []
    parts += [{"type": "image", "url": url} for url in _list(images) if isinstance(url, str)]
    return {"type": "userMessage", "id": id, "clientId": None, "content": parts}


def agent_message(id: str, text: str, phase: object = None) -> dict[str, Any]:
    """What the agent said."""
    return {"type": "agentMessage", "id": id, "text": text, "phase": wire_phase(phase)}


def _user_message(body: Body) -> dict[str, Any]:
    parts = (_input(part) for part in _list(body.get("content")) if isinstance(part, dict))
    content = [part for part in parts if part is not None]
    return {"type": "userMessage", "id": body["id"], "clientId": body.get("client_id"), "content": content}


def _input(part: Body) -> dict[str, Any] | None:
    match part.get("type"):
        case "text":
            elements = [_element(element) for element in _list(part.get("text_elements")) if isinstance(element, dict)]
            return {"type": "text", "text": _text(part.get("text")), "text_elements": elements}
        case "image":
            return {"type": "image", "url": _text(part.get("image_url") or part.get("url"))}
        case "local_image" | "localImage":
            return {"type": "localImage", "path": _text(part.get("path"))}
        case "skill" | "mention" as kind:
            return {"type": kind, "name": _text(part.get("name")), "path": _text(part.get("path"))}
        case _:
            return None


def _element(element: Body) -> dict[str, Any]:
    span = element.get("byte_range") or element.get("byteRange") or {}
    place = {"start": span.get("start") or 0, "end": span.get("end") or 0}
    return {"byteRange": place, "placeholder": element.get("placeholder")}


def _agent_message(body: Body) -> dict[str, Any]:
    texts = (part.get("text") for part in _list(body.get("content")) if isinstance(part, dict))
    return agent_message(body["id"], "".join(text for text in texts if isinstance(text, str)), body.get("phase"))


def _reasoning(body: Body) -> dict[str, Any]:
    summary, content = _list(body.get("summary_text")), _list(body.get("raw_content"))
    return {"type": "reasoning", "id": body["id"], "summary": summary, "content": content}


def _command(body: Body) -> dict[str, Any]:
    text = shown_command([word for word in _list(body.get("command")) if isinstance(word, str)])
    status = _status(body)
    running = status == "inProgress"
    return {
        "type": "commandExecution",
        "id": body["id"],
        "command": text,
        "cwd": _text(body.get("cwd")).removeprefix("file://"),
        "processId": body.get("process_id"),
        "source": wire_source(_text(body.get("source"))),
        "status": status,
        "commandActions": [{"type": "unknown", "command": text}],
        "aggregatedOutput": None if running else _text(body.get("aggregated_output")),
        "exitCode": body.get("exit_code"),
        "durationMs": None if running else _milliseconds(body.get("duration")),
    }


def _file_change(body: Body) -> dict[str, Any]:
    changes = body.get("changes")
    found = [_change(path, change) for path, change in (changes if isinstance(changes, dict) else {}).items()]
    return {"type": "fileChange", "id": body["id"], "changes": found, "status": _status(body)}


def _change(path: str, change: Body) -> dict[str, Any]:
    kind: dict[str, Any] = {"type": change.get("type")}
    if kind["type"] == "update":
        kind["move_path"] = change.get("move_path")
    return {"path": path, "kind": kind, "diff": _text(change.get("unified_diff")) or _text(change.get("content"))}


def _mcp_call(body: Body) -> dict[str, Any]:
    error = body.get("error")
    return {
        "type": "mcpToolCall",
        "id": body["id"],
        "server": _text(body.get("server")),
        "tool": _text(body.get("tool")),
        "arguments": body.get("arguments"),
        "status": _settled(body),
        "result": wire_mcp_result(body.get("result")),
        "error": {"message": error} if isinstance(error, str) else error,
        "durationMs": _milliseconds(body.get("duration")),
    }


def _tool_call(body: Body) -> dict[str, Any]:
    status = _status(body)
    running = status == "inProgress"
    return {
        "type": "dynamicToolCall",
        "id": body["id"],
        "tool": _text(body.get("tool")),
        "arguments": body.get("arguments"),
        "status": _settled(body),
        "contentItems": None if running else [{"type": "inputText", "text": _text(body.get("output"))}],
        "success": None if running else status == "completed",
    }


def _collab_call(body: Body) -> dict[str, Any]:
    states = body.get("agents_states")
    found = states if isinstance(states, dict) else {}
    return {
        "type": "collabAgentToolCall",
        "id": body["id"],
        "tool": _AGENT_TOOLS.get(_text(body.get("tool")), _text(body.get("tool"))),
        "status": _settled(body),
        "senderThreadId": _text(body.get("sender_thread_id")),
        "receiverThreadIds": [id for id in _list(body.get("receiver_thread_ids")) if isinstance(id, str)],
        "prompt": body.get("prompt"),
        "model": body.get("model"),
        "reasoningEffort": body.get("reasoning_effort"),
        "agentsStates": {id: _agent_state(state) for id, state in found.items()},
    }


def _agent_state(state: object) -> dict[str, Any]:
    """A state is a word, or a word with what the agent said."""
    word, message = next(iter(state.items()), ("", None)) if isinstance(state, dict) else (_text(state), None)
    return {"status": _AGENT_STATES.get(word, word), "message": message}


def _search(body: Body) -> dict[str, Any]:
    action = wire_search(body.get("action"))
    return {"type": "webSearch", "id": body["id"], "query": _text(body.get("query")), "action": action}


def _review_mode(body: Body) -> dict[str, Any]:
    found = review_mode(body["id"], str(body["type"]), body)
    assert found is not None
    return found


def _with(kind: str, *members: str) -> Callable[[Body], dict[str, Any]]:
    return lambda body: {"type": kind, "id": body["id"], **{name: _text(body.get(name)) for name in members}}


_KINDS: dict[str, Callable[[Body], dict[str, Any]]] = {
    "UserMessage": _user_message,
    "AgentMessage": _agent_message,
    "Reasoning": _reasoning,
    "CommandExecution": _command,
    "FileChange": _file_change,
    "McpToolCall": _mcp_call,
    "ToolCall": _tool_call,
    "CollabAgentToolCall": _collab_call,
    "WebSearch": _search,
    "ImageView": _with("imageView", "path"),
    "ContextCompaction": _with("contextCompaction"),
    "Plan": _with("plan", "text"),
    "EnteredReviewMode": _review_mode,
    "ExitedReviewMode": _review_mode,
}


def _status(body: Body) -> str:
    return _STATUS.get(_text(body.get("status")), "completed")


def _settled(body: Body) -> str:
    """The status of a call; there is no word for a declined one."""
    status = _status(body)
    return "failed" if status == "declined" else status


def _milliseconds(duration: object) -> int | None:
    if not isinstance(duration, dict):
        return None
    return int(duration.get("secs") or 0) * 1000 + int(duration.get("nanos") or 0) // 1_000_000


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _list(found: object) -> list[Any]:
    return found if isinstance(found, list) else []

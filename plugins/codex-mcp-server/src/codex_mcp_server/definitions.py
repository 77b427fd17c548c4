"""The tools as clients see them, and what their arguments mean.

Names, schemas and the texts of errors are those of Codex 0.151, the last release that had this command; `profile` is
ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codex_plugin_sdk import UserError, Value, field, is_uuid, value

START = "codex"
REPLY = "codex-reply"
_SANDBOX = ("read-only", "workspace-write", "danger-full-access")
_APPROVAL = ("on-request", "never")
_OLD_APPROVAL = ("untrusted", "on-failure")
"""Not shown to clients any more, and understood."""
_RESULT = {
    "type": "object",
    "properties": {"threadId": {"type": "string"}, "content": {"type": "string"}},
    "required": ["threadId", "content"],
}


def _text(description: str, *words: str) -> dict[str, Any]:
    return {"type": "string", "description": description, **({"enum": list(words)} if words else {})}


TOOLS: tuple[dict[str, Any], ...] = (
    {
        "name": START,
        "title": "Codex",
        "description": "Start a Codex session: an agent that works in a folder, runs commands and edits files there.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "prompt": _text("What the agent is to do."),
                "model": _text("The model to use instead of the configured one."),
                "cwd": _text("The folder to work in; a relative one is taken from the server's own."),
                "approval-policy": _text("When commands need approval: `on-request` or `never`.", *_APPROVAL),
                "sandbox": _text("How far commands reach: one of " + ", ".join(_SANDBOX) + ".", *_SANDBOX),
                "profile": _text("A configuration profile: $CODEX_HOME/NAME.config.toml."),
                "config": {
                    "type": "object",
                    "description": "Configuration values over those of config.toml, by dotted key.",
                    "additionalProperties": True,
                },
                "base-instructions": _text("Instructions instead of the agent's own."),
                "developer-instructions": _text("Further instructions, as a developer message."),
                "compact-prompt": _text("The prompt with which a long history is shortened."),
            },
            "required": ["prompt"],
            "additionalProperties": False,
        },
        "outputSchema": _RESULT,
    },
    {
        "name": REPLY,
        "title": "Codex Reply",
        "description": "Continue a Codex session by its thread id; recorded sessions are opened again.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "prompt": _text("What the agent is to do next."),
                "threadId": _text("The thread id that `codex` gave. Required, unless conversationId is given."),
                "conversationId": _text("Deprecated: use threadId."),
            },
            "required": ["prompt"],
        },
        "outputSchema": _RESULT,
    },
)

_KEYS = {
    "model": "model",
    "approval-policy": "approval_policy",
    "sandbox": "sandbox_mode",
    "base-instructions": "instructions",
    "developer-instructions": "developer_instructions",
    "compact-prompt": "compact_prompt",
}
_FIELDS = tuple(TOOLS[0]["inputSchema"]["properties"])


@value
class Start(Value):
    """A call of `codex`; `settings` are configuration values by dotted key, the stronger last."""

    prompt: str
    cwd: str | None = None
    profile: str | None = None
    settings: tuple[tuple[str, Any], ...] = field(factory=tuple)


@value
class Reply(Value):
    """A call of `codex-reply`."""

    prompt: str
    thread_id: str


def read_start(arguments: Mapping[str, Any] | None) -> Start:
    """The arguments of `codex`. Raises `UserError`."""
    if arguments is None:
        raise UserError("Missing arguments for codex tool-call; the `prompt` field is required.")
    for name in arguments:
        if name not in _FIELDS:
            _wrong(f"unknown field `{name}`, expected one of {_listed(_FIELDS)}")
    prompt = _string(arguments, "prompt")
    if prompt is None:
        _wrong("missing field `prompt`")
    config = arguments.get("config")
    if config is not None and not isinstance(config, Mapping):
        _wrong(f"invalid type for `config`: expected an object, found {type(config).__name__}")
    settings = [(key, found) for key, found in (config or {}).items() if found is not None]
    for name, key in _KEYS.items():
        if (found := _string(arguments, name)) is not None:
            settings.append((key, found))
    return Start(
        prompt=prompt or "",
        cwd=_string(arguments, "cwd"),
        profile=_string(arguments, "profile"),
        settings=tuple(settings),
    )


def read_reply(arguments: Mapping[str, Any] | None) -> Reply:
    """The arguments of `codex-reply`. Raises `UserError`."""
    if arguments is None:
        raise UserError(
            "Missing arguments for codex-reply tool-call; the `thread_id` and `prompt` fields are required."
        )
    prompt = arguments.get("prompt")
    if not isinstance(prompt, str):
        raise UserError("Failed to parse configuration for Codex tool: missing field `prompt`")
    thread_id = arguments.get("threadId") or arguments.get("conversationId")
    if thread_id is None:
        raise UserError("Failed to parse thread_id: either threadId or conversationId must be provided")
    if not isinstance(thread_id, str) or not is_uuid(thread_id):
        raise UserError(f"Failed to parse thread_id: {thread_id!r:.80} is not a thread id")
    return Reply(prompt=prompt, thread_id=thread_id.lower())


def _string(arguments: Mapping[str, Any], name: str) -> str | None:
    found = arguments.get(name)
    if found is None:
        return None
    if not isinstance(found, str):
        _wrong(f"invalid type for `{name}`: expected a string, found {type(found).__name__}")
    words = {"sandbox": _SANDBOX, "approval-policy": _APPROVAL + _OLD_APPROVAL}.get(name)
    if words is not None and found not in words:
        _wrong(f"unknown variant `{found}`, expected one of {_listed(words)}")
    return str(found)


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _wrong(what: str) -> None:
    raise UserError(f"Failed to parse configuration for Codex tool: {what}")

"""How the model sees the two tools. Apart from them, because every thread needs these and few need a process."""

from __future__ import annotations

from codex_plugin_sdk import ToolDefinition

from .arguments import SANDBOX_PERMISSIONS, WITH_ADDITIONAL

EXEC_COMMAND = ToolDefinition(
    name="exec_command",
    description=(
        "Runs a shell command. Answers with its output and exit code; if the command is still running after"
        " yield_time_ms, with its output so far and a session ID for write_stdin. Without tty, stdin is empty."
        " Long output is shortened in the middle, and the answer names the file that holds all of it. What a command"
        " leaves in the background ends with it in the sandbox: run a server in the foreground and let it go on."
    ),
    parameters={
        "type": "object",
        "properties": {
            "cmd": {"type": "string", "description": "The command, in the syntax of the shell."},
            "justification": {
                "type": "string",
                "description": "With require_escalated: one short question that asks the user to approve the command.",
            },
            "login": {
                "type": "boolean",
                "description": "Whether the shell reads the user's login profile. Default: true where allowed.",
            },
            "max_output_tokens": {
                "type": "number",
                "description": "How much output to show, in tokens. Default and maximum: 10000.",
            },
            "prefix_rule": {
                "type": "array",
                "items": {"type": "string"},
                "description": "With require_escalated: first words of commands that the user might allow for good,"
                ' such as ["git", "pull"].',
            },
            "sandbox_permissions": {
                "type": "string",
                "enum": list(SANDBOX_PERMISSIONS),
                "description": "use_default runs the command in the sandbox; require_escalated asks to run it outside.",
            },
            "shell": {"type": "string", "description": "Name or path of the shell. Default: the user's."},
            "tty": {
                "type": "boolean",
                "description": "Whether to run on a terminal, which also keeps stdin open for write_stdin."
                " Default: false.",
            },
            "workdir": {"type": "string", "description": "Folder to run in. Default: the working directory."},
            "yield_time_ms": {
                "type": "number",
                "description": "How long to wait for the command to end, in milliseconds, from 250 to 30000."
                " Default: 10000.",
            },
        },
        "required": ["cmd"],
        "additionalProperties": False,
    },
)


def with_additional_permissions() -> ToolDefinition:
    """`exec_command` for models that may ask to widen the sandbox for one command."""
    properties = EXEC_COMMAND.parameters["properties"]
    paths = {"type": "array", "items": {"type": "string"}, "description": "Absolute paths."}
    additional = {
        "type": "object",
        "description": f"With {WITH_ADDITIONAL}: what this one command may do beyond the sandbox.",
        "properties": {
            "file_system": {"type": "object", "properties": {"read": paths, "write": paths}},
            "network": {"type": "object", "properties": {"enabled": {"type": "boolean"}}},
        },
    }
    wider = {
        "type": "string",
        "enum": [*SANDBOX_PERMISSIONS, WITH_ADDITIONAL],
        "description": f"{properties['sandbox_permissions']['description']} {WITH_ADDITIONAL} asks to stay in a wider"
        " one.",
    }
    wide = {**properties, "sandbox_permissions": wider, "additional_permissions": additional}
    return EXEC_COMMAND.replace(parameters={**EXEC_COMMAND.parameters, "properties": dict(sorted(wide.items()))})


WRITE_STDIN = ToolDefinition(
    name="write_stdin",
    description=(
        "Types into a session of exec_command and answers with the output that came since the last answer. Without"
        " chars it only waits for the command to end, for at least 5 seconds. The character \\u0003 interrupts"
        " (Ctrl-C); all others need a session that was started with tty."
    ),
    parameters={
        "type": "object",
        "properties": {
            "chars": {"type": "string", "description": "What to type. Default: nothing."},
            "max_output_tokens": {
                "type": "number",
                "description": "How much output to show, in tokens. Default and maximum: 10000.",
            },
            "session_id": {"type": "number", "description": "The session ID that exec_command answered with."},
            "yield_time_ms": {
                "type": "number",
                "description": "How long to gather output, in milliseconds. Default: 250 after chars, from 250 to"
                " 30000; else 5000, the least.",
            },
        },
        "required": ["session_id"],
        "additionalProperties": False,
    },
)

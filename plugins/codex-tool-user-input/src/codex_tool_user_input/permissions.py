"""The tool `request_permissions`: asks that the sandbox be widened for what comes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from codex_plugin_sdk import (
    AdditionalPermissions,
    ToolCall,
    ToolContext,
    ToolDefinition,
    ToolFailed,
    ToolIntent,
    ToolOutput,
)

NAME = "request_permissions"

DESCRIPTION = """\
Asks the user to let your commands and edits do more than the sandbox permits: read or write further folders, or reach \
the network. What is granted, which may be less than you ask for, is told to you and holds by itself for the rest of \
the turn, or of the session. Ask for the least that will do."""

PATHS: Mapping[str, Any] = {"type": "array", "items": {"type": "string"}}
PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "permissions": {
            "type": "object",
            "properties": {
                "file_system": {
                    "type": "object",
                    "properties": {
                        "read": {
                            **PATHS,
                            "description": "Folders to read; relative to the working folder.",
                        },
                        "write": {**PATHS, "description": "Folders to write."},
                    },
                    "additionalProperties": False,
                },
                "network": {
                    "type": "object",
                    "properties": {"enabled": {"type": "boolean", "description": "Whether to reach the network."}},
                    "additionalProperties": False,
                },
            },
            "additionalProperties": False,
        },
        "reason": {"type": "string", "description": "What for, in one sentence for the user."},
    },
    "required": ["permissions"],
    "additionalProperties": False,
}
DEFINITION = ToolDefinition(name=NAME, description=DESCRIPTION, parameters=PARAMETERS)


class RequestPermissionsTool:
    """Implements the `Tool` contract."""

    @property
    def definition(self) -> ToolDefinition:
        """A function with the permissions as its argument."""
        return DEFINITION

    @property
    def parallel_safe(self) -> bool:
        """No: what comes after counts on what is granted."""
        return False

    async def run(self, call: ToolCall, ctx: ToolContext) -> ToolOutput:
        """Ask. Raises `ToolFailed` for arguments that do not fit, `PolicyDenied` when nothing is granted."""
        asked = parse_permissions(call.arguments, ctx.cwd)
        reason = call.arguments.get("reason")
        summary = reason if isinstance(reason, str) else ""
        intent = ToolIntent(tool=NAME, arguments=call.arguments, summary=summary, permissions=asked)
        grant = await ctx.authorize(intent)
        import orjson

        granted = asked if grant is None else grant.permissions
        scope = "session" if grant is not None and grant.session else "turn"
        return ToolOutput(output=orjson.dumps({"permissions": as_dict(granted), "scope": scope}).decode())

    async def aclose(self) -> None:
        """Nothing outlives a call."""


def parse_permissions(arguments: Mapping[str, Any], cwd: str) -> AdditionalPermissions:
    """What is asked for. Raises `ToolFailed`."""
    given = arguments.get("permissions")
    if not isinstance(given, dict):
        raise _unfit("`permissions` must be an object")
    files, network = given.get("file_system") or {}, given.get("network") or {}
    if not isinstance(files, dict) or not isinstance(network, dict):
        raise _unfit("`file_system` and `network` must be objects")
    asked = AdditionalPermissions(
        writable_roots=_paths(files, "write", cwd),
        readable_roots=_paths(files, "read", cwd),
        network_access=network.get("enabled") is True,
    )
    if not asked:
        raise _unfit("`permissions` asks for nothing")
    return asked


def as_dict(granted: AdditionalPermissions) -> dict[str, Any]:
    """Permissions as the model writes them."""
    found: dict[str, Any] = {"network": {"enabled": True}} if granted.network_access else {}
    roots = {"read": granted.readable_roots, "write": granted.writable_roots}
    files = {name: list(paths) for name, paths in roots.items() if paths}
    return {**found, "file_system": files} if files else found


def _paths(files: Mapping[str, Any], name: str, cwd: str) -> tuple[str, ...]:
    given = files.get(name) or []
    if not isinstance(given, list) or not all(isinstance(path, str) and path and "\0" not in path for path in given):
        raise _unfit(f"`file_system.{name}` must be a list of paths")
    return tuple(dict.fromkeys(os.path.normpath(os.path.join(cwd, path)) for path in given))


def _unfit(reason: str) -> ToolFailed:
    return ToolFailed(f"failed to parse function arguments: {reason}")

"""`codex mcp prompts`: what servers offer as slash commands."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ExitCode

from .config import ServerConfig
from .known import Known, known_servers
from .trying import session_setup, tried

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation


def run_prompts(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out `prompts`; returns the exit code, 1 where a server cannot be asked. Raises `UserError`."""
    import anyio

    known = known_servers(invocation, given)
    if given["name"] is not None:
        chosen: Sequence[ServerConfig] = (known.server(given["name"]).replace(enabled=True),)
    else:
        chosen = [config for config in known.servers if config.enabled]
    found, problems = anyio.run(_ask_all, invocation, known, chosen)
    if given["as_json"]:
        import json

        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        sys.stdout.write("".join(map(_lines, found)) or "No prompts.\n")
    sys.stdout.flush()
    for name, problem in sorted(problems.items()):
        sys.stderr.write(f"warning: the MCP server {name} cannot be asked: {problem}\n")
    return ExitCode.FAILED if problems else ExitCode.OK


async def _ask_all(
    invocation: Invocation, known: Known, chosen: Sequence[ServerConfig]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The commands of all servers, asked at the same time, and what went wrong by server."""
    import anyio

    found: dict[str, list[dict[str, Any]]] = {}
    problems: dict[str, str] = {}
    setup = session_setup(invocation, known, [config.name for config in chosen])

    async def ask(config: ServerConfig) -> None:
        from .prompts import prompts_of
        from .slash import commands

        if config.sandbox:
            problems[config.name] = "it runs in the sandbox of a session, which there is not"
            return
        async with tried(config, setup) as (server, error):
            if error:
                problems[config.name] = error
            else:
                found[config.name] = commands(config.name, await prompts_of(server))

    async with anyio.create_task_group() as tasks:
        for config in chosen:
            tasks.start_soon(ask, config)
    return [entry for name in sorted(found) for entry in found[name]], problems


def _lines(entry: Mapping[str, Any]) -> str:
    head = f"{entry['name']} {entry['hint']}".rstrip()
    lines = [head, *([f"    {entry['description']}"] if entry["description"] else [])]
    lines += (f"    {one['name']}: {one['description']}" for one in entry["arguments"] if one["description"])
    return "\n".join(lines) + "\n"

"""What the plugin offers. Nothing here does the work: a process without MCP servers must not pay for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import CheckSpec, CommandSpec, ConfigSectionSpec, ExecPolicySpec, ToolSourceSpec, hookimpl

if TYPE_CHECKING:
    import click

    from codex_plugin_sdk import Check, CheckSetup, ExecPolicy, PolicySetup, ToolSource, ToolSourceSetup


@hookimpl
def codex_tool_sources() -> Iterable[ToolSourceSpec]:
    """Offer the tools of the configured MCP servers, and of those that plugins bring along."""
    yield ToolSourceSpec(name="mcp", factory=_open)


def _open(setup: ToolSourceSetup) -> ToolSource | None:
    if not setup.servers and not setup.tools.config.get("mcp_servers"):
        if not setup.answers_questions:
            return None  # one turn, and nobody who could have servers reloaded
        from .dormant import DormantBridge

        return DormantBridge(setup)
    import time

    began_s = time.monotonic()
    from .bridge import McpBridge

    return McpBridge(setup, began_s)


@hookimpl
def codex_config_sections() -> Iterable[ConfigSectionSpec]:
    """The table `[mcp]`."""
    from .section import McpSection

    yield ConfigSectionSpec(name="mcp", section=McpSection)


@hookimpl
def codex_exec_policies() -> Iterable[ExecPolicySpec]:
    """One policy: the approval modes of servers and tools."""
    yield ExecPolicySpec(name="mcp", factory=_policy)


def _policy(setup: PolicySetup) -> ExecPolicy:
    from .approval import ApprovalModes

    return ApprovalModes(setup)


@hookimpl
def codex_checks() -> Iterable[CheckSpec]:
    """One check of `codex doctor`."""
    yield CheckSpec(name="mcp", factory=_check, order=60)


def _check(setup: CheckSetup) -> Check:
    from .check import McpCheck

    return McpCheck(setup)


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """One command."""
    yield CommandSpec(name="mcp", help="Add, list, log in to and test MCP servers", load=_command)


def _command() -> click.Command:
    from .command import mcp

    return mcp

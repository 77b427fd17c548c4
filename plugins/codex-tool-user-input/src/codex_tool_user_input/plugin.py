"""Offers the tools `request_user_input` and `request_permissions`. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import ToolSpec, hookimpl

if TYPE_CHECKING:
    from codex_plugin_sdk import Tool, ToolSetup


@hookimpl
def codex_tools() -> Iterable[ToolSpec]:
    """Questions for everyone, permissions for who switches them on: Codex keeps that tool behind a flag as well."""
    yield ToolSpec(name="request_user_input", factory=_questions)
    yield ToolSpec(name="request_permissions", factory=_permissions, default_enabled=False)


def _questions(setup: ToolSetup) -> Tool:
    from .questions import RequestUserInputTool

    return RequestUserInputTool()


def _permissions(setup: ToolSetup) -> Tool:
    from .permissions import RequestPermissionsTool

    return RequestPermissionsTool()

"""Offers the context sources that every session has. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable

from codex_plugin_sdk import ContextSourceSpec, base_context_sources, hookimpl


@hookimpl
def codex_context_sources() -> Iterable[ContextSourceSpec]:
    """Permissions, developer instructions, AGENTS.md files and the environment."""
    return base_context_sources()

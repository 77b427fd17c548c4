"""The kernel's own plugin: context sources that every session has. It comes through the same hooks as others."""

from __future__ import annotations

from collections.abc import Iterable

from .contracts.context import ContextSource
from .hookspecs import hookimpl
from .specs import ContextSourceSpec


@hookimpl
def codex_context_sources() -> Iterable[ContextSourceSpec]:
    """Permissions, AGENTS.md files and the environment."""
    yield ContextSourceSpec(name="permissions", order=10, factory=_permissions)
    yield ContextSourceSpec(name="developer-instructions", order=20, factory=_developer)
    yield ContextSourceSpec(name="agents-md", order=50, factory=_agents_md)
    yield ContextSourceSpec(name="environment", order=60, factory=_environment)


def _permissions() -> ContextSource:
    from .context_sources import PermissionsSource

    return PermissionsSource()


def _developer() -> ContextSource:
    from .context_sources import DeveloperSource

    return DeveloperSource()


def _agents_md() -> ContextSource:
    from .agents_md import AgentsMdSource

    return AgentsMdSource()


def _environment() -> ContextSource:
    from .context_sources import EnvironmentSource

    return EnvironmentSource()

"""What every session tells the model: permissions, developer instructions, AGENTS.md files, the environment.

The plugin codex-context-base offers these; another that offers the same names takes their place when that one is
blocked.
"""

from __future__ import annotations

from codex_kernel.contracts.context import ContextSource
from codex_kernel.specs import ContextSourceSpec


def base_context_sources() -> tuple[ContextSourceSpec, ...]:
    """The specs, whose factories import what does the work."""
    return (
        ContextSourceSpec(name="permissions", order=10, factory=_permissions),
        ContextSourceSpec(name="developer-instructions", order=20, factory=_developer),
        ContextSourceSpec(name="agents-md", order=50, factory=_agents_md),
        ContextSourceSpec(name="environment", order=60, factory=_environment),
    )


def _permissions() -> ContextSource:
    from .sources import PermissionsSource

    return PermissionsSource()


def _developer() -> ContextSource:
    from .sources import DeveloperSource

    return DeveloperSource()


def _agents_md() -> ContextSource:
    from .agents_md import AgentsMdSource

    return AgentsMdSource()


def _environment() -> ContextSource:
    from .sources import EnvironmentSource

    return EnvironmentSource()

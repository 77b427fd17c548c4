"""What the plugin offers. Nothing here does the work: a process without sub-agents must not pay for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import FeatureSpec, ToolSourceSpec, hookimpl

if TYPE_CHECKING:
    from codex_plugin_sdk import ToolSource, ToolSourceSetup

FEATURE = FeatureSpec(name="multi_agent", stage="stable", default=True, help="Give the model tools to start sub-agents")


@hookimpl
def codex_features() -> Iterable[FeatureSpec]:
    """Codex's own flag for it."""
    yield FEATURE


@hookimpl
def codex_tool_sources() -> Iterable[ToolSourceSpec]:
    """The tools of sub-agents."""
    yield ToolSourceSpec(name="agents", factory=_open)


def _open(setup: ToolSourceSetup) -> ToolSource | None:
    from .limits import read_limits, switched_on

    if setup.open_child is None or not switched_on(setup.tools.config, FEATURE):
        return None
    limits = read_limits(setup.tools.config)
    if setup.depth >= limits.max_depth or limits.max_threads == 0:
        return None
    from .source import Agents

    return Agents(setup, limits)

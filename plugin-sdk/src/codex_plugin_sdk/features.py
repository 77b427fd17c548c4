"""Feature flags: whether one is on, by what is set, its default and what it requires."""

from __future__ import annotations

from collections.abc import Mapping

from codex_kernel.specs import FeatureSpec

STAGES = ("under development", "experimental", "stable", "deprecated", "removed")


def feature_enabled(table: Mapping[str, object], specs: Mapping[str, FeatureSpec], name: str) -> bool:
    """Whether a flag is on: `table` is `[features]` of the merged configuration. A removed flag never is, nor one
    that nobody offers, nor one whose requirements are off."""
    return _enabled(table, specs, name, frozenset())


def _enabled(table: Mapping[str, object], specs: Mapping[str, FeatureSpec], name: str, above: frozenset[str]) -> bool:
    spec = specs.get(name)
    if spec is None or spec.stage == "removed" or name in above:
        return False
    found = table.get(name, spec.default)
    wanted = found if isinstance(found, bool) else isinstance(found, Mapping) and found.get("enabled", True) is True
    return wanted and all(_enabled(table, specs, other, above | {name}) for other in spec.requires)

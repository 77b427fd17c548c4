"""Flags are on by what is set, by default, and only with what they require."""

from codex_plugin_sdk import FeatureSpec
from codex_plugin_sdk.features import feature_enabled

SPECS = {
    spec.name: spec
    for spec in (
        FeatureSpec(name="on", stage="stable", default=True),
        FeatureSpec(name="off"),
        FeatureSpec(name="gone", stage="removed", default=True),
        FeatureSpec(name="needs", default=True, requires=("off",)),
        FeatureSpec(name="a", default=True, requires=("b",)),
        FeatureSpec(name="b", default=True, requires=("a",)),
    )
}


def enabled(table):
    return {name for name in [*SPECS, "unknown"] if feature_enabled(table, SPECS, name)}


def test_flags():
    assert enabled({}) == {"on"}
    assert enabled({"on": False, "off": True}) == {"off", "needs"}
    assert enabled({"gone": True, "unknown": True}) == {"on"}
    assert enabled({"off": {"enabled": True, "more": 1}, "on": {"enabled": False}}) == {"off", "needs"}
    assert enabled({"off": "yes"}) == {"on"}

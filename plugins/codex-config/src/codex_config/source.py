"""The configuration source that adds nothing and checks everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from codex_plugin_sdk import ConfigRequest, Diagnostic, SourcedConfig

if TYPE_CHECKING:
    from codex_plugin_sdk import Config, FeatureSpec

    from .catalogue import Key


class CheckSource:
    """Implements `ConfigSource`."""

    def read(self, request: ConfigRequest) -> SourcedConfig:
        """No layers."""
        return SourcedConfig()

    def check(self, config: Config) -> Sequence[Diagnostic]:
        """What is wrong. An empty configuration costs nothing."""
        if not config.layers:
            return ()
        from .check import Checker

        features = features_of(config) if "features" in config.data else {}
        return tuple(Checker(config, keys_of(config), features).run())


def keys_of(config: Config) -> Mapping[str, Key]:
    """All keys, with those of the sections that plugins contribute."""
    from .catalogue import load_keys

    offers = config.plugins.config_sections() if config.plugins is not None else {}
    return load_keys((offer.plugin, offer.spec) for offer in offers.values())


def features_of(config: Config) -> Mapping[str, FeatureSpec]:
    """All feature flags by name."""
    offers = config.plugins.features() if config.plugins is not None else {}
    return {name: offer.spec for name, offer in offers.items()}

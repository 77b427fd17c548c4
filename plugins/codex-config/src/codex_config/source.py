"""The configuration source that adds nothing and checks everything."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from codex_plugin_sdk import ConfigRequest, Diagnostic, SourcedConfig

if TYPE_CHECKING:
    from codex_plugin_sdk import Config, FeatureSpec

    from .catalogue import Key
    from .check import Checker


_held = ContextVar("held", default=False)


@contextmanager
def checks_held() -> Iterator[None]:
    """Configuration is loaded with what is wrong in it: for commands that show it, or put it right."""
    token = _held.set(True)
    try:
        yield
    finally:
        _held.reset(token)


class CheckSource:
    """Implements `ConfigSource`."""

    def read(self, request: ConfigRequest) -> SourcedConfig:
        """No layers."""
        return SourcedConfig()

    def check(self, config: Config) -> Sequence[Diagnostic]:
        """What is wrong. An empty configuration costs nothing."""
        if _held.get() or not config.layers:
            return ()
        found = tuple(checker(config, {name for layer in config.layers for name in layer.table}).run())
        # What an unknown key may be meant to be is found among all keys.
        return tuple(checker(config).run()) if any(one.code == "unknown-key" for one in found) else found


def checker(config: Config, tops: Container[str] | None = None) -> Checker:
    """What checks this configuration; with `tops` against the keys whose first part is among them."""
    from .check import Checker

    features = features_of(config) if any("features" in layer.table for layer in config.layers) else {}
    return Checker(config, keys_of(config, tops), features)


def keys_of(config: Config, tops: Container[str] | None = None) -> Mapping[str, Key]:
    """All keys, with those of the sections that plugins contribute; see `load_keys` for `tops`."""
    from .catalogue import load_keys

    offers = config.plugins.config_sections() if config.plugins is not None else {}
    return load_keys(((offer.plugin, offer.spec) for offer in offers.values()), tops)


def features_of(config: Config) -> Mapping[str, FeatureSpec]:
    """All feature flags by name."""
    offers = config.plugins.features() if config.plugins is not None else {}
    return {name: offer.spec for name, offer in offers.items()}

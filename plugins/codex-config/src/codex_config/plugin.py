"""Offers the commands `config` and `features`, the check of all configuration, and the known flags. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import CommandSpec, ConfigSourceSpec, FeatureSpec, hookimpl

if TYPE_CHECKING:
    import click

    from codex_plugin_sdk import ConfigSource


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """Two commands."""
    yield CommandSpec(name="config", help="See, explain and change settings", load=_config)
    yield CommandSpec(name="features", help="See and switch feature flags", load=_features)


@hookimpl
def codex_config_sources() -> Iterable[ConfigSourceSpec]:
    """Adds nothing and checks everything: last, when all layers are there."""
    yield ConfigSourceSpec(name="config", factory=_source, order=1000)


@hookimpl
def codex_features() -> Iterable[FeatureSpec]:
    """The flags that Codex knows, so that none of its configurations is refused."""
    from .flags import well_known

    return well_known()


def _source() -> ConfigSource:
    from .source import CheckSource

    return CheckSource()


def _config() -> click.Command:
    from .command import config

    return config


def _features() -> click.Command:
    from .features_command import features

    return features

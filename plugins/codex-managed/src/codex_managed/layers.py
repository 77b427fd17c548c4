"""A bundle as what the kernel takes: a layer and requirements."""

from __future__ import annotations

from codex_plugin_sdk import ConfigLayer, SourcedConfig

from .loading import Loaded


def sourced(loaded: Loaded, settings_path: str) -> SourcedConfig:
    """The layers of a bundle, with places that name its source and the line in it."""
    bundle, source = loaded.bundle, loaded.settings.source
    layers: tuple[ConfigLayer, ...] = ()
    requirements: tuple[ConfigLayer, ...] = ()
    if bundle.config:
        layers = (ConfigLayer(kind="managed", source=source, table=bundle.config, text=bundle.config_text),)
    if bundle.requirements:
        requirements = (
            ConfigLayer(kind="requirements", source=source, table=bundle.requirements, text=bundle.requirements_text),
        )
    return SourcedConfig(
        layers=layers,
        requirements=requirements,
        watched=(settings_path, *loaded.watched),
        notices=loaded.notices,
    )

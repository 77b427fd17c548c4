"""Trying a bundle out before it replaces a good one, with nothing else configured."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from codex_plugin_sdk import ConfigError, ConfigSources, load_config

from .bundle import Bundle

if TYPE_CHECKING:
    from codex_plugin_sdk import PluginManager


def try_out(bundle: Bundle, source: str, plugins: PluginManager | None = None) -> tuple[str, ...]:
    """What is said of the bundle's configuration and requirements; with `plugins` they are asked as well, else
    only what stops every start is looked for. Raises `ConfigError`, with places in `source`."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="codex-managed-") as folder:
        texts = {"config.toml": bundle.config_text, "requirements.toml": bundle.requirements_text}
        for name, text in texts.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8", newline="") as file:
                file.write(text)

        def named(said: str) -> str:
            for name in texts:
                said = said.replace(os.path.join(folder, name), source)
            return said

        try:
            config = load_config(ConfigSources(codex_home=os.path.join(folder, "home"), system_dir=folder), plugins)
        except ConfigError as error:
            raise ConfigError(named(error.message), hint=named(error.hint)) from error
        return tuple(named(notice) for notice in config.notices)

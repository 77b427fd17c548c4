"""Setting trust levels in config.toml; everything else in it stays as it is."""

from __future__ import annotations

import os
from collections.abc import Mapping

from codex_plugin_sdk.config_edit import edit_config


def set_trust_levels(codex_home: str, levels: Mapping[str, str]) -> str:
    """Write `[projects."PATH"] trust_level` for each path; returns the file. Raises `ConfigError` where it cannot
    be written."""
    path = os.path.join(codex_home, "config.toml")
    edits = {f'projects."{name}".trust_level': level for name, level in levels.items()}
    edit_config(path, edits, lock=os.path.join(codex_home, "kernel", "config.lock"))
    return path

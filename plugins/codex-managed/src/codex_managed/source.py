"""The configuration source. Every start imports this file: where nothing is managed it costs one stat."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from time import time
from typing import TYPE_CHECKING

from codex_plugin_sdk import SourcedConfig

if TYPE_CHECKING:
    from codex_plugin_sdk import Config, ConfigRequest, Diagnostic

SETTINGS_FILE = "managed.toml"
"""In the system's folder. Only an administrator says where a bundle comes from."""


def is_managed(path: str) -> bool:
    """Whether there is a `managed.toml`. One that cannot be looked at counts: reading it tells what is wrong."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


class ManagedSource:
    """The managed layer and its requirements; `clock` gives Unix seconds."""

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self._clock = clock

    def read(self, request: ConfigRequest) -> SourcedConfig:
        """What the bundle says; nothing without `managed.toml`. Raises `ConfigError` where there is one and its
        bundle cannot be had: then nothing may start."""
        path = os.path.join(request.system_dir, SETTINGS_FILE)
        if not is_managed(path):
            return SourcedConfig(watched=(path,))
        from .layers import sourced
        from .loading import Loader
        from .settings import read_settings

        settings = read_settings(path)
        loader = Loader(settings, request.codex_home, request.environ, self._clock)
        return sourced(loader.load(), path)

    def check(self, config: Config) -> Sequence[Diagnostic]:
        """Nothing: what the bundle says is checked like every other layer."""
        return ()

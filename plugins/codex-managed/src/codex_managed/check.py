"""The check `managed` of `codex doctor`: looks at what is here, asks no server and changes nothing."""

from __future__ import annotations

import os
from time import time

from codex_plugin_sdk import CheckSetup, ConfigError, ConfigSources, Finding, Health

from .loading import Loaded, Loader
from .settings import DAY_S, read_settings
from .source import SETTINGS_FILE, is_managed
from .status import describe

NAME = "managed"
SOON_S = 7 * DAY_S
_REFRESH = "codex managed refresh"


class ManagedCheck:
    """Whether the organisation's configuration can be had, and for how long."""

    def __init__(self, setup: CheckSetup, system_dir: str | None = None) -> None:
        self._setup = setup
        folder = system_dir or ConfigSources(codex_home=setup.codex_home).system_dir
        self._path = os.path.join(folder, SETTINGS_FILE)

    async def run(self) -> tuple[Finding, ...]:
        """One finding."""
        path = self._path
        if not is_managed(path):
            message = f"nothing is managed: {path} does not exist"
            return (Finding(name=NAME, health=Health.OK, message=message),)
        try:
            loaded = Loader(read_settings(path), self._setup.codex_home, self._setup.environ).look()
        except ConfigError as error:
            return (Finding(name=NAME, health=Health.FAILED, message=error.message, cure=error.hint or _REFRESH),)
        return (_finding(path, loaded),)


def _finding(path: str, loaded: Loaded) -> Finding:
    bundle, details = loaded.bundle, describe(path, loaded)
    message = f"version {bundle.version} of {loaded.settings.source}"
    if loaded.problem:
        said = f"{message} stands in as the last good copy: {loaded.problem}"
        return Finding(name=NAME, health=Health.WARNING, message=said, cure=_REFRESH, details=details)
    if bundle.expires_at is not None and bundle.expires_at.timestamp() - time() < SOON_S:
        said = f"{message} expires at {bundle.expires_at.isoformat()}; then nothing starts"
        cure = "have a newer bundle signed and published"
        return Finding(name=NAME, health=Health.WARNING, message=said, cure=cure, details=details)
    signed = "its signature fits" if loaded.signed else "not signed, only root can write it"
    return Finding(name=NAME, health=Health.OK, message=f"{message}, {signed}", details=details)

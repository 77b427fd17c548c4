"""The check `config`: the configuration as this command line has it, each warning about it a row."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from codex_plugin_sdk import (
    CheckSetup,
    CodexError,
    Config,
    ConfigSources,
    Diagnostic,
    Engine,
    Finding,
    Health,
    load_config,
)

from ..examined import Examined

_COMMAND = re.compile(r"\(?(codex [a-z][^()]*?)\)?\.?\Z")
_CURE = "correct what is named; codex config explain KEY shows where a value comes from"


class ConfigCheck:
    """Files that parse, values that fit, requirements that are met, and what is left out or not known."""

    def __init__(self, setup: CheckSetup) -> None:
        self._setup = setup

    async def run(self) -> tuple[Finding, ...]:
        """One finding for the whole; a failed one says file, line and cause. One more for each warning."""
        config = self._setup.config if isinstance(self._setup, Examined) else _alone(self._setup)
        problem = self._setup.problem if isinstance(self._setup, Examined) else None
        if config is None:
            if problem is None:
                raise TypeError("there is neither a configuration nor a problem with it")
            return (_failed(problem),)
        try:
            engine = Engine(config=config, plugins=self._setup.plugins, environ=self._setup.environ)
        except CodexError as error:
            return (_failed(error), *self._warnings(config))
        return (_whole(config, engine), *self._warnings(config), *_profile(config))

    def _warnings(self, config: Config) -> Iterator[Finding]:
        """What sources say of the merged table, with their hints, and what else users are told at a start."""
        said: set[str] = set()
        for offer in self._setup.plugins.config_sources():
            for found in offer.spec.factory().check(config):
                said.add(_as_notice(found))
                yield _diagnosed(found)
        for text in config.notices:
            if text not in said:
                command = _COMMAND.search(text)
                cure = command[1] if command else _CURE
                yield Finding(name="config notice", health=Health.WARNING, message=text, cure=cure)


def _alone(setup: CheckSetup) -> Config:
    """For whoever runs this check without the command: the files of the home."""
    sources = ConfigSources(codex_home=setup.codex_home, environ=setup.environ, cwd=setup.cwd)
    return load_config(sources, setup.plugins)


def _failed(error: CodexError) -> Finding:
    return Finding(name="config", health=Health.FAILED, message=error.message, cure=error.hint or _CURE)


def _diagnosed(found: Diagnostic) -> Finding:
    health = Health.FAILED if found.severity == "error" else Health.WARNING
    message = f"{found.where}: {found.message}" if found.where else found.message
    name = f"config {found.key}" if found.key else "config notice"
    details = {"code": found.code, "key": found.key, "where": found.where}
    return Finding(name=name, health=health, message=message, cure=found.hint or _CURE, details=details)


def _as_notice(found: Diagnostic) -> str:
    """The text by which the same diagnostic is among the notices."""
    return f"{found.where}: {found.message}" + (f" ({found.hint})" if found.hint else "")


def _profile(config: Config) -> Iterator[Finding]:
    name = config.sources.profile
    if name and all(layer.kind != "profile" for layer in config.layers):
        yield Finding(
            name="config profile",
            health=Health.WARNING,
            message=f"the profile {name} is not defined anywhere",
            cure=f"is it misspelt? It would be {os.path.join(config.codex_home, f'{name}.config.toml')}",
        )


def _whole(config: Config, engine: Engine) -> Finding:
    settings, required = engine.settings, config.requirements
    files = [layer.source for layer in config.layers if layer.kind not in ("flags", "requirements")]
    path = os.path.join(config.codex_home, "config.toml")
    message = f"{', '.join(files)}: fine" if files else f"{path} does not exist: the defaults hold"
    if required.layers:
        message += f"; constrained by {', '.join(dict.fromkeys(layer.source for layer in required.layers))}"
    if config.ignored:
        message += f"; of an untrusted project {len(config.ignored)} files are left out"
    details: dict[str, object] = {
        "model": settings.model,
        "model_provider": settings.provider_id,
        "approval_policy": settings.approval_policy.value,
        "sandbox_mode": settings.sandbox_policy.mode.value,
        "sandbox_preference": settings.sandbox_preference.value,
        "layers": [f"{layer.kind}: {layer.source}" for layer in config.layers],
        "requirements": _constraints(config),
        "trusted": config.trusted,
        "ignored": list(config.ignored),
    }
    return Finding(name="config", health=Health.OK, message=message, details=details)


def _constraints(config: Config) -> list[str]:
    rules = [
        f"{rule.key}: {', '.join(rule.allowed)} ({rule.where})" for rule in config.requirements.constraints.values()
    ]
    features: Mapping[str, bool] = config.requirements.features
    return rules + [f"features.{name}: {str(on).lower()}" for name, on in features.items()]

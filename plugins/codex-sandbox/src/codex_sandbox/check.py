"""The check `sandbox` of `codex doctor`."""

from __future__ import annotations

from codex_plugin_sdk import CheckSetup, Config, Engine, Finding, Health, SandboxMode, SandboxPolicy

from .survey import Survey, survey

NAME = "sandbox"


class SandboxCheck:
    """What confines commands under the configured policy, and what it does not enforce."""

    def __init__(self, setup: CheckSetup) -> None:
        self._setup = setup

    async def run(self) -> tuple[Finding, ...]:
        """One finding. Raises `CodexError` for a configuration or plugin that is wrong."""
        setup = self._setup
        config = Config(setup.codex_home)
        for key, given in setup.options.items():
            if "." not in key:  # a dotted key is an entry's name; no setting has one at the top
                config.merge_key(key, given, "the configuration")
        engine = Engine(config=config, plugins=setup.plugins, environ=setup.environ)
        policy = engine.settings.sandbox_policy.anchored(setup.cwd)
        if policy.unconfined:
            # The engine counts all the same: the next command line may ask for it.
            found = await survey(engine, SandboxPolicy(mode=SandboxMode.READ_ONLY))
            return (_unconfined(found),)
        return (_finding(await survey(engine, policy)),)


def _unconfined(found: Survey) -> Finding:
    return Finding(
        name=NAME,
        health=Health.WARNING,
        message="the configuration lets commands run unconfined (danger-full-access); "
        + (f"{found.chosen} could confine them" if found.chosen else "nothing here could confine them"),
        cure='sandbox_mode = "workspace-write" in config.toml, or -s workspace-write',
        details=_details(found),
    )


def _finding(found: Survey) -> Finding:
    engine = found.engine
    if engine is None:
        return Finding(name=NAME, health=Health.FAILED, message=found.problem, cure=found.cure, details=_details(found))
    version = f" ({engine.probe.version})" if engine.probe.version else ""
    message = f"{engine.name}{version} confines commands to {found.policy.mode}"
    missing = [guarantee for guarantee in engine.probe.guarantees if not guarantee.enforced]
    if not missing and not engine.probe.degraded:
        return Finding(name=NAME, health=Health.OK, message=message, details=_details(found))
    names = ", ".join(guarantee.name for guarantee in missing) or "what its probe calls degraded"
    return Finding(
        name=NAME,
        health=Health.WARNING,
        message=f"{message}, but does not enforce: {names}",
        cure=found.cures or "codex sandbox status tells why",
        details=_details(found),
    )


def _details(found: Survey) -> dict[str, object]:
    details: dict[str, object] = {
        "mode": found.policy.mode.value,
        "network": found.policy.network.value,
        "preference": found.preference.value,
    }
    for candidate in found.candidates:
        details[f"engine {candidate.name}"] = candidate.reason or (
            "chosen" if candidate.name == found.chosen else "could be used"
        )
    engine = found.engine
    for guarantee in engine.probe.guarantees if engine else ():
        details[guarantee.name] = "enforced" if guarantee.enforced else f"NOT enforced: {guarantee.why}"
    return details

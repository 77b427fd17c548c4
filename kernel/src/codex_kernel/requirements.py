"""What an administrator permits: constraints that no layer, flag or turn can widen."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .contracts.config import ConfigLayer
from .errors import ConfigError
from .protocol.policy import ApprovalPolicy, SandboxMode, SandboxPolicy
from .protocol.value import Value, field, value
from .toml_files import read_toml

if TYPE_CHECKING:
    from .settings import Settings

T = TypeVar("T")

FILE = "requirements.toml"
LISTS = {
    "allowed_approval_policies": "approval_policy",
    "allowed_sandbox_modes": "sandbox_mode",
    "allowed_model_providers": "model_provider",
    "allowed_mcp_servers": "mcp_servers",
    "allowed_plugins": "plugins",
    "allowed_domains": "domains",
}
"""Key of requirements.toml -> what it constrains."""


@value
class Constrained(Value, Generic[T]):
    """A setting of which only some values are permitted; `where` says by whom."""

    key: str
    allowed: tuple[T, ...]
    where: str

    def permits(self, wanted: T) -> bool:
        """Whether a value may be set."""
        return wanted in self.allowed

    def refusal(self, wanted: object) -> str:
        """Why a value may not be set."""
        allowed = ", ".join(map(str, self.allowed)) or "nothing"
        return f"`{self.key}` may not be {wanted}: {self.where} allows {allowed}"


@value
class Requirements(Value):
    """All constraints together. Of several files the strictest holds."""

    constraints: Mapping[str, Constrained[str]] = field(factory=dict)
    features: Mapping[str, bool] = field(factory=dict)
    layers: tuple[ConfigLayer, ...] = ()

    def fit(self, settings: Settings) -> tuple[Settings, list[str]]:
        """The settings with what is not permitted replaced by what is, and what to tell the user. Raises
        `ConfigError` where there is nothing to put in its place: another provider would get the user's code."""
        said: list[str] = []

        def fallback(key: str, wanted: str) -> str | None:
            rule = self.constraints.get(key)
            if rule is None or rule.permits(wanted):
                return None
            if key == "model_provider" or not rule.allowed:
                raise ConfigError(rule.refusal(wanted))
            said.append(f"{rule.refusal(wanted)}; {rule.allowed[0]} is used")
            return rule.allowed[0]

        fallback("model_provider", settings.provider_id)
        if (approval := fallback("approval_policy", settings.approval_policy.value)) is not None:
            settings = settings.replace(approval_policy=ApprovalPolicy(approval), granular=None)
        if (mode := fallback("sandbox_mode", settings.sandbox_policy.mode.value)) is not None:
            settings = settings.replace(sandbox_policy=SandboxPolicy(mode=SandboxMode(mode)))
        policy = self._without_forbidden_hosts(settings.sandbox_policy, said)
        return (settings if policy is settings.sandbox_policy else settings.replace(sandbox_policy=policy)), said

    def _without_forbidden_hosts(self, policy: SandboxPolicy, said: list[str]) -> SandboxPolicy:
        rule = self.constraints.get("domains")
        if rule is None or policy.unconfined:
            return policy
        if policy.network_rules is not None:
            allowed = tuple(name for name in policy.network_rules.allowed if rule.permits(name))
            if allowed == policy.network_rules.allowed:
                return policy
            dropped = ", ".join(sorted(set(policy.network_rules.allowed) - set(allowed)))
            said.append(f"{rule.refusal(dropped)}; the rest stays allowed")
            return policy.replace(network_rules=policy.network_rules.replace(allowed=allowed))
        if policy.network_access:
            said.append(f"{rule.refusal('all of the network')}; the network is off")
            return policy.replace(network_access=False)
        return policy

    def check_turn(self, settings: Settings) -> None:
        """Raise `ConfigError` for settings that a turn asks for and that are not permitted."""
        _, said = self.fit(settings)
        if said:
            raise ConfigError(said[0].partition(";")[0])


def parse_requirements(layers: Iterable[ConfigLayer], where: Callable[[ConfigLayer, str], str]) -> Requirements:
    """The constraints of all files. Raises `ConfigError` for a file that cannot be understood whole: what an
    administrator wrote is not to be half obeyed."""
    constraints: dict[str, Constrained[str]] = {}
    features: dict[str, bool] = {}
    kept = tuple(layers)
    for layer in kept:
        for name, found in layer.table.items():
            place = where(layer, name)
            if name == "features":
                features |= _features(found, place)
                continue
            if name not in LISTS:
                known = ", ".join([*LISTS, "features"])
                raise ConfigError(f"unknown requirement `{name}`", where=place, hint=f"known: {known}")
            if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
                raise ConfigError(f"`{name}` must be an array of strings", where=place)
            key = LISTS[name]
            before = constraints.get(key)
            allowed = tuple(entry for entry in found if before is None or entry in before.allowed)
            constraints[key] = Constrained(key=key, allowed=allowed, where=place)
    for key, words in (("approval_policy", ApprovalPolicy), ("sandbox_mode", SandboxMode)):
        for entry in constraints[key].allowed if key in constraints else ():
            if entry not in list(words):
                raise ConfigError(f"`{entry}` is no {key}", where=constraints[key].where)
    return Requirements(constraints=constraints, features=features, layers=kept)


def allowed_plugins(system_dir: str) -> frozenset[str] | None:
    """The distributions that may add plugins to the bundled ones; None where all may. Raises `ConfigError`."""
    found = read_toml(os.path.join(system_dir, FILE))
    names = None if found is None else found[0].get("allowed_plugins")
    if names is None:
        return None
    return frozenset(name.lower().replace("_", "-") for name in names if isinstance(name, str))


def _features(found: Any, place: str) -> dict[str, bool]:
    if not isinstance(found, Mapping) or not all(isinstance(entry, bool) for entry in found.values()):
        raise ConfigError("`features` must be a table of true and false", where=place)
    return dict(found)

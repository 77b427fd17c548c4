"""What the plugin offers: a policy, and the table of config.toml that it reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import ConfigSectionSpec, ExecPolicySpec, hookimpl

if TYPE_CHECKING:
    from codex_plugin_sdk import ExecPolicy, PolicySetup

codex_api_version = "1.0"


@hookimpl
def codex_exec_policies() -> Iterable[ExecPolicySpec]:
    """Offer the guard."""
    yield ExecPolicySpec(name="acme-guard", factory=_open)


@hookimpl
def codex_config_sections() -> Iterable[ConfigSectionSpec]:
    """Own the table `[guard]`."""
    from .guard import GuardSection

    yield ConfigSectionSpec(name="guard", section=GuardSection)


def _open(setup: PolicySetup) -> ExecPolicy:
    from .guard import Guard

    return Guard.from_options(setup.options)

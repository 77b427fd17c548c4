"""Values of options that take a word of the configuration, which their click type does not know."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from codex_plugin_sdk import Config, Invocation


def known_values(param: click.Parameter, invocation: Invocation) -> list[str]:
    """What may be given to an option of this name, whichever command has it; empty where nothing is known.
    Raises `ConfigError` where the configuration has to be read and cannot be."""
    for name in (*param.opts, *param.secondary_opts):
        if name in _VALUES:
            return list(_VALUES[name](invocation))
    return []


def _sandbox_modes(_: Invocation) -> Iterable[str]:
    from codex_plugin_sdk import SandboxMode

    return (mode.value for mode in SandboxMode)


def _approval_policies(_: Invocation) -> Iterable[str]:
    from codex_plugin_sdk import ApprovalPolicy

    # `granular` needs a table, which no word on the command line can give
    return (policy.value for policy in ApprovalPolicy if policy is not ApprovalPolicy.GRANULAR)


def _local_providers(invocation: Invocation) -> Iterable[str]:
    specs = (offer.spec for offer in invocation.plugins.providers().values())
    return (name for spec in specs if "chat" in spec.wire_apis for name in spec.builtin_ids)


def _features(invocation: Invocation) -> Iterable[str]:
    return sorted(invocation.plugins.features())


def _plugins(invocation: Invocation) -> Iterable[str]:
    return sorted(report.name for report in invocation.plugins.reports(call_hooks=False))


def _profiles(invocation: Invocation) -> Iterable[str]:
    config = _config(invocation)
    names = set(config.table("profiles"))
    if os.path.isdir(config.codex_home):
        suffix = ".config.toml"
        names |= {name.removesuffix(suffix) for name in os.listdir(config.codex_home) if name.endswith(suffix)}
    return sorted(names - {""})


def _permissions(invocation: Invocation) -> Iterable[str]:
    return sorted(_config(invocation).table("permissions"))


def _config(invocation: Invocation) -> Config:
    """The user's own files: without the sources of plugins, which would have to be imported."""
    from codex_plugin_sdk import ConfigSources, codex_home, load_config

    environ = invocation.environ
    return load_config(ConfigSources(codex_home=codex_home(environ), environ=environ))


_VALUES: dict[str, Callable[[Invocation], Iterable[str]]] = {
    "--sandbox": _sandbox_modes,
    "--ask-for-approval": _approval_policies,
    "--local-provider": _local_providers,
    "--enable": _features,
    "--disable": _features,
    "--no-plugin": _plugins,
    "--profile": _profiles,
    "--permission-profile": _permissions,
}

"""Offers the exec policy `rules`, the command `execpolicy`, and the configuration table of the same name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import CommandSpec, ConfigSectionSpec, ExecPolicySpec, hookimpl

if TYPE_CHECKING:
    import click

    from codex_plugin_sdk import ExecPolicy, PolicySetup


@hookimpl
def codex_exec_policies() -> Iterable[ExecPolicySpec]:
    """Rules files and the table of known commands."""
    yield ExecPolicySpec(name="rules", factory=_policy)


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """Rules tried out: against one command, or against old sessions."""
    yield CommandSpec(name="execpolicy", help="Check, suggest and simulate rules about commands", load=_command)


@hookimpl
def codex_config_sections() -> Iterable[ConfigSectionSpec]:
    """The table `[execpolicy]`."""
    from .section import ExecpolicySection

    yield ConfigSectionSpec(name="execpolicy", section=ExecpolicySection)


def _policy(setup: PolicySetup) -> ExecPolicy:
    from .policy import RulesPolicy

    return RulesPolicy(setup)


def _command() -> click.Command:
    from .cli import execpolicy

    return execpolicy

"""Offers the context source `skills`, the command `skills` and the table `[skills]`. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import CommandSpec, ConfigSectionSpec, ContextSourceSpec, hookimpl

if TYPE_CHECKING:
    import click

    from codex_plugin_sdk import ContextSource


@hookimpl
def codex_context_sources() -> Iterable[ContextSourceSpec]:
    """The list of skills and the bodies of those that the user names, after AGENTS.md and the environment."""
    yield ContextSourceSpec(name="skills", order=70, factory=_source)


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """One command with two subcommands."""
    yield CommandSpec(name="skills", help="List the skills that the agent can use, and check them", load=_command)


@hookimpl
def codex_config_sections() -> Iterable[ConfigSectionSpec]:
    """Which skills are switched off, and whether the model is told of them."""
    from codex_plugin_sdk.skills.section import SkillsSection

    yield ConfigSectionSpec(name="skills", section=SkillsSection)


def _source() -> ContextSource:
    from .source import SkillsSource

    return SkillsSource()


def _command() -> click.Command:
    from .command import skills

    return skills

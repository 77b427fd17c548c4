"""Offers the guard that writes traces, its table `[trace]`, and the commands that read them. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import CommandSpec, ConfigSectionSpec, TurnGuardSpec, hookimpl

if TYPE_CHECKING:
    import click

    from codex_plugin_sdk import GuardSetup, TurnGuard


@hookimpl
def codex_turn_guards() -> Iterable[TurnGuardSpec]:
    """One that only watches."""
    yield TurnGuardSpec(name="trace", factory=_trace, observes=True)


@hookimpl
def codex_config_sections() -> Iterable[ConfigSectionSpec]:
    """The table `[trace]`: whether traces are written, and how long they grow."""
    from .section import TraceSection

    yield ConfigSectionSpec(name="trace", section=TraceSection)


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """Two of its own, and one within the group `debug`."""
    yield CommandSpec(name="replay", help="Run a recorded session again and find where it diverges", load=_replay)
    yield CommandSpec(name="bug-capsule", help="Pack a session so that it replays elsewhere", load=_capsule)
    yield CommandSpec(name="debug trace", help="Draw a recorded session as a tree", load=_tree, hidden=True)


def _trace(setup: GuardSetup) -> TurnGuard | None:
    table = setup.config.get("trace")
    if setup.rollout_path is None or (isinstance(table, dict) and table.get("enabled") is False):
        return None  # of a thread that is kept nowhere nothing is to be kept here either
    from .trace_guard import TraceGuard

    return TraceGuard(setup)


def _replay() -> click.Command:
    from .command import replay

    return replay


def _capsule() -> click.Command:
    from .command import bug_capsule

    return bug_capsule


def _tree() -> click.Command:
    from .command import trace

    return trace

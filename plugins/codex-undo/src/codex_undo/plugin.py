"""Offers the turn guard `undo`, the commands `undo`, `redo`, `quarantine`, methods of the app server, and the table
`[undo]`. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import AppMethodSpec, CommandSpec, ConfigSectionSpec, TurnGuardSpec, hookimpl

if TYPE_CHECKING:
    import click

    from codex_plugin_sdk import AppMethod, AppMethodSetup, GuardSetup, TurnGuard


@hookimpl
def codex_turn_guards() -> Iterable[TurnGuardSpec]:
    """The guard that keeps what a turn is about to change."""
    yield TurnGuardSpec(name="undo", factory=_guard)


@hookimpl
def codex_commands() -> Iterable[CommandSpec]:
    """Restoring files, and what was deleted into the quarantine."""
    yield CommandSpec(name="undo", help="Take back what the last turn changed in files", load=_undo)
    yield CommandSpec(name="redo", help="Bring back what `codex undo` took back", load=_redo)
    yield CommandSpec(name="quarantine", help="List and restore large deletes of commands", load=_quarantine)


@hookimpl
def codex_app_methods() -> Iterable[AppMethodSpec]:
    """The same for clients of the app server."""
    yield AppMethodSpec(name="undo/preview", help="What taking back turns would do to files", factory=_preview)
    yield AppMethodSpec(
        name="undo/apply", help="Take back turns: files, and the conversation", factory=_apply, writes=True
    )
    yield AppMethodSpec(name="undo/redo", help="Bring back what undo took back", factory=_bring_back, writes=True)


@hookimpl
def codex_config_sections() -> Iterable[ConfigSectionSpec]:
    """The table `[undo]`: what is kept, and how much."""
    from .section import UndoSection

    yield ConfigSectionSpec(name="undo", section=UndoSection)


def _guard(setup: GuardSetup) -> TurnGuard | None:
    table = setup.config.get("undo")
    if isinstance(table, dict) and table.get("enabled") is False and table.get("quarantine") is False:
        return None
    from .guard import make_guard

    return make_guard(setup)


def _preview(setup: AppMethodSetup) -> AppMethod:
    from .app_methods import preview

    return preview(setup)


def _apply(setup: AppMethodSetup) -> AppMethod:
    from .app_methods import apply

    return apply(setup)


def _bring_back(setup: AppMethodSetup) -> AppMethod:
    from .app_methods import redo

    return redo(setup)


def _undo() -> click.Command:
    from .command import undo

    return undo


def _redo() -> click.Command:
    from .command import redo

    return redo


def _quarantine() -> click.Command:
    from .command import quarantine

    return quarantine

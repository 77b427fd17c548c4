"""Offers the store `sqlite` of kind state, the guard that keeps its index, and the table `[state]`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import ConfigSectionSpec, StoreSpec, TurnGuardSpec, hookimpl

if TYPE_CHECKING:
    from codex_plugin_sdk import GuardSetup, StateStore, StoreSetup, TurnGuard


@hookimpl
def codex_stores() -> Iterable[StoreSpec]:
    """The one state store of the default distribution."""
    yield StoreSpec(name="sqlite", kind="state", factory=_open)


@hookimpl
def codex_turn_guards() -> Iterable[TurnGuardSpec]:
    """It guards nothing: it tells when a model is waited for, and something can be done meanwhile."""
    yield TurnGuardSpec(name="state-index", factory=_background, observes=True)


@hookimpl
def codex_config_sections() -> Iterable[ConfigSectionSpec]:
    """The table `[state]`."""
    from .section import StateSection

    yield ConfigSectionSpec(name="state", section=StateSection)


def _open(setup: StoreSetup) -> StateStore:
    from .store import SqliteState

    return SqliteState(setup.codex_home, index=setup.options.get("index", True) is not False)


def _background(setup: GuardSetup) -> TurnGuard | None:
    table = setup.config.get("state")
    if setup.rollout_path is None or (isinstance(table, dict) and table.get("index") is False):
        return None
    from .background import IndexGuard

    return IndexGuard(setup.codex_home, setup.tell)

"""Registers the store `jsonl` of kind rollout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import StoreSpec, hookimpl

if TYPE_CHECKING:
    from codex_plugin_sdk import RolloutStore, StoreSetup

codex_api_version = "1.0"


@hookimpl
def codex_stores() -> Iterable[StoreSpec]:
    """The one rollout store of the default distribution."""
    yield StoreSpec(name="jsonl", kind="rollout", factory=_open)


def _open(setup: StoreSetup) -> RolloutStore:
    from .store import JsonlRolloutStore

    return JsonlRolloutStore(setup.codex_home, setup.environ)

"""The recorded conversation of a session: its turns, and taking them back."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

from codex_plugin_sdk import Engine, PluginMissing, RolloutLibrary, RolloutTurns, StoreError, UserError

if TYPE_CHECKING:
    from codex_plugin_sdk import Config, Invocation, RolloutStore, ThreadSummary

_BEGINS = frozenset({"task_started", "turn_started"})


class Conversation:
    """The rollout store of a home, opened when it is needed."""

    def __init__(self, invocation: Invocation, config: Config) -> None:
        self._invocation, self._config = invocation, config

    @cached_property
    def _store(self) -> RolloutStore:
        invocation = self._invocation
        return Engine(config=self._config, plugins=invocation.plugins, environ=invocation.environ).rollout_store()

    def named(self, wanted: str) -> str:
        """The id of the session that is meant. Raises `UserError`."""
        return self._require(wanted).thread_id

    def _require(self, wanted: str) -> ThreadSummary:
        found = self._store.find(wanted) if wanted else None
        if found is None:
            raise UserError(f"no session is {wanted!r}", hint="codex sessions list --all shows what there is")
        return found

    def turns(self, thread: str) -> list[str]:
        """The ids of its turns, in order. Raises `UserError`, `StoreError`."""
        found = self._require(thread)
        store = self._store
        if isinstance(store, RolloutTurns) and "history_base" not in found.meta:
            return [id for id, _ in store.turn_places(thread)]
        begun = []
        for line in store.read(thread):
            body = line.members() if line.type == "event_msg" else None
            if body is not None and body.get("type") in _BEGINS and isinstance(body.get("turn_id"), str):
                begun.append(body["turn_id"])
        return begun

    def require_free(self, thread: str) -> None:
        """Raise unless the conversation can be taken back."""
        if not isinstance(self._store, RolloutLibrary):
            raise PluginMissing(
                "the rollout store that is installed cannot take turns back", hint="pip install codex-rollout-jsonl"
            )

    def rewind(self, thread: str, turn: str) -> None:
        """Take back a turn and all after it. Raises `StoreError`, among others for a session that is open."""
        if not cast("RolloutLibrary", self._store).revert(thread, turn):
            raise StoreError(
                f"turn {turn} is not in the rollout of session {thread}", path=thread, operation="revert the rollout"
            )

"""How it stands with an agent, in the words of items and in those that the model reads."""

from __future__ import annotations

from typing import Any

from codex_plugin_sdk import Value, value

PENDING = "pendingInit"
RUNNING = "running"
INTERRUPTED = "interrupted"
COMPLETED = "completed"
ERRORED = "errored"
SHUTDOWN = "shutdown"
NOT_FOUND = "notFound"

_TELLING = (COMPLETED, ERRORED)
_SPOKEN = {PENDING: "pending_init", NOT_FOUND: "not_found"}


@value
class Status(Value):
    """`word` is one of those above; `message` is the answer of an agent that is done, or what went wrong."""

    word: str = PENDING
    message: str | None = None

    @property
    def final(self) -> bool:
        """Whether nothing more will come of it by itself."""
        return self.word not in (PENDING, RUNNING)

    def spoken(self) -> Any:
        """As the model reads it: a word, or `{word: message}` of one that says something."""
        if self.word in _TELLING:
            return {self.word: self.message}
        return _SPOKEN.get(self.word, self.word)

    def shown(self, nickname: str | None = None) -> dict[str, Any]:
        """As an item has it."""
        named = {"nickname": nickname} if nickname else {}
        return {"status": self.word, "message": self.message, **named}

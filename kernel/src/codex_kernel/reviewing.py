"""Reviewers of approval requests, and the model that they may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .contracts.model import ModelRequest
from .contracts.policy import Reviewer, ReviewerSetup
from .protocol.events import EventMsg
from .protocol.ids import new_turn_id
from .protocol.response_items import HistoryEntry, Message, text_message

if TYPE_CHECKING:
    from .specs import ReviewerSpec
    from .thread_state import ThreadState


class LateReviewer:
    """A reviewer that is made when the first question comes. Implements the `Reviewer` contract."""

    def __init__(self, spec: ReviewerSpec, state: ThreadState) -> None:
        self.name = spec.name
        self._spec = spec
        self._state = state
        self._made: Reviewer | None = None

    def made(self) -> Reviewer:
        """The reviewer itself."""
        if self._made is None:
            state = self._state

            async def sample(instructions: str, text: str) -> str:
                return await ask_model(state, instructions, text)

            setup = ReviewerSetup(codex_home=state.codex_home, options=state.config, sample=sample)
            self._made = self._spec.factory(setup)
        return self._made


class _Unseen:
    async def stream(self, *messages: EventMsg) -> None:
        """Nobody looks on."""

    async def emit(self, *messages: EventMsg) -> None:
        """Nobody looks on."""


async def ask_model(state: ThreadState, instructions: str, text: str) -> str:
    """One question to the thread's own model, without tools and outside its history; the usage counts as the
    thread's. Raises `ProviderError`."""
    from .sampling import sample

    request = ModelRequest(
        model=state.settings.model,
        instructions=instructions,
        input=(HistoryEntry.of(text_message("user", text)),),
        tools=(),
        thread_id=state.recorder.thread_id,
        turn_id=new_turn_id(),
        want_deltas=False,
        kind="review",
    )
    response = await sample(state.provider, request, state.provider_info, _Unseen(), state.guards)
    if response.usage is not None:
        state.total = state.total + response.usage
    parts = [part for item in response.items if isinstance(item, Message) for part in item.content]
    return "".join(part.text or "" for part in parts)

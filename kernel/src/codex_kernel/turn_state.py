"""The states of a turn and the moves between them."""

from __future__ import annotations

from .protocol.events import TurnState

S = TurnState

TERMINAL = frozenset({S.COMPLETED, S.FAILED, S.INTERRUPTED})

TRANSITIONS: dict[TurnState, frozenset[TurnState]] = {
    S.IDLE: frozenset({S.BUILDING_CONTEXT}),
    S.BUILDING_CONTEXT: frozenset({S.STREAMING, S.FAILED, S.INTERRUPTED}),
    S.STREAMING: frozenset({S.RUNNING_TOOLS, S.BUILDING_CONTEXT, S.COMPLETED, S.FAILED, S.INTERRUPTED}),
    S.RUNNING_TOOLS: frozenset({S.WAITING_FOR_APPROVAL, S.BUILDING_CONTEXT, S.FAILED, S.INTERRUPTED}),
    S.WAITING_FOR_APPROVAL: frozenset({S.RUNNING_TOOLS, S.FAILED, S.INTERRUPTED}),
    S.COMPLETED: frozenset({S.IDLE}),
    S.FAILED: frozenset({S.IDLE}),
    S.INTERRUPTED: frozenset({S.IDLE}),
}


class TurnMachine:
    """Holds the state of one thread's turn; every move is checked."""

    def __init__(self) -> None:
        self.state = S.IDLE

    @property
    def active(self) -> bool:
        """Whether a turn is under way."""
        return self.state is not S.IDLE and self.state not in TERMINAL

    def move(self, state: TurnState) -> TurnState:
        """Move and return the previous state. Raises `ValueError` for a move that is not permitted."""
        if state not in TRANSITIONS[self.state]:
            raise ValueError(f"a turn cannot go from {self.state} to {state}")
        previous, self.state = self.state, state
        return previous

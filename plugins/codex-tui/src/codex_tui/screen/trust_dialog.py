"""Whether the files of a project are obeyed."""

from __future__ import annotations

from ..session.asks_trust import TrustAsk
from .approval import ApprovalDialog


class TrustDialog(ApprovalDialog):
    """Answers with (`Choice`, ""): `ask.result(choice)` is what `trust/set` takes, None where nothing is to be told.
    What would count has been on the screen, whole, before it can be agreed to."""

    def __init__(self, ask: TrustAsk) -> None:
        super().__init__(ask)

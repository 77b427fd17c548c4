from __future__ import annotations

from types import SimpleNamespace

import pytest

from codex_plugin_sdk import UserError
from codex_tui.session.draft import Draft
from codex_tui.session.turns import MOST_QUEUED, Turns

pytestmark = pytest.mark.anyio


async def test_a_full_queue_refuses_what_comes_next_and_loses_nothing() -> None:
    turns = Turns(SimpleNamespace(busy=True, on_change=lambda: None))  # type: ignore[arg-type]
    for number in range(MOST_QUEUED):
        assert await turns.submit(Draft(text=str(number)), queue=True) == "queued"
    with pytest.raises(UserError, match="100 messages wait already"):
        await turns.submit(Draft(text="one more"), queue=True)
    assert [draft.text for draft in turns.queue] == [str(number) for number in range(MOST_QUEUED)]

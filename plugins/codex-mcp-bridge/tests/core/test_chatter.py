"""What servers say unasked is passed over where nobody listens, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codex_mcp_bridge.chatter import FLOOD, FREE, Chatter
from codex_mcp_bridge.frames import Frames
from codex_mcp_bridge.link import Tail
from codex_plugin_sdk import Notice

ANSWER = {"jsonrpc": "2.0", "id": 1, "result": {}}


def line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def notification(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": f"notifications/{method}", "params": params}


def progress(token: str | int, number: int) -> dict[str, Any]:
    return notification("progress", progressToken=token, progress=number)


def heard(chatter: Chatter, *messages: dict[str, Any]) -> list[Any]:
    """What is left of messages that were read at once: methods, ids and progress."""
    found = [one.message for one in Frames(Tail(), chatter=chatter).feed(b"".join(map(line, messages)))]
    return [getattr(one, "params", None) or one.model_dump(exclude_none=True) for one in found]


@pytest.mark.parametrize("method", ["message", "resources/updated", "prompts/list_changed", "acme/unheard_of"])
def test_what_nobody_listens_to_is_passed_over_and_counted(method: str) -> None:
    chatter = Chatter()
    assert heard(chatter, notification(method, a=1), ANSWER) == [ANSWER]
    assert chatter.passed_over == 1


@pytest.mark.parametrize(
    "message",
    [
        notification("cancelled", requestId=3),
        notification("tools/list_changed", a=1),
        {"jsonrpc": "2.0", "id": 1, "result": {"method": "notifications/message", "params": {}}},
        {"jsonrpc": "2.0", "id": 1, "result": {"text": '{"method": "notifications/message"}'}},
        {"id": "s1", "jsonrpc": "2.0", "method": "roots/list", "params": {"a": 1}},
    ],
)
def test_everything_else_is_handed_on(message: dict[str, Any]) -> None:
    chatter = Chatter()
    assert len(heard(chatter, message)) == 1
    assert chatter.passed_over == 0


def test_of_much_progress_the_first_and_the_last_are_handed_on_before_what_follows() -> None:
    many = [progress(token, number) for number in range(100) for token in ("a", 7)]
    chatter = Chatter()
    *told, answer = heard(chatter, *many, ANSWER)
    assert answer == ANSWER
    assert [one["progress"] for one in told] == [*sorted([*range(FREE // 2)] * 2), 99, 99]
    assert [one["progressToken"] for one in told[-2:]] == ["a", 7]
    assert chatter.passed_over == len(many) - len(told)


def test_progress_that_comes_by_and_by_is_all_handed_on() -> None:
    chatter = Chatter()
    frames = Frames(Tail(), chatter=chatter)
    told = [message for number in range(50) for message in frames.feed(line(progress("a", number)))]
    assert (len(told), chatter.passed_over) == (50, 0)


def test_a_flood_is_one_that_comes_fast() -> None:
    now, floods = [100.0], []
    chatter = Chatter(lambda: now[0])
    chatter.flooded = lambda: floods.append(now[0])
    for _ in range(3):
        now[0] += 1.0
        for _ in range(FLOOD):
            chatter.pass_over()
    assert floods == []
    for _ in range(FLOOD):
        chatter.pass_over()
    assert floods == [103.0]


@pytest.mark.anyio
async def test_a_flood_does_not_keep_a_server_from_its_answers_and_is_told_once(world: Any) -> None:
    async with world.running({"s": world.raw()}) as servers:
        for _ in range(2):
            result = await servers["s"].call_tool("flood", {"times": 5 * FLOOD})
            assert result.content[0].text == json.dumps({"times": 5 * FLOOD})
    told = [event.message for event in world.events if isinstance(event, Notice)]
    assert [("sends a flood" in text) for text in told] == [True]

"""`codex exec --json`, the app server over stdio and in process, and `codex exec --remote` show one stream of events:
the same scripted session looks the same on all of them."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import pytest

from .one_event_model import SCRIPTS, as_exec_tells, by_exec, by_stdio, in_process

exec_run = cache(by_exec)
stdio_run = cache(by_stdio)
"""Runs are made once, and only looked at."""

EXITS = {"whole": 0, "interrupted": 130, "failed": 6}


def lines(text: str) -> list[dict[str, Any]]:
    """The events of `--json`."""
    return [json.loads(line) for line in text.splitlines()]


def unnumbered(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events of a turn, without the numbers that exec gives its items."""
    found = copy.deepcopy(events[1:])
    for event in found:
        event.get("item", {}).pop("id", None)
    return found


@pytest.mark.parametrize("script", SCRIPTS)
def test_exec_tells_the_same_attached_to_a_server_as_by_itself(script):
    code, out, _ = exec_run(script)
    attached, told, _ = exec_run(script, remote=True)
    assert (attached, lines(told)) == (code, lines(out))
    assert code == EXITS[script]


@pytest.mark.parametrize("script", SCRIPTS)
def test_exec_shows_the_same_text_attached_to_a_server_as_by_itself(script):
    assert exec_run(script, remote=True, as_json=False) == exec_run(script, as_json=False)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_server_in_process_tells_what_one_over_stdio_tells(script):
    assert in_process(script) == stdio_run(script)


@pytest.mark.parametrize("script", SCRIPTS)
def test_each_event_of_exec_stands_for_a_notification_of_the_server(script):
    assert unnumbered(lines(exec_run(script)[1])) == as_exec_tells(stdio_run(script))


def test_the_session_has_all_that_it_is_to_prove():
    events = lines(exec_run("whole")[1])
    kinds = [(event["type"], event.get("item", {}).get("type")) for event in events]
    for kind in ("reasoning", "agent_message", "command_execution", "file_change", "todo_list", "error"):
        assert ("item.completed", kind) in kinds
    assert ("error", None) in kinds
    statuses = [e["item"]["status"] for e in events if e["type"] == "item.completed" and "status" in e["item"]]
    assert statuses == ["completed", "failed", "completed", "failed"]
    methods = [message["method"] for message in stdio_run("whole")]
    assert "thread/compacted" in methods
    assert {"item/agentMessage/delta", "item/reasoning/summaryTextDelta"} <= set(methods)


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("wire_usage", lambda usage: dict.fromkeys(("inputTokens", "outputTokens", "totalTokens"), 0)),
        ("wire_error", lambda error: {"message": error.message, "codexErrorInfo": "other", "additionalDetails": None}),
    ],
)
def test_a_translation_that_loses_something_is_found(monkeypatch, name, broken):
    monkeypatch.setattr(f"codex_app_server.translate.{name}", broken)
    assert in_process("whole") != stdio_run("whole")


def test_every_single_notification_of_an_item_is_needed():
    heard, told = stdio_run("whole"), unnumbered(lines(exec_run("whole")[1]))
    for at, message in enumerate(heard):
        shown = message["method"].startswith(("item/started", "item/completed", "turn/plan", "warning", "error"))
        if shown and (without := as_exec_tells(heard[:at] + heard[at + 1 :])) == told:
            item = message["params"]["item"]["type"]
            assert without == told
            assert item in ("userMessage", "contextCompaction", "agentMessage", "reasoning"), message
            assert item in ("userMessage", "contextCompaction") or message["method"] == "item/started"

"""Where turns begin: found in one pass, read on where a file has grown, found anew where turns were taken back."""

import json
import os
import re

import orjson
import pytest

from codex_plugin_sdk import RolloutTurns
from codex_rollout_jsonl.store import JsonlRolloutStore
from codex_rollout_jsonl.turns import TurnPlaces


def line(kind, payload):
    return orjson.dumps({"timestamp": "2026-01-01T00:00:00.000Z", "type": kind, "payload": payload}) + b"\n"


def turn(id, *texts):
    items = [line("response_item", {"type": "message", "text": text}) for text in texts]
    return line("event_msg", {"type": "task_started", "turn_id": id}) + b"".join(items)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rollout.jsonl"


def test_turns_are_found_whatever_is_said_in_them(path):
    head = line("session_meta", {"id": "x"})
    told = turn("a", "x" * 5000, '{"type":"task_started","turn_id":"no"}', "task_started")
    nested = line("response_item", {"type": "task_started", "turn_id": "no"})
    path.write_bytes(head + told + nested + turn("b"))
    assert TurnPlaces().of(str(path)) == [("a", len(head)), ("b", len(head + told + nested))]


def test_a_grown_file_is_read_on_and_a_torn_line_when_it_is_whole(path):
    places = TurnPlaces()
    path.write_bytes(b"")
    assert places.of(str(path)) == []
    first, second = turn("a", "one"), turn("b", "two")
    for end in range(1, len(second) + 1):
        path.write_bytes(first + second[:end])
        assert places.of(str(path))[0] == ("a", 0)
    assert places.of(str(path)) == [("a", 0), ("b", len(first))]


def test_turns_that_were_taken_back_are_forgotten(path):
    places = TurnPlaces()
    first = turn("a", "one")
    path.write_bytes(first + turn("b", "two"))
    places.of(str(path))
    os.truncate(path, len(first))
    with path.open("ab") as file:
        file.write(turn("c", "three", "longer than before"))
    assert places.of(str(path)) == [("a", 0), ("c", len(first))]


def test_a_part_is_what_lies_between_two_turns(tmp_path):
    store = JsonlRolloutStore(str(tmp_path))
    id = "0199a213-81c0-7800-8aa1-bbab2a035a53"
    writer = store.create(id, 1_760_000_000_000)
    assert isinstance(store, RolloutTurns)
    os.makedirs(os.path.dirname(writer.path))
    with open(writer.path, "wb") as file:
        file.write(line("session_meta", {"id": id}) + turn("a", "one") + turn("b", "two"))
    (_, begin), (_, end) = store.turn_places(id)
    texts = [orjson.loads(found.payload).get("text") for found in store.read_part(id, begin, end)]
    assert texts == [None, "one"]
    assert [found.type for found in store.read_part(id, 0, begin)] == ["session_meta"]
    assert len(list(store.read_part(id, end))) == 2


def test_a_part_leaves_out_events_that_begin_otherwise_and_lines_of_other_types(tmp_path):
    store = JsonlRolloutStore(str(tmp_path))
    id = "0199a213-81c0-7800-8aa1-bbab2a035a53"
    writer = store.create(id, 1_760_000_000_000)
    os.makedirs(os.path.dirname(writer.path))
    count = {"type": "token_count", "info": None}
    loose = orjson.loads(line("event_msg", {"type": "loose"}))
    with open(writer.path, "wb") as file:
        file.write(
            turn("a", "one") + line("event_msg", count) + b'{"timestamp":"x","type":"event_msg","payload":{torn\n'
        )
        file.write(json.dumps(loose).encode() + b"\n")
    found = store.read_part(id, 0, types={"event_msg"}, events=re.compile(rb'\{"type":"token_count"'))
    assert [entry.members()["type"] for entry in found] == ["token_count", "loose"]  # what is cheap to tell is left out
    assert [entry.type for entry in store.read_part(id, 0, types={"response_item"})] == ["response_item"]


def test_turns_are_found_where_the_windows_of_the_search_meet(path, monkeypatch):
    told = [turn(str(number), "x" * (number * 37 % 101)) for number in range(60)]
    path.write_bytes(b"".join(told))
    expected = [(str(number), sum(map(len, told[:number]))) for number in range(60)]
    for window in (1, 7, 64, 1000):
        monkeypatch.setattr("codex_rollout_jsonl.turns._WINDOW", window)
        assert TurnPlaces().of(str(path)) == expected

"""Turns rebuilt from the lines of rollouts: ours, those of Codex, those of older versions, and damaged ones."""

import orjson
import pytest

from codex_app_server.history import read_turns, seen_items
from codex_app_server.stored import asks_for_nothing, source_kinds, wanted, wire_source
from codex_plugin_sdk import RolloutLine


def line(kind, **payload):
    return RolloutLine(type=kind, payload=orjson.dumps(payload), timestamp="2026-11-21T02:54:55.000Z")


def event(kind, **payload):
    return line("event_msg", type=kind, **payload)


def item(kind, id, **body):
    found = {"type": kind, "id": id, **body}
    return event("item_completed", turn_id="t", item=found, started_at_ms=1, completed_at_ms=2)


def said(id, text):
    return item("UserMessage", id, content=[{"type": "text", "text": text, "text_elements": []}])


BEGUN = event("task_started", turn_id="t1", started_at=1795229695)
DONE = event("task_complete", turn_id="t1", completed_at=1795229696, duration_ms=535)


def test_a_turn_of_codex_has_all_its_items_in_their_order():
    command = item(
        "CommandExecution",
        "c",
        process_id="9",
        command=["/bin/bash", "-lc", "cat a.txt"],
        cwd="file:///work%20space",
        source="unified_exec_startup",
        status="completed",
        aggregated_output="one\n",
        exit_code=0,
        duration={"secs": 1, "nanos": 2_000_000},
    )
    change = {"type": "update", "unified_diff": "@@ -1 +1 @@\n-a\n+b\n", "move_path": None}
    lines = [
        line("session_meta", id="x"),
        BEGUN,
        said("u", "go"),
        item("Reasoning", "r", summary_text=["look"], raw_content=[]),
        command,
        item("FileChange", "f", changes={"/a": change}, status="declined"),
        item("McpToolCall", "m", server="s", tool="t", arguments={}, status="failed", result=None, error="no"),
        item("WebSearch", "w", query="q", action={"type": "search", "query": "q"}),
        item("SomethingNew", "n"),
        item("AgentMessage", "a", content=[{"type": "Text", "text": "do"}, {"type": "Text", "text": "ne"}]),
        DONE,
    ]
    (turn,) = read_turns(lines)
    found = turn.wire()
    assert (found["id"], found["status"], found["durationMs"]) == ("t1", "completed", 535)
    assert (found["startedAt"], found["completedAt"]) == (1795229695, 1795229696)
    assert [entry["id"] for entry in found["items"]] == ["u", "r", "c", "f", "m", "w", "a"]
    by_id = turn.items
    assert by_id["c"]["cwd"] == "/work space"
    assert (by_id["c"]["command"], by_id["c"]["durationMs"]) == ("/bin/bash -lc 'cat a.txt'", 1002)
    assert by_id["f"]["status"] == "declined"
    assert by_id["f"]["changes"] == [
        {"path": "/a", "kind": {"type": "update", "move_path": None}, "diff": change["unified_diff"]}
    ]
    assert by_id["m"]["error"] == {"message": "no"}
    assert by_id["a"]["text"] == "done"
    assert turn.times["c"] == (1, 2)


def test_summary_decodes_the_messages_only_and_shows_the_first_and_the_last():
    answers = [item("AgentMessage", f"a{n}", content=[{"type": "Text", "text": "x"}]) for n in range(2)]
    lines = [BEGUN, said("u", "go"), item("ImageView", "i", path="/x"), *answers, DONE]
    (turn,) = read_turns(lines, "summary")
    assert list(turn.items) == ["u", "a0", "a1"]
    assert [entry["id"] for entry in seen_items(list(turn.items.values()), "summary")] == ["u", "a1"]
    assert seen_items(list(turn.items.values()), "notLoaded") == []


def test_turn_without_an_end_is_interrupted_and_one_with_an_error_failed():
    failed = event("error", message="out of order", codex_error_info="other", completed_at=1795229697, duration_ms=2)
    again = event("task_started", turn_id="t2", started_at=1795229698)
    first, second = read_turns([BEGUN, said("u", "go"), failed, again, said("v", "go")])
    assert (first.status, first.error["message"]) == ("failed", "out of order")
    assert second.status == "interrupted"
    (stopped,) = read_turns([BEGUN, event("turn_aborted", turn_id="t1", reason="interrupted", duration_ms=7)])
    assert (stopped.status, stopped.duration_ms) == ("interrupted", 7)


def test_file_of_an_older_version_has_a_turn_for_each_message_of_the_user():
    lines = [
        event("user_message", message="one", images=["data:x"]),
        event("agent_reasoning", text="think"),
        event("agent_message", message="uno"),
        event("user_message", message="two"),
        event("agent_message", message="dos"),
    ]
    first, second = read_turns(lines)
    assert (first.id, second.id) == ("turn-1", "turn-2")
    assert [entry["type"] for entry in first.items.values()] == ["userMessage", "reasoning", "agentMessage"]
    assert first.items["item-1"]["content"][1] == {"type": "image", "url": "data:x"}
    assert [turn.status for turn in (first, second)] == ["completed", "completed"]


def test_both_kinds_of_messages_in_one_file_are_told_once():
    lines = [BEGUN, said("u", "go"), event("user_message", message="go"), event("agent_message", message="x"), DONE]
    (turn,) = read_turns(lines)
    assert list(turn.items) == ["u"]


def test_turns_of_both_kinds_stand_side_by_side():
    legacy = [
        event("task_started", turn_id="t2", started_at=1795229698),
        event("user_message", message="two"),
        event("agent_message", message="dos"),
        event("task_complete", turn_id="t2"),
    ]
    both = [
        event("task_started", turn_id="t3", started_at=1795229699),
        event("user_message", message="three"),
        said("v", "three"),
        event("agent_message", message="tres"),
        event("task_complete", turn_id="t3"),
    ]
    turns = list(read_turns([BEGUN, said("u", "one"), DONE, *legacy, *both]))
    kinds = [[entry["type"] for entry in turn.items.values()] for turn in turns]
    assert kinds == [["userMessage"], ["userMessage", "agentMessage"], ["userMessage"]]


def test_damaged_and_unknown_lines_are_passed_over():
    broken = RolloutLine(type="event_msg", payload=b'{"type":"item_completed","item":')
    lines = [
        broken,
        BEGUN,
        event("item_completed", turn_id="t1", item="no object"),
        event("item_completed", turn_id="t1", item={"type": "UserMessage"}),
        RolloutLine(type="event_msg", payload=b'"a text"'),
        event("brand_new", x=1),
        line("response_item", type="message"),
        said("u", "go"),
        DONE,
    ]
    (turn,) = read_turns(lines)
    assert list(turn.items) == ["u"]


@pytest.mark.parametrize(
    ("recorded", "wire", "kinds"),
    [
        ("vscode", "vscode", {"vscode"}),
        ("mcp", "appServer", {"appServer"}),
        ("brand_new", "unknown", {"unknown"}),
        (None, "unknown", {"unknown"}),
        ({"custom": "x"}, {"custom": "x"}, {"custom"}),
        ({"subagent": "review"}, {"subAgent": "review"}, {"subAgent", "subAgentReview"}),
        ({"subagent": {"other": "x"}}, {"subAgent": {"other": "x"}}, {"subAgent", "subAgentOther"}),
        (
            {"subagent": {"thread_spawn": {"depth": 1, "parent_thread_id": "p"}}},
            {"subAgent": {"thread_spawn": {"depth": 1, "parent_thread_id": "p"}}},
            {"subAgent", "subAgentThreadSpawn"},
        ),
    ],
)
def test_sources_of_rollouts_in_the_words_of_the_wire(recorded, wire, kinds):
    assert wire_source(recorded) == wire
    assert source_kinds(recorded) == kinds


def test_calls_about_agents_are_read_as_codex_writes_them():
    facts = {"sender_thread_id": "p", "receiver_thread_ids": ["a", "b"], "prompt": "look", "status": "completed"}
    states = {"a": {"completed": "found"}, "b": "not_found"}
    written = item("CollabAgentToolCall", "c", tool="spawn_agent", agents_states=states, model="small", **facts)
    (turn,) = read_turns([BEGUN, said("u", "go"), written, DONE])
    assert turn.items["c"] == {
        "type": "collabAgentToolCall",
        "id": "c",
        "tool": "spawnAgent",
        "status": "completed",
        "senderThreadId": "p",
        "receiverThreadIds": ["a", "b"],
        "prompt": "look",
        "model": "small",
        "reasoningEffort": None,
        "agentsStates": {
            "a": {"status": "completed", "message": "found"},
            "b": {"status": "notFound", "message": None},
        },
    }


def test_threads_of_agents_are_listed_by_what_is_above_them():
    spawn = {"depth": 1, "parent_thread_id": "p", "agent_nickname": "Vega", "agent_role": None}
    meta = {"id": "i", "source": {"subagent": {"thread_spawn": spawn}}, "model_provider": "p"}
    assert not wanted({}, "p")(meta)
    assert wanted({"parentThreadId": "p"}, "p")(meta)
    assert not wanted({"parentThreadId": "other"}, "p")(meta)
    assert not wanted({"parentThreadId": "p", "sourceKinds": ["exec"]}, "p")(meta)
    assert wanted({"ancestorThreadId": "root"}, "p", lambda _: frozenset({"p", "root"}))(meta)
    assert not wanted({"ancestorThreadId": "i"}, "p", lambda _: frozenset({"p", "root"}))(meta)


def test_filters_go_by_the_head_alone():
    meta = {"id": "i", "cwd": "/a/b", "source": "cli", "model_provider": "p", "originator": "o"}
    assert wanted({}, "p")(meta)
    assert not wanted({}, "q")(meta)
    assert wanted({"modelProviders": []}, "q")(meta)
    assert wanted({"cwd": "/a/./b/"}, "p")(meta)
    assert not wanted({"cwd": ["/a", "/b"]}, "p")(meta)
    assert not wanted({"excludedThreadIds": ["i"]}, "p")(meta)
    assert not wanted({"sourceKinds": ["exec"]}, "p")(meta)
    assert wanted({"sourceKinds": []}, "p")(meta)
    assert asks_for_nothing({"sectionId": "s"})
    assert not asks_for_nothing({"sectionId": None})

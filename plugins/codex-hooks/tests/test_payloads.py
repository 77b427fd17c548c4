"""What hooks read, and what they change."""

import pytest

from codex_hooks.payloads import hook_input, known_input, notify_input, tool_input
from codex_plugin_sdk import EditIntent, LifecycleEvent, NetworkIntent, RunIntent

COMMON = {"session_id": "thread-1", "transcript_path": "/r.jsonl"}


@pytest.fixture
def told(make_setup, tmp_path):
    def tell(name, subject="", intent=None, approval_policy="on-request", **payload):
        setup = make_setup({}, rollout_path="/r.jsonl", approval_policy=approval_policy, cwd="/w")
        event = LifecycleEvent(name=name, subject=subject, payload=payload, turn_id="turn-1", intent=intent)
        return hook_input(event, setup)

    return tell


def test_a_tool_call_is_told_in_codex_words(told):
    call = {"tool_name": "exec_command", "tool_input": {"cmd": "ls", "workdir": "/"}, "tool_use_id": "c1"}
    assert told("PreToolUse", "exec_command", **call) == {
        "session_id": "thread-1",
        "turn_id": "turn-1",
        "transcript_path": "/r.jsonl",
        "cwd": "/w",
        "hook_event_name": "PreToolUse",
        "model": "gpt-5.5",
        "permission_mode": "default",
        "tool_name": "Bash",
        "tool_input": {"command": "ls"},
        "tool_use_id": "c1",
    }


def test_a_result_is_the_commands_own_output(told):
    call = {"tool_name": "exec_command", "tool_input": {"cmd": "ls"}, "tool_use_id": "c1"}
    response = "Chunk ID: abc\nProcess exited with code 0\nOutput:\na\nOutput:\nb"
    assert told("PostToolUse", "exec_command", **call, tool_response=response)["tool_response"] == "a\nOutput:\nb"
    other = call | {"tool_name": "apply_patch", "tool_input": {"input": "P"}}
    found = told("PostToolUse", "apply_patch", **other, tool_response="Exit code: 0\nOutput:\nx")
    assert (found["tool_response"], found["tool_input"]) == ("Exit code: 0\nOutput:\nx", {"command": "P"})


def test_events_have_the_members_that_codex_gives_them(told):
    assert list(told("SessionStart", "resume", source="resume")) == [
        *("session_id", "transcript_path", "cwd", "hook_event_name", "model", "permission_mode", "source")
    ]
    assert told("SessionEnd", "exit", reason="exit") == {
        **COMMON,
        "cwd": "/w",
        "hook_event_name": "SessionEnd",
        "reason": "other",
    }
    assert "permission_mode" not in told("PreCompact", "auto", trigger="auto")
    assert told("PreCompact", "auto", trigger="auto")["trigger"] == "auto"
    assert told("UserPromptSubmit", approval_policy="never", prompt="hi")["permission_mode"] == "bypassPermissions"
    stopped = told("SubagentStop", "helper", agent_id="a", agent_type="helper")
    assert (stopped["agent_transcript_path"], stopped["stop_hook_active"]) == (None, False)
    note = told("Notification", "agent-turn-complete", type="agent-turn-complete", message="done")
    assert (note["notification_type"], note["message"]) == ("agent-turn-complete", "done")


def test_questions_name_the_tool_and_the_reason(told):
    run = RunIntent(argv=("ls", "a b"), cwd="/", justification="need it")
    found = told("PermissionRequest", "run", run, tool_use_id="c", reason="why")
    assert (found["tool_name"], found["tool_input"]) == ("Bash", {"command": "ls 'a b'", "description": "need it"})
    edit = EditIntent(paths=("/a",), cwd="/", summary="one file")
    found = told("PermissionRequest", "edit", edit, reason="why")
    assert found["tool_name"] == "apply_patch"
    assert found["tool_input"]["paths"] == ["/a"]
    network = NetworkIntent(host="x.org", port=443, protocol="https")
    assert told("PermissionRequest", "network", network, reason="")["tool_input"]["host"] == "x.org"


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("exec_command", {"cmd": "ls", "workdir": "/"}),
        ("shell_command", {"command": "ls"}),
        ("apply_patch", {"input": "P"}),
    ],
)
def test_a_changed_command_goes_back_to_where_it_came_from(name, given):
    changed = tool_input(name, given, {"command": "new"})
    assert known_input(name, changed) == {"command": "new"}
    assert changed.keys() == given.keys()
    with pytest.raises(ValueError, match="command"):
        tool_input(name, given, {"cmd": "new"})


def test_words_of_a_command_become_one_line_and_words_again():
    assert known_input("shell", {"command": ["ls", "a b"]}) == {"command": "ls 'a b'"}
    assert tool_input("shell", {"command": ["ls"]}, {"command": "a; b"}) == {"command": ["bash", "-lc", "a; b"]}


def test_other_tools_get_what_the_hook_said():
    assert tool_input("mcp__x", {"a": 1}, {"b": 2}) == {"b": 2}
    with pytest.raises(ValueError, match="object"):
        tool_input("mcp__x", {"a": 1}, "x")


def test_notify_gets_codex_members(make_setup):
    payload = {"turn_id": "turn-1", "input_messages": ["go"], "last_assistant_message": None}
    event = LifecycleEvent(name="Notification", subject="agent-turn-complete", payload=payload)
    assert notify_input(event, make_setup({}, cwd="/w")) == {
        "type": "agent-turn-complete",
        "thread-id": "thread-1",
        "turn-id": "turn-1",
        "cwd": "/w",
        "client": "codex_test",
        "input-messages": ["go"],
        "last-assistant-message": None,
    }

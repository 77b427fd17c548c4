"""What a hook's exit code and output mean, event by event: as Codex takes them, and where we are stricter."""

import json

import pytest

from codex_hooks.answers import MAX_CONTEXT_CHARS, Finished, HookFailed, answer
from codex_plugin_sdk import LIFECYCLE_EVENTS, Decision, LifecycleOutcome

GUARDS = ["PreToolUse", "PostToolUse", "UserPromptSubmit", "PermissionRequest"]
GOING_ON = ["Stop", "SubagentStop"]
OTHERS = [name for name in LIFECYCLE_EVENTS if name not in (*GUARDS, *GOING_ON)]


def says(event, status=0, stderr="", **members):
    return answer(event, Finished(status=status, stdout=json.dumps(members) if members else "", stderr=stderr))


def specific(event, **members):
    return says(event, hookSpecificOutput={"hookEventName": event, **members})


@pytest.mark.parametrize("event", LIFECYCLE_EVENTS)
def test_silence_says_nothing(event):
    assert says(event) == LifecycleOutcome()


@pytest.mark.parametrize("event", [*GUARDS, *GOING_ON])
def test_exit_code_2_blocks_with_the_words_of_stderr(event):
    assert says(event, status=2, stderr="no way\n").block == "no way"
    assert says(event, status=2, stderr="no way", decision="block", reason="other").block == "no way"


@pytest.mark.parametrize("event", GUARDS)
def test_exit_code_2_blocks_without_a_reason_too(event):
    assert says(event, status=2).block == "the hook gave no reason"


@pytest.mark.parametrize("event", GOING_ON)
def test_going_on_needs_a_task(event):
    with pytest.raises(HookFailed):
        says(event, status=2)
    with pytest.raises(HookFailed):
        says(event, decision="block", reason=" ")


@pytest.mark.parametrize("event", OTHERS)
def test_exit_code_2_is_a_failure_where_nothing_can_be_blocked(event):
    with pytest.raises(HookFailed, match="exited with code 2: why"):
        says(event, status=2, stderr="why")


@pytest.mark.parametrize("event", LIFECYCLE_EVENTS)
def test_other_exit_codes_are_failures(event):
    with pytest.raises(HookFailed, match="exited with code 1: oops"):
        says(event, status=1, stderr="oops\n")
    with pytest.raises(HookFailed, match="signal 9"):
        says(event, status=137)


@pytest.mark.parametrize("event", LIFECYCLE_EVENTS)
@pytest.mark.parametrize(
    "text",
    [
        "{garbage",
        "[1, 2]",
        '{"systemMessage": "x"}\ntrailer',
        '{"unknown": 1}',
        '{"decision": "maybe"}',
        '{"continue": "no"}',
        '{"hookSpecificOutput": {"hookEventName": "Foo"}}',
    ],
)
def test_broken_json_is_a_failure(event, text):
    with pytest.raises(HookFailed):
        answer(event, Finished(status=0, stdout=text))


@pytest.mark.parametrize("event", LIFECYCLE_EVENTS)
def test_plain_text_is_context_where_codex_makes_it_context(event):
    finished = Finished(status=0, stdout="be kind\n", stderr="not this")
    if event in GOING_ON:
        with pytest.raises(HookFailed, match="not JSON"):
            answer(event, finished)
    else:
        context = ("be kind",) if event in ("SessionStart", "UserPromptSubmit", "SubagentStart") else ()
        assert answer(event, finished) == LifecycleOutcome(context=context)


@pytest.mark.parametrize("event", LIFECYCLE_EVENTS)
def test_common_members_are_understood_everywhere(event):
    assert says(event, systemMessage="hello", suppressOutput=True, stopReason=None).messages == ("hello",)
    found = says(event, **{"continue": False, "stopReason": "enough"})
    if event == "PostToolUse":
        assert (found.block, found.stop) == ("enough", "")
    else:
        assert found.stop == "enough"
    assert says(event, **{"continue": False}) != LifecycleOutcome()


@pytest.mark.parametrize("event", ["PreToolUse", "PostToolUse", "UserPromptSubmit", *GOING_ON])
def test_decision_block_blocks(event):
    assert says(event, decision="block", reason="rr").block == "rr"


@pytest.mark.parametrize("event", ["SessionStart", "SubagentStart", "UserPromptSubmit", "PreToolUse", "PostToolUse"])
def test_additional_context_reaches_the_model_beside_a_block(event):
    assert specific(event, additionalContext="CTX").context == ("CTX",)


def test_denials_carry_reason_and_context():
    found = specific("PreToolUse", permissionDecision="deny", permissionDecisionReason="dr", additionalContext="CTX")
    assert (found.block, found.context) == ("dr", ("CTX",))


@pytest.mark.parametrize("members", [{"permissionDecision": "allow"}, {"permissionDecision": None}])
def test_an_allowing_hook_loosens_nothing(members):
    assert specific("PreToolUse", **members) == LifecycleOutcome()
    assert says("PreToolUse", decision="approve") == LifecycleOutcome()


def test_ask_is_a_failure():
    with pytest.raises(HookFailed):
        specific("PreToolUse", permissionDecision="ask")


def test_updated_input_needs_allow_and_is_translated():
    text = json.dumps(
        {
            "hookSpecificOutput": {
                "hookEventName": "PreToolUse",
                "permissionDecision": "allow",
                "updatedInput": {"command": "x"},
            }
        }
    )
    found = answer("PreToolUse", Finished(status=0, stdout=text), lambda given: {"cmd": given["command"]})
    assert found.updated_input == {"cmd": "x"}
    with pytest.raises(HookFailed):
        specific("PreToolUse", updatedInput={"command": "x"})


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        ({"behavior": "allow"}, LifecycleOutcome(decision=Decision.ALLOW)),
        ({"behavior": "deny", "message": "no"}, LifecycleOutcome(decision=Decision.FORBIDDEN, block="no")),
        (None, LifecycleOutcome()),
    ],
)
def test_permission_requests_are_answered(decision, expected):
    assert specific("PermissionRequest", decision=decision) == expected


@pytest.mark.parametrize(
    "decision",
    [{}, {"behavior": "ask"}, {"behavior": "deny", "interrupt": True}, {"behavior": "allow", "updatedInput": {}}],
)
def test_permission_answers_that_promise_more_are_failures(decision):
    with pytest.raises(HookFailed):
        specific("PermissionRequest", decision=decision)


def test_long_texts_are_cut_in_the_middle_with_a_note():
    text = "a" * MAX_CONTEXT_CHARS + "b" * MAX_CONTEXT_CHARS
    (context,) = answer("SessionStart", Finished(status=0, stdout=text)).context
    assert len(context) < MAX_CONTEXT_CHARS + 100
    assert context.startswith("aaa")
    assert context.endswith("bbb")
    assert f"[{MAX_CONTEXT_CHARS} characters of a hook's output are left out]" in context

"""Pieces that need no server: lines, retrying, inputs, words."""

import random

import pytest

from codex_sdk import (
    ApprovalMode,
    ImageInput,
    InternalRpcError,
    LocalImageInput,
    MentionInput,
    RetryLimitExceededError,
    Sandbox,
    ServerBusyError,
    SkillInput,
    TextInput,
    events,
    is_retryable_error,
    items,
    retry_on_overload,
)
from codex_sdk._params import thread_params, turn_params
from codex_sdk.events import read_event
from codex_sdk.inputs import wire_input
from codex_sdk.models import final_response
from codex_sdk.rpc import _encode
from codex_sdk.transport import Lines


def test_lines_come_out_alike_however_the_bytes_are_split():
    data = b'{"a": 1}\n\n  \r\n{"b": "' + "ü".encode() * 50 + b'"}\r\nrest\n'
    whole = Lines().feed(data)
    assert whole == [b'{"a": 1}', b'{"b": "' + "ü".encode() * 50 + b'"}', b"rest"]
    for seed in range(50):
        dice, lines, found, rest = random.Random(seed), Lines(), [], data
        while rest:
            size = dice.randint(1, 9)
            found += lines.feed(rest[:size])
            rest = rest[size:]
        assert found == whole


def test_an_overlong_line_is_skipped_to_its_end():
    lines = Lines(max_bytes=10)
    assert lines.feed(b"x" * 8) == []
    assert lines.feed(b"x" * 8) == []
    assert lines.feed(b"x\nshort\n" + b"y" * 11 + b"\nagain\n") == [b"short", b"again"]
    assert lines.skipped == 2


class Clock:
    """A server that is busy so often, and the waits that were made."""

    def __init__(self, monkeypatch, times, data=None):
        self.times, self.data, self.waits = times, data, []
        monkeypatch.setattr("codex_sdk.retry.time.sleep", self.waits.append)

    def work(self):
        self.times -= 1
        if self.times >= 0:
            raise ServerBusyError(-32001, "busy", self.data)
        return "done"


def test_waits_are_doubled_up_to_the_longest_and_spread(monkeypatch):
    clock = Clock(monkeypatch, 4)
    found = retry_on_overload(clock.work, max_attempts=5, initial_delay_s=1, max_delay_s=3, jitter_ratio=0.1)
    assert found == "done"
    for wait, middle in zip(clock.waits, (1, 2, 3, 3), strict=True):
        assert middle * 0.9 <= wait <= middle * 1.1


def test_the_server_is_not_asked_sooner_than_it_wants(monkeypatch):
    clock = Clock(monkeypatch, 1, {"retryAfterMs": 5000})
    assert retry_on_overload(clock.work) == "done"
    assert 5 <= clock.waits[0] <= 6


@pytest.mark.parametrize("data", [None, [], {"retryAfterMs": "soon"}, {"retryAfterMs": -1}, {"retryAfterMs": True}])
def test_an_odd_hint_is_no_hint(data):
    assert ServerBusyError(-32001, "busy", data).retry_after_s is None


def test_other_errors_are_not_tried_again(monkeypatch):
    def fail():
        raise InternalRpcError(-32603, "broken")

    Clock(monkeypatch, 0)
    with pytest.raises(InternalRpcError):
        retry_on_overload(fail)
    with pytest.raises(ValueError, match="max_attempts must be at least 1"):
        retry_on_overload(fail, max_attempts=0)
    clock = Clock(monkeypatch, 9)
    with pytest.raises(RetryLimitExceededError) as caught:
        retry_on_overload(clock.work, max_attempts=1)
    assert clock.waits == []
    assert not is_retryable_error(caught.value)
    assert is_retryable_error(caught.value.__cause__)


def test_inputs_on_the_wire(tmp_path):
    given = [
        "a",
        TextInput("b"),
        ImageInput("u", "high"),
        LocalImageInput(tmp_path / "i"),
        SkillInput("s", "p"),
        MentionInput("m", "q"),
    ]
    assert wire_input(given) == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
        {"type": "image", "url": "u", "detail": "high"},
        {"type": "localImage", "path": str(tmp_path / "i")},
        {"type": "skill", "name": "s", "path": "p"},
        {"type": "mention", "name": "m", "path": "q"},
    ]
    assert wire_input("a") == [{"type": "text", "text": "a"}]
    assert wire_input(TextInput("a")) == [{"type": "text", "text": "a"}]
    with pytest.raises(TypeError, match="5 is no input"):
        wire_input([5])


def test_words_of_options_on_the_wire():
    assert thread_params({"sandbox": "read_only", "approval_mode": "deny_all", "model": None, "extra": {"x": 1}}) == {
        "sandbox": "read-only",
        "approvalPolicy": "never",
        "x": 1,
    }
    found = turn_params("t", "go", {"sandbox": Sandbox.full_access, "approval_mode": ApprovalMode.auto_review})
    assert found["sandboxPolicy"] == {"type": "dangerFullAccess"}
    assert (found["approvalPolicy"], found["approvalsReviewer"]) == ("on-request", "auto_review")
    assert [mode.params()["approvalPolicy"] for mode in ApprovalMode] == [
        "never",
        "on-request",
        "on-request",
        "untrusted",
    ]


def test_half_a_surrogate_pair_is_replaced():
    assert _encode({"path": "a\udcffb", "text": "ü"}) == '{"path":"a?b","text":"ü"}'.encode()


def test_the_final_response_is_the_answer_and_no_commentary():
    def said(text, phase):
        return items.AgentMessageItem(id=text, text=text, phase=phase)

    assert final_response(()) is None
    assert final_response((said("answer", "final_answer"), said("aside", "commentary"))) == "answer"
    assert final_response((said("plain", None), said("aside", "commentary"))) == "plain"
    assert final_response((said("aside", "commentary"),)) is None


def test_every_known_event_has_a_method_of_its_own_and_malformed_ones_are_kept():
    assert len(events._KINDS) > 35
    for method in events._KINDS:
        assert type(read_event(method, {"threadId": 5})) is events.UnknownEvent
    started = read_event(
        "thread/status/changed", {"threadId": "t", "status": {"type": "active", "activeFlags": ["waitingOnApproval"]}}
    )
    assert started == events.ThreadStatusChanged(thread_id="t", status="active", active_flags=("waitingOnApproval",))

"""What is said of an end: short, on one line, and without secrets."""

from __future__ import annotations

import pytest

from codex_mcp_bridge.link import TAIL_CHARS, Link, Tail, reason_of

KEY = "sk-abcdefghijklmnopqrstuvwxyz123456"


def test_the_same_line_again_and_again_is_told_once() -> None:
    tail = Tail()
    tail.feed(b"hello\n" * 30 + b"bye\n")
    assert tail.text() == "hello (30 times) | bye"


def test_bytes_that_are_no_text_are_not_shown() -> None:
    tail = Tail()
    tail.feed(b"\xff\xfe\x00\x01garb\n\x80\x81\x82\nready\n")
    assert tail.text() == "(bytes that are no text) (2 times) | ready"


def test_last_words_are_short_and_hold_no_secrets() -> None:
    link = Link(None, None)
    for number in range(40):
        link.tail.add(f"{number} {KEY} {'x' * 500}".encode())
    link.close("it ended")
    assert KEY not in link.reason()
    assert "REDACTED" in link.reason()
    assert len(link.reason()) < TAIL_CHARS + 200


def test_an_error_is_told_on_one_line_without_what_could_steer_a_terminal() -> None:
    assert reason_of(RuntimeError("no\n\x1b[31mred")) == "no \\x1b[31mred"
    assert KEY not in reason_of(RuntimeError(f"refused: {KEY}"))
    assert len(reason_of(RuntimeError("x" * 100_000))) < 2_000
    assert reason_of(RuntimeError()) == "RuntimeError"
    assert reason_of(ExceptionGroup("several", [ValueError("first"), ValueError("second")])) == "first"


def test_an_answer_that_is_not_valid_is_told_by_its_place_alone() -> None:
    from mcp.types import ListToolsResult
    from pydantic import ValidationError

    with pytest.raises(ValidationError) as caught:
        ListToolsResult.model_validate({"tools": [{"name": {"secret": KEY}}] * 5})
    told = reason_of(caught.value)
    assert told.startswith("it is no valid answer: tools.0.name: Input should be a valid string")
    assert "more" in told
    assert KEY not in told
    assert "http" not in told

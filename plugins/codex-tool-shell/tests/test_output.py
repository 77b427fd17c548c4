"""Output of any size: nothing lost at borders, bounded in memory, whole on disk."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_tool_shell.output import OutputBuffer, SpillFile, estimated_tokens


@pytest.fixture
def buffer(tmp_path):
    opened = []

    def spill() -> SpillFile:
        opened.append(SpillFile(str(tmp_path / "spill"), limit_bytes=1000))
        return opened[-1]

    made = OutputBuffer(40, spill)
    made.opened = opened
    yield made
    made.close()


def saved(spill: SpillFile) -> bytes:
    with open(spill.path, "rb") as file:
        return file.read()


def test_tokens_are_estimated_as_a_quarter_of_the_bytes_rounded_up():
    assert [estimated_tokens(size) for size in (0, 1, 4, 5, 108894)] == [0, 1, 1, 2, 27224]


def test_short_output_is_given_as_it_came(buffer):
    buffer.append(b"one ")
    buffer.append(b"two")
    assert buffer.take(40, final=False).text == "one two"
    assert buffer.take(40, final=False).text == ""
    assert buffer.opened == []


@pytest.mark.parametrize("size", [1, 7, 39, 40, 41, 1000])
def test_head_and_tail_are_kept_however_the_output_is_cut_into_chunks(buffer, size):
    whole = b"".join(b"%04d " % number for number in range(100))
    for start in range(0, len(whole), size):
        buffer.append(whole[start : start + size])
    excerpt = buffer.take(30, final=True)
    (spill,) = buffer.opened
    assert excerpt.text == f"{spill.describe(500)}\n\n0000 0001 0002 …118 tokens truncated…0097 0098 0099 "
    assert excerpt.tokens == 125
    assert saved(spill) == whole


def test_the_next_output_has_a_file_of_its_own(buffer):
    for word in (b"a", b"b"):
        buffer.append(word * 100)
        buffer.take(40, final=False)
    assert [saved(spill) for spill in buffer.opened] == [b"a" * 100, b"b" * 100]


def test_no_character_is_cut_in_two(buffer):
    buffer.append("é".encode() * 60)
    text = buffer.take(11, final=True).text.partition("\n\n")[2]
    assert text == "éé…28 tokens truncated…ééé"


def test_bytes_that_are_no_text_are_replaced():
    buffer = OutputBuffer(100)
    buffer.append(b"\xff\xfe\x80 ok \x00\xc3")
    assert buffer.take(100, final=True).text == "\ufffd\ufffd\ufffd ok \x00\ufffd"


def test_a_budget_of_nothing_shows_nothing(buffer):
    buffer.append(b"hello")
    assert buffer.take(0, final=True).text.endswith("\n\n…2 tokens truncated…")
    nothing = OutputBuffer(0)
    nothing.append(b"hello")
    assert nothing.take(0, final=True).text == "…2 tokens truncated…"


def test_the_file_is_bounded_and_says_so(buffer):
    for _ in range(30):
        buffer.append(b"x" * 99)
    text = buffer.take(40, final=True).text
    (spill,) = buffer.opened
    assert saved(spill) == b"x" * 1000 + b"\n[cut here: no more than 1000 bytes of output are kept]\n"
    assert text.startswith(f"[Truncated: the first 1000 of 2970 bytes are in {spill.path}]\n\nxxxx")


def test_a_file_that_is_just_full_is_whole(buffer):
    buffer.append(b"x" * 1000)
    assert buffer.take(40, final=True).text.startswith("[Truncated: all 1000 bytes are in ")


def test_a_full_disk_stops_the_file_and_nothing_else(buffer, monkeypatch):
    def full(fd, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        buffer.append(b"x" * 100)
        buffer.append(b"y" * 100)
    text = buffer.take(40, final=True).text
    assert text.startswith("[Truncated: 200 bytes in all, which could not be saved: No space left on device]")


def test_memory_is_bounded(buffer):
    for size in (1, 10, 1000, 100_000):
        for _ in range(50):
            buffer.append(b"x" * size)
            assert len(buffer._head) + len(buffer._tail) <= 3 * 40


@given(st.lists(st.binary(max_size=12), max_size=12), st.sets(st.integers(0, 12)))
def test_taking_in_between_never_changes_the_text(chunks, stops):
    """However the bytes are cut, and whenever the model looks, it reads what one look at the end would show."""
    buffer = OutputBuffer(1000)
    texts = []
    for index, chunk in enumerate(chunks):
        buffer.append(chunk)
        if index in stops:
            texts.append(buffer.take(1000, final=False).text)
    texts.append(buffer.take(1000, final=True).text)
    assert "".join(texts) == b"".join(chunks).decode("utf-8", "replace")


@given(st.text(alphabet="aé€😀", min_size=30, max_size=80), st.integers(0, 40))
def test_an_excerpt_of_good_text_is_good_text(text, budget):
    buffer = OutputBuffer(40)
    buffer.append(text.encode())
    shown = buffer.take(budget, final=True).text
    assert "\ufffd" not in shown
    head, cut, tail = shown.partition("…")
    if cut:
        assert text.startswith(head)
        assert text.endswith(tail.rpartition("…")[2])
        assert len((head + tail.rpartition("…")[2]).encode()) <= budget

"""The SSE decoder: the same events however the bytes are split."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codex_plugin_sdk import ProviderError
from codex_plugin_sdk.http.sse import SseDecoder


def decode(data: bytes, cuts: list[int] | None = None, **options) -> list[tuple[bytes, bytes]]:
    decoder, found, at = SseDecoder(**options), [], 0
    for cut in [*sorted(cuts or []), len(data)]:
        found += decoder.feed(data[at:cut])
        at = max(at, cut)
    return found + decoder.finish()


def by_the_book(data: bytes) -> list[tuple[bytes, bytes]]:
    """The standard's algorithm, line by line; plus the last event even without its blank line."""
    found, name, lines = [], b"", []
    text = data.removeprefix(b"\xef\xbb\xbf")
    for line in [*re.split(rb"\r\n|\r|\n", text), b""]:
        if not line:
            if lines:
                found.append((name, b"\n".join(lines)))
            name, lines = b"", []
            continue
        field, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if field == b"event":
            name = value
        elif field == b"data":
            lines.append(value)
    return found


FRAGMENTS = st.sampled_from(
    [
        b"\n",
        b"\n\n",
        b"\r",
        b"\r\n",
        b"\r\n\r\n",
        b"event: a\n",
        b"event: skipped\n",
        b"event:b\r\n",
        b"data: x\n",
        b'data: {"a": 1}\n\n',
        b"data:y\r",
        b"data\n",
        b"data: ",
        b": comment\n",
        b"id: 7\n",
        b"retry: 10\n",
        b"event: ",
        b"caf\xc3\xa9",
        b"\xc3",
        b" ",
        b":",
        b"\xef\xbb\xbf",
    ]
)
STREAMS = st.lists(FRAGMENTS, max_size=30).map(b"".join)


@settings(deadline=None, max_examples=300)
@given(data=STREAMS, cuts=st.lists(st.integers(0, 200), max_size=12))
def test_any_split_gives_the_events_of_the_standard(data, cuts):
    assert decode(data, cuts) == by_the_book(data)


@example(data=b"event: skipped\nevent: a\ndata: x\n\n", cuts=[])
@example(data=b"event: a\ndata: x\nevent: skipped\n\n", cuts=[])
@settings(deadline=None, max_examples=300)
@given(data=STREAMS, cuts=st.lists(st.integers(0, 200), max_size=12))
def test_skipped_names_are_left_out_and_nothing_else(data, cuts):
    expected = [event for event in by_the_book(data) if event[0] != b"skipped"]
    assert decode(data, cuts, skip=frozenset({b"skipped"})) == expected


@settings(deadline=None, max_examples=300)
@given(data=STREAMS)
def test_byte_by_byte_is_the_same_as_whole(data):
    assert decode(data, list(range(len(data)))) == by_the_book(data)


def test_events_come_as_soon_as_their_blank_line_is_there():
    decoder = SseDecoder()
    assert decoder.feed(b"event: a\ndata: 1\n") == []
    assert decoder.feed(b"\ndata: 2") == [(b"a", b"1")]
    assert decoder.feed(b"\r\n\r") == [(b"", b"2")]
    assert decoder.feed(b"\ndata: 3\n\n") == [(b"", b"3")]


@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\n"])
def test_line_ends_of_every_kind_may_be_split_anywhere(end):
    data = end.join([b"event: a", b"data: 1", b"data: 2", b"", b"data: 3", b"", b""])
    expected = [(b"a", b"1\n2"), (b"", b"3")]
    assert decode(data, list(range(len(data)))) == expected
    for cut in range(len(data)):
        assert decode(data, [cut]) == expected, cut


def test_byte_order_mark_in_pieces_is_dropped_only_at_the_start():
    assert decode(b"\xef\xbb\xbfdata: \xef\xbb\xbf\n\n", [1, 2]) == [(b"", b"\xef\xbb\xbf")]


def test_event_over_the_limit_is_refused_while_it_comes():
    decoder = SseDecoder(max_event_bytes=100)
    assert decoder.feed(b"data: " + b"x" * 60) == []
    with pytest.raises(ProviderError, match="more than 100 bytes") as caught:
        decoder.feed(b"x" * 60)
    assert not caught.value.retryable


def test_event_over_the_limit_is_refused_when_it_comes_in_one_piece():
    with pytest.raises(ProviderError, match="more than 100 bytes"):
        SseDecoder(max_event_bytes=100).feed(b"data: " + b"x" * 101 + b"\n\n")


def test_many_small_events_may_exceed_the_limit_together():
    assert len(SseDecoder(max_event_bytes=100).feed(b"data: 1234567890\n\n" * 50)) == 50


def test_event_of_fifty_megabytes_passes():
    decoder = SseDecoder()
    block = b"x" * 65_536
    assert decoder.feed(b"event: big\ndata: ") == []
    for _ in range(800):
        assert decoder.feed(block) == []
    ((name, data),) = decoder.feed(b"\n\n")
    assert (name, len(data)) == (b"big", 800 * 65_536)

"""HTTP/1.1 as bytes: heads, framing, URLs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_plugin_sdk.http import wire
from codex_plugin_sdk.http.errors import BodyTruncated, MalformedResponse
from codex_plugin_sdk.http.message import HttpRequest, Url, parse_url


def head_of(text: str) -> wire.Head:
    found = wire.split_head(text.encode())
    assert found is not None
    return wire.parse_head(found[0])


# -- URLs and requests ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://a", Url(scheme="http", host="a", port=80, target="/")),
        ("HTTPS://a.b:8443/v1?x=1#y", Url(scheme="https", host="a.b", port=8443, target="/v1?x=1")),
        ("http://[::1]:9/", Url(scheme="http", host="::1", port=9, target="/")),
        ("http://a?x=1", Url(scheme="http", host="a", port=80, target="/?x=1")),
        ("http://a/é", Url(scheme="http", host="a", port=80, target="/%C3%A9")),
    ],
)
def test_url_is_parsed(text, expected):
    assert parse_url(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "ftp://a",
        "http://",
        "http:///x",
        "http://a:x",
        "http://a:0",
        "http://a b",
        "http://u:p@a",
        "http://[::1",
    ],
)
def test_unusable_url_is_refused(text):
    with pytest.raises(ValueError):
        parse_url(text)


def test_default_port_is_left_out_of_the_host_header():
    assert parse_url("https://a:443/x").netloc == "a"
    assert parse_url("http://[::1]:8080/x").origin == "http://[::1]:8080"


@pytest.mark.parametrize(
    "header", [("a", "b\r\nc: d"), ("a\n", "b"), ("", "b"), ("a b", "c"), ("a:", "c"), ("a", "\0")]
)
def test_header_that_would_break_the_request_is_refused(header):
    with pytest.raises(ValueError, match="header"):
        HttpRequest(method="POST", url="http://a", headers=(header,))


def test_request_head_is_complete():
    request = HttpRequest(method="POST", url="http://h:1/p?q", headers=(("x", "y"),), body=(b"ab", b"c"))
    assert wire.encode_head(request, parse_url(request.url)) == (
        b"POST /p?q HTTP/1.1\r\nhost: h:1\r\nx: y\r\ncontent-length: 3\r\n\r\n"
    )


@settings(deadline=None)
@given(sizes=st.lists(st.sampled_from([0, 1, 10, 70_000, 131_072, 131_073, 400_000]), max_size=8))
def test_pieces_are_the_body_in_order_and_of_bounded_size(sizes):
    body = [bytes([65 + at]) * size for at, size in enumerate(sizes)]
    pieces = [bytes(piece) for piece in wire.pieces(b"HEAD", body)]
    assert b"".join(pieces) == b"HEAD" + b"".join(body)
    assert all(0 < len(piece) <= wire.SEND_BYTES for piece in pieces)
    assert len(pieces) <= 2 + sum(2 + size // wire.SEND_BYTES for size in sizes)


# -- heads ---------------------------------------------------------------------------------------


def test_head_is_decoded():
    head = head_of("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX: 1\r\nx:2\r\n\r\n")
    assert (head.status, head.reason, head.keep_alive) == (200, "OK", True)
    assert head.headers == {"content-type": "text/event-stream", "x": "1, 2"}


@pytest.mark.parametrize(
    ("text", "keep"),
    [
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", False),
        ("HTTP/1.0 200 OK\r\n\r\n", False),
        ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n", True),
        ("HTTP/1.1 200\n\n", True),
    ],
)
def test_connection_is_kept_as_the_head_says(text, keep):
    assert head_of(text).keep_alive is keep


def test_reason_that_the_server_left_out_is_the_standard_one():
    assert head_of("HTTP/1.1 429\r\n\r\n").reason == "Too Many Requests"


@pytest.mark.parametrize("data", [b"S", b"\x00\x01\x02", b"SSH-2.0-x\r\n", b"HTTP/2 200 OK\r\n\r\n", b"HTTX"])
def test_what_cannot_become_http_is_refused_at_once(data):
    with pytest.raises(MalformedResponse) as caught:
        wire.split_head(data)
    assert not caught.value.retryable


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 abc",
        b"HTTP/1.7 200 OK",
        b"HTTP/1.1 200 OK\r\nno colon",
        b"HTTP/1.1 200 OK\r\n a: b",
    ],
)
def test_malformed_head_is_refused(head):
    with pytest.raises(MalformedResponse):
        wire.parse_head(head)


def test_head_without_end_is_refused_at_its_limit():
    assert wire.split_head(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100) is None
    with pytest.raises(MalformedResponse, match="larger than"):
        wire.split_head(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000)


# -- bodies --------------------------------------------------------------------------------------


def read(body: wire.Body, data: bytes, cuts: list[int]) -> bytes:
    found, at = [], 0
    for cut in [*sorted(cuts), len(data)]:
        if at < cut and not body.done:
            found.append(body.feed(data[at:cut]))
        elif at < cut:
            body.rest += data[at:cut]
        at = max(at, cut)
    return b"".join(found)


@settings(deadline=None)
@given(
    parts=st.lists(st.binary(min_size=1, max_size=40), max_size=8),
    extension=st.sampled_from([b"", b";x=y", b" "]),
    trailers=st.sampled_from([b"", b"x: y\r\n"]),
    rest=st.binary(max_size=5),
    cuts=st.lists(st.integers(0, 400), max_size=10),
)
def test_chunked_body_reads_alike_however_it_is_split(parts, extension, trailers, rest, cuts):
    chunks = b"".join(b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts)
    body = wire.ChunkedBody()
    assert read(body, chunks + b"0\r\n" + trailers + b"\r\n" + rest, cuts) == b"".join(parts)
    assert body.done
    assert body.rest == rest
    body.eof()


@settings(deadline=None)
@given(content=st.binary(max_size=60), rest=st.binary(max_size=5), cuts=st.lists(st.integers(0, 70), max_size=5))
def test_sized_body_stops_at_its_size(content, rest, cuts):
    body = wire.SizedBody(len(content))
    assert read(body, content + rest, cuts) == content
    assert body.done


@pytest.mark.parametrize("data", [b"zz\r\n", b"-1\r\n", b"1_0\r\n", b"\r\n", b"3\r\nabcX\r\n", b"1" * 5000])
def test_broken_chunks_are_refused_but_may_be_retried(data):
    with pytest.raises(MalformedResponse) as caught:
        wire.ChunkedBody().feed(data)
    assert caught.value.retryable


def test_lines_of_a_careless_server_may_end_in_line_feeds_alone():
    content = b"x\r\n" + b"y" * 13
    body = wire.ChunkedBody()
    assert body.feed(b"10\n" + content + b"\n0\n\n") == content
    assert body.done


def test_early_end_is_told():
    for body in (wire.SizedBody(3), wire.ChunkedBody()):
        body.feed(b"2\r")
        with pytest.raises(BodyTruncated):
            body.eof()
    wire.OpenBody().eof()


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ("content-length: 5\r\n", wire.SizedBody),
        ("content-length: 5, 5\r\n", wire.SizedBody),
        ("transfer-encoding: chunked\r\ncontent-length: 5\r\n", wire.ChunkedBody),
        ("", wire.OpenBody),
    ],
)
def test_framing_follows_the_headers(headers, kind):
    assert type(wire.body_of(head_of(f"HTTP/1.1 200 OK\r\n{headers}\r\n"))) is kind


@pytest.mark.parametrize(
    "header", ["content-length: x", "content-length: 5, 6", "content-length: -1", "transfer-encoding: br"]
)
def test_framing_that_makes_no_sense_is_refused(header):
    with pytest.raises(MalformedResponse):
        wire.body_of(head_of(f"HTTP/1.1 200 OK\r\n{header}\r\n\r\n"))


def test_no_content_has_no_body():
    assert wire.body_of(head_of("HTTP/1.1 204 No Content\r\n\r\n")).done

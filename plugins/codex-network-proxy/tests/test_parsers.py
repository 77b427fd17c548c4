"""Parsers take any bytes: they understand them alike however they are cut, or raise `Malformed`."""

from __future__ import annotations

import contextlib
import itertools
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_network_proxy.chunks import ChunkDecoder, encode_chunk
from codex_network_proxy.faults import Malformed
from codex_network_proxy.head import parse_request, parse_response, split_url
from codex_network_proxy.hello import Hello, server_name


def client_hello(name="host.example"):
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(into, out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


HELLO = client_hello()


def fed(data, *cuts):
    hello = Hello(65536)
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(edges):
        if not hello.done:
            hello.feed(data[start:end])
    return hello


@given(st.lists(st.integers(0, 5000), max_size=6))
def test_hello_is_understood_however_it_is_cut(cuts):
    assert fed(HELLO, *cuts).name == "host.example"


@given(st.integers(1, 400))
def test_hello_is_understood_in_several_records(size):
    message = HELLO[5:]
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    assert fed(b"".join(b"\x16\3\1" + len(part).to_bytes(2, "big") + part for part in parts)).name == "host.example"


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda data: b"\x16\3\1" + data))
def test_any_first_bytes_give_a_name_or_nothing_or_malformed(data):
    try:
        hello = fed(data)
    except Malformed:
        return
    assert hello.name is None or hello.done


@given(st.integers(5, len(HELLO) - 1), st.integers(0, 255))
def test_changed_hello_gives_a_name_or_malformed(at, byte):
    data = HELLO[:at] + bytes([byte]) + HELLO[at + 1 :]
    try:
        name = fed(data).name
    except Malformed:
        return
    assert name is None or name.isascii()


@given(st.binary(max_size=200))
def test_body_of_a_hello_never_raises_anything_else(data):
    with contextlib.suppress(Malformed):
        server_name(bytes(34) + data)


def sni(*names):
    def vector(width, data):
        return len(data).to_bytes(width, "big") + data

    entries = b"".join(b"\0" + vector(2, name) for name in names)
    extension = b"\0\0" + vector(2, vector(2, entries))
    return bytes(34) + b"\0" + vector(2, b"\x13\1") + b"\1\0" + vector(2, extension)


def test_two_names_an_odd_one_and_a_short_list_are_malformed():
    assert server_name(sni(b"A.example")) == "a.example"
    for body in (
        sni(b"a.example", b"b.example"),
        sni(),
        sni(b"\xff"),
        sni(b"a\0b"),
        sni(b""),
        sni(b"a.example") + b"x",
    ):
        with pytest.raises(Malformed):
            server_name(body)


def test_long_hello_is_refused():
    hello = Hello(1000)
    with pytest.raises(Malformed):
        hello.feed(b"\x16\3\1\x10\0\1\0\x10\0" + bytes(2000))


@given(
    st.lists(st.binary(min_size=1, max_size=50), max_size=8),
    st.lists(st.integers(0, 999), max_size=8),
    st.binary(max_size=9),
)
def test_chunks_are_understood_however_they_are_cut(parts, cuts, rest):
    data = b"".join(map(encode_chunk, [*parts, b""])) + rest
    decoder, found = ChunkDecoder(), b""
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    after = b""
    for start, end in itertools.pairwise(edges):
        if decoder.done:
            after += data[start:end]
        else:
            found += decoder.feed(data[start:end])
    assert decoder.done
    assert (found, decoder.rest + after) == (b"".join(parts), rest)


@given(st.binary(max_size=100) | st.text("0123456789abcdef\r\n; ", max_size=60).map(str.encode))
def test_any_bytes_are_chunks_or_malformed(data):
    decoder = ChunkDecoder()
    try:
        decoder.feed(data)
    except Malformed:
        return


@pytest.mark.parametrize("endless", [b"0\r\n" + b"X: y\r\n" * 5000, b"1;" + b"a" * 5000, b"0\r\n" + b"a" * 5000])
def test_endless_lines_and_trailers_are_refused(endless):
    with pytest.raises(Malformed):
        ChunkDecoder().feed(endless)


@given(st.binary(max_size=200) | st.binary(max_size=99).map(lambda data: b"GET http://a/ HTTP/1.1\r\n" + data))
def test_any_bytes_are_a_head_or_malformed(data):
    for parse in (parse_request, lambda raw: parse_response(raw, "GET")):
        with contextlib.suppress(Malformed):
            parse(data)


@given(st.text("htp:/.@[]?#a1 ", max_size=30))
def test_any_url_has_a_host_and_a_path_or_is_malformed(text):
    try:
        target, path = split_url(text)
    except Malformed:
        return
    assert target.host
    assert path.startswith("/")

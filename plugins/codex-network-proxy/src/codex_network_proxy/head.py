"""HTTP/1.1 heads, read strictly: what two parsers could read differently is refused, never repaired."""

from __future__ import annotations

import re

from codex_plugin_sdk import Value, value

from .faults import Malformed
from .target import Target, parse_target

Fields = tuple[tuple[bytes, bytes], ...]

_REQUEST = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) ([\x21-\x7e]+) HTTP/1\.([01])")
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_ABSOLUTE = re.compile(r"(?i:http)://([^/?#]*)(/[^?#]*)?(\?[^#]*)?")
_MOST_FIELDS = 256

_HOP = frozenset(
    (b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"host", b"content-length")
)


@value
class Request(Value):
    """A request head. `length` is the body's size, None if it is chunked; `upgrade` tells that the client
    wants a WebSocket."""

    method: str
    url: str
    minor: int
    fields: Fields
    length: int | None
    keep: bool
    upgrade: bool

    @property
    def has_body(self) -> bool:
        """Whether a body follows."""
        return self.length != 0


@value
class Response(Value):
    """A response head. `chunked`, else `length` bytes, else (None) up to the end of the stream."""

    status: int
    reason: bytes
    minor: int
    fields: Fields
    chunked: bool
    length: int | None
    keep: bool


def parse_request(raw: bytes) -> Request:
    """A request head without its empty line. Raises `Malformed`."""
    first, fields = _split(raw)
    found = _REQUEST.fullmatch(first)
    if found is None:
        raise Malformed("that is not an HTTP/1.1 request line")
    minor = int(found[3])
    if len(_values(fields, b"host")) > 1:
        raise Malformed("there is more than one Host")
    chunked, length = _framing(fields, minor)
    options = _options(fields)
    return Request(
        method=found[1].decode(),
        url=found[2].decode(),
        minor=minor,
        fields=fields,
        length=None if chunked else length or 0,
        keep=minor == 1 and b"close" not in options,
        upgrade=minor == 1
        and b"upgrade" in options
        and [word.lower() for word in _values(fields, b"upgrade")] == [b"websocket"],
    )


def parse_response(raw: bytes, method: str) -> Response:
    """A response head without its empty line, answering `method`. Raises `Malformed`."""
    first, fields = _split(raw)
    found = _STATUS.fullmatch(first)
    if found is None:
        raise Malformed("that is not an HTTP/1.1 status line")
    minor, status = int(found[1]), int(found[2])
    chunked, length = _framing(fields, minor)
    if method == "HEAD" or status < 200 or status in (204, 304):
        chunked, length = False, 0
    delimited = chunked or length is not None
    keep = minor == 1 and delimited and b"close" not in _options(fields)
    reason = found[3] or b""
    return Response(status=status, reason=reason, minor=minor, fields=fields, chunked=chunked, length=length, keep=keep)


def split_url(url: str) -> tuple[Target, str]:
    """The target and the path of an absolute http URL. Raises `Malformed`."""
    found = _ABSOLUTE.fullmatch(url)
    if found is None:
        what = "this is a proxy: it wants http://HOST/PATH or CONNECT HOST:PORT"
        raise Malformed(what if url.startswith("/") else f"{url[:80]!r} cannot be fetched; {what}")
    if "@" in found[1]:
        raise Malformed("a URL with a user name is not accepted; send an Authorization header")
    return parse_target(found[1], default_port=80), (found[2] or "/") + (found[3] or "")


def end_to_end(fields: Fields) -> Fields:
    """The fields for the next hop: without what is meant for this one, `Proxy-*`, `Host` and the framing."""
    dropped = _HOP | _options(fields)
    return tuple(
        (name, text) for name, text in fields if name.lower() not in dropped and not name.lower().startswith(b"proxy-")
    )


def has_field(fields: Fields, *names: bytes) -> bool:
    """Whether one of the fields is there; lower-case names."""
    return any(name.lower() in names for name, _ in fields)


def write_head(first: bytes, fields: Fields) -> bytes:
    """A head with its empty line."""
    return b"\r\n".join((first, *(b"%b: %b" % field for field in fields), b"", b""))


def parse_fields(lines: list[bytes]) -> Fields:
    """Header or trailer lines. Raises `Malformed`."""
    if len(lines) > _MOST_FIELDS:
        raise Malformed(f"there are more than {_MOST_FIELDS} header fields", status=431)
    fields = []
    for line in lines:
        found = _FIELD.fullmatch(line)
        if found is None:
            raise Malformed("a header line is neither NAME: VALUE nor clean text (folded lines are refused)")
        fields.append((found[1], found[2].strip(b" \t")))
    return tuple(fields)


def _split(raw: bytes) -> tuple[bytes, Fields]:
    first, *lines = raw.split(b"\r\n")
    return first, parse_fields(lines)


def _values(fields: Fields, wanted: bytes) -> list[bytes]:
    return [text for name, text in fields if name.lower() == wanted]


def _options(fields: Fields) -> frozenset[bytes]:
    found = b",".join([*_values(fields, b"connection"), *_values(fields, b"proxy-connection")])
    return frozenset(word.strip(b" \t").lower() for word in found.split(b","))


def _framing(fields: Fields, minor: int) -> tuple[bool, int | None]:
    codings, lengths = _values(fields, b"transfer-encoding"), _values(fields, b"content-length")
    if codings:
        if lengths:
            raise Malformed("there are both Transfer-Encoding and Content-Length")
        if minor == 0 or len(codings) > 1 or codings[0].lower() != b"chunked":
            raise Malformed("the only Transfer-Encoding accepted is chunked, in HTTP/1.1")
        return True, None
    if not lengths:
        return False, None
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
        raise Malformed("Content-Length is not one number")
    return False, int(lengths[0])

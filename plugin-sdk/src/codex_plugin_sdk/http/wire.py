"""HTTP/1.1 as bytes: writing a request's head, reading a response's head, undoing the body's framing.

A reader of our own because it decodes a stream of small chunks about twenty times faster than a general
state machine does, and a model's answer is nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from codex_kernel.protocol.value import Value, value

from .errors import BodyTruncated, MalformedResponse
from .message import HttpRequest, Url

MAX_HEAD_BYTES = 65_536
"""A response's status line and headers together may be this large; so may the trailers of a body."""

MAX_CHUNK_LINE_BYTES = 4_096
SEND_BYTES = 262_144
"""Parts of a body are sent in pieces of about this size: small ones together, large ones in slices."""

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([^\r\n]*))?\Z")
_PREFIX = b"HTTP/1."
_HEX = b"0123456789abcdefABCDEF"
_STANDARD_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    413: "Payload Too Large",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


@value
class Head(Value):
    """A response's head."""

    status: int
    reason: str
    headers: dict[str, str]
    keep_alive: bool


def encode_head(request: HttpRequest, url: Url) -> bytes:
    """The request line and headers, with the blank line that ends them."""
    lines = [f"{request.method} {url.target} HTTP/1.1", f"host: {url.netloc}"]
    lines += [f"{name}: {text}" for name, text in request.headers]
    lines.append(f"content-length: {request.content_length}\r\n\r\n")
    return "\r\n".join(lines).encode("utf-8")


def pieces(head: bytes, body: Sequence[bytes]) -> Iterator[bytes | memoryview]:
    """Head and body in pieces worth a system call each; large parts are sliced without a copy."""
    batch, size = [head], len(head)
    for part in body:
        if size + len(part) > SEND_BYTES and size:
            yield b"".join(batch)
            batch, size = [], 0
        if len(part) > SEND_BYTES:
            view = memoryview(part)
            for at in range(0, len(part), SEND_BYTES):
                yield view[at : at + SEND_BYTES]
        else:
            batch.append(part)
            size += len(part)
    if size:
        yield b"".join(batch)


def split_head(data: bytes) -> tuple[bytes, bytes] | None:
    """Head and the rest, or None while the head is incomplete. Raises `MalformedResponse` as soon as the
    bytes cannot become one."""
    if not data.startswith(_PREFIX[: len(data)]):
        raise MalformedResponse(f"the answer does not begin like HTTP/1.1 but with {data[:60]!r}")
    found = _HEAD_END.search(data, 0, MAX_HEAD_BYTES + 4)
    if found is not None:
        return data[: found.start()], data[found.end() :]
    if len(data) > MAX_HEAD_BYTES:
        raise MalformedResponse(f"the answer's headers are larger than {MAX_HEAD_BYTES} bytes")
    return None


def parse_head(raw: bytes) -> Head:
    """Decode a head without its blank line. Raises `MalformedResponse`."""
    first, *lines = raw.replace(b"\r\n", b"\n").split(b"\n")
    status = _STATUS_LINE.match(first)
    if status is None:
        raise MalformedResponse(f"the answer's status line is not HTTP/1.1: {first[:60]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, text = line.partition(b":")
        if not colon or not name or name != name.strip():
            raise MalformedResponse(f"the answer has a header line that is none: {line[:60]!r}")
        key, found = name.decode("latin-1").lower(), text.strip().decode("latin-1")
        headers[key] = f"{headers[key]}, {found}" if key in headers else found
    connection = headers.get("connection", "").lower()
    code = int(status[2])
    return Head(
        status=code,
        reason=(status[3] or b"").decode("latin-1").strip() or _STANDARD_REASONS.get(code, ""),
        headers=headers,
        keep_alive="close" not in connection and (status[1] == b"1" or "keep-alive" in connection),
    )


class Body(Protocol):
    """Undoes the framing of a body, whatever the sizes of the reads. `done` once its end has been seen,
    then `rest` is what came after it."""

    done: bool
    rest: bytes

    def feed(self, data: bytes) -> bytes:
        """The content within `data`, perhaps empty. Raises `MalformedResponse`."""
        ...

    def eof(self) -> None:
        """The connection ended. Raises `BodyTruncated` unless that ends the body."""
        ...


def body_of(head: Head) -> Body:
    """The reader for the body that belongs to a head. Raises `MalformedResponse`."""
    coding = head.headers.get("transfer-encoding")
    if head.status in (204, 304):
        return SizedBody(0)
    if coding is not None:
        if coding.lower() != "chunked":
            raise MalformedResponse(f"the answer uses transfer-encoding {coding[:60]!r}, which is not understood")
        return ChunkedBody()
    length = head.headers.get("content-length")
    if length is None:
        return OpenBody()
    sizes = {size.strip() for size in length.split(",")}
    size = sizes.pop()
    if sizes or not (size.isascii() and size.isdigit()):
        raise MalformedResponse(f"the answer's content-length is not a number: {length[:60]!r}")
    return SizedBody(int(size))


class SizedBody:
    """A body with a content-length."""

    def __init__(self, size: int) -> None:
        self._size = self._left = size
        self.done = size == 0
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        content = data[: self._left]
        self._left -= len(content)
        if self._left == 0:
            self.done, self.rest = True, data[len(content) :]
        return content

    def eof(self) -> None:
        if not self.done:
            raise BodyTruncated(f"the answer ended after {self._size - self._left} of {self._size} bytes")


class OpenBody:
    """A body that ends with the connection."""

    def __init__(self) -> None:
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        return data

    def eof(self) -> None:
        self.done = True


class ChunkedBody:
    """A body in chunks."""

    def __init__(self) -> None:
        self.done = False
        self.rest = b""
        self._left = 0  # content bytes still to come of the chunk at hand
        self._carry = b""  # the beginning of a line that is not yet complete
        self._after_chunk = False  # the line break that ends a chunk comes next
        self._in_trailers = False

    def feed(self, data: bytes) -> bytes:
        if self._carry:
            data, self._carry = self._carry + data, b""
        content: list[bytes] = []
        at, end = 0, len(data)
        while at < end and not self.done:
            if self._left:
                part = data[at : at + self._left]
                content.append(part)
                at += len(part)
                self._left -= len(part)
                self._after_chunk = self._left == 0
                continue
            stop = data.find(b"\n", at)
            if stop < 0:
                self._keep(data[at:])
                break
            # Nearly every chunk lies whole in the read behind a plain size line: no state to keep for it.
            digits = data[at : stop - 1]
            if (
                digits
                and not digits.strip(_HEX)
                and data[stop - 1] == 13
                and not self._after_chunk
                and not self._in_trailers
            ):
                after = stop + 1 + int(digits, 16)
                if after > stop + 1 and data[after : after + 2] == b"\r\n":
                    content.append(data[stop + 1 : after])
                    at = after + 2
                    continue
            self._line(data[at:stop].rstrip(b"\r"))
            at = stop + 1
        if self.done:
            self.rest = data[at:]
        return content[0] if len(content) == 1 else b"".join(content)

    def _keep(self, line: bytes) -> None:
        self._carry = line
        if len(line) > (MAX_HEAD_BYTES if self._in_trailers else MAX_CHUNK_LINE_BYTES):
            raise MalformedResponse("the answer's chunked framing is broken: a line without end", retryable=True)

    def _line(self, line: bytes) -> None:
        if self._in_trailers:
            self.done = not line
        elif self._after_chunk:
            if line:
                raise _broken_chunk(line)
            self._after_chunk = False
        else:
            size = line.partition(b";")[0].strip()
            try:
                if not size or size[:1] in b"+-" or b"_" in size:
                    raise _broken_chunk(line)
                self._left = int(size, 16)
            except ValueError:
                raise _broken_chunk(line) from None
            self._in_trailers = self._left == 0

    def eof(self) -> None:
        if not self.done:
            raise BodyTruncated("the answer ended without its last chunk")


def _broken_chunk(line: bytes) -> MalformedResponse:
    # Retryable: the head was good HTTP, so that the peer is no stranger; something between us broke it.
    return MalformedResponse(f"the answer's chunked framing is broken at {line[:60]!r}", retryable=True)

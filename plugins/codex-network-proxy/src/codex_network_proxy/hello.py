"""The server name of a TLS ClientHello, so that a tunnel to one host cannot be used for another."""

from __future__ import annotations

from .faults import Malformed
from .target import parse_host

HANDSHAKE = 0x16
ACCESS_DENIED = bytes((0x15, 3, 3, 0, 2, 2, 49))
"""The TLS alert `access_denied`, fatal."""

_LONGEST_RECORD = (1 << 14) + 256
_SERVER_NAME = 0


class Hello:
    """Fed with the first bytes that a client sends. `done` when it is known whether they are a ClientHello
    and whom it names: `name` is None if it names nobody or is no TLS."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._message = b""
        self._ahead = b""
        self.seen = b""
        self.done = False
        self.name: str | None = None

    def feed(self, data: bytes) -> None:
        """Take more bytes. Raises `Malformed` for what starts like TLS and is no proper ClientHello."""
        self.seen += data
        self._ahead += data
        if self.seen[:1] != bytes((HANDSHAKE,)):
            self.done = bool(self.seen)
            return
        while not self.done and self._record():
            pass
        if not self.done and len(self.seen) > self._limit:
            raise Malformed("the TLS ClientHello is too long")

    def _record(self) -> bool:
        ahead = self._ahead
        if len(ahead) < 5:
            return False
        size = int.from_bytes(ahead[3:5], "big")
        if ahead[0] != HANDSHAKE or ahead[1] != 3 or not 0 < size <= _LONGEST_RECORD:
            raise Malformed("the TLS ClientHello is broken: a record is not what it should be")
        if len(ahead) < 5 + size:
            return False
        self._message += ahead[5 : 5 + size]
        self._ahead = ahead[5 + size :]
        if len(self._message) >= 4:
            length = int.from_bytes(self._message[1:4], "big")
            if self._message[0] != 1 or length > self._limit:
                raise Malformed("the TLS handshake does not start with a ClientHello")
            if len(self._message) >= 4 + length:
                self.name = server_name(self._message[4 : 4 + length])
                self.done = True
        return True


class _Fields:
    """Length-prefixed fields one after another."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise Malformed("the TLS ClientHello is broken: a field is longer than what is left")
        part, self._at = self._data[self._at : end], end
        return part

    def vector(self, width: int) -> bytes:
        return self.take(int.from_bytes(self.take(width), "big"))

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    @property
    def ended(self) -> bool:
        return self._at == len(self._data)


def server_name(body: bytes) -> str | None:
    """The one host that the body of a ClientHello names, in its usual spelling. Raises `Malformed`."""
    fields = _Fields(body)
    fields.take(2 + 32)  # version, random
    fields.vector(1)  # session id
    fields.vector(2)  # cipher suites
    fields.vector(1)  # compression methods
    if fields.ended:
        return None
    extensions = _Fields(fields.vector(2))
    if not fields.ended:
        raise Malformed("the TLS ClientHello is broken: bytes follow the extensions")
    names: list[bytes] = []
    while not extensions.ended:
        kind, content = extensions.number(2), extensions.vector(2)
        if kind == _SERVER_NAME:
            names += _names(content)
    if len(names) > 1:
        raise Malformed("the TLS ClientHello names more than one server")
    if not names:
        return None
    try:
        return parse_host(names[0].decode("ascii"))[0]
    except UnicodeDecodeError:
        raise Malformed("the server name of the TLS ClientHello is not ASCII") from None


def _names(content: bytes) -> list[bytes]:
    outer = _Fields(content)
    entries = _Fields(outer.vector(2))
    if not outer.ended or entries.ended:
        raise Malformed("the TLS ClientHello is broken: its list of server names")
    found = []
    while not entries.ended:
        if entries.number(1) != 0:
            raise Malformed("the TLS ClientHello is broken: its kind of server name")
        found.append(entries.vector(2))
    return found

"""Where a command wants to go: host names and addresses, each in one spelling only."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from codex_plugin_sdk import Value, value

from .faults import Malformed

Address = IPv4Address | IPv6Address

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[0-9]{1,5}")


@value
class Target(Value):
    """`host` is a lower-case name without a final dot, or an address in its usual spelling; then `address`
    is given, too."""

    host: str
    port: int
    address: Address | None = None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_host(text: str) -> tuple[str, Address | None]:
    """A name or an address as its one spelling, the address if it is one. Raises `Malformed`.

    What only some resolvers take for an address (`127.1`, `0x7f.1`, `2130706433`, octal) is refused: a rule
    about 127.0.0.1 must not be avoided by spelling it differently.
    """
    if text.startswith("[") and text.endswith("]"):
        return _address6(text[1:-1])
    if ":" in text:
        return _address6(text)
    name = text.lower()
    name = name[:-1] if name.endswith(".") else name
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            address = IPv4Address(name)
        except AddressValueError:
            raise Malformed(f"{text[:80]!r} is not an address in dotted decimal notation") from None
        return str(address), address
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Malformed(f"{text[:80]!r} is not a host name (international names are written as xn--…)")
    return name, None


def parse_target(text: str, *, default_port: int | None = None) -> Target:
    """`host`, `host:port` or `[v6]:port`; the port is needed where there is no default. Raises `Malformed`."""
    host, port = text, ""
    if text.startswith("["):
        host, bracket, rest = text.partition("]")
        host += bracket
        if rest[:1] not in ("", ":"):
            raise Malformed(f"{text[:80]!r} is not HOST:PORT")
        port = rest[1:]
    elif ":" in text:
        host, _, port = text.partition(":")
    if not port and default_port is not None:
        return target_of(host, default_port)
    if not _PORT.fullmatch(port):
        raise Malformed(f"{text[:80]!r} is not HOST:PORT")
    return target_of(host, int(port))


def target_of(host: str, port: int) -> Target:
    """A target of its parts. Raises `Malformed`."""
    if not 0 < port < 65536:
        raise Malformed(f"{port} is not a port")
    name, address = parse_host(host)
    return Target(host=name, port=port, address=address)


def _address6(text: str) -> tuple[str, Address]:
    try:
        address = IPv6Address(text)
    except AddressValueError:
        raise Malformed(f"{text[:80]!r} is not an IPv6 address") from None
    if address.scope_id:
        raise Malformed("addresses with a zone are not supported")
    mapped = address.ipv4_mapped  # the same host as the IPv4 address: judged, and reached, as that
    return (str(mapped), mapped) if mapped else (str(address), address)

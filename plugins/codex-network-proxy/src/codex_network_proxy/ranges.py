"""Which addresses are not the public internet."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from codex_plugin_sdk import Decision, NetworkRules

from .target import Address, Target

_V4 = tuple(
    (IPv4Network(network), word)
    for network, word in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared (carrier-grade NAT)"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_V6 = tuple(
    (IPv6Network(network), word)
    for network, word in (
        ("::1/128", "loopback"),
        ("::/128", "unspecified"),
        ("fe80::/10", "link-local"),
        ("fc00::/7", "private"),
        ("ff00::/8", "multicast"),
        ("2001::/23", "reserved"),  # Teredo is in it, which carries an IPv4 address
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),  # carries an IPv4 address, too
        ("3fff::/20", "documentation"),
    )
)
_GLOBAL = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_INTRANET = frozenset({"private", "shared (carrier-grade NAT)"})


def special(address: Address) -> str:
    """What an address is if not public, in a word; "" for a public one. IPv4 addresses inside IPv6 ones
    (mapped, NAT64) are judged as what they lead to."""
    if isinstance(address, IPv4Address):
        return next((word for network, word in _V4 if address in network), "")
    if address.ipv4_mapped is not None:
        return special(address.ipv4_mapped)
    if address in _NAT64:
        return special(IPv4Address(int(address) & 0xFFFFFFFF))
    found = next((word for network, word in _V6 if address in network), "")
    return found or ("" if address in _GLOBAL else "reserved")


def is_own(address: Address) -> bool:
    """Whether this machine itself has the address, so that its services would be reached from outside in."""
    # Only own addresses can be bound, unless the machine is set up to bind any (`ip_nonlocal_bind`): then
    # one that nobody has can be bound as well, and nothing is known.
    nobodys = "2001:db8::1" if isinstance(address, IPv6Address) else "192.0.2.1"
    return _binds(str(address), address.version) and not _binds(nobodys, address.version)


def _binds(text: str, version: int) -> bool:
    try:
        with socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((text, 0))
    except OSError:  # not ours; or no such family here, then it cannot be reached either
        return False
    return True


def objection(address: Address, target: Target, rules: NetworkRules) -> str:
    """Why a target's address must not be reached, "" if it may be.

    A pattern without a wildcard that names the address lifts everything. One that names the host lifts the
    private ranges of an intranet, but neither loopback nor link-local ones (where a cloud's metadata is): who
    runs a public name could let it point there. `localhost` may point home.
    """
    text = str(address)
    named = {pattern.lower().rstrip(".") for pattern in rules.allowed}
    if "*" not in rules.denied and rules.decision(text) is Decision.FORBIDDEN:
        return f"its address {text} is denied by the rules"
    if rules.allow_private or text in named:
        return ""
    word = special(address) or ("the address of this machine" if is_own(address) else "")
    if not word:
        return ""
    if target.host in named and (word in _INTRANET or (word == "loopback" and is_localhost(target.host))):
        return ""
    what = word if word.startswith("the ") else f"a {word} address"
    said = f"it is {what}" if target.address else f"its address {text} is {what}"
    return f'{said}; allow it by name (domains = {{"{text}" = "allow"}}) or set allow_private = true'


def is_localhost(host: str) -> bool:
    """Whether a name means the loopback interface by definition (RFC 6761)."""
    return host == "localhost" or host.endswith(".localhost")

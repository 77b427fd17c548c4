"""Host names in one form, so that a rule and a connection can be compared."""

from __future__ import annotations

import re

PROTOCOLS = ("http", "https", "socks5_tcp", "socks5_udp")

_WITH_PORT = re.compile(r"([^:]+):\d+")
_BRACKETED = re.compile(r"\[([^\]]*)\](.*)")


def normal_host(text: str) -> str:
    """Lower case, without a port, brackets and a final dot; an IPv6 address in its shortest form.

    Raises `ValueError` with Codex's words for what cannot be one host.
    """
    host = text.strip()
    if not host:
        raise ValueError("invalid rule: network_rule host cannot be empty")
    if any(mark in host for mark in ("/", "?", "#")):
        raise ValueError("invalid rule: network_rule host must be a hostname or IP literal (without scheme or path)")
    if any(char.isspace() for char in host):
        raise ValueError("invalid rule: network_rule host cannot contain whitespace")
    if "*" in host:
        raise ValueError("invalid rule: network_rule host must be a specific host; wildcards are not allowed")
    host = _without_port(host).lower().rstrip(".")
    if not host:
        raise ValueError("invalid rule: network_rule host cannot be empty")
    return _address(host) if ":" in host else host


def _without_port(host: str) -> str:
    if host.startswith("["):
        bracketed = _BRACKETED.fullmatch(host)
        if bracketed is None:
            raise ValueError("invalid rule: network_rule host has an invalid bracketed IPv6 literal")
        if bracketed[2] and not re.fullmatch(r":\d+", bracketed[2]):
            raise ValueError(f"invalid rule: network_rule host contains an unsupported suffix: {host}")
        return bracketed[1]
    with_port = _WITH_PORT.fullmatch(host)
    return host if with_port is None else with_port[1]


def _address(host: str) -> str:
    from ipaddress import AddressValueError, IPv6Address

    try:
        return str(IPv6Address(host))
    except AddressValueError:
        return host

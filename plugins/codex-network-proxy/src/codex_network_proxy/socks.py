"""SOCKS5 (RFC 1928) without authentication: CONNECT only."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import anyio

from .door import Door
from .faults import Fault, Malformed, Refused
from .limits import Limits
from .target import Target, target_of
from .tunnel import run_checked_tunnel
from .wire import Wire

VERSION = 5
_NO_AUTHENTICATION = 0
_CONNECT, _ASSOCIATE = 1, 3


class UnknownCommand(Refused):
    """BIND, UDP ASSOCIATE, or none of the known ones."""

    reply = 7


async def serve_socks(client: Wire, door: Door, limits: Limits) -> None:
    """Serve one connection, whose first byte was given back. Raises `Fault` once the client was told."""
    door.wanted("socks5_tcp")
    try:
        with anyio.fail_after(limits.head_s):
            target = await _read_target(client, door)
        door.wanted("socks5_tcp", target)
        _check_rules(door)
        await door.admit(target, "socks5_tcp")
        route = await door.connect(target, tunnel=True)
    except TimeoutError:
        raise Malformed("the SOCKS5 request does not end") from None
    except EOFError:
        return
    except Fault as fault:
        door.report(fault)
        await client.send(_reply(fault.reply))
        await client.linger(limits.linger_s)
        raise
    try:
        await client.send(_reply(0))
        await run_checked_tunnel(client, route.wire, target, door, limits)
    finally:
        route.wire.close()


def _check_rules(door: Door) -> None:
    if not door.rules.socks5:
        raise Refused("SOCKS5 is switched off by the rules", "socks5-off")
    if door.rules.limited:
        raise Refused("the rules permit reading by HTTP only, no tunnels", "method-not-allowed")


async def _read_target(client: Wire, door: Door) -> Target:
    _, count = await client.exactly(2)
    if _NO_AUTHENTICATION not in await client.exactly(count):
        await client.send(bytes((VERSION, 0xFF)))
        raise EOFError  # nothing more is said in this protocol
    await client.send(bytes((VERSION, _NO_AUTHENTICATION)))
    version, command, _, kind = await client.exactly(4)
    if version != VERSION:
        raise Malformed("that is not a SOCKS5 request")
    match kind:
        case 1:
            host = str(IPv4Address(await client.exactly(4)))
        case 4:
            host = str(IPv6Address(await client.exactly(16)))
        case 3:
            (size,) = await client.exactly(1)
            host = (await client.exactly(size)).decode("latin-1")
        case _:
            fault = Malformed(f"{kind} is not a SOCKS5 address type")
            fault.reply = 8
            raise fault
    port = int.from_bytes(await client.exactly(2), "big")
    if command != _CONNECT:
        name = "UDP ASSOCIATE" if command == _ASSOCIATE else f"SOCKS5 command {command}"
        raise UnknownCommand(f"{name} is not supported, only CONNECT", "not-supported")
    return target_of(host, port)


def _reply(code: int) -> bytes:
    return bytes((VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0))

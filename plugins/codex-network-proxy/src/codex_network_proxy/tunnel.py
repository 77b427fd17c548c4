"""Bytes to and fro, until both sides have ended."""

from __future__ import annotations

import anyio

from .door import Door
from .faults import Malformed, Refused
from .hello import ACCESS_DENIED, HANDSHAKE, Hello
from .limits import Limits
from .target import Target
from .wire import Wire


async def run_tunnel(client: Wire, server: Wire) -> None:
    """Copy both ways. An end of one side is passed on and the other direction goes on; an error ends both."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_copy, server, client, tasks.cancel_scope)
        await _copy(client, server, tasks.cancel_scope)


async def run_checked_tunnel(client: Wire, server: Wire, target: Target, door: Door, limits: Limits) -> None:
    """As `run_tunnel`, but a client that starts with TLS must name the target, or a host that may be reached
    as well: else one permitted host would open the way to all others at the same address. The server may
    speak first; it gets nothing before the name is known. Raises `Refused` or `Malformed` after telling the
    client in TLS's own words."""
    fault: Refused | Malformed | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_copy, server, client, tasks.cancel_scope)
        try:
            await _check_name(client, target, door, limits)
        except (Refused, Malformed) as error:
            fault = error
            tasks.cancel_scope.cancel()
        except OSError:
            tasks.cancel_scope.cancel()
        else:
            await _copy(client, server, tasks.cancel_scope)
    if fault is not None:
        door.report(fault)
        await _alert(client, limits)
        raise fault


async def _check_name(client: Wire, target: Target, door: Door, limits: Limits) -> None:
    hello = Hello(limits.hello_bytes)
    while not hello.done:
        data = await client.receive()
        if not data:
            if hello.seen[:1] == bytes((HANDSHAKE,)):
                raise Malformed("the TLS ClientHello ends too early")
            return
        hello.feed(data)
    if hello.name is not None:
        await door.admit_name(hello.name, target)
    client.unread(hello.seen)


async def _alert(client: Wire, limits: Limits) -> None:
    try:
        with anyio.move_on_after(limits.linger_s):
            await client.send(ACCESS_DENIED)
    except OSError:
        return  # the client is gone already: nobody is left to be told
    await client.linger(limits.linger_s)


async def _copy(source: Wire, sink: Wire, both: anyio.CancelScope) -> None:
    try:
        while data := await source.receive():
            await sink.send(data)
    except OSError:  # reset, or nobody reads any more: nothing can be told through a tunnel but its end
        both.cancel()
    else:
        sink.end()

"""From a name to a connection: resolve once, judge every address, connect to what was judged."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv6Address, ip_address
from math import inf

import anyio
import anyio.to_thread

from codex_plugin_sdk import NetworkRules, Value, value

from .faults import Malformed, Refused, Unreachable
from .limits import Limits
from .ranges import objection
from .target import Address, Target
from .upstream import Upstream
from .wire import Idleness, Wire

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""The addresses of a host name, best first. Raises `OSError`."""


@value
class Route(Value):
    """A connection towards a target. `absolute` tells that the peer is another proxy, which wants whole URLs
    and the `fields`."""

    wire: Wire
    absolute: bool = False
    fields: tuple[tuple[bytes, bytes], ...] = ()


class Dialer:
    """Made per thread, shared by its sessions: the look-ups of all of them are bounded together."""

    def __init__(self, limits: Limits, resolve: Resolve | None = None, upstream: Upstream | None = None) -> None:
        self._limits = limits
        self._upstream = upstream or Upstream()
        self._resolve = resolve or self._getaddrinfo
        self._lookups: anyio.CapacityLimiter | None = None

    async def connect(self, target: Target, rules: NetworkRules, idle: Idleness, *, tunnel: bool) -> Route:
        """Raises `Refused` or `Unreachable`."""
        proxy = self._upstream.choose(target, tunnel=tunnel)
        if proxy is None:
            sock = await self._dial(await self.addresses(target, rules), target)
            return Route(wire=Wire(sock, self._limits, idle))
        sock = await self._dial(await self._lookup(proxy.target), proxy.target)
        wire = Wire(sock, self._limits, idle)
        if not tunnel:
            return Route(wire=wire, absolute=True, fields=proxy.fields)
        try:
            with anyio.fail_after(self._limits.connect_s):
                await proxy.open_tunnel(wire, target, self._limits.head_bytes)
        except TimeoutError:
            wire.close()
            raise Unreachable(f"the proxy {proxy.target} does not answer", "timeout", status=504) from None
        except (OSError, Malformed) as error:
            wire.close()
            raise Unreachable(f"the proxy {proxy.target} failed: {error}", "upstream-proxy") from error
        except BaseException:
            wire.close()
            raise
        return Route(wire=wire)

    async def addresses(self, target: Target, rules: NetworkRules) -> list[Address]:
        """All addresses of a target; one that must not be reached refuses them all, for a name that leads both
        in and out is a trap. Raises `Refused` or `Unreachable`."""
        found = await self._lookup(target)
        for address in found:
            why = objection(address, target, rules)
            if why:
                raise Refused(f"{target.host} is not to be reached: {why}", "private-address")
        return found

    async def _lookup(self, target: Target) -> list[Address]:
        if target.address is not None:
            return [target.address]
        try:
            with anyio.fail_after(self._limits.lookup_s):
                found = await self._resolve(target.host)
        except TimeoutError:
            raise Unreachable(f"the name {target.host} is not resolved in time", "dns", status=504) from None
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"the name {target.host} cannot be resolved: {error}", "dns") from error
        addresses = [ip_address(text) for text in dict.fromkeys(found)]
        if not addresses:
            raise Unreachable(f"the name {target.host} has no address", "dns")
        return addresses

    async def _getaddrinfo(self, host: str) -> Sequence[str]:
        if self._lookups is None:
            self._lookups = anyio.CapacityLimiter(self._limits.concurrent_lookups)

        def look_up() -> list[str]:
            return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]

        return await anyio.to_thread.run_sync(look_up, limiter=self._lookups, abandon_on_cancel=True)

    async def _dial(self, addresses: Sequence[Address], target: Target) -> socket.socket:
        race = _Race(target.port, self._limits.next_address_s)
        try:
            with anyio.fail_after(self._limits.connect_s):
                await race.run(addresses[: self._limits.addresses])
        except TimeoutError:
            race.drop()
            raise Unreachable(f"{target} does not answer", "timeout", status=504) from None
        except BaseException:
            race.drop()
            raise
        if race.winner is None:
            reply = 5 if isinstance(race.error, ConnectionRefusedError) else 4
            text = f"{target} cannot be reached: {race.error}"
            raise Unreachable(text, "unreachable", reply=reply) from race.error
        return race.winner


class _Race:
    """Connects to the first of several addresses that answers; each gets a short lead over the next one."""

    def __init__(self, port: int, lead_s: float) -> None:
        self._port, self._lead_s = port, lead_s
        self.winner: socket.socket | None = None
        self.error: OSError | None = None

    async def run(self, addresses: Sequence[Address]) -> None:
        """Sets `winner`, or `error`."""
        async with anyio.create_task_group() as tasks:
            for address in addresses:
                lost = anyio.Event()
                tasks.start_soon(self._attempt, address, lost, tasks.cancel_scope)
                with anyio.move_on_after(self._lead_s if address is not addresses[-1] else inf):
                    await lost.wait()

    async def _attempt(self, address: Address, lost: anyio.Event, others: anyio.CancelScope) -> None:
        try:
            sock = socket.socket(socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET)
        except OSError as error:  # no such family here, or no descriptor left
            self.error = error
            lost.set()
            return
        try:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, (str(address), self._port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            self.error = self.error or error
            sock.close()
            lost.set()
        except BaseException:
            sock.close()
            raise
        else:
            if self.winner is None:
                self.winner = sock
                others.cancel()
            else:
                sock.close()

    def drop(self) -> None:
        """Release what was won too late."""
        if self.winner is not None:
            self.winner.close()

"""What stands between one connection and the world: the rules, the permission, the addresses."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

from codex_plugin_sdk import Decision, NetworkIntent, NetworkRules, Permission

from .dial import Dialer, Route
from .faults import Fault, Malformed, Refused
from .ranges import is_localhost, objection
from .target import Target, target_of
from .wire import Idleness

Record = Callable[[NetworkIntent, str], None]


class Door:
    """Made per connection. Nothing leaves but through it."""

    def __init__(
        self, rules: NetworkRules, permission: Permission, dialer: Dialer, idle: Idleness, record: Record
    ) -> None:
        self.rules = rules
        self._permission, self._dialer, self._idle, self._record = permission, dialer, idle, record
        self._intent = NetworkIntent(host="", port=0, protocol="http")

    def wanted(self, protocol: str, target: Target | None = None) -> None:
        """Remember what the connection is about, for a refusal before anybody was asked."""
        host, port = (target.host, target.port) if target else ("", 0)
        self._intent = NetworkIntent(host=host, port=port, protocol=protocol)

    async def admit(self, target: Target, protocol: str) -> None:
        """Ask for a target. Nobody is asked about an address that is refused anyway. Raises `Refused`."""
        self.wanted(protocol, target)
        self._check(target)
        await self._ask(self._intent)

    async def admit_name(self, name: str, target: Target) -> None:
        """Ask for the name that a TLS client gives inside a tunnel to `target`. Raises `Refused`."""
        if name == target.host:
            return
        inner = target_of(name, target.port)
        self.wanted("https", inner)
        self._check(inner)
        try:
            await self._ask(self._intent)
        except Refused as refused:
            text = f"a tunnel to {target.host} was used for {name}: {refused.text}"
            raise Refused(text, "server-name") from refused

    async def connect(self, target: Target, *, tunnel: bool) -> Route:
        """Connect to a target that was admitted: its name is resolved now, every address is judged, and one
        of these addresses is connected to. Raises `Refused` or `Unreachable`."""
        return await self._dialer.connect(target, self.rules, self._idle, tunnel=tunnel)

    def report(self, fault: Fault) -> None:
        """Record, once, what the proxy itself refused; what `permission` refused was recorded by it. Before the
        command is told, so that the record is there when it ends."""
        if isinstance(fault, Refused | Malformed) and not fault.recorded:
            fault.recorded = True
            self._record(self._intent, fault.text)

    def _check(self, target: Target) -> None:
        address = IPv4Address("127.0.0.1") if is_localhost(target.host) else target.address
        found = objection(address, target, self.rules) if address is not None else ""
        if found:
            raise Refused(f"{target.host} is not to be reached: {found}", "private-address")

    async def _ask(self, intent: NetworkIntent) -> None:
        with self._idle.paused():
            try:
                refusal = await self._permission(intent)
            except Exception as error:
                # Whoever decides has failed: that is never a yes, and this connection alone ends by it.
                raise Refused(f"nobody could decide about {intent.host}: {error}", "undecided") from error
        if refusal is not None:
            raise Refused(refusal or f"{intent.host} is not to be reached", "blocked-by-policy", asked=True)
        if self.rules.decision(intent.host) is Decision.FORBIDDEN:
            raise Refused(f"{intent.host} is denied by the rules", "blocked-by-policy")

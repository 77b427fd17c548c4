"""The contract of a network proxy: how a confined command reaches the hosts that it may reach."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from ..protocol.policy import NetworkIntent, NetworkRules
from ..protocol.value import Value, field, value

Permission = Callable[[NetworkIntent], Awaitable[str | None]]
"""Asks whether a host may be reached: policies, the rules' patterns and, if need be, the user are heard, and
the decision is recorded. None means yes; a text is the refusal, for the command to read."""


@value
class NetworkProxySetup(Value):
    """What a proxy's factory gets."""

    codex_home: str
    environ: Mapping[str, str] = field(repr=False)
    options: Mapping[str, object] = field(factory=dict)


class ProxySession(Protocol):
    """The proxy of one command. Made by the kernel, handed to the sandbox backend with the request.

    `on_refusal`, which the kernel sets, is called with what the proxy refuses by itself (a private address, a
    malformed request) and why; what `permission` refuses is recorded there.
    """

    on_refusal: Callable[[NetworkIntent, str], None] | None

    def environ(self, port: int) -> Mapping[str, str]:
        """The variables by which common tools find a proxy at 127.0.0.1:`port` inside the sandbox."""
        ...

    def listen(self, fd: int) -> None:
        """Serve a listening TCP socket that lives in the command's network; the session owns the descriptor
        from now on. HTTP and SOCKS5 arrive on the same port."""
        ...

    async def run(self) -> None:
        """Serve until closed; run by the kernel in the thread's task group."""
        ...

    def close(self) -> None:
        """Stop serving and drop open connections. May be called twice and before `run`."""
        ...


class NetworkProxy(Protocol):
    """Gives confined commands the hosts that they may reach. Made once per thread."""

    def open(self, rules: NetworkRules, permission: Permission) -> ProxySession:
        """A session for one command. Names are resolved by the proxy; addresses of private ranges are refused
        unless the rules allow them, whatever `permission` says."""
        ...

    async def aclose(self) -> None:
        """The thread ends."""
        ...

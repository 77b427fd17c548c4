"""Where a server listens, and how it ends: at the end of input, or by SIGTERM and SIGINT."""

from __future__ import annotations

import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio

from codex_plugin_sdk import UserError, Value, codex_home, value

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

    from .gate import Gate
    from .server import Server

EXPECTED = "expected `stdio://`, `unix://`, `unix://PATH` or `ws://IP:PORT`"


@value
class Address(Value):
    """`kind` is `stdio`, `unix` (`path` is empty for the default one) or `ws` (`ip` and `port`)."""

    kind: str
    path: str = ""
    ip: str = ""
    port: int = 0

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return self.ip == "::1" or self.ip.startswith("127.")


def parse_address(text: str) -> Address:
    """Read `--listen`. Raises `ValueError` with what was expected."""
    kind, found, rest = text.partition("://")
    if text == "stdio://":
        return Address(kind="stdio")
    if kind == "unix" and found:
        return Address(kind="unix", path=rest)
    if kind == "ws" and found:
        return _parse_ws(text, rest)
    raise ValueError(f"unsupported --listen URL `{text}`; {EXPECTED}")


def _parse_ws(text: str, rest: str) -> Address:
    import socket

    host, _, port = rest.removesuffix("/").rpartition(":")
    family, ip = (socket.AF_INET6, host[1:-1]) if host.startswith("[") else (socket.AF_INET, host)
    try:
        socket.inet_pton(family, ip)
        number = int(port)
    except (OSError, ValueError):
        number = -1
    if not 0 <= number < 65536 or not port.isdecimal():
        raise ValueError(f"invalid websocket --listen URL `{text}`; expected `ws://IP:PORT`")
    return Address(kind="ws", ip=ip, port=number)


def serve(invocation: Invocation, address: Address, gate: Gate | None = None) -> None:
    """Serve until told to end; `gate` is that of a port, without a token by default. Raises `UserError` for an address
    that cannot be used."""
    from .server import Server

    server = Server(invocation)

    async def main() -> None:
        if address.kind == "stdio":
            from .stdio import serve_stdio

            await until_told(server, lambda: serve_stdio(server), signal.SIGTERM)
        elif address.kind == "unix":
            from .unix import serve_unix

            home, path = codex_home(invocation.environ), address.path or None
            await until_told(server, lambda: serve_unix(server, path, home=home, ready=_say_unix))
        else:
            await until_told(server, lambda: _serve_ws(server, address, gate))

    run(main)


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run to the end; a `UserError` from within a task comes out as itself."""
    try:
        anyio.run(main)
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        if isinstance(error, UserError):
            raise error from None
        raise


async def until_told(
    server: Server,
    transport: Callable[[], Awaitable[None]],
    *signals: signal.Signals,
) -> None:
    """Run a server with its transport, until that ends or a signal comes (by default SIGTERM and SIGINT). Then the
    clients are sent off, turns are interrupted and threads are closed."""

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            with anyio.open_signal_receiver(*(signals or (signal.SIGTERM, signal.SIGINT))) as received:

                async def wait() -> None:
                    async for _ in received:
                        tasks.cancel_scope.cancel()

                tasks.start_soon(wait)
                await transport()
                tasks.cancel_scope.cancel()

    await server.run(main)


async def _serve_ws(server: Server, address: Address, gate: Gate | None) -> None:
    from .gate import Gate
    from .ws import serve_ws

    gate = gate or Gate()
    if not address.is_loopback and gate.check_token is None:
        raise UserError(
            f"refusing to listen on {address.ip} without auth: other machines reach it",
            hint="--ws-auth capability-token or --ws-auth signed-bearer-token, or listen on 127.0.0.1",
        )
    shown = f"[{address.ip}]" if ":" in address.ip else address.ip

    def ready(port: int) -> None:
        sys.stderr.write(
            f"codex app-server (WebSockets)\n  listening on: ws://{shown}:{port}\n"
            f"  readyz: http://{shown}:{port}/readyz\n  healthz: http://{shown}:{port}/healthz\n"
        )
        sys.stderr.flush()

    try:
        await serve_ws(server, address.ip, address.port, gate, ready=ready)
    except OSError as error:
        raise UserError(f"cannot listen on ws://{shown}:{address.port}: {error.strerror or error}") from error


def _say_unix(path: str) -> None:
    sys.stderr.write(f"codex app-server\n  listening on: unix://{path}\n")
    sys.stderr.flush()

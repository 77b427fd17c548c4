"""The proxy of one command: accepts, tells HTTP from SOCKS5, and releases everything when it is closed."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup

from codex_plugin_sdk import NetworkIntent, NetworkRules, Permission

from .dial import Dialer
from .door import Door
from .environment import proxy_environ
from .faults import Fault, Malformed
from .http import serve_http
from .limits import Limits
from .socks import VERSION, serve_socks
from .wire import Idleness, Wire

if TYPE_CHECKING:
    import logging

_TRY_AGAIN_S = 0.1
_OUT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Session:
    """A `ProxySession`. `on_refusal`, where set, is told of what the proxy itself refuses (`permission`
    records its own answers): the intent, whose host is "" if none was named yet, and the reason."""

    def __init__(
        self,
        rules: NetworkRules,
        permission: Permission,
        dialer: Dialer,
        limits: Limits,
        *,
        on_close: Callable[[Session], None] = lambda session: None,
    ) -> None:
        self._rules, self._permission = rules, permission
        self._dialer, self._limits, self._on_close = dialer, limits, on_close
        self.on_refusal: Callable[[NetworkIntent, str], None] | None = None
        self._sockets: set[socket.socket] = set()  # listeners and clients: closed at the latest when run ends
        self._waiting: list[socket.socket] = []
        self._tasks: TaskGroup | None = None
        self._news: anyio.Event | None = None
        self._closed = False

    def environ(self, port: int) -> Mapping[str, str]:
        """The variables for a proxy at 127.0.0.1:`port`."""
        return proxy_environ(port)

    def listen(self, fd: int) -> None:
        """Serve a listening TCP socket, before or after `run` has started. The descriptor is ours in any
        case: it is closed at once if the session is, and if it is not such a socket (`OSError`)."""
        try:
            listener = socket.socket(fileno=fd)
        except OSError:
            with suppress(OSError):  # not even a descriptor, perhaps
                os.close(fd)
            raise
        try:
            if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                raise OSError(errno.EINVAL, "the proxy needs a listening socket")
            listener.setblocking(False)
        except BaseException:
            listener.close()
            raise
        if self._closed:
            listener.close()
            return
        self._sockets.add(listener)
        self._waiting.append(listener)
        if self._news is not None:
            self._news.set()

    async def run(self) -> None:
        """Serve until closed."""
        if self._closed:
            return
        try:
            async with anyio.create_task_group() as self._tasks:
                slots = anyio.Semaphore(self._limits.connections)
                while True:
                    self._news = anyio.Event()
                    while self._waiting:
                        self._tasks.start_soon(self._accept, self._waiting.pop(), self._tasks, slots)
                    await self._news.wait()
        finally:
            self._tasks = self._news = None
            self.close()
            self._release()

    def close(self) -> None:
        """Stop serving and drop all connections; what is running ends with the event loop's next turns."""
        if self._closed:
            return
        self._closed = True
        self._on_close(self)
        if self._tasks is None:
            self._release()
        else:
            self._tasks.cancel_scope.cancel()

    def _release(self) -> None:
        while self._sockets:
            self._sockets.pop().close()

    async def _accept(self, listener: socket.socket, tasks: TaskGroup, slots: anyio.Semaphore) -> None:
        while True:
            await slots.acquire()  # who is too many waits in the listener's queue
            client = await self._next_client(listener)
            if client is None:
                slots.release()
                return
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.add(client)
            tasks.start_soon(self._serve, client, slots)

    async def _next_client(self, listener: socket.socket) -> socket.socket | None:
        while True:
            # Not `sock_accept`: what it accepts in the turn in which it is cancelled would be lost, unclosed.
            await anyio.wait_readable(listener)
            try:
                return listener.accept()[0]
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                continue
            except OSError as error:
                if error.errno not in _OUT_OF:
                    _log("the proxy cannot accept connections any more: %s", error)
                    return None
                _log("the proxy cannot accept a connection now: %s", error)
                await anyio.sleep(_TRY_AGAIN_S)

    async def _serve(self, client: socket.socket, slots: anyio.Semaphore) -> None:
        idle = Idleness(self._limits.idle_s)
        wire = Wire(client, self._limits, idle)
        door = Door(self._rules, self._permission, self._dialer, idle, self._record)
        try:
            with closing(wire), idle.watch():
                await self._converse(wire, door)
        except OSError as error:
            _log("a connection to the proxy broke: %s", error)
        except Exception:  # noqa: BLE001 - whatever a command sends, it ends its own connection only
            _logger().exception("the proxy failed to serve a connection")
        finally:
            self._sockets.discard(client)
            slots.release()

    async def _converse(self, wire: Wire, door: Door) -> None:
        first = await wire.receive(1)
        wire.unread(first)
        try:
            if first[:1] == bytes((VERSION,)):
                await serve_socks(wire, door, self._limits)
            elif first.isalpha() or first == b"\r":
                await serve_http(wire, door, self._limits)
            elif first:
                raise Malformed("that is neither HTTP nor SOCKS5")
        except Fault as fault:  # the command was told; `report` records a fault once only
            door.report(fault)

    def _record(self, intent: NetworkIntent, reason: str) -> None:
        _log("the proxy refused %s: %s", f"{intent.host}:{intent.port} ({intent.protocol})", reason)
        if self.on_refusal is not None:
            self.on_refusal(intent, reason)


def _log(text: str, *arguments: object) -> None:
    _logger().info(text, *arguments)


def _logger() -> logging.Logger:
    import logging

    return logging.getLogger("codex.network_proxy")

"""One connection to a server: requests with their answers, and what the server says by itself.

There is no task behind it. Whoever waits for something reads; what is meant for others is left for them. So nothing
has to be started or stopped, and a reader that does not read holds the server back, not memory.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import orjson

from codex_kernel.errors import ConnectionLost, PluginMissing, ProtocolError, UserError

from .address import RemoteAddress
from .refusal import read_refusal

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from websockets.asyncio.client import ClientConnection

Message = Mapping[str, Any]
MAX_MESSAGE_BYTES = 256 * 1024 * 1024
MAX_WAITING = 65_536
"""Messages that may lie here while only answers are waited for."""
OPEN_S = 10.0
CLOSE_S = 1.0
PING_S = 20.0
"""Over the network; a server that does not answer for so long is gone."""
METHOD_NOT_FOUND = -32601


class ServerGone(ConnectionLost):
    """The server cannot be reached any more."""


class Peer:
    """Methods may be called from several tasks, and each may be cancelled without losing a message."""

    def __init__(self, socket: ClientConnection, name: str) -> None:
        self._socket, self.name = socket, name
        self._ids = itertools.count(1)
        self._answers: dict[int, Message | None] = {}
        self._inbox: deque[Message] = deque()
        self._reading = anyio.Lock()

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """The result. Raises `ProtocolError` with the server's words when it refuses, `ServerGone`."""
        id = next(self._ids)
        self._answers[id] = None
        try:
            await self._send({"id": id, "method": method, "params": params or {}})
            while (answer := self._answers[id]) is None:
                await self._read(lambda: self._answers[id] is not None)
        finally:
            del self._answers[id]
        if (error := answer.get("error")) is not None:
            raise ProtocolError(**read_refusal(error))
        return answer.get("result")

    async def post(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """A request whose answer does not matter, since its effect is told. Raises `ServerGone`."""
        await self._send({"id": next(self._ids), "method": method, "params": params or {}})

    async def notify(self, method: str) -> None:
        """A notification. Raises `ServerGone`."""
        await self._send({"method": method})

    async def answer(self, id: object, result: Any) -> None:
        """Answer a request of the server. Raises `ServerGone`."""
        await self._send({"id": id, "result": result})

    async def refuse(self, id: object, message: str) -> None:
        """Tell the server that a request of its cannot be carried out here. Raises `ServerGone`."""
        await self._send({"id": id, "error": {"code": METHOD_NOT_FOUND, "message": message}})

    async def next_message(self) -> Message:
        """The next notification or request (it has an `id`) of the server. Raises `ServerGone`."""
        while not self._inbox:
            await self._read(lambda: bool(self._inbox))
        return self._inbox.popleft()

    def waiting(self) -> int:
        """How many notifications and requests of the server have been read, but not taken."""
        return len(self._inbox)

    async def _send(self, message: Message) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            await self._socket.send(orjson.dumps(message), text=True)
        except (ConnectionClosed, OSError) as error:
            raise self._gone() from error

    async def _read(self, done: Any) -> None:
        """Take one message from the connection, unless another reader has brought what is waited for."""
        from websockets.exceptions import ConnectionClosed

        async with self._reading:
            if done():
                return
            try:
                data = await self._socket.recv(decode=False)
            except (ConnectionClosed, OSError) as error:
                raise self._gone() from error
            self._sort(data)

    def _sort(self, data: bytes) -> None:
        try:
            found = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise ServerGone(f"what the server at {self.name} sends is not JSON") from error
        if not isinstance(found, dict):
            return
        if "method" in found:
            if len(self._inbox) >= MAX_WAITING:
                raise ServerGone(f"the server at {self.name} sends more than is read")
            self._inbox.append(found)
        elif found.get("id") in self._answers:
            self._answers[found["id"]] = found

    def _gone(self) -> ServerGone:
        return ServerGone(f"the connection to the server at {self.name} was lost")


@asynccontextmanager
async def connected(
    address: RemoteAddress, *, name: str, version: str, want_deltas: bool, approval_details: bool = False
) -> AsyncIterator[Peer]:
    """A connection on which the server knows who we are; with `approval_details` it tells more with approvals, and
    takes a part of a change. Raises `UserError` when there is nobody, or somebody else."""
    async with _socket(address) as socket:
        peer = Peer(socket, address.text)
        capabilities: dict[str, Any] = {"experimentalApi": True, "kernelDetails": True}
        if approval_details:
            capabilities["approvalDetails"] = True
        if not want_deltas:
            capabilities["optOutNotificationMethods"] = list(DELTAS)
        about = {"clientInfo": {"name": name, "version": version}, "capabilities": capabilities}
        try:
            with anyio.fail_after(OPEN_S):
                await peer.request("initialize", about)
                await peer.notify("initialized")
        except (ProtocolError, TimeoutError) as error:
            why = str(error) if isinstance(error, ProtocolError) else f"no answer within {OPEN_S:.0f} s"
            raise UserError(f"the server at {address.text} does not take us: {why}") from error
        yield peer


DELTAS = (
    "item/agentMessage/delta",
    "item/reasoning/summaryPartAdded",
    "item/reasoning/summaryTextDelta",
    "item/reasoning/textDelta",
    "item/commandExecution/outputDelta",
)
"""What only streams: all of it comes again with `item/completed`."""


@asynccontextmanager
async def _socket(address: RemoteAddress) -> AsyncIterator[ClientConnection]:
    try:
        from websockets.exceptions import InvalidHandshake, InvalidStatus
    except ImportError as error:
        raise PluginMissing("the library websockets is not installed", hint="pip install websockets") from error
    opening = _opening(address)
    try:
        socket = await opening.__aenter__()
    except InvalidStatus as error:
        status, text = error.response.status_code, bytes(error.response.body or b"").decode("utf-8", "replace").strip()
        hint = "--remote-auth-token-env VAR names the variable that holds its token" if status == 401 else ""
        raise UserError(
            f"the server at {address.text} refused: HTTP {status} {text[:200]}".rstrip(), hint=hint
        ) from error
    except (InvalidHandshake, EOFError) as error:
        raise UserError(f"what listens at {address.text} is no app server: {error}") from error
    except TimeoutError as error:
        raise UserError(f"the server at {address.text} does not answer") from error
    except OSError as error:
        hint = "codex app-server daemon start" if address.text == "unix://" else "codex app-server --listen starts one"
        raise UserError(f"cannot reach the server at {address.text}: {_reason(error)}", hint=hint) from error
    try:
        yield socket
    finally:
        with anyio.CancelScope(shield=True):
            await opening.__aexit__(None, None, None)


def _opening(address: RemoteAddress) -> AbstractAsyncContextManager[ClientConnection]:
    from websockets.asyncio.client import connect, unix_connect

    common: dict[str, Any] = {
        "max_size": MAX_MESSAGE_BYTES,
        "compression": None,
        "open_timeout": OPEN_S,
        "close_timeout": CLOSE_S,
    }
    if address.path is not None:
        return unix_connect(os.path.realpath(address.path), uri="ws://localhost/", ping_interval=None, **common)
    headers = {"Authorization": f"Bearer {address.token}"} if address.token else None
    if address.loopback:
        common["proxy"] = None
    return connect(str(address.url), additional_headers=headers, ping_interval=PING_S, **common)


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__

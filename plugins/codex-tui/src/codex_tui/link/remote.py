"""A server that runs already (`--remote`): the same face as one in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from codex_plugin_sdk import Invocation, ProtocolError, __version__
from codex_plugin_sdk.remote.address import RemoteAddress, remote_address
from codex_plugin_sdk.remote.peer import Peer, ServerGone, connected

from . import Message
from .errors import LinkLost


class RemoteLink:
    """A `Link` over a web socket."""

    def __init__(self, peer: Peer, address: RemoteAddress) -> None:
        self._peer = peer
        self.name, self.is_local = address.text, address.is_local

    async def request(self, method: str, params: Message | None = None) -> Any:
        """See `Link`."""
        try:
            return await self._peer.request(method, params)
        except ServerGone as error:
            raise _lost(error) from error

    async def answer(self, id: object, result: Any) -> None:
        """See `Link`."""
        try:
            await self._peer.answer(id, result)
        except ServerGone as error:
            raise _lost(error) from error

    async def refuse(self, id: object, message: str) -> None:
        """See `Link`."""
        try:
            await self._peer.refuse(id, message)
        except ServerGone as error:
            raise _lost(error) from error

    async def next_message(self) -> Message:
        """See `Link`."""
        try:
            return await self._peer.next_message()
        except ServerGone as error:
            raise _lost(error) from error

    def waiting(self) -> int:
        """See `Link`."""
        return self._peer.waiting()


def _lost(error: ProtocolError) -> LinkLost:
    return LinkLost(error.message)


class Connector:
    """Connects, and connects again: the connection before is closed then."""

    def __init__(self, address: RemoteAddress) -> None:
        self._address = address
        self._open = AsyncExitStack()

    async def connect(self) -> RemoteLink:
        """A new connection. Raises `UserError` when there is nobody, or somebody else."""
        await self._open.aclose()
        opening = connected(
            self._address, name="codex-tui", version=__version__, want_deltas=True, approval_details=True
        )
        return RemoteLink(await self._open.enter_async_context(opening), self._address)

    async def close(self) -> None:
        """Leave."""
        await self._open.aclose()


@asynccontextmanager
async def connector(invocation: Invocation) -> AsyncIterator[Connector]:
    """What connects to the server of `--remote`. Raises `UserError` for an address that cannot be used."""
    flags = invocation.flags
    found = Connector(remote_address(flags["remote"], invocation.environ, flags.get("remote_auth_token_env")))
    try:
        yield found
    finally:
        await found.close()

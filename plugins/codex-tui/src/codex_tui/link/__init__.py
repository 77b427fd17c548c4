"""The connection to an app server: in this process, or one that runs already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

Message = Mapping[str, Any]


class Link(Protocol):
    """A client's end of a connection on which `initialize` is done. Its methods are called from the task of the UI."""

    name: str
    """What the user knows it by: `here`, or the address of a server."""
    is_local: bool
    """Whether paths mean the same there as here."""

    async def request(self, method: str, params: Message | None = None) -> Any:
        """The result. Raises `ProtocolError` with the server's words when it refuses, `LinkLost`."""
        ...

    async def answer(self, id: object, result: Any) -> None:
        """Answer a request of the server. Raises `LinkLost`."""
        ...

    async def refuse(self, id: object, message: str) -> None:
        """Tell the server that a request of its cannot be carried out here. Raises `LinkLost`."""
        ...

    async def next_message(self) -> Message:
        """The next notification, or request (it has an `id`) of the server, in order. Raises `LinkLost`."""
        ...

    def waiting(self) -> int:
        """How many messages lie here unread: who reads takes them all before it draws."""
        ...

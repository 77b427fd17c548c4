"""Ways to sign in that take a while: the seam for a browser or device flow. None comes with this build."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio

from codex_plugin_sdk import CodexError, Value, value

Begin = Callable[[Mapping[str, Any]], Awaitable["Pending"]]


@value
class Pending(Value):
    """A flow that has begun. `result` is what the client is answered, without `loginId`; `finish` returns once the
    user has signed in, with the credential stored. Raises `CodexError`; may be cancelled."""

    result: Mapping[str, Any]
    finish: Callable[[], Awaitable[None]]


FLOWS: dict[str, Begin] = {}
"""`type` of account/login/start -> how such a flow begins."""


class Logins:
    """The flows under way of one server."""

    def __init__(self) -> None:
        self._open: dict[str, anyio.CancelScope] = {}

    async def run(self, login_id: str, pending: Pending) -> str | None:
        """Wait for the end of a flow; why it failed, or None."""
        with anyio.CancelScope() as scope:
            self._open[login_id] = scope
            try:
                await pending.finish()
            except CodexError as error:
                return error.message
            finally:
                del self._open[login_id]
        return "Login was not completed" if scope.cancelled_caught else None

    def cancel(self, login_id: str) -> bool:
        """End a flow; whether there was one."""
        scope = self._open.get(login_id)
        if scope is not None:
            scope.cancel()
        return scope is not None

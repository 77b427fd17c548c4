"""Logins that a frontend begins and the user completes in a browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import anyio

from codex_plugin_sdk import CodexError, UserError

from .link import reason_of
from .server import Server

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from codex_plugin_sdk import ToolSourceSetup

TIMEOUT_S = 300.0
MAX_LOGINS = 16
"""How many logins are remembered; the oldest gives way."""


class _SignIn:
    """One login: `offered` once there is a `url`, `ended` when there is nothing to wait for any more."""

    def __init__(self) -> None:
        self.url = self.error = ""
        self.offered, self.ended = anyio.Event(), anyio.Event()
        self.scope = anyio.CancelScope()


class SignIns:
    """The logins of one thread's servers; they run in `tasks`."""

    def __init__(self, server: Callable[[object], Server], setup: ToolSourceSetup, tasks: TaskGroup) -> None:
        self._server, self._setup, self._tasks = server, setup, tasks
        self._known: dict[str, _SignIn] = {}

    async def begin(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Where the user's browser has to go, and the login's id. Raises `UserError`."""
        server = self._server(params.get("name"))
        if server.config.transport != "http":
            raise UserError("OAuth login is only supported for streamable HTTP servers.")
        while len(self._known) >= MAX_LOGINS:
            self._known.pop(next(iter(self._known))).scope.cancel()
        login_id, sign_in = str(uuid4()), _SignIn()
        self._known[login_id] = sign_in
        self._tasks.start_soon(self._run, sign_in, server, params)
        await sign_in.offered.wait()
        if not sign_in.url:
            del self._known[login_id]
            raise UserError(sign_in.error)
        return {"authorizationUrl": sign_in.url, "loginId": login_id}

    async def completed(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Wait for the end of a login: whether it went well, and why not."""
        login_id = str(params.get("loginId"))
        sign_in = self._known.get(login_id)
        if sign_in is None:
            raise UserError(f"there is no login {login_id}")
        await sign_in.ended.wait()
        self._known.pop(login_id, None)
        return {"name": params.get("name"), "success": not sign_in.error, "error": sign_in.error or None}

    async def _run(self, sign_in: _SignIn, server: Server, params: Mapping[str, Any]) -> None:
        from .oauth import start_login

        try:
            with sign_in.scope:
                async with start_login(
                    server.config,
                    self._setup.tools,
                    scopes=params.get("scopes"),
                    registration=params.get("clientRegistration") or "auto",
                ) as pending:
                    sign_in.url = pending.authorization_url
                    sign_in.offered.set()
                    await pending.completed(params.get("timeoutSecs") or TIMEOUT_S)
                server.retry()
            if sign_in.scope.cancelled_caught:
                sign_in.error = "too many logins were begun after it"
        except CodexError as error:
            sign_in.error = error.message
        except Exception as error:  # noqa: BLE001 - a login that breaks is told to whoever began it
            sign_in.error = f"the login failed: {reason_of(error)}"
        finally:
            sign_in.offered.set()
            sign_in.ended.set()

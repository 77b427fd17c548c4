"""Logging in on a device without a browser (RFC 8628): a code and an address for a browser anywhere, and we ask until
the person has been there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from codex_plugin_sdk import AuthenticationFailed, UserError

from .clients import chosen_client, document_url
from .discovery import http_client, shown
from .grants import DeviceCode, NotNow, Refused, Tokens, ask_device, poll_device
from .logins import LoginStore, store_setting
from .oauth import finished_login, login_server, wanted_scopes

if TYPE_CHECKING:
    import httpx2

    from .discovery import AuthorizationServer
    from .grants import Client
    from .logins import Login
    from .oauth import OAuthServer, OAuthSetup

SLOWER_S = 5.0
"""What `slow_down` adds to the time between two questions."""
LONGEST_PAUSE_S = 60.0

Sleep = Callable[[float], Awaitable[None]]


class PendingDevice:
    """A login that waits for the person. Lives within `start_device_login`."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        config: OAuthServer,
        server: AuthorizationServer,
        who: Client,
        code: DeviceCode,
        *,
        scopes: tuple[str, ...],
        store: LoginStore,
        sleep: Sleep,
    ) -> None:
        self._client, self._config, self._server, self._who = client, config, server, who
        self._code, self._scopes, self._store, self._sleep = code, scopes, store, sleep
        self.user_code = code.user_code
        """What the person enters, fit for a terminal."""
        self.verification_url = code.verification_url
        self.complete_url = code.complete_url
        """The address with the code in it, "" if there is none."""
        self.expires_s = code.expires_s
        """How long the code is good."""
        self.notices: tuple[str, ...] = ()

    async def completed(self) -> Login:
        """Ask until the person has said yes, and store the tokens. Raises `AuthenticationFailed`: the person said no,
        or the code is over."""
        from anyio.to_thread import run_sync

        with anyio.move_on_after(self._code.expires_s):
            tokens = await self._tokens()
            login = finished_login(self._config, self._server, self._who, tokens, self._scopes)
            async with self._store.exclusive(login.server_name, login.server_url):
                self.notices = await run_sync(self._store.save, login, abandon_on_cancel=True)
            return login
        raise self._over()

    async def _tokens(self) -> Tokens:
        pause_s = self._code.interval_s
        while True:
            await self._sleep(pause_s)
            try:
                return await poll_device(self._client, self._server, self._who, self._code.device_code)
            except NotNow:
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)  # an outage ends, or the code does
            except Refused as error:
                if error.error == "slow_down":
                    pause_s += SLOWER_S
                elif error.error == "expired_token":
                    raise self._over() from error
                elif error.error != "authorization_pending":
                    raise

    def _over(self) -> AuthenticationFailed:
        return AuthenticationFailed(
            f"Nobody entered the code for the MCP server {self._config.name} while it was good.",
            hint=f"try again: codex mcp login {self._config.name} --device",
        )


@asynccontextmanager
async def start_device_login(
    config: OAuthServer,
    setup: OAuthSetup,
    *,
    scopes: Sequence[str] | None = None,
    discovered_scopes: bool = True,
    registration: str = "auto",
    sleep: Sleep = anyio.sleep,
) -> AsyncIterator[PendingDevice]:
    """Get a code for the person; see `start_login`. Raises `UserError` where the authorization server does not give
    such codes, and `AuthenticationFailed`."""
    store = LoginStore(setup.codex_home, store_setting(setup.config))
    async with http_client() as client:
        server = await login_server(client, config, setup)
        if not server.device_endpoint:
            raise UserError(
                f"The authorization server {shown(server.issuer)} has no login for devices without a browser.",
                hint=f"use a browser on another machine: codex mcp login {config.name} --no-browser",
            )
        wanted = wanted_scopes(config, server, scopes, discovered_scopes)
        document = document_url(config, setup, server, registration)
        who = await chosen_client(client, config, server, document=document, redirect_uri=None, scopes=wanted)
        code = await ask_device(client, server, who, wanted, config.url)
        yield PendingDevice(client, config, server, who, code, scopes=wanted, store=store, sleep=sleep)

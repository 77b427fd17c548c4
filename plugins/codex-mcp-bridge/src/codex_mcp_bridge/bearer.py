"""Puts a login's token into requests, and keeps it fresh: once for all processes of a home.

Unlike the rest it needs `httpx2` at once, so it is imported when a connection is made.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import anyio
import httpx2
from anyio.to_thread import run_sync

from codex_plugin_sdk import AuthenticationFailed

from .discovery import discover, http_client, shown
from .grants import Client, NotNow, Refused, Tokens, renew
from .oauth import LoginNeeded

if TYPE_CHECKING:
    from .logins import Login, LoginStore
    from .oauth import OAuthServer

EARLY_S = 30.0
"""A token is renewed when it has no longer than this to live."""
RENEWAL_TIMEOUT_S = 30.0


class BearerAuth(httpx2.Auth):
    """For one server. `failure` is the last thing that went wrong with the login, for those who see only that a
    connection ended."""

    def __init__(self, config: OAuthServer, store: LoginStore) -> None:
        self._config, self._store = config, store
        self._login: Login | None = None
        self._refused = ""
        self._lock = anyio.Lock()
        self.failure: AuthenticationFailed | None = None

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """One request, and once more with a new token if the server does not take the one it got. Raises
        `LoginNeeded`, and `AuthenticationFailed` where logins cannot be read or renewed now."""
        try:
            login = await self._usable()
            response = yield _with(request, login)
            if response.status_code == 401:
                if login is None:
                    raise LoginNeeded(self._config.name)
                login = await self._renewed(login)
                response = yield _with(request, login)
                if response.status_code == 401:
                    raise LoginNeeded(self._config.name, "does not accept the login any more")
        except AuthenticationFailed as error:
            self.failure = error
            raise
        # A call that needs more rights is one refused call: the connection is as good as before.
        self.failure = self._lacking(response) if response.status_code == 403 else None

    async def _usable(self) -> Login | None:
        """A login with some time to live, None if there is none."""
        if self._login is None:
            self._login = await self._stored()
        login = self._login
        if login is None or not login.expires_within(EARLY_S, time.time()):
            return login
        try:
            return await self._renewed(login)
        except NotNow:
            if login.expires_within(0, time.time()):
                raise
            return login

    async def _stored(self) -> Login | None:
        return await run_sync(self._store.load, self._config.name, self._config.url, abandon_on_cancel=True)

    async def _renewed(self, known: Login) -> Login:
        """A login that is not the known one: another process's, or one that we ask for. Raises `LoginNeeded` and
        `NotNow`."""
        async with self._lock, self._store.exclusive(self._config.name, self._config.url):
            found = await self._stored()
            if found is None:
                self._login = None
                raise LoginNeeded(self._config.name)
            if found.access_token == known.access_token or found.expires_within(EARLY_S, time.time()):
                found = await self._refresh(found)
            self._login = found
            return found

    async def _refresh(self, login: Login) -> Login:
        if not login.refresh_token or login.access_token == self._refused:
            raise LoginNeeded(self._config.name, "has a login that is over and cannot be renewed")
        try:
            # Not interrupted: a refresh token may be good only once, and its successor must not get lost.
            with anyio.fail_after(RENEWAL_TIMEOUT_S, shield=True):
                return await self._exchange(login)
        except Refused as error:
            self._refused = login.access_token
            raise LoginNeeded(self._config.name, f"has a login that cannot be renewed ({error.error})") from error
        except TimeoutError as error:
            raise NotNow(f"The login to the MCP server {self._config.name} could not be renewed in time.") from error

    async def _exchange(self, login: Login) -> Login:
        async with http_client() as client:
            if not login.token_endpoint:  # a login by Codex itself, which does not note it
                login = await self._completed(client, login)
            who = Client(client_id=login.client_id, client_secret=login.client_secret, auth_method=login.auth_method)
            tokens = await renew(client, login.token_endpoint, who, login.refresh_token, login.resource)
        renewed = _joined(login, tokens)
        await run_sync(self._store.save, renewed, abandon_on_cancel=True)
        return renewed

    async def _completed(self, client: httpx2.AsyncClient, login: Login) -> Login:
        server = await discover(client, self._config.url)
        if server is None or (login.issuer and login.issuer.rstrip("/") != server.issuer.rstrip("/")):
            raise LoginNeeded(self._config.name, "has changed its authorization server")
        secret = self._config.oauth.get("client_secret")
        return login.replace(
            token_endpoint=server.token_endpoint,
            resource=self._config.oauth_resource or server.resource,
            client_secret=secret if isinstance(secret, str) else login.client_secret,
        )

    def _lacking(self, response: httpx2.Response) -> AuthenticationFailed | None:
        """What to say of a login that does not allow enough."""
        import re

        challenge = response.headers.get("WWW-Authenticate", "")
        if "insufficient_scope" not in challenge:
            return None
        named = re.search(r'scope="([^"]*)"', challenge)
        have = self._login.scopes if self._login else ()
        scopes = dict.fromkeys([*have, *shown(named.group(1)).split()] if named else have)
        return LoginNeeded(self._config.name, "wants a login with more scopes", f" --scopes {','.join(scopes)}")


def _with(request: httpx2.Request, login: Login | None) -> httpx2.Request:
    if login is not None:
        request.headers["Authorization"] = f"Bearer {login.access_token}"
    return request


def _joined(login: Login, tokens: Tokens) -> Login:
    """The login with new tokens; what the answer leaves out stays as it was."""
    return login.replace(
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token or login.refresh_token,
        expires_at_ms=tokens.expires_at_ms,
        scopes=login.scopes if tokens.scopes is None else tokens.scopes,
    )

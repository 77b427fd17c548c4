"""Logging in to HTTP servers with OAuth 2.1: an authorization code with PKCE, by way of a browser.

`auth_for` is for connections, `start_login` for whoever lets a person log in: a command, or the app server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

from codex_plugin_sdk import AuthenticationFailed, ConfigError, UserError

if TYPE_CHECKING:
    import httpx2
    from anyio.abc import Listener, SocketStream

    from .callback import Address, Callback
    from .discovery import AuthorizationServer
    from .grants import Client, Tokens
    from .logins import Login, LoginStore

LOGIN_TIMEOUT_S = 300.0


class OAuthServer(Protocol):
    """What must be known of a server: a `ServerConfig` with a `url`."""

    @property
    def name(self) -> str: ...

    @property
    def url(self) -> str: ...

    @property
    def scopes(self) -> tuple[str, ...] | None: ...

    @property
    def oauth(self) -> Mapping[str, Any]: ...

    @property
    def oauth_resource(self) -> str | None: ...

    @property
    def bearer_token_env_var(self) -> str | None: ...

    @property
    def http_headers(self) -> Mapping[str, str]: ...

    @property
    def env_http_headers(self) -> Mapping[str, str]: ...


class OAuthSetup(Protocol):
    """Whose logins they are: a `ToolSetup`, a `Config` with an environment."""

    @property
    def codex_home(self) -> str: ...

    @property
    def environ(self) -> Mapping[str, str]: ...

    @property
    def config(self) -> Mapping[str, Any]: ...


class LoginNeeded(AuthenticationFailed):
    """The server wants a login that there is not, or not any more."""

    def __init__(self, name: str, why: str = "needs a login", extra: str = "") -> None:
        super().__init__(f"The MCP server {name} {why}: run `codex mcp login {name}{extra}`.")


def auth_for(config: OAuthServer, setup: OAuthSetup) -> httpx2.Auth | None:
    """What puts the login's token into requests, or None for a server that is given an Authorization otherwise.

    A request that is refused for want of a login raises `LoginNeeded`. Raises `ConfigError`.
    """
    from .logins import LoginStore, store_setting

    if has_own_authorization(config):
        return None
    from .bearer import BearerAuth

    return BearerAuth(config, LoginStore(setup.codex_home, store_setting(setup.config)))


def has_own_authorization(config: OAuthServer) -> bool:
    """Whether the configuration names a token, or a header that holds one."""
    names = (*config.http_headers, *config.env_http_headers)
    return bool(config.bearer_token_env_var) or any(name.lower() == "authorization" for name in names)


def static_headers(config: OAuthServer, environ: Mapping[str, str]) -> dict[str, str]:
    """The headers that the configuration wants with each request to the server."""
    from_environment = {name: environ[source] for name, source in config.env_http_headers.items() if source in environ}
    return dict(config.http_headers) | from_environment


class PendingLogin:
    """A login that waits for the person. Lives within `start_login`."""

    def __init__(self, question: _Question, callback: Callback, store: LoginStore) -> None:
        self._question, self._callback, self._store = question, callback, store
        self.authorization_url = question.url()
        """What the person opens; it holds no secret that others could use."""
        self.notices: tuple[str, ...] = ()
        """What the person should know besides, once it is completed."""

    def paste(self, answer_url: str) -> None:
        """Give the URL that the browser was sent to, for a browser on another machine."""
        from .callback import parse_answer

        self._callback.give(parse_answer(answer_url))

    def give_up(self, why: str) -> None:
        """Nothing more can be pasted, and nobody listens: let `completed` raise that."""
        self._callback.give_up(why)

    async def completed(self, timeout_s: float = LOGIN_TIMEOUT_S) -> Login:
        """Wait for the person, fetch the tokens and store them. Raises `AuthenticationFailed`."""
        import anyio
        from anyio.to_thread import run_sync

        with anyio.move_on_after(timeout_s):
            code = await self._callback.code()
            tokens = await self._question.redeem(code)
            login = self._question.login(tokens)
            async with self._store.exclusive(login.server_name, login.server_url):
                self.notices = await run_sync(self._store.save, login, abandon_on_cancel=True)
            return login
        raise AuthenticationFailed(
            f"Nobody logged in to the MCP server {self._question.config.name} within {timeout_s:g} s.",
            hint=f"try again: codex mcp login {self._question.config.name}",
        )


@asynccontextmanager
async def start_login(
    config: OAuthServer,
    setup: OAuthSetup,
    *,
    scopes: Sequence[str] | None = None,
    discovered_scopes: bool = True,
    registration: str = "auto",
) -> AsyncIterator[PendingLogin]:
    """Find out where to log in, introduce ourselves and listen for the browser, as long as the block is open.

    `scopes` count before those of the configuration, and those before the ones the server names, which
    `discovered_scopes` can leave out; `registration` says how we are known (see `clients`). Raises `UserError` where
    there is nothing to log in to, and `AuthenticationFailed`.
    """
    import anyio

    from .callback import Callback
    from .clients import DOCUMENT_CALLBACK, chosen_client, document_url
    from .discovery import http_client
    from .logins import LoginStore, store_setting

    store = LoginStore(setup.codex_home, store_setting(setup.config))
    address = _address(config, setup)
    async with http_client() as client:
        server = await login_server(client, config, setup)
        if not server.authorization_endpoint:
            raise UserError(
                f"The authorization server {server.issuer} has logins only for devices without a browser.",
                hint=f"codex mcp login {config.name} --device",
            )
        wanted = wanted_scopes(config, server, scopes, discovered_scopes)
        document = document_url(config, setup, server, registration)
        if document:  # which names the address, so that it cannot be one for this server alone
            address = _address(config, setup, str(setup.config.get("mcp_oauth_callback_url") or DOCUMENT_CALLBACK))
        listener, port = await _listen(address)
        async with listener:
            redirect_uri = address.at(port)
            who = await chosen_client(
                client, config, server, document=document, redirect_uri=redirect_uri, scopes=wanted
            )
            question = _Question(client, config, server, who, redirect_uri=redirect_uri, scopes=wanted)
            callback = Callback(address, question.state, server)
            problem: Exception | None = None
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(callback.serve, listener)
                try:
                    yield PendingLogin(question, callback, store)
                except Exception as error:  # noqa: BLE001 - raised again below, outside the group that would wrap it
                    problem = error
                tasks.cancel_scope.cancel()
            if problem is not None:
                raise problem


class _Question:
    """What the authorization server was asked, to which the answer must fit."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        config: OAuthServer,
        server: AuthorizationServer,
        who: Client,
        *,
        redirect_uri: str,
        scopes: tuple[str, ...],
    ) -> None:
        import secrets

        self._client, self.config, self._server, self._who = client, config, server, who
        self._redirect_uri, self._scopes = redirect_uri, scopes
        self.state, self._verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)

    def url(self) -> str:
        """For the browser."""
        import hashlib
        from base64 import urlsafe_b64encode

        challenge = urlsafe_b64encode(hashlib.sha256(self._verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code",
            "client_id": self._who.client_id,
            "state": self.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "redirect_uri": self._redirect_uri,
        }
        if self._scopes:
            asked["scope"] = " ".join(self._scopes)
        if self._server.resource:
            asked["resource"] = self._server.resource
        end = self._server.authorization_endpoint
        return f"{end}{'&' if '?' in end else '?'}{urlencode(asked)}"

    async def redeem(self, code: str) -> Tokens:
        """The code's tokens. Raises `AuthenticationFailed`."""
        from .grants import redeem

        return await redeem(
            self._client,
            self._server,
            self._who,
            code=code,
            verifier=self._verifier,
            redirect_uri=self._redirect_uri,
        )

    def login(self, tokens: Tokens) -> Login:
        """What is kept."""
        return finished_login(self.config, self._server, self._who, tokens, self._scopes)


def finished_login(
    config: OAuthServer, server: AuthorizationServer, who: Client, tokens: Tokens, scopes: tuple[str, ...]
) -> Login:
    """What is kept of a login; `scopes` are those that were asked for."""
    from .logins import Login

    return Login(
        server_name=config.name,
        server_url=config.url,
        client_id=who.client_id,
        client_secret=who.client_secret,
        auth_method=who.auth_method,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_at_ms=tokens.expires_at_ms,
        scopes=scopes if tokens.scopes is None else tokens.scopes,
        issuer=server.issuer,
        token_endpoint=server.token_endpoint,
        resource=server.resource,
    )


def _address(config: OAuthServer, setup: OAuthSetup, fixed: str | None = None) -> Address:
    """Where the browser is sent back to; `fixed` is an address that is known at the server. Raises `UserError`."""
    from .callback import callback_address

    port, url = setup.config.get("mcp_oauth_callback_port"), setup.config.get("mcp_oauth_callback_url")
    if port is not None and (isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536):
        raise ConfigError(f"mcp_oauth_callback_port must be a port between 1 and 65535, not {port!r}")
    if url is not None and not isinstance(url, str):
        raise ConfigError("mcp_oauth_callback_url must be a string")
    registered = fixed or config.oauth.get("callback_url")
    return callback_address(
        config.url, port=port, url=url, registered=registered if isinstance(registered, str) else None
    )


async def login_server(client: httpx2.AsyncClient, config: OAuthServer, setup: OAuthSetup) -> AuthorizationServer:
    """The authorization server. Raises `UserError` if there is none."""
    from .discovery import discover

    found = await discover(client, config.url, static_headers(config, setup.environ))
    if found is None:
        raise UserError(
            f"The MCP server {config.name} does not ask for a login.",
            hint=f"use it as it is; if it wants a token, name a variable: codex mcp add {config.name} --url "
            f"{config.url} --bearer-token-env-var VAR",
        )
    return found.replace(resource=config.oauth_resource) if config.oauth_resource else found


def wanted_scopes(
    config: OAuthServer, server: AuthorizationServer, given: Sequence[str] | None, discovered: bool
) -> tuple[str, ...]:
    """What to ask for: `given`, else what is configured, else what is `discovered`."""
    wanted = tuple(given) if given is not None else config.scopes
    if wanted is None:
        wanted = (server.scopes or ()) if discovered else ()
    if wanted and server.offline and "offline_access" not in wanted:
        return (*wanted, "offline_access")  # else there may be nothing to renew a token with
    return wanted


async def _listen(address: Address) -> tuple[Listener[SocketStream], int]:
    """A listener on this machine. Raises `UserError` where the port is taken."""
    import anyio
    from anyio.abc import SocketAttribute

    from .callback import HOST

    try:
        listener = await anyio.create_tcp_listener(local_host=HOST, local_port=address.port)
    except OSError as error:
        raise UserError(
            f"The callback port {address.port} cannot be used: {error.strerror or error}.",
            hint="another login may be waiting on it; finish that, or change mcp_oauth_callback_port",
        ) from error
    return listener, listener.extra(SocketAttribute.local_port)  # noqa: S610 - no database in sight

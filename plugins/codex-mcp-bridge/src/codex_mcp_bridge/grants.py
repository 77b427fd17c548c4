"""The questions to an authorization server: who am I (registration), a code for tokens, new tokens for old; and, for a
device without a browser, a code for the person."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from codex_plugin_sdk import AuthenticationFailed, Value, field, value

from .discovery import AuthorizationServer, checked_endpoint, reason_of, shown

if TYPE_CHECKING:
    import httpx2

CLIENT_NAME = "Codex"
_GRANTS = ["authorization_code", "refresh_token"]
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_DEVICE_EXPIRES_S, _DEVICE_INTERVAL_S = 900.0, 5.0
"""Where the server does not say."""
_LONGEST_EXPIRES_S, _LONGEST_INTERVAL_S = 1800.0, 60.0
_USER_CODE_CHARS = 64


@value
class Client(Value):
    """What the authorization server knows us as; `auth_method` says how the secret is sent, "" the usual way."""

    client_id: str
    client_secret: str = field(default="", repr=False)
    auth_method: str = ""


@value
class Tokens(Value):
    """An answer with tokens; `scopes` is None where they are those asked for."""

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_at_ms: int | None = None
    scopes: tuple[str, ...] | None = None


@value
class DeviceCode(Value):
    """What a device asks with, and what its user enters at `verification_url`; `complete_url` holds the code already.
    The three are fit for a terminal."""

    device_code: str = field(repr=False)
    user_code: str = field(repr=False)
    verification_url: str
    complete_url: str = field(default="", repr=False)
    expires_s: float = _DEVICE_EXPIRES_S
    interval_s: float = _DEVICE_INTERVAL_S


class Refused(AuthenticationFailed):
    """The authorization server said no; `error` is its word for why (`invalid_grant`)."""

    def __init__(self, message: str, error: str = "") -> None:
        super().__init__(message)
        self.error = error


class NotNow(AuthenticationFailed):
    """The authorization server cannot be reached or is out of order: the same may succeed later."""


async def register(
    client: httpx2.AsyncClient, server: AuthorizationServer, redirect_uri: str | None, scopes: tuple[str, ...]
) -> Client:
    """Introduce ourselves (RFC 7591); as a device where there is no way back from a browser. Raises
    `AuthenticationFailed`."""
    if not server.registration_endpoint:
        raise AuthenticationFailed(
            f"The authorization server {shown(server.issuer)} does not register clients by itself.",
            hint="register one by hand, then `codex mcp add NAME --url URL --oauth-client-id ID`",
        )
    public = not server.auth_methods or "none" in server.auth_methods
    wanted: dict[str, Any] = {
        "client_name": CLIENT_NAME,
        "redirect_uris": [redirect_uri] if redirect_uri else [],
        "grant_types": _GRANTS if redirect_uri else [_DEVICE_GRANT, "refresh_token"],
        "response_types": ["code"] if redirect_uri else [],
        "token_endpoint_auth_method": "none" if public else _secret_method(server),
        "application_type": "native",
    }
    if scopes:
        wanted["scope"] = " ".join(scopes)
    found = await _answer(client, server.registration_endpoint, "register us", json=wanted)
    made = found.get("client_id")
    if not isinstance(made, str) or not made:
        raise AuthenticationFailed(f"{shown(server.registration_endpoint)} registered us without a client_id.")
    secret = found.get("client_secret")
    if found.get("token_endpoint_auth_method") == "none" or not isinstance(secret, str):
        secret = ""
    method = found.get("token_endpoint_auth_method", "") if secret else ""
    return Client(client_id=made, client_secret=secret, auth_method=method if isinstance(method, str) else "")


async def redeem(
    client: httpx2.AsyncClient, server: AuthorizationServer, who: Client, *, code: str, verifier: str, redirect_uri: str
) -> Tokens:
    """Tokens for a code. Raises `Refused` and `NotNow`."""
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": redirect_uri}
    return await _tokens(client, server.token_endpoint, who, form, server.resource)


async def renew(client: httpx2.AsyncClient, endpoint: str, who: Client, refresh_token: str, resource: str) -> Tokens:
    """New tokens for a refresh token. Raises `Refused` and `NotNow`."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    return await _tokens(client, endpoint, who, form, resource)


async def ask_device(
    client: httpx2.AsyncClient, server: AuthorizationServer, who: Client, scopes: tuple[str, ...], server_url: str
) -> DeviceCode:
    """Codes for a device and its user. Raises `AuthenticationFailed`, also for an address that must not be shown."""
    form = {"client_id": who.client_id}
    form |= {"scope": " ".join(scopes)} if scopes else {}
    form |= {"resource": server.resource} if server.resource else {}
    headers = _proof(who, form)
    found = await _answer(client, server.device_endpoint, "give a code", data=form, headers=headers)
    code, entered = found.get("device_code"), found.get("user_code")
    url = checked_endpoint(found, "verification_uri", server.issuer, server_url)
    if not (isinstance(code, str) and code and isinstance(entered, str) and entered and url):
        raise AuthenticationFailed(f"{shown(server.device_endpoint)} answered without a code or an address for it.")
    return DeviceCode(
        device_code=code,
        user_code=shown(entered[:_USER_CODE_CHARS]),
        verification_url=url,
        complete_url=checked_endpoint(found, "verification_uri_complete", server.issuer, server_url),
        expires_s=_seconds(found.get("expires_in"), _DEVICE_EXPIRES_S, _LONGEST_EXPIRES_S),
        interval_s=_seconds(found.get("interval"), _DEVICE_INTERVAL_S, _LONGEST_INTERVAL_S),
    )


async def poll_device(client: httpx2.AsyncClient, server: AuthorizationServer, who: Client, device_code: str) -> Tokens:
    """Tokens for a device's code. Raises `Refused` (whose `error` is `authorization_pending` while the user has not
    been there) and `NotNow`."""
    form = {"grant_type": _DEVICE_GRANT, "device_code": device_code}
    return await _tokens(client, server.token_endpoint, who, form, server.resource)


async def _tokens(
    client: httpx2.AsyncClient, endpoint: str, who: Client, form: dict[str, str], resource: str
) -> Tokens:
    form |= {"client_id": who.client_id} | ({"resource": resource} if resource else {})
    headers = _proof(who, form)
    found = await _answer(client, endpoint, "give tokens", data=form, headers=headers)
    access, refresh, scope = (found.get(name) for name in ("access_token", "refresh_token", "scope"))
    kind = found.get("token_type", "Bearer")
    if not isinstance(access, str) or not _is_sendable(access) or str(kind).lower() != "bearer":
        raise Refused(f"{shown(endpoint)} answered without a bearer token that a header can hold.")
    return Tokens(
        access_token=access,
        refresh_token=refresh if isinstance(refresh, str) else "",
        expires_at_ms=_expiry(found.get("expires_in")),
        scopes=tuple(scope.split()) if isinstance(scope, str) and scope.strip() else None,
    )


async def _answer(client: httpx2.AsyncClient, url: str, verb: str, **asked: Any) -> Mapping[str, Any]:
    """The JSON object that a POST brings. No message quotes more of the answer than its error."""
    import httpx2

    try:
        answer = await client.post(url, **asked)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise NotNow(f"{shown(url)} cannot be reached to {verb}: {reason_of(error)}.") from error
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        found = None  # the decoder's error holds the text: it is not chained
    found = found if isinstance(found, dict) else {}
    if answer.status_code in (200, 201) and "error" not in found:
        return found
    word, why = shown(found.get("error", "")), shown(found.get("error_description", ""))
    said = f"{word} ({why})" if word and why else word or f"HTTP {answer.status_code}"
    if answer.status_code >= 500 or answer.status_code == 429:
        raise NotNow(f"{shown(url)} is out of order: {said}.")
    raise Refused(f"{shown(url)} refused to {verb}: {said}.", word)


def _secret_method(server: AuthorizationServer) -> str:
    known = [method for method in ("client_secret_basic", "client_secret_post") if method in server.auth_methods]
    if not known:
        raise AuthenticationFailed(
            f"The authorization server {shown(server.issuer)} wants clients to prove themselves in a way that is not "
            f"available here: {shown(', '.join(server.auth_methods))}."
        )
    return known[0]


def _proof(who: Client, form: dict[str, str]) -> dict[str, str]:
    """The headers that prove who we are; where that is wanted in the form, it is added there."""
    if who.client_secret and who.auth_method == "client_secret_post":
        form["client_secret"] = who.client_secret
        return {}
    return {"Authorization": _basic(who)} if who.client_secret else {}


def _basic(who: Client) -> str:
    from base64 import b64encode

    said = f"{quote(who.client_id, safe='')}:{quote(who.client_secret, safe='')}"
    return "Basic " + b64encode(said.encode()).decode()


def _expiry(seconds: object) -> int | None:
    if not isinstance(seconds, int | float | str):  # some servers send a string
        return None
    try:
        return int((time.time() + float(seconds)) * 1000)
    except (ValueError, OverflowError):
        return None


def _seconds(found: object, usual: float, longest: float) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not found > 0:
        return usual
    return min(max(1.0, float(found)), longest)


def _is_sendable(token: str) -> bool:
    return bool(token) and token.isascii() and token.isprintable() and " " not in token

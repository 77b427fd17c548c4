"""Finding the authorization server of an MCP server, and what a list may say of its login.

Follows RFC 9728 (the protected resource names its authorization servers) and RFC 8414 (an authorization server
describes itself), with the paths that MCP names for servers that do less. The `mcp` package can do this too, but only
within a request that logs in at once, with scopes and resource of its own choice, and after half a second of import;
here a list asks too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from codex_plugin_sdk import AuthenticationFailed, Value, value

from . import safe_text

if TYPE_CHECKING:
    import httpx2

PROTOCOL_VERSION = "2025-11-25"
TIMEOUT_S = 10.0
STATUS_TIMEOUT_S = 15.0
_MAX_BYTES = 1024 * 1024
_PROTECTED = "/.well-known/oauth-protected-resource"
_OAUTH = "/.well-known/oauth-authorization-server"
_OPENID = "/.well-known/openid-configuration"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@value
class AuthorizationServer(Value):
    """Where to log in, checked. `scopes` are those the server names for this resource, None if it names none;
    `resource` is what tokens are asked for (RFC 8707); `offline` says that the scope `offline_access` is known;
    `device_endpoint` gives codes to devices without a browser, `knows_documents` says that clients may be known by a
    document of theirs; `announced` is false where nothing was found but the paths that MCP falls back to."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    registration_endpoint: str = ""
    scopes: tuple[str, ...] | None = None
    resource: str = ""
    auth_methods: tuple[str, ...] = ()
    answers_with_issuer: bool = False
    offline: bool = False
    device_endpoint: str = ""
    knows_documents: bool = False
    announced: bool = True


class Unreachable(AuthenticationFailed):
    """Nobody answered, so nothing is known about logging in."""


async def discover(
    client: httpx2.AsyncClient, server_url: str, headers: Mapping[str, str] | None = None
) -> AuthorizationServer | None:
    """The authorization server of an MCP server, None if the server needs no login as far as it says.

    Raises `Unreachable`, and `AuthenticationFailed` for descriptions that must not be trusted.
    """
    status, challenge = await _knock(client, server_url, headers or {})
    resource = await _resource(client, server_url, challenge)
    origin = _origin(server_url)
    listed = resource.get("authorization_servers")
    named = next((found for found in listed if isinstance(found, str)), "") if isinstance(listed, list) else ""
    wanted = _scopes(_field(challenge, "scope").split() or None) or _scopes(resource.get("scopes_supported"))
    target = str(resource.get("resource") or server_url)
    for url in _metadata_urls(named or origin):
        found = await _json(client, url)
        if found is not None and isinstance(found.get("token_endpoint"), str):
            return _checked(found, named or origin, wanted, target, server_url)
    if status != 401:
        return None
    if named:
        raise AuthenticationFailed(
            f"The authorization server {shown(named)} does not describe itself.", hint="tell who runs the MCP server"
        )
    return AuthorizationServer(
        issuer=origin,
        authorization_endpoint=f"{origin}/authorize",
        token_endpoint=f"{origin}/token",
        registration_endpoint=f"{origin}/register",
        scopes=wanted,
        resource=target,
        announced=False,
    )


async def auth_status(url: str, headers: Mapping[str, str]) -> str:
    """`not_logged_in`, `unsupported` (no login is asked for) or `unknown` (nobody answered)."""
    import anyio

    async with http_client() as client:
        try:
            with anyio.fail_after(STATUS_TIMEOUT_S):  # each answer may come in drops
                found = await discover(client, url, headers)
        except (Unreachable, TimeoutError):
            return "unknown"
        except AuthenticationFailed:
            return "not_logged_in"  # a login is asked for; that it cannot succeed is told by `login`
    return "not_logged_in" if found is not None else "unsupported"


def http_client() -> httpx2.AsyncClient:
    """A client for questions about logins; it follows no redirect, so that no secret goes where it was not meant to."""
    import httpx2

    return httpx2.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False)


def shown(text: object) -> str:
    """A stranger's words, fit for a terminal: one line, without what could steer it."""
    return safe_text.shown(str(text), 300, lines=False)


def reason_of(error: Exception) -> str:
    """What to say of a failed request."""
    return shown(str(error) or type(error).__name__)


async def _knock(client: httpx2.AsyncClient, url: str, headers: Mapping[str, str]) -> tuple[int, str]:
    """Ask for the server without a token: the status, and the challenge if there is one."""
    import httpx2

    asked = {"Accept": "text/event-stream", "MCP-Protocol-Version": PROTOCOL_VERSION} | dict(headers)
    try:
        async with client.stream("GET", url, headers=asked) as answer:  # only the head is read: a body may never end
            return answer.status_code, ", ".join(answer.headers.get_list("WWW-Authenticate"))
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise Unreachable(
            f"The MCP server at {shown(url)} cannot be reached: {reason_of(error)}.",
            hint="is it running? is the url right?",
        ) from error


async def _resource(client: httpx2.AsyncClient, url: str, challenge: str) -> Mapping[str, Any]:
    """The description of the protected resource, empty if there is none. Raises `AuthenticationFailed` for one of
    another resource: its tokens would not be meant for this server."""
    path = urlsplit(url).path.rstrip("/")
    candidates = [_field(challenge, "resource_metadata"), _origin(url) + _PROTECTED + path, _origin(url) + _PROTECTED]
    for candidate in dict.fromkeys(filter(None, candidates)):
        found = await _json(client, candidate)
        if found is None:
            continue
        named = found.get("resource")
        if not isinstance(named, str) or not _covers(named, url):
            raise AuthenticationFailed(
                f"{shown(candidate)} describes {shown(named)}, which is not the server {shown(url)}.",
                hint="is the url right? else tell who runs the MCP server",
            )
        return found
    return {}


def _metadata_urls(issuer: str) -> list[str]:
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    if not path:
        return [origin + _OAUTH, origin + _OPENID]
    return [origin + _OAUTH + path, origin + _OPENID + path, origin + path + _OPENID]


async def _json(client: httpx2.AsyncClient, url: str) -> Mapping[str, Any] | None:
    """A JSON object, None if there is none at the address."""
    import json

    import httpx2

    try:
        async with client.stream("GET", url, headers={"Accept": "application/json"}) as answer:
            if answer.status_code != 200:
                return None
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > _MAX_BYTES:
                    return None
        found = json.loads(bytes(body))
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _checked(
    found: Mapping[str, Any], expected: str, wanted: tuple[str, ...] | None, resource: str, server_url: str
) -> AuthorizationServer:
    """The description as a value. Raises `AuthenticationFailed` for what would let a stranger in between."""
    issuer = found.get("issuer")
    if not isinstance(issuer, str) or issuer.rstrip("/") != expected.rstrip("/"):
        raise AuthenticationFailed(
            f"The authorization server {shown(expected)} describes itself as {shown(issuer)}.",
            hint="tell who runs the MCP server",
        )
    checked_endpoint(found, "issuer", issuer, server_url)  # a description that came in the clear may be anybody's
    methods = found.get("code_challenge_methods_supported")
    if isinstance(methods, list) and "S256" not in methods:
        raise AuthenticationFailed(f"The authorization server {shown(issuer)} does not support PKCE with S256.")
    login, token, registration, device = (checked_endpoint(found, name, issuer, server_url) for name in _ENDPOINTS)
    if not login and not device:
        raise AuthenticationFailed(f"The authorization server {shown(issuer)} names no authorization_endpoint.")
    supported = _scopes(found.get("scopes_supported")) or ()
    return AuthorizationServer(
        issuer=issuer,
        authorization_endpoint=login,
        token_endpoint=token,
        registration_endpoint=registration,
        scopes=wanted,
        resource=resource,
        auth_methods=_scopes(found.get("token_endpoint_auth_methods_supported")) or (),
        offline="offline_access" in supported,
        device_endpoint=device,
        knows_documents=found.get("client_id_metadata_document_supported") is True,
        answers_with_issuer=found.get("authorization_response_iss_parameter_supported") is True,
    )


_ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "registration_endpoint",
    "device_authorization_endpoint",
)


def checked_endpoint(found: Mapping[str, Any], name: str, issuer: str, server_url: str) -> str:
    """An address that may be asked or shown in a browser. Codes and tokens go over TLS, but for servers that are asked
    without it as it is, and for this machine. Raises `AuthenticationFailed`."""
    url = found.get(name)
    if url is None:
        return ""
    parts = urlsplit(url) if isinstance(url, str) else None
    plain = urlsplit(server_url).scheme == "http" or (parts is not None and parts.hostname in _LOOPBACK)
    readable = isinstance(url, str) and url.isascii() and url.isprintable() and " " not in url  # a terminal shows it
    if parts is None or not readable or parts.scheme not in (("https", "http") if plain else ("https",)):
        raise AuthenticationFailed(f"The {name} of {shown(issuer)} cannot be used: {shown(url)}.")
    if not parts.netloc:
        raise AuthenticationFailed(f"The {name} of {shown(issuer)} cannot be used: {shown(url)}.")
    return str(url)


def _covers(resource: str, url: str) -> bool:
    """Whether the described resource is the server's, or one that it is part of."""
    one, other = urlsplit(resource), urlsplit(url)
    if (one.scheme.lower(), one.netloc.lower()) != (other.scheme.lower(), other.netloc.lower()):
        return False
    return f"{other.path.rstrip('/')}/".startswith(f"{one.path.rstrip('/')}/")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, "", "", ""))


def _field(challenge: str, name: str) -> str:
    found = re.search(rf'(?:^|[\s,]){name}=(?:"([^"]*)"|([^\s,]+))', challenge)
    return (found.group(1) or found.group(2) or "") if found else ""


def _scopes(found: Any) -> tuple[str, ...] | None:
    return tuple(word for word in found if isinstance(word, str)) if isinstance(found, list) else None

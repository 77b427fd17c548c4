"""What an authorization server knows us as: a client registered by hand, one that is known by a document of its own
(CIMD), or one that is registered anew for the login."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from codex_plugin_sdk import ConfigError, UserError

from .discovery import AuthorizationServer, shown
from .grants import Client, register

if TYPE_CHECKING:
    import httpx2

    from .oauth import OAuthServer, OAuthSetup

DOCUMENT_SETTING = "mcp_oauth_client_metadata_url"
REGISTRATIONS = ("auto", "cimd", "dcr")
DOCUMENT_CALLBACK = "http://127.0.0.1/callback"
"""The address that a client's document names, where any port must be allowed; other settings may change it."""


def document_url(config: OAuthServer, setup: OAuthSetup, server: AuthorizationServer, registration: str) -> str:
    """The address of the document by which we are known, which is our id then; "" where we are registered otherwise.

    `registration` auto takes a document where there is one and the server knows what to do with it. Raises
    `UserError` where one is demanded and cannot be used, `ConfigError` for a setting that is no such address.
    """
    url = setup.config.get(DOCUMENT_SETTING)
    if url is not None and not _is_document(url):
        raise ConfigError(f"{DOCUMENT_SETTING} must be an https:// address of a document (with a path), not {url!r}")
    if registration == "dcr" or (registration == "auto" and config.oauth.get("client_id")):
        return ""
    if registration == "cimd" and not url:
        raise UserError(
            "There is no document by which the authorization server could know us (cimd).",
            hint=f"put one on a web server of yours, and its address into config.toml: {DOCUMENT_SETTING}",
        )
    if registration == "cimd" and not server.knows_documents:
        raise UserError(
            f"The authorization server {shown(server.issuer)} does not know clients by their documents (cimd).",
            hint="leave the option out, or register a client by hand: codex mcp add --oauth-client-id ID",
        )
    return str(url) if url and server.knows_documents else ""


async def chosen_client(
    client: httpx2.AsyncClient,
    config: OAuthServer,
    server: AuthorizationServer,
    *,
    document: str,
    redirect_uri: str | None,
    scopes: tuple[str, ...],
) -> Client:
    """The one of the document if there is one, else the one that was registered by hand, else a new one: for this
    address, or for a device where there is none. Raises `AuthenticationFailed`."""
    if document:
        return Client(client_id=document)
    client_id, secret = config.oauth.get("client_id"), config.oauth.get("client_secret")
    if not isinstance(client_id, str) or not client_id:
        return await register(client, server, redirect_uri, scopes)
    basic = not server.auth_methods or "client_secret_basic" in server.auth_methods
    method = "" if not secret else "client_secret_basic" if basic else "client_secret_post"
    return Client(client_id=client_id, client_secret=secret if isinstance(secret, str) else "", auth_method=method)


def _is_document(url: object) -> bool:
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        return False
    parts = urlsplit(url)
    return parts.scheme == "https" and bool(parts.netloc) and parts.path not in ("", "/") and not parts.fragment

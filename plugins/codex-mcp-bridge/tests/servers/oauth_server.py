"""An authorization server and an MCP server behind it, in one process on loopback.

Run as `python oauth_server.py`; it prints its origin (`http://127.0.0.1:PORT`) on a line of stdout when it listens and
ends when stdin does. `POST /control` sets faults (see `Faults`), `GET /stats` tells what was asked of it. The MCP
server is at `/mcp`, has one tool (`whoami`), and wants a bearer token.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlencode, urlsplit

import uvicorn
from mcp.server import MCPServer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route


@dataclass
class Faults:
    """What is to go wrong, and how the server is made."""

    expires_in: int | None = 3600
    deny: bool = False
    wrong_state: bool = False
    wrong_issuer: bool = False
    refuse_refresh: bool = False
    refresh_error_status: int = 0
    refuse_registration: bool = False
    no_registration: bool = False
    no_resource_metadata: bool = False
    no_metadata: bool = False
    no_s256: bool = False
    secret_clients: bool = False
    foreign_resource: bool = False
    rotate: bool = True
    open: bool = False
    no_browser_logins: bool = False
    device: list[str] | None = None
    """What is answered to a device that asks, in order, and then tokens; None: there are no such logins."""
    device_answer: dict[str, Any] = field(default_factory=dict)
    document: dict[str, Any] | None = None
    """What stands at the address that is its `client_id`, as if it had been fetched from there."""


@dataclass
class State:
    """What was issued. A refresh token is good once when they rotate; its reuse is counted."""

    origin: str = ""
    faults: Faults = field(default_factory=Faults)
    clients: dict[str, dict[str, Any]] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    access: dict[str, float] = field(default_factory=dict)
    refresh: dict[str, str] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)
    issued: list[str] = field(default_factory=list)
    asked: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def note(self, what: str, details: dict[str, Any]) -> None:
        self.asked.setdefault(what, []).append(details)


STATE = State()
MCP = MCPServer("oauth-test")


@MCP.tool()
def whoami() -> str:
    """Says who asks."""
    return "somebody with a token"


async def resource_metadata(_: Request) -> Response:
    STATE.note("resource_metadata", {})
    if STATE.faults.no_resource_metadata:
        return Response(status_code=404)
    resource = "http://other.invalid/mcp" if STATE.faults.foreign_resource else f"{STATE.origin}/mcp"
    return JSONResponse({"resource": resource, "authorization_servers": [STATE.origin], "scopes_supported": ["read"]})


async def server_metadata(_: Request) -> Response:
    STATE.note("server_metadata", {})
    faults = STATE.faults
    if faults.no_metadata:
        return Response(status_code=404)
    found: dict[str, Any] = {
        "issuer": "http://evil.invalid" if faults.wrong_issuer else STATE.origin,
        "authorization_endpoint": f"{STATE.origin}/authorize",
        "token_endpoint": f"{STATE.origin}/token",
        "scopes_supported": ["read", "write", "offline_access"],
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["plain"] if faults.no_s256 else ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic" if faults.secret_clients else "none"],
    }
    if faults.no_browser_logins:
        del found["authorization_endpoint"]
    if faults.device is not None:
        found["device_authorization_endpoint"] = f"{STATE.origin}/device"
    if faults.document is not None:
        found["client_id_metadata_document_supported"] = True
    if not faults.no_registration:
        found["registration_endpoint"] = f"{STATE.origin}/register"
    return JSONResponse(found)


async def register(request: Request) -> Response:
    wanted = await request.json()
    STATE.note("register", wanted)
    if STATE.faults.refuse_registration:
        return JSONResponse({"error": "invalid_client_metadata", "error_description": "not you"}, status_code=400)
    made = {**wanted, "client_id": f"client-{secrets.token_hex(4)}"}
    if STATE.faults.secret_clients:
        made |= {"client_secret": f"cs-{secrets.token_hex(8)}", "token_endpoint_auth_method": "client_secret_basic"}
    STATE.clients[made["client_id"]] = made
    return JSONResponse(made, status_code=201)


async def authorize(request: Request) -> Response:
    """The user is there and agrees at once, or not at all."""
    query = dict(request.query_params)
    STATE.note("authorize", query)
    if query["client_id"].startswith("https://") and not _is_documented(query):
        return _refused("invalid_client", "no document says so")
    back: dict[str, str] = {"state": "not-the-state" if STATE.faults.wrong_state else query.get("state", "")}
    if STATE.faults.deny:
        back |= {"error": "access_denied", "error_description": "the user said no"}
    else:
        code = secrets.token_urlsafe(16)
        STATE.codes[code] = query
        STATE.issued.append(code)
        back["code"] = code
    return RedirectResponse(f"{query['redirect_uri']}?{urlencode(back)}", status_code=302)


async def token(request: Request) -> Response:
    form = {key: str(entry) for key, entry in (await request.form()).items()}
    STATE.note("token", form | {"authorization": request.headers.get("authorization", "")})
    if form.get("grant_type") == "refresh_token":
        return _refreshed(form)
    if form.get("grant_type") == "urn:ietf:params:oauth:grant-type:device_code":
        return _polled(form)
    asked = STATE.codes.pop(form.get("code", ""), None)
    if asked is None:
        return _refused("invalid_grant", "no such code")
    challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
    if challenge != asked["code_challenge"] or asked["redirect_uri"] != form["redirect_uri"]:
        return _refused("invalid_grant", "not the one who asked")
    made = STATE.clients.get(asked["client_id"], {})
    if secret := made.get("client_secret"):
        basic = "Basic " + base64.b64encode(f"{asked['client_id']}:{secret}".encode()).decode()
        if request.headers.get("authorization") != basic:
            return _refused("invalid_client", "wrong secret")
    return _granted(asked.get("scope", ""), secrets.token_urlsafe(24))


def _refreshed(form: dict[str, str]) -> Response:
    if STATE.faults.refresh_error_status:
        return Response("down", status_code=STATE.faults.refresh_error_status)
    old = form.get("refresh_token", "")
    if STATE.faults.refuse_refresh or old not in STATE.refresh:
        STATE.note("refresh_refused", {"reused": old in STATE.issued})
        return _refused("invalid_grant", "the refresh token is no longer valid")
    scope = STATE.refresh.pop(old) if STATE.faults.rotate else STATE.refresh[old]
    return _granted(scope, secrets.token_urlsafe(24) if STATE.faults.rotate else "")


def _is_documented(query: dict[str, str]) -> bool:
    """Whether the client's document allows the address; the port of this machine's may be any (RFC 8252)."""
    document, back = STATE.faults.document or {}, urlsplit(query["redirect_uri"])
    plain = back._replace(netloc=back.hostname or "").geturl()
    return document.get("client_id") == query["client_id"] and plain in document["redirect_uris"]


async def device(request: Request) -> Response:
    form = dict(await request.form())
    STATE.note("device", {**form, "authorization": request.headers.get("authorization", "")})
    code = secrets.token_urlsafe(16)
    STATE.devices[code] = str(form.get("scope", ""))
    STATE.issued.append(code)
    page = f"{STATE.origin}/enter"
    answer = {"device_code": code, "user_code": "BDWP-HQPK", "verification_uri": page, "expires_in": 600}
    complete = {"verification_uri_complete": f"{page}?user_code=BDWP-HQPK", "interval": 2}
    return JSONResponse({**answer, **complete, **STATE.faults.device_answer})


def _polled(form: dict[str, str]) -> Response:
    if form["device_code"] not in STATE.devices:
        return _refused("invalid_grant", "no such code")
    word = STATE.faults.device.pop(0) if STATE.faults.device else ""
    if word == "outage":
        return Response(status_code=503)
    return _refused(word, "says the test") if word else _granted(STATE.devices[form["device_code"]], "refresh-1")


def _granted(scope: str, refresh: str) -> Response:
    access = f"at-{secrets.token_urlsafe(24)}"
    seconds = STATE.faults.expires_in
    STATE.access[access] = time.time() + (3600 if seconds is None else seconds)
    STATE.issued += [access, *([refresh] if refresh else [])]
    answer: dict[str, Any] = {"access_token": access, "token_type": "bearer", "scope": scope}
    if refresh:
        STATE.refresh[refresh] = scope
        answer["refresh_token"] = refresh
    if seconds is not None:
        answer["expires_in"] = seconds
    return JSONResponse(answer)


def _refused(error: str, why: str) -> Response:
    return JSONResponse({"error": error, "error_description": why}, status_code=400)


async def control(request: Request) -> Response:
    wanted = await request.json()
    if wanted.get("reset"):
        for made in fields(State):
            if made.name != "origin":
                setattr(STATE, made.name, made.default_factory())
    for name in {entry.name for entry in fields(Faults)} & wanted.keys():
        setattr(STATE.faults, name, wanted[name])
    if wanted.get("revoke"):
        STATE.access.clear()
    if wanted.get("revoke_all"):
        STATE.access.clear()
        STATE.refresh.clear()
    return JSONResponse({})


async def stats(_: Request) -> Response:
    return JSONResponse({"asked": STATE.asked, "issued": STATE.issued})


def guarded(app: Callable[..., Any]) -> Callable[..., Any]:
    """The app, behind a bearer token."""

    async def check(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/mcp"):
            return await app(scope, receive, send)
        given = dict(scope["headers"]).get(b"authorization", b"").decode().removeprefix("Bearer ")
        STATE.note("mcp", {"token": given})
        if STATE.faults.open or STATE.access.get(given, 0) > time.time():
            return await app(scope, receive, send)
        where = f"{STATE.origin}/.well-known/oauth-protected-resource/mcp"
        headers = (
            {} if STATE.faults.no_resource_metadata else {"WWW-Authenticate": f'Bearer resource_metadata="{where}"'}
        )
        return await Response(status_code=401, headers=headers or {"WWW-Authenticate": "Bearer"})(scope, receive, send)

    return check


def application() -> Any:
    mcp = MCP.streamable_http_app()
    routes = [
        Route("/.well-known/oauth-protected-resource/mcp", resource_metadata),
        Route("/.well-known/oauth-protected-resource", resource_metadata),
        Route("/.well-known/oauth-authorization-server", server_metadata),
        Route("/register", register, methods=["POST"]),
        Route("/authorize", authorize),
        Route("/device", device, methods=["POST"]),
        Route("/token", token, methods=["POST"]),
        Route("/control", control, methods=["POST"]),
        Route("/stats", stats),
        Mount("/", mcp),
    ]
    return guarded(Starlette(routes=routes, lifespan=mcp.router.lifespan_context))


class Server(uvicorn.Server):
    """Says where it listens."""

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        STATE.origin = f"http://127.0.0.1:{port}"
        sys.stdout.write(STATE.origin + "\n")
        sys.stdout.flush()


def main() -> None:
    server = Server(uvicorn.Config(application(), host="127.0.0.1", port=0, log_level="error", lifespan="on"))

    def until_stdin_ends() -> None:
        sys.stdin.buffer.read()
        server.should_exit = server.force_exit = True

    threading.Thread(target=until_stdin_ends, daemon=True).start()
    server.run()


if __name__ == "__main__":
    main()

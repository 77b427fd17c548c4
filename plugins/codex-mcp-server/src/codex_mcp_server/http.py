"""The transport of several clients: streamable HTTP on one address."""

from __future__ import annotations

import hmac
import os
import socket
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from mcp.server.lowlevel.server import Server  # noqa: TID253 - see serve.py
from mcp.server.transport_security import TransportSecuritySettings  # noqa: TID253 - see serve.py

from codex_plugin_sdk import UserError

from .address import PATH, Address

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

MAX_BODY_BYTES = 16 * 1024 * 1024
MIN_TOKEN_CHARS = 16
_LOCAL = ("localhost", "127.0.0.1", "[::1]")
_CLOSING_S = 1


def read_token(environ: Mapping[str, str], variable: str | None, file: str | None) -> str | None:
    """The bearer token, None where none is asked for. Raises `UserError`."""
    if variable is not None:
        token = environ.get(variable, "")
        where = f"the variable {variable}"
    elif file is not None:
        token = _private(file)
        where = file
    else:
        return None
    if len(token.strip()) < MIN_TOKEN_CHARS:
        raise UserError(
            f"{where} holds no token of at least {MIN_TOKEN_CHARS} characters",
            hint='make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"',
        )
    return token.strip()


def _private(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise UserError(f"{path} can be read by others (mode {mode:04o})", hint=f"chmod 600 {path}")
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the token cannot be read from {path}: {error}", hint="check --token-file") from error


class Gate:
    """Lets in who may: no web page, on loopback no name but this machine's (a page can have a name of its own point
    here), and with a token only who has it."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and (refusal := self._refusal(scope["headers"])) is not None:
            status, text = refusal
            headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(text)).encode())]
            headers += [(b"www-authenticate", b"Bearer")] if status == 401 else []
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": text.encode()})
            return
        await self._app(scope, receive, send)

    def _refusal(self, headers: list[tuple[bytes, bytes]]) -> tuple[int, str] | None:
        def all_of(wanted: bytes) -> list[str]:
            return [found.decode("latin-1") for name, found in headers if name == wanted]

        if all_of(b"origin"):  # every browser sends it, no other client has to
            return 403, "requests of web pages are refused"
        if self._token is None:
            hosts = all_of(b"host")
            return None if len(hosts) == 1 and _is_local(hosts[0]) else (403, "the Host header must name this machine")
        shown = all_of(b"authorization")
        kind, _, token = shown[0].partition(" ") if len(shown) == 1 else ("", "", "")
        if kind.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._token.encode()):
            return None
        return 401, "a bearer token is needed, and this is none or another one"


def _is_local(host: str) -> bool:
    name, colon, port = host.rpartition(":")
    return host.lower() in _LOCAL or (bool(colon) and port.isdecimal() and name.lower() in _LOCAL)


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us."""
        yield


async def serve_http(server: Server[Any], address: Address, token: str | None, ready: Callable[[int], None]) -> None:
    """Serve until cancelled; `ready` is told the port. Raises `UserError` when the address cannot be used."""
    import anyio

    app = server.streamable_http_app(
        streamable_http_path=PATH,
        max_request_body_size=MAX_BODY_BYTES,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),  # `Gate` sees to it
    )
    config = uvicorn.Config(
        Gate(app, token),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        ws="none",
        http="h11",
        timeout_graceful_shutdown=_CLOSING_S,
    )
    running = _Uvicorn(config)
    with _listening(address) as listener:
        ready(listener.getsockname()[1])
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope(shield=True):  # it ends by itself once told to
                tasks.start_soon(_stop_when_cancelled, running)
                await running.serve([listener])
            tasks.cancel_scope.cancel()


async def _stop_when_cancelled(running: uvicorn.Server) -> None:
    import anyio

    try:
        await anyio.sleep_forever()
    finally:
        running.should_exit = True


@contextmanager
def _listening(address: Address) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        listener = socket.create_server((address.host, address.port), family=family, backlog=128)
    except OSError as error:
        raise UserError(
            f"cannot listen on {address.url(address.port)}: {error.strerror or error}", hint="choose another port"
        ) from error
    with listener:
        yield listener

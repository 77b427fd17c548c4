"""The way back from the browser: an address on this machine that takes one answer, or the same answer pasted."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit, urlunsplit

import anyio

from codex_plugin_sdk import AuthenticationFailed, UserError, Value, field, value

from .discovery import AuthorizationServer, shown
from .grants import Refused

if TYPE_CHECKING:
    from anyio.abc import SocketStream

HOST = "127.0.0.1"
_HEAD_BYTES = 16 * 1024
_HEAD_TIMEOUT_S = 10.0
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_DONE = "Authentication complete. You may close this window."


@value
class Address(Value):
    """Where the browser is sent. `redirect_uri` holds no port yet where it is `any_port`; `port` 0 is a free one."""

    redirect_uri: str
    port: int = 0
    any_port: bool = True

    @property
    def path(self) -> str:
        """The part that a request to us must have."""
        return urlsplit(self.redirect_uri).path

    def at(self, port: int) -> str:
        """The address as the authorization server hears it."""
        if not self.any_port:
            return self.redirect_uri
        parts = urlsplit(self.redirect_uri)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return urlunsplit(parts._replace(netloc=f"{host}:{port}"))


def callback_address(server_url: str, *, port: int | None, url: str | None, registered: str | None) -> Address:
    """`registered` is that of a client registered by hand, `url` and `port` are the settings `mcp_oauth_callback_url`
    and `mcp_oauth_callback_port`. Raises `UserError`."""
    base = registered or url or f"http://{HOST}/callback"
    parts = urlsplit(base)
    try:
        own_port = parts.port
    except ValueError:
        own_port = -1
    if parts.scheme not in ("http", "https") or not parts.hostname or own_port == -1 or parts.query or parts.fragment:
        raise UserError(
            f"{shown(base)} cannot be a callback address",
            hint="mcp_oauth_callback_url is http(s)://HOST[:PORT]/PATH without ? and #",
        )
    local = parts.hostname in _LOOPBACK
    # An id in the path keeps answers of different servers apart. One registered by hand has it already.
    path = parts.path if registered else f"{parts.path.rstrip('/')}/{_id(server_url)}"
    uri = urlunsplit(parts._replace(path=path))
    if local and own_port is not None:
        return Address(redirect_uri=uri, port=own_port if port is None else port, any_port=False)
    return Address(redirect_uri=uri, port=port or 0, any_port=local and parts.scheme == "http")


@value
class Answer(Value):
    """What the authorization server sent along with the browser."""

    code: str = field(default="", repr=False)
    state: str = field(default="", repr=False)
    issuer: str | None = None
    error: str = ""
    description: str = ""


def parse_answer(target: str) -> Answer:
    """An answer from an address, a whole URL or its path and query."""
    found = {name: words[0] for name, words in parse_qs(urlsplit(target.strip()).query, max_num_fields=50).items()}
    return Answer(
        code=found.get("code", ""),
        state=found.get("state", ""),
        issuer=found.get("iss"),
        error=found.get("error", ""),
        description=found.get("error_description", ""),
    )


def checked_code(answer: Answer, state: str, server: AuthorizationServer) -> str:
    """The code of an answer to our question. Raises `AuthenticationFailed`; nothing of the answer but its error is
    told."""
    import hmac

    if not hmac.compare_digest(answer.state.encode(), state.encode()):
        raise AuthenticationFailed(
            "The answer belongs to another login: its state is not the one that was sent.",
            hint="nothing was stored; log in again, and use only the newest URL",
        )
    if answer.issuer is not None and answer.issuer.rstrip("/") != server.issuer.rstrip("/"):
        raise AuthenticationFailed(f"The answer comes from {shown(answer.issuer)}, not from {shown(server.issuer)}.")
    if answer.issuer is None and server.answers_with_issuer:
        raise AuthenticationFailed(f"The answer does not say that it comes from {shown(server.issuer)}.")
    if answer.error:
        why = f" ({shown(answer.description)})" if answer.description else ""
        raise Refused(f"The authorization server refused: {shown(answer.error)}{why}.", answer.error)
    if not answer.code:
        raise AuthenticationFailed("The answer holds no code.", hint="paste the whole URL that the browser shows")
    return answer.code


class Callback:
    """Listens for the answer. Whoever is first, the browser or a person who pastes, gives it."""

    def __init__(self, address: Address, state: str, server: AuthorizationServer) -> None:
        self._address, self._state, self._server = address, state, server
        self._came = anyio.Event()
        self._outcome: str | AuthenticationFailed = ""

    async def serve(self, listener: anyio.abc.Listener[SocketStream]) -> None:
        """Take requests until cancelled."""
        await listener.serve(self._handle)

    def give(self, answer: Answer) -> None:
        """Take an answer. Only the first counts."""
        self._settle(self._judged(answer))

    def give_up(self, why: str) -> None:
        """No answer will come."""
        self._settle(AuthenticationFailed(why))

    async def code(self) -> str:
        """Wait for the code. Raises `AuthenticationFailed` for an answer that is none."""
        await self._came.wait()
        if isinstance(self._outcome, AuthenticationFailed):
            raise self._outcome
        return self._outcome

    async def _handle(self, stream: SocketStream) -> None:
        async with stream:
            with anyio.move_on_after(_HEAD_TIMEOUT_S):
                try:
                    await self._reply(stream, await _target(stream))
                except (anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError):
                    return  # a browser that went away; the answer, if it came, was taken

    async def _reply(self, stream: SocketStream, target: str) -> None:
        if urlsplit(target).path != self._address.path or not urlsplit(target).query:
            await stream.send(_page(404, "Not the address of a login."))
            return
        outcome = self._judged(parse_answer(target))
        try:
            page = _page(400, outcome.message) if isinstance(outcome, AuthenticationFailed) else _page(200, _DONE)
            await stream.send(page)
        finally:
            self._settle(outcome)  # only now, since the login may end this server as soon as it has its code

    def _judged(self, answer: Answer) -> str | AuthenticationFailed:
        try:
            return checked_code(answer, self._state, self._server)
        except AuthenticationFailed as error:
            return error

    def _settle(self, outcome: str | AuthenticationFailed) -> None:
        if not self._came.is_set():
            self._outcome = outcome
            self._came.set()


async def _target(stream: SocketStream) -> str:
    """The path and query of a GET, "" for anything else."""
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _HEAD_BYTES:
        head += await stream.receive()
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    return words[1] if len(words) == 3 and words[0] == "GET" else ""


def _page(status: int, text: str) -> bytes:
    """Plain text, so that nothing in it can be a script."""
    body = text.encode()
    reason = {200: "OK", 400: "Bad Request", 404: "Not Found"}[status]
    head = (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body


def _id(server_url: str) -> str:
    import hashlib
    from base64 import urlsafe_b64encode

    return urlsafe_b64encode(hashlib.sha256(server_url.encode()).digest()[:9]).decode()

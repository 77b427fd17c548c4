"""The HTTP side: absolute requests are forwarded one by one, each asked for; CONNECT opens a tunnel."""

from __future__ import annotations

from http import HTTPStatus

import anyio

from .body import copy_body
from .dial import Route
from .door import Door
from .faults import Fault, Malformed, Refused, Unreachable
from .head import (
    Fields,
    Request,
    Response,
    end_to_end,
    has_field,
    parse_request,
    parse_response,
    split_url,
    write_head,
)
from .limits import Limits
from .target import Target, parse_target
from .tunnel import run_checked_tunnel, run_tunnel
from .wire import SendFailed, Wire

_READING = ("GET", "HEAD", "OPTIONS")
_OVERRIDES = (b"x-http-method", b"x-http-method-override", b"x-method-override")
_REPEATABLE = ("GET", "HEAD", "OPTIONS")
_MOST_INTERIM = 16


async def serve_http(client: Wire, door: Door, limits: Limits) -> None:
    """Serve one connection. Raises `Fault` once the client was told, `OSError` when the client is gone."""
    conversation = _Conversation(client, door, limits)
    try:
        while await conversation.step():
            pass
    except Fault as fault:
        door.report(fault)
        if not conversation.answered:
            await _tell(client, fault, limits, body=conversation.method != "HEAD")
        raise
    finally:
        conversation.drop()


async def _tell(client: Wire, fault: Fault, limits: Limits, *, body: bool) -> None:
    text = f"{fault.text}\n".encode(errors="replace")
    fields = (
        (b"Content-Type", b"text/plain; charset=utf-8"),
        (b"X-Proxy-Error", fault.code.encode()),
        (b"Content-Length", str(len(text)).encode()),
        (b"Connection", b"close"),
    )
    first = f"HTTP/1.1 {fault.status} {HTTPStatus(fault.status).phrase}".encode()
    await client.send(write_head(first, fields) + (text if body else b""))
    await client.linger(limits.linger_s)


class _Stale(Exception):
    """The server closed a kept connection at the moment in which it was used again."""


class _Conversation:
    """The requests of one client connection. The connection to the server is kept for the next one."""

    def __init__(self, client: Wire, door: Door, limits: Limits) -> None:
        self._client, self._door, self._limits = client, door, limits
        self._kept: tuple[Target, Route] | None = None
        self.method = ""
        self.answered = False

    def drop(self) -> None:
        """Release the connection to the server."""
        if self._kept is not None:
            self._kept[1].wire.close()
            self._kept = None

    async def step(self) -> bool:
        """Serve one request; whether another one may follow."""
        self.answered, self.method = False, ""
        first = await self._client.receive(1)  # however long that takes; a head that has begun has to go on
        if not first:
            return False
        self._client.unread(first)
        try:
            with anyio.fail_after(self._limits.head_s):
                raw = await self._client.head(self._limits.head_bytes)
        except TimeoutError:
            raise Malformed("the header does not end", status=408) from None
        if raw is None:
            return False
        request = parse_request(raw)
        self.method = request.method
        if request.method == "CONNECT":
            await self._tunnel(request)
            return False
        return await self._forward(request)

    async def _tunnel(self, request: Request) -> None:
        target = parse_target(request.url)
        self._door.wanted("https", target)
        if request.has_body:
            raise Malformed("CONNECT has no body")
        if self._door.rules.limited:
            raise Refused("the rules permit reading by plain HTTP only, no tunnels", "method-not-allowed")
        await self._door.admit(target, "https")
        route = await self._door.connect(target, tunnel=True)
        try:
            self.answered = True
            await self._client.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await run_checked_tunnel(self._client, route.wire, target, self._door, self._limits)
        finally:
            route.wire.close()

    async def _forward(self, request: Request) -> bool:
        target, path = split_url(request.url)
        self._door.wanted("http", target)
        if self._door.rules.limited:
            _check_reading(request)
        await self._door.admit(target, "http")
        route = self._reused(target)
        if route is not None:
            try:
                return await self._exchange(request, target, path, route, again=_repeatable(request))
            except _Stale:
                pass  # nothing was answered, and asking twice is the same as asking once
        route = await self._door.connect(target, tunnel=False)
        return await self._exchange(request, target, path, route, again=False)

    def _reused(self, target: Target) -> Route | None:
        if self._kept is not None and self._kept[0] == target and self._kept[1].wire.quiet:
            route = self._kept[1]
            self._kept = None
            return route
        self.drop()
        return None

    async def _exchange(self, request: Request, target: Target, path: str, route: Route, *, again: bool) -> bool:
        """One request and its answer. Raises `_Stale` where `again` permits and nothing was answered."""
        exchange = _Exchange(self, self._client, route.wire, request, self._limits)
        try:
            keep_client, keep_server = await exchange.run(_request_head(request, target, path, route))
        except _Hangup as hangup:
            route.wire.close()
            if again:
                raise _Stale from hangup
            raise Unreachable(f"{target} hung up without an answer", "no-answer") from hangup
        except BaseException:
            route.wire.close()
            raise
        if keep_server:
            self._kept = (target, route)
        else:
            route.wire.close()
        return keep_client


class _Hangup(Exception):
    """The server ended the connection before it answered."""


class _Exchange:
    """One request on its way to a server, and the answer on its way back, at the same time: a server may
    answer before it has all, or wait with it until it has none (`Expect: 100-continue`)."""

    def __init__(
        self, conversation: _Conversation, client: Wire, server: Wire, request: Request, limits: Limits
    ) -> None:
        self._conversation, self._client, self._server = conversation, client, server
        self._request, self._limits = request, limits
        self._sent = not request.has_body
        self._fault: Malformed | OSError | None = None

    async def run(self, head: bytes) -> tuple[bool, bool]:
        """Whether the connections to the client and to the server can be used again."""
        try:
            await self._server.send(head)
        except SendFailed as error:
            raise _Hangup from error
        if self._sent:
            return await self._answer()
        kept = (False, False)
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._send_body, tasks.cancel_scope)
            try:
                kept = await self._answer()
            except (Fault, OSError, _Hangup) as error:
                failure = error
            tasks.cancel_scope.cancel()
        failure = self._fault or failure
        if failure is not None:
            raise failure
        return kept

    async def _send_body(self, both: anyio.CancelScope) -> None:
        length = self._request.length
        try:
            await copy_body(self._client, self._server, chunked=length is None, length=length)
        except SendFailed:
            return  # the server wants no more of it; its answer says why
        except (Malformed, OSError) as error:
            self._fault = error
            both.cancel()
        else:
            self._sent = True

    async def _answer(self) -> tuple[bool, bool]:
        for _ in range(_MOST_INTERIM):
            response = await self._read_answer()
            if response.status == 101:
                await self._upgrade(response)
                return False, False
            if response.status >= 200:
                return await self._relay(response)
            if self._request.minor:
                await self._client.send(_response_head(response, self._request, close=False))
        raise Unreachable("the server sends interim answers without end", "bad-answer")

    async def _read_answer(self) -> Response:
        try:
            raw = await self._server.head(self._limits.head_bytes)
        except OSError as error:
            raise _Hangup from error
        except Malformed as error:
            raise Unreachable(f"the server's answer is broken: {error}", "bad-answer") from error
        if raw is None:
            raise _Hangup
        try:
            return parse_response(raw, self._request.method)
        except Malformed as error:
            raise Unreachable(f"the server's answer is broken: {error}", "bad-answer") from error

    async def _relay(self, response: Response) -> tuple[bool, bool]:
        delimited = response.length is not None or (response.chunked and self._request.minor == 1)
        keep = self._request.keep and delimited and self._sent
        self._conversation.answered = True
        await self._client.send(_response_head(response, self._request, close=not keep))
        try:
            await copy_body(
                self._server,
                self._client,
                chunked=response.chunked,
                length=response.length,
                rechunk=self._request.minor == 1,
            )
        except Malformed as error:
            raise Unreachable(f"the server's answer is broken: {error}", "bad-answer") from error
        return keep, response.keep and self._sent

    async def _upgrade(self, response: Response) -> None:
        if not self._request.upgrade:
            raise Unreachable("the server changes the protocol without being asked", "bad-answer")
        fields = (*end_to_end(response.fields), (b"Connection", b"upgrade"), (b"Upgrade", b"websocket"))
        self._conversation.answered = True
        await self._client.send(write_head(b"HTTP/1.1 101 Switching Protocols", fields))
        await run_tunnel(self._client, self._server)


def _check_reading(request: Request) -> None:
    if request.method not in _READING or has_field(request.fields, *_OVERRIDES):
        raise Refused(f"the rules permit reading only ({', '.join(_READING)})", "method-not-allowed")
    if request.upgrade:
        raise Refused("the rules permit reading only, no WebSockets", "method-not-allowed")


def _repeatable(request: Request) -> bool:
    return request.method in _REPEATABLE and not request.has_body and not request.upgrade


def _request_head(request: Request, target: Target, path: str, route: Route) -> bytes:
    host = str(target).removesuffix(":80")
    url = f"http://{host}{path}" if route.absolute else path
    fields: Fields = ((b"Host", host.encode()), *end_to_end(request.fields), *route.fields)
    if request.length is None:
        fields += ((b"Transfer-Encoding", b"chunked"),)
    elif request.length or has_field(request.fields, b"content-length"):
        fields += ((b"Content-Length", str(request.length).encode()),)
    if request.upgrade:
        fields += ((b"Connection", b"upgrade"), (b"Upgrade", b"websocket"))
    return write_head(f"{request.method} {url} HTTP/1.1".encode(), fields)


def _response_head(response: Response, request: Request, *, close: bool) -> bytes:
    fields = end_to_end(response.fields)
    if response.status == 304 or request.method == "HEAD":
        fields += tuple(field for field in response.fields if field[0].lower() == b"content-length")
    elif response.chunked and request.minor == 1:
        fields += ((b"Transfer-Encoding", b"chunked"),)
    elif response.length is not None and response.status >= 200 and response.status != 204:
        fields += ((b"Content-Length", str(response.length).encode()),)
    if close:
        fields += ((b"Connection", b"close"),)
    return write_head(b"HTTP/1.1 %d %b" % (response.status, response.reason), fields)

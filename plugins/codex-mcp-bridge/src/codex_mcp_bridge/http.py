"""Servers that are reached over streamable HTTP. The library speaks it; here are headers, logins and limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import UserError

from .config import ServerConfig, origin
from .frames import MAX_VALUES
from .link import MAX_MESSAGE_BYTES, Link, cause_of, library

if TYPE_CHECKING:
    import httpx2

    from codex_plugin_sdk import ToolSourceSetup

CONNECT_TIMEOUT_S = 30.0
SILENCE_S = 3600.0
"""How long a stream may be silent beyond the time-out of a call, which is the one that counts."""
FAREWELL_S = 1.0
"""How long the end of a session may take to be told."""
LISTEN_PAUSE_S = 0.2
"""How soon the stream for what the server says by itself may be opened again, whatever the server wants."""
SESSION_HEADER = "mcp-session-id"
_SESSION_HEADERS = (SESSION_HEADER, "mcp-protocol-version", "authorization")


@asynccontextmanager
async def http_link(config: ServerConfig, setup: ToolSourceSetup) -> AsyncIterator[Link]:
    """A session with a server that runs elsewhere. Raises `UserError` for what the configuration lacks and a server
    that cannot be reached, `AuthenticationFailed` where a login is wanted."""
    await library()
    from mcp.client.streamable_http import streamable_http_client

    watch = _Watch(Link(None, None))
    try:
        async with (
            _client(config, setup, watch) as client,
            streamable_http_client(
                config.url, http_client=client, terminate_on_close=False, max_sse_event_size=MAX_MESSAGE_BYTES
            ) as streams,
        ):
            watch.link.read, watch.link.write = streams
            try:
                yield watch.link
            finally:
                await _say_goodbye(client, config.url, watch)
    except Exception as error:
        raise _told(config, error) from error


async def _say_goodbye(client: httpx2.AsyncClient, url: str, watch: _Watch) -> None:
    """End the session at the server, also when we are cancelled (the library would not, then): not for long, and
    without renewing a login for it. A server that does not listen forgets the session by itself."""
    import httpx2

    if not watch.session or watch.link.expired:
        return
    with anyio.CancelScope(shield=True), anyio.move_on_after(FAREWELL_S), suppress(httpx2.HTTPError):
        await client.delete(url, headers=watch.session, auth=_as_it_is)


def _as_it_is(request: httpx2.Request) -> httpx2.Request:
    """No more authorization than the headers hold; without this, a user name in the address takes their place."""
    return request


def headers(config: ServerConfig, setup: ToolSourceSetup) -> dict[str, str]:
    """What every request carries. Raises `UserError` for a token that is not there."""
    from .oauth import static_headers

    environ = setup.tools.environ
    found = static_headers(config, environ)
    variable = config.bearer_token_env_var
    if variable:
        token = environ.get(variable)
        if not token:
            raise UserError(f"the environment variable {variable} is not set", hint="it should hold the bearer token")
        found["Authorization"] = f"Bearer {token}"
    return found


def _client(config: ServerConfig, setup: ToolSourceSetup, watch: _Watch) -> httpx2.AsyncClient:
    import httpx2

    from .oauth import auth_for, has_own_authorization

    return httpx2.AsyncClient(
        # What is packed can be unpacked to any size; the limits below count what comes over the wire.
        headers={**headers(config, setup), "Accept-Encoding": "identity"},
        auth=_as_it_is if has_own_authorization(config) else auth_for(config, setup.tools),
        timeout=httpx2.Timeout(CONNECT_TIMEOUT_S, read=config.tool_timeout_s + SILENCE_S),
        event_hooks={"request": [watch.before], "response": [watch.after]},
    )


def _told(config: ServerConfig, error: Exception) -> Exception:
    import httpx2

    cause = cause_of(error)
    if isinstance(cause, httpx2.TransportError):
        return UserError(f"cannot reach {origin(config.url)}: {str(cause) or type(cause).__name__}")
    return cause if isinstance(cause, Exception) else error


class _Watch:
    """Looks at what goes over the wire: keeps limits, and the news that a session is forgotten."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.session: dict[str, str] = {}
        """The headers of the last request that was answered within a session; empty without one."""
        self._next_listening = 0.0

    async def before(self, request: httpx2.Request) -> None:
        """Hold back and cut short what a server could make us do for ever."""
        if request.method == "GET":
            now = anyio.current_time()
            self._next_listening = max(now, self._next_listening) + LISTEN_PAUSE_S
            await anyio.sleep(self._next_listening - LISTEN_PAUSE_S - now)

    async def after(self, response: httpx2.Response) -> None:
        """Take note of refusals and bound the body."""
        if response.status_code == 404 and SESSION_HEADER in response.request.headers:
            self.link.expired = True
        if response.request.method == "POST":
            refused = response.status_code >= 400
            self.link.note = f"HTTP {response.status_code} {response.reason_phrase}".strip() if refused else ""
            if not refused:
                self._remember(response)
        packed = response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")
        events = response.headers.get("content-type", "").lower().startswith("text/event-stream")
        response.stream = _bounded(response.stream, events=events, packed=packed)

    def _remember(self, response: httpx2.Response) -> None:
        found = {name: response.request.headers.get(name) for name in _SESSION_HEADERS}
        if SESSION_HEADER in response.headers:
            found[SESSION_HEADER] = response.headers[SESSION_HEADER]
        if found[SESSION_HEADER]:
            self.session = {name: text for name, text in found.items() if text}


def _bounded(stream: Any, *, events: bool, packed: bool) -> Any:
    """The stream, which fails where it grows beyond the limits. Those of a stream of events hold for one event, whose
    size the library watches."""
    import httpx2

    class Bounded(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            if packed:
                raise httpx2.StreamError("the answer is packed, which was not asked for")
            size_bytes = values = 0
            async for chunk in stream:
                size_bytes += len(chunk)
                values += sum(map(chunk.count, (b",", b"[", b"{")))
                if events and (b"\n\n" in chunk or b"\r\n\r\n" in chunk):
                    values = 0
                if size_bytes > MAX_MESSAGE_BYTES and not events:
                    raise httpx2.StreamError(f"the answer is larger than {MAX_MESSAGE_BYTES // (1024 * 1024)} MiB")
                if values > MAX_VALUES:
                    raise httpx2.StreamError(f"the answer holds more than {MAX_VALUES} values")
                yield chunk

        async def aclose(self) -> None:
            await stream.aclose()

    return Bounded()

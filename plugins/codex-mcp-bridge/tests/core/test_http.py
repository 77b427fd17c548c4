"""Servers that are reached over HTTP: what they offer, and what they do to us."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest

from codex_mcp_bridge.config import ServerConfig
from codex_mcp_bridge.http import FAREWELL_S, headers
from codex_mcp_bridge.logins import Login, LoginStore
from codex_plugin_sdk import ToolFailed, UserError

pytestmark = pytest.mark.anyio

JSON = "application/json"
EVENTS = "text/event-stream"


class HostileHttp:
    """A server on a socket, without any library: `call` answers `tools/call`, by hand if need be."""

    def __init__(self, call: Callable[[HostileHttp, dict[str, Any], asyncio.StreamWriter], Awaitable[None]]) -> None:
        self._call = call
        self.url = ""
        self.sessions = 0
        self.valid = ""
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.calls = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[HostileHttp]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            names = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in head[1:] if ":" in line}
            body = await reader.readexactly(int(names.get("content-length", 0)))
            method, message = head[0].split()[0], json.loads(body) if body else {}
            self.requests.append((method, names, message))
            await self._answer(method, names, message, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, method: str, names: dict[str, str], message: dict[str, Any], writer: asyncio.StreamWriter
    ) -> None:
        kind = message.get("method")
        if method == "GET" and "last-event-id" not in names:
            await reply(writer, b"", status="405 Method Not Allowed")
        elif method == "GET":
            await self._call(self, {"id": 0, "resumed": names["last-event-id"]}, writer)
        elif kind == "initialize":
            self.sessions += 1
            self.valid = f"session-{self.sessions}"
            about = {"name": "hostile", "version": "1"}
            result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": about}
            await answer(writer, message, result, more=f"mcp-session-id: {self.valid}\r\n")
        elif names.get("mcp-session-id") != self.valid:
            await reply(writer, b"", status="404 Not Found")
        elif kind == "tools/list":
            await answer(writer, message, {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]})
        elif kind == "tools/call":
            self.calls += 1
            await self._call(self, message, writer)
        else:
            await reply(writer, b"", status="202 Accepted")


async def reply(
    writer: asyncio.StreamWriter, body: bytes, *, kind: str = JSON, status: str = "200 OK", more: str = ""
) -> None:
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{more}\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()


async def answer(writer: asyncio.StreamWriter, message: dict[str, Any], result: Any, *, more: str = "") -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
    await reply(writer, body, more=more)


def said(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}]}


async def fine(server: HostileHttp, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    await answer(writer, message, said(f"in session {server.sessions}"))


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def test_tools_of_the_official_package_are_called_over_http(world: Any, over_http: Any) -> None:
    async with over_http(free_port()) as url, world.running({"s": {"url": url}}) as servers:
        added = await servers["s"].call_tool("add", {"a": 2, "b": 3})
        assert added.structured_content == {"result": 5}
        assert (await servers["s"].call_tool("ask", {})).content[0].text == "accept: blue"


async def test_a_forgotten_session_is_begun_again_once_and_the_call_repeated(world: Any) -> None:
    async with HostileHttp(fine).running() as hostile, world.running({"s": {"url": hostile.url}}) as servers:
        assert (await servers["s"].call_tool("t", {})).content[0].text == "in session 1"
        hostile.valid = "forgotten"
        assert (await servers["s"].call_tool("t", {})).content[0].text == "in session 2"
        assert (hostile.sessions, hostile.calls) == (2, 2)
    assert world.statuses("s") == ["starting", "ready", "failed", "starting", "ready"]


async def test_a_session_that_is_forgotten_at_once_is_not_begun_for_ever(world: Any) -> None:
    async def never(server: HostileHttp, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        await reply(writer, b"", status="404 Not Found")

    async with HostileHttp(never).running() as hostile, world.running({"s": {"url": hostile.url}}) as servers:
        with pytest.raises(ToolFailed, match="Session terminated \\(HTTP 404 Not Found\\)"):
            await servers["s"].call_tool("t", {})
        assert (hostile.sessions, hostile.calls) == (2, 2)


async def test_a_stream_that_is_cut_is_resumed_where_it_ended(world: Any) -> None:
    numbers: list[int] = []

    async def cut(server: HostileHttp, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        if "resumed" not in message:
            numbers.append(message["id"])
            await reply(writer, b"id: ev-7\nretry: 10\ndata: \n\n", kind=EVENTS)
            return
        assert message["resumed"] == "ev-7"
        result = {"jsonrpc": "2.0", "id": numbers[0], "result": said("resumed")}
        await reply(writer, f"id: ev-8\ndata: {json.dumps(result)}\n\n".encode(), kind=EVENTS)

    async with HostileHttp(cut).running() as hostile, world.running({"s": {"url": hostile.url}}) as servers:
        assert (await servers["s"].call_tool("t", {})).content[0].text == "resumed"
        assert hostile.calls == 1


@pytest.mark.parametrize("kind", [JSON, EVENTS])
async def test_an_answer_without_measure_is_refused_and_memory_stays_bounded(world: Any, kind: str) -> None:
    async def huge(server: HostileHttp, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\ndata: ".encode())
        for _ in range(200):
            writer.write(b"x" * 1048576)
            await writer.drain()

    async with HostileHttp(huge).running() as hostile, world.running({"s": {"url": hostile.url}}) as servers:
        await servers["s"].connected()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(ToolFailed, match="refused the tool t"):
            await servers["s"].call_tool("t", {})
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 280


async def test_an_answer_that_is_packed_is_not_unpacked(world: Any) -> None:
    async def packed(server: HostileHttp, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        await reply(writer, b"\x1f\x8b", more="content-encoding: gzip\r\n")

    async with HostileHttp(packed).running() as hostile, world.running({"s": {"url": hostile.url}}) as servers:
        with pytest.raises(ToolFailed, match="the answer is packed, which was not asked for"):
            await servers["s"].call_tool("t", {})


async def test_a_connection_that_breaks_during_a_call_is_told_and_made_anew(world: Any) -> None:
    async def breaks(server: HostileHttp, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        if server.calls == 1:
            writer.transport.abort()
        else:
            await fine(server, message, writer)

    async with HostileHttp(breaks).running() as hostile, world.running({"s": {"url": hostile.url}}) as servers:
        with pytest.raises(ToolFailed, match=f"went away during the tool t: cannot reach {hostile.url[:-4]}: "):
            await servers["s"].call_tool("t", {})
        assert (await servers["s"].call_tool("t", {})).content[0].text == "in session 2"


async def test_a_refusal_is_told_with_its_status(world: Any) -> None:
    async def refuse(server: HostileHttp, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        await reply(writer, b"", status="503 Service Unavailable")

    async with HostileHttp(refuse).running() as hostile, world.running({"s": {"url": hostile.url}}) as servers:
        with pytest.raises(ToolFailed, match="HTTP 503 Service Unavailable"):
            await servers["s"].call_tool("t", {})


async def test_a_server_that_is_not_there_and_a_token_that_is_missing_are_told(world: Any) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/mcp"
    tables = {"a": {"url": nowhere}, "b": {"url": nowhere, "bearer_token_env_var": "NO_TOKEN"}}
    async with world.running(tables) as servers:
        with pytest.raises(ToolFailed, match=f"cannot reach {nowhere[:-4]}: "):
            await servers["a"].connected()
        with pytest.raises(ToolFailed, match="the environment variable NO_TOKEN is not set"):
            await servers["b"].connected()


async def test_every_request_carries_the_configured_headers(world: Any) -> None:
    async with HostileHttp(fine).running() as hostile:
        table = {
            "url": hostile.url,
            "bearer_token_env_var": "SECRET_TOKEN",
            "http_headers": {"X-Team": "blue"},
            "env_http_headers": {"X-Lang": "LANG", "X-None": "NOT_SET"},
        }
        async with world.running({"s": table}) as servers:
            await servers["s"].call_tool("t", {})
    assert len(hostile.requests) >= 4
    for _, names, _ in hostile.requests:
        found = {name: names.get(name) for name in ("authorization", "x-team", "x-lang", "x-none", "accept-encoding")}
        assert found == {
            "authorization": "Bearer s3cret",
            "x-team": "blue",
            "x-lang": "C.UTF-8",
            "x-none": None,
            "accept-encoding": "identity",
        }


def test_token_that_is_not_set_stops_the_request(world: Any) -> None:
    config = ServerConfig(name="s", transport="http", url="http://h/", bearer_token_env_var="NOPE")
    with pytest.raises(UserError, match="NOPE is not set"):
        headers(config, world.setup())


async def test_the_session_is_ended_at_the_server_with_the_thread(world: Any) -> None:
    world.environ["TOKEN"] = "t"
    table = {"bearer_token_env_var": "TOKEN"}
    async with HostileHttp(fine).running() as hostile:
        async with world.running({"s": {"url": hostile.url, **table}}) as servers:
            await servers["s"].connected()
        ends = [names for method, names, _ in hostile.requests if method == "DELETE"]
    assert [(names["mcp-session-id"], names["authorization"]) for names in ends] == [("session-1", "Bearer t")]
    assert ends[0]["mcp-protocol-version"] == "2025-06-18"


class Deaf(HostileHttp):
    """Never answers the end of a session."""

    def __init__(self) -> None:
        super().__init__(fine)
        self.released = asyncio.Event()

    async def _answer(
        self, method: str, names: dict[str, str], message: dict[str, Any], writer: asyncio.StreamWriter
    ) -> None:
        if method == "DELETE":
            await self.released.wait()
        else:
            await super()._answer(method, names, message, writer)


async def test_a_server_that_does_not_answer_the_farewell_is_not_waited_for_long(world: Any) -> None:
    async with Deaf().running() as hostile:
        with anyio.fail_after(FAREWELL_S + 8):
            async with world.running({"s": {"url": hostile.url}}) as servers:
                await servers["s"].connected()
        assert [method for method, _, _ in hostile.requests].count("DELETE") == 1
        hostile.released.set()


async def test_a_session_that_the_server_has_forgotten_is_not_ended(world: Any) -> None:
    async with HostileHttp(fine).running() as hostile, world.running({"s": {"url": hostile.url}}) as servers:
        await servers["s"].connected()
        hostile.valid = "forgotten"
        await servers["s"].call_tool("t", {})
        ended = [names["mcp-session-id"] for method, names, _ in hostile.requests if method == "DELETE"]
        assert ended == []


async def test_a_configured_token_counts_before_a_name_in_the_address(world: Any) -> None:
    world.environ["TOKEN"] = "t"
    async with HostileHttp(fine).running() as hostile:
        url = hostile.url.replace("http://", "http://user:word@")
        async with world.running({"s": {"url": url, "bearer_token_env_var": "TOKEN"}}) as servers:
            await servers["s"].connected()
    assert {names["authorization"] for _, names, _ in hostile.requests} == {"Bearer t"}


async def test_an_outage_of_the_login_is_not_a_missing_login(world: Any) -> None:
    world.setup = partial(world.setup, mcp_oauth_credentials_store="file")
    login = Login(server_name="s", server_url="", client_id="c", access_token="a", refresh_token="r", expires_at_ms=1)
    async with HostileHttp(fine).running() as hostile:
        (world.path / "home").mkdir()
        store = LoginStore(str(world.path / "home"), "file")
        store.save(login.replace(server_url=hostile.url, token_endpoint=f"http://127.0.0.1:{free_port()}/token"))
        async with world.running({"s": {"url": hostile.url}}) as servers:
            with pytest.raises(ToolFailed, match="cannot be reached"):
                await servers["s"].connected()
            assert not servers["s"].needs_login
            store.save(login.replace(server_url=hostile.url, refresh_token=""))
            servers["s"].retry()
            with pytest.raises(ToolFailed, match="codex mcp login s"):
                await servers["s"].connected()
            assert servers["s"].needs_login

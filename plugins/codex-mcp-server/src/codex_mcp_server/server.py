"""The MCP server: two tools over the sessions.

It stands on the low-level server of the `mcp` package, not on a protocol of our own: the package speaks both
generations of MCP (the handshake ones, and 2026-07-28, in which a server asks nothing by itself), over pipes and HTTP.
Its import costs half a second, which this command alone pays.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import mcp_types as types
from mcp.server.lowlevel.server import Server  # noqa: TID253 - see serve.py

from codex_plugin_sdk import CodexError, UserError, __version__

from .calls import Client, Follower, failure, take_answers
from .definitions import REPLY, START, TOOLS, read_reply, read_start

if TYPE_CHECKING:
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

    from .sessions import Session, Sessions

    Context = ServerRequestContext[Any, Any]

NAME = "codex-mcp-server"
SESSION_HEADER = "mcp-session-id"


class CodexServer:
    """Handlers of the MCP server. `running` are the turns by (connection, request id), until they end."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._running: dict[tuple[str, types.RequestId], Session] = {}

    def make(self) -> Server[Any]:
        """The server of the `mcp` package."""
        server: Server[Any] = Server(
            NAME,
            title="Codex",
            version=__version__,
            on_list_tools=self._list,
            on_call_tool=self._call,  # type: ignore[arg-type]  # plain data, as the runner takes it
        )
        server.middleware.append(self._watch)
        return server

    async def _list(self, context: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[types.Tool.model_validate(tool, by_name=False) for tool in TOOLS])

    async def _call(self, context: Context, params: types.CallToolRequestParams) -> dict[str, Any]:
        try:
            return await self._answer(context, params)
        except CodexError as error:
            return failure(f"{error.message}\n{error.hint}" if error.hint else error.message)

    async def _answer(self, context: Context, params: types.CallToolRequestParams) -> dict[str, Any]:
        client = Client(context)
        if params.request_state is not None:
            session = self._sessions.back(params.request_state)
            await take_answers(session, (context.params or {}).get("inputResponses"))
        else:
            session = await self._begin(params, client)
        key = (_connection(context), context.request_id or "")
        self._running[key] = session
        try:
            found = await Follower(self._sessions, session, client).follow()
        except anyio.get_cancelled_exc_class():
            self._sessions.when_idle(session, partial(self._running.pop, key, None))
            raise
        except CodexError as error:
            found = failure(error.message, session.id)
        del self._running[key]
        return found

    async def _begin(self, params: types.CallToolRequestParams, client: Client) -> Session:
        if params.name == START:
            start = read_start(params.arguments)
            session = await self._sessions.start(start, can_ask=client.can_ask)
            prompt = start.prompt
        elif params.name == REPLY:
            reply = read_reply(params.arguments)
            session = await self._sessions.resume(reply, can_ask=client.can_ask)
            prompt = reply.prompt
        else:
            raise UserError(f"Unknown tool '{params.name}'")
        await session.begin(prompt)
        return session

    async def _watch(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """A turn that outlives its client's connection still obeys when its request is cancelled."""
        if ctx.method == "notifications/cancelled":
            request_id = (ctx.params or {}).get("requestId")
            session = self._running.get((_connection(ctx), request_id))  # type: ignore[arg-type]
            if session is not None and self._sessions.finish:
                await self._sessions.interrupt(session)
        return await call_next(ctx)


def _connection(context: Context) -> str:
    request = context.request
    return "" if request is None else request.headers.get(SESSION_HEADER, "")

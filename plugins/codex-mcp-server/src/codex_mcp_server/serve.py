"""From the command line to a running server, and its end.

The modules that import `mcp` at their top (calls, http, server, stdio) are imported here alone, when a server begins.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio

from codex_plugin_sdk import UserError

from .sessions import Sessions

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

    from .address import Address


def serve(
    invocation: Invocation,
    address: Address,
    *,
    token_env: str | None = None,
    token_file: str | None = None,
    finish: bool = False,
    answer_timeout_s: float = 1800.0,
) -> None:
    """Serve until the end of input (stdio), SIGTERM or SIGINT. Raises `UserError` for what cannot be served."""
    sessions = Sessions(invocation, finish=finish, answer_timeout_s=answer_timeout_s)

    async def stdio() -> None:
        from .server import CodexServer
        from .stdio import serve_stdio

        await serve_stdio(CodexServer(sessions).make())

    async def http() -> None:
        from .http import read_token, serve_http
        from .server import CodexServer

        token = read_token(invocation.environ, token_env, token_file)
        if token is None and not address.is_loopback:
            raise UserError(
                f"refusing to listen on {address.host} without a token: other machines reach it",
                hint="--token-env VAR or --token-file PATH, or listen on 127.0.0.1",
            )
        await serve_http(CodexServer(sessions).make(), address, token, lambda port: _say(address.url(port)))

    async def main() -> None:
        await _until_told(sessions, stdio if address.kind == "stdio" else http)

    _run(main)


async def _until_told(sessions: Sessions, transport: Callable[[], Awaitable[None]]) -> None:
    """Run the transport until it ends or a signal comes; then turns and threads are ended."""
    async with anyio.create_task_group() as tasks:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as received:

            async def wait() -> None:
                async for _ in received:
                    tasks.cancel_scope.cancel()

            tasks.start_soon(wait)
            async with sessions.running():
                await transport()
            tasks.cancel_scope.cancel()


def _run(main: Callable[[], Awaitable[None]]) -> None:
    """Run to the end; a `UserError` from within a task comes out as itself."""
    try:
        anyio.run(main)
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        if isinstance(error, UserError):
            raise error from None
        raise


def _say(url: str) -> None:
    sys.stderr.write(f"codex mcp-server\n  listening on: {url}\n")
    sys.stderr.flush()

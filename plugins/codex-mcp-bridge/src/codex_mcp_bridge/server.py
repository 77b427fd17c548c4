"""One MCP server of a thread: its start, shared by all who wait for it, its end, its next start, and calls to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import anyio

from codex_plugin_sdk import McpServerStatus, Notice, ToolFailed

from .clock import Timeout, within
from .config import ServerConfig
from .link import Link, cause_of, library, reason_of
from .session import Answers, Handlers, greet, is_closed, list_tools

if TYPE_CHECKING:
    from mcp import ClientSession, types

    from codex_plugin_sdk import ToolSourceSetup

MAX_RESTARTS = 5
"""How often in a row a server that ends again soon is started anew."""
HEALTHY_S = 60.0
"""Who has run this long has not ended soon."""
FIRST_BACKOFF_S = 0.5
REREAD_PAUSE_S = 1.0
_MAX_WARNINGS = 100
_END_GRACE_S = 1.0

ResultT = TypeVar("ResultT")


class Progress(Protocol):
    """Is told how far a call has come."""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        """`progress` grows; `total`, if known, is what it will be in the end."""
        ...


class Start:
    """One attempt to start a server. `error` is "" if it went well, once `done` is set."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        self.done = anyio.Event()
        self.error = ""

    def end(self, error: str = "") -> None:
        """It went well, or did not; the first word counts."""
        if not self.done.is_set():
            self.error = error
            self.done.set()


class Server:
    """One configured server.

    `status` is disabled, notStarted, starting, ready, failed or cancelled; `error` says why it failed. `tools` are all
    that the server has listed, also those that the configuration hides; they stay when it ends and may start again.
    `was_ready` says whether it has ever been there, `needs_login` whether it is not for want of a login.
    `handlers` is asked when a request of the server comes; `changed` is called when `tools` or `status` have changed.
    """

    def __init__(
        self,
        config: ServerConfig,
        setup: ToolSourceSetup,
        *,
        handlers: Callable[[str], Handlers],
        changed: Callable[[], None],
    ) -> None:
        self.name = config.name
        self.config = config
        self.status = "notStarted" if config.enabled else "disabled"
        self.error = ""
        self.tools: tuple[types.Tool, ...] = ()
        self.instructions = ""
        self.info: types.Implementation | None = None
        self.capabilities: types.ServerCapabilities | None = None
        self.needs_login = False
        self.was_ready = False
        self._setup, self._changed = setup, changed
        self._answers = Answers(lambda: handlers(config.name), self._on_stale)
        self._start: Start | None = None
        self._wanted = anyio.Event()
        self._session: ClientSession | None = None
        self._link: Link | None = None
        self._stale = anyio.Event()
        self._early_ends = 0
        self._warned: set[str] = set()
        self._ended = self._stopped = False
        self._scope: anyio.CancelScope | None = None

    # -- life ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Start it whenever that is wanted and hold the connection, until cancelled or `stop`."""
        if self.status == "disabled":
            return
        try:
            with anyio.CancelScope() as self._scope:
                while not self._stopped:
                    await self._wanted.wait()
                    self._wanted = anyio.Event()
                    if self._start is not None:
                        await self._live(self._start)
        finally:
            if self.status in ("starting", "notStarted"):
                self._tell("cancelled", "its start was cancelled")
            self._ended = True
            if self._start is not None:
                self._start.end("the thread has ended")

    def stop(self) -> None:
        """End it for good, also before it runs."""
        self._stopped = True
        if self._scope is not None:
            self._scope.cancel()

    def begin(self, delay_s: float = 0.0) -> Start:
        """Start it, unless a start is under way or it runs; whoever wants to wait waits for `done`."""
        if self._start is None or (self._start.done.is_set() and self._session is None):
            self._start = Start(delay_s)
            self._wanted.set()
        return self._start

    @property
    def started(self) -> Start:
        """The last start, which is begun if there has been none."""
        return self._start or self.begin()

    def retry(self) -> None:
        """Start it again after a failure, as if for the first time."""
        if self.status == "failed":
            self._early_ends = 0
            self.begin()

    async def connected(self) -> None:
        """Wait for the start, which all who wait share; one that has run and ended is started again, later and later
        and not for ever. Raises `ToolFailed` with the reason."""
        if self.status == "disabled":
            raise ToolFailed(f"The MCP server {self.name} is switched off in the configuration.")
        while self._session is None or self._is_ending:
            if self._ended:
                raise ToolFailed(f"The MCP server {self.name} has been stopped.")
            start = self.started
            if start.done.is_set() and self._link is not None:
                await self._link.put_away.wait()  # how it ended decides when it is started again
                continue
            if start.done.is_set() and self.was_ready:
                start = self._start_again()
            await start.done.wait()
            if start.error:
                raise ToolFailed(f"The MCP server {self.name} is not there: {start.error}")

    @property
    def _is_ending(self) -> bool:
        return self._link is not None and self._link.closed.is_set()

    def _start_again(self) -> Start:
        if self._early_ends > MAX_RESTARTS:
            raise ToolFailed(
                f"The MCP server {self.name} ended {self._early_ends} times soon after its start and is not started "
                f"again: {self.error}"
            )
        return self.begin(FIRST_BACKOFF_S * 2 ** (self._early_ends - 2) if self._early_ends > 1 else 0.0)

    async def _live(self, start: Start) -> None:
        """One connection, from its start to its end."""
        if start.delay_s:
            await anyio.sleep(start.delay_s)
        self._tell("starting")
        began = anyio.current_time()
        forgotten = self.needs_login = False
        try:
            async with self._open() as link:
                self._link, link.chatter.flooded = link, self._on_flood
                error = await self._talk(link, start)
            forgotten = link.expired
        except Exception as problem:  # noqa: BLE001 - whatever a server does to us is its own failure
            error = self._reason(problem)
        finally:
            self._put_away()
        if not forgotten:  # that it forgot us does not mean that it is ill
            self._early_ends = 1 if anyio.current_time() - began > HEALTHY_S else self._early_ends + 1
        self._tell("failed", error)
        start.end(error)

    def _reason(self, problem: Exception) -> str:
        from .oauth import LoginNeeded

        self.needs_login = isinstance(cause_of(problem), LoginNeeded)  # others pass, as an outage does
        if self._link is None:
            return reason_of(problem)
        self._link.close(reason_of(problem))
        return self._link.reason()

    def _put_away(self) -> None:
        link, self._link, self._session = self._link, None, None
        if link is not None:
            link.close()
            link.put_away.set()

    async def _talk(self, link: Link, start: Start) -> str:
        """Hold a session until it ends; why it ended. The start ends with the handshake."""
        async with self._answers.session(await library(), link) as session:
            if await self._handshake(session, link):
                self._session, self.was_ready = session, True
                self._tell("ready")
                start.end()
                await self._until_closed(session, link)
            self._session = None
        return link.reason()

    async def _until_closed(self, session: ClientSession, link: Link) -> None:
        """Wait for the end, and read the list of tools again whenever it has changed."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._reread, session, link)
            await link.closed.wait()
            tasks.cancel_scope.cancel()

    async def _reread(self, session: ClientSession, link: Link) -> None:
        while True:
            await self._stale.wait()
            self._stale = anyio.Event()
            try:
                with anyio.fail_after(self.config.tool_timeout_s):
                    await self._read_tools(session, link)
            except Exception as problem:  # noqa: BLE001 - the old list stays; the server may do better next time
                link.tail.add(f"its tools could not be read again: {reason_of(problem)}".encode())
            else:
                self._changed()
            await anyio.sleep(REREAD_PAUSE_S)  # whoever says it a thousand times is asked once

    def _on_flood(self) -> None:
        self._warn(
            f"the MCP server {self.name} sends a flood of notifications (logs, progress): those that nobody needs are "
            "passed over"
        )

    def _on_stale(self) -> None:
        self._stale.set()

    def _tell(self, status: str, error: str = "") -> None:
        self.status, self.error = status, error
        self._setup.tell(McpServerStatus(server=self.name, status=status, error=error))
        self._changed()

    # -- connection ------------------------------------------------------------------------------------

    def _open(self) -> AbstractAsyncContextManager[Link]:
        if self.config.transport == "stdio":
            from .stdio import stdio_link

            return stdio_link(self.config, self._setup)
        if self.config.transport == "http":
            from .http import http_link

            return http_link(self.config, self._setup)
        from .inprocess import inprocess_link

        return inprocess_link(self._setup.servers[self.name])

    async def _handshake(self, session: ClientSession, link: Link) -> bool:
        """Greet and list the tools; the link knows what went wrong."""
        try:
            with anyio.fail_after(self.config.startup_timeout_s):
                await greet(session)
                self.instructions = session.instructions or ""
                self.info, self.capabilities = session.server_info, session.server_capabilities
                await self._read_tools(session, link)
        except TimeoutError:
            link.close(f"it did not get ready within {self.config.startup_timeout_s:g} s")
        except Exception as problem:  # noqa: BLE001 - it may answer anything
            if is_closed(problem):
                with anyio.move_on_after(_END_GRACE_S):
                    await link.closed.wait()  # then more is known
            note = f" ({link.note})" if link.note else ""
            link.close(f"the handshake failed: {reason_of(problem)}{note}")
        return not link.closed.is_set()

    async def _read_tools(self, session: ClientSession, link: Link) -> None:
        self.tools, all_of_them = await list_tools(session, link.mending)
        if not all_of_them:
            self._warn(
                f"the MCP server {self.name} has more tools than are taken: only its first {len(self.tools)} are there"
            )
        if left_out := link.mending.taken_out():
            self._warn(f"tools of the MCP server {self.name} are left out, they are not well defined: {left_out}")

    def _warn(self, text: str) -> None:
        if text not in self._warned and len(self._warned) < _MAX_WARNINGS:
            self._warned.add(text)
            self._setup.tell(Notice(level="warning", message=text, source="mcp"))

    # -- calls -----------------------------------------------------------------------------------------

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        timeout_s: Timeout | None = None,
        progress: Progress | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> types.CallToolResult:
        """Call a tool; a result that says `isError` is a result.

        `timeout_s` (None: that of the configuration) is a number of seconds, or is asked how many are left, None
        while the clock stands still; it is asked again when they are over. A caller that is cancelled sends
        `notifications/cancelled`. Raises `ToolFailed` for everything else that keeps the result from coming.
        """
        from mcp import types

        params = types.CallToolRequestParams(
            name=name, arguments=dict(arguments), _meta=cast("Any", None if meta is None else dict(meta))
        )
        request = types.CallToolRequest(params=params)
        return await self._use(
            f"the tool {name}",
            lambda session: session.send_request(request, types.CallToolResult, progress_callback=progress),
            timeout_s,
        )

    async def list_resources(self, cursor: str | None = None) -> types.ListResourcesResult:
        """One page of resources. Raises `ToolFailed`, as the following do."""
        return await self._use("resources/list", lambda session: session.list_resources(params=_page(cursor)))

    async def list_resource_templates(self, cursor: str | None = None) -> types.ListResourceTemplatesResult:
        """One page of templates of resources."""
        return await self._use(
            "resources/templates/list", lambda session: session.list_resource_templates(params=_page(cursor))
        )

    async def read_resource(self, uri: str) -> types.ReadResourceResult:
        """The contents of a resource."""
        return await self._use("resources/read", lambda session: session.read_resource(uri))

    async def list_prompts(self, cursor: str | None = None) -> types.ListPromptsResult:
        """One page of prompts."""
        return await self._use("prompts/list", lambda session: session.list_prompts(params=_page(cursor)))

    async def get_prompt(self, name: str, arguments: Mapping[str, str]) -> types.GetPromptResult:
        """A prompt, filled in."""
        return await self._use("prompts/get", lambda session: session.get_prompt(name, dict(arguments)))

    async def _use(
        self,
        what: str,
        ask: Callable[[ClientSession], Awaitable[ResultT]],
        timeout_s: Timeout | None = None,
    ) -> ResultT:
        """Ask, once more if the server has forgotten the session."""
        allowed = self.config.tool_timeout_s if timeout_s is None else timeout_s
        try:
            return await self._ask(what, ask, allowed)
        except _SessionForgotten:
            return await self._ask(what, ask, allowed, again=True)

    async def _ask(
        self, what: str, ask: Callable[[ClientSession], Awaitable[ResultT]], allowed: Timeout, *, again: bool = False
    ) -> ResultT:
        await self.connected()
        session, link = self._session, self._link
        assert session is not None
        assert link is not None
        try:
            return await within(allowed, lambda: ask(session), f"{what} of the MCP server {self.name}")
        except ToolFailed:
            raise
        except Exception as problem:
            if link.expired and not again and not is_closed(problem):
                link.close("it does not know the session any more")
                await link.put_away.wait()
                raise _SessionForgotten from problem
            raise await self._failure(what, problem, link) from problem

    async def _failure(self, what: str, problem: Exception, link: Link) -> ToolFailed:
        from pydantic import ValidationError

        if is_closed(problem):
            with anyio.move_on_after(_END_GRACE_S):
                await link.closed.wait()
            return ToolFailed(f"The MCP server {self.name} went away during {what}: {link.reason()}")
        if isinstance(problem, ValidationError):
            return ToolFailed(f"The MCP server {self.name} answered {what} with something that is no result of it.")
        note = f" ({link.note})" if link.note else ""
        return ToolFailed(f"The MCP server {self.name} refused {what}: {reason_of(problem)}{note}")


class _SessionForgotten(Exception):
    """The server does not know the session any more: a new one may do."""


def _page(cursor: str | None) -> types.PaginatedRequestParams | None:
    from mcp.types import PaginatedRequestParams

    return PaginatedRequestParams(cursor=cursor) if cursor is not None else None

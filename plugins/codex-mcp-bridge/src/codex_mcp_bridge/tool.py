"""A tool of a server, as the model's tool."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import anyio

from codex_plugin_sdk import ItemStatus, McpToolCallItem, PolicyDenied, ToolDefinition, ToolFailed, Value, value

from .approval import McpIntent, approval_arguments, asks_nobody, authorize, must_ask
from .drift import ApprovedTools, Definition, definition_of
from .results import Rendered, Rendering
from .running import CallClock, RunningCall, RunningCalls
from .safe_text import shown, shown_data
from .schemas import ArgumentCheck, Simplified

if TYPE_CHECKING:
    from collections.abc import Callable

    import mcp.types

    from codex_plugin_sdk import ToolCall, ToolContext, ToolOutput

    from .names import Origin
    from .server import Server

MAX_DESCRIPTION_CHARS = 2_000
MAX_PROGRESS_CHARS = 500
MAX_PROGRESS_EVENTS = 500
LARGE_CHARS = 200_000


@value
class CallServices(Value):
    """What the tools of a thread share. `warn` tells the user something."""

    rendering: Rendering
    approved: ApprovedTools
    warn: Callable[[str], None]


class McpTool:
    """One tool of one server. Implements the kernel's `Tool`; `origin` is what calls are routed by, `nodes` how
    many parts its schema has."""

    def __init__(
        self,
        server: Server,
        tool: mcp.types.Tool,
        origin: Origin,
        name: str,
        schema: Simplified,
        *,
        services: CallServices,
        running: RunningCalls,
        used: Callable[[Origin], None],
        preface: str = "",
    ) -> None:
        self._server, self._tool, self.origin = server, tool, origin
        self._services, self._running, self._used = services, running, used
        self._check = ArgumentCheck(schema.checked)
        self.nodes = schema.nodes
        self._drift: Definition | None = None
        description = shown(tool.description or tool.title or "", MAX_DESCRIPTION_CHARS)
        self._definition = ToolDefinition(
            name=name, description=f"{description}\n\n{preface}".strip(), parameters=schema.model
        )

    @property
    def definition(self) -> ToolDefinition:
        """How the model sees it: the server's words, escaped and bounded."""
        return self._definition

    @property
    def parallel_safe(self) -> bool:
        """Whether the user said so of the server, or the server of the tool that it only reads."""
        hints = self._tool.annotations
        return self._server.config.supports_parallel_tool_calls or bool(hints and hints.read_only_hint)

    async def aclose(self) -> None:
        """The server is not ours to close."""

    async def run(self, call: ToolCall, ctx: ToolContext) -> ToolOutput:
        """Check the arguments, ask for consent, let the server do it, and show all that."""
        began = time.monotonic()
        self._used(self.origin)
        item = McpToolCallItem(
            id=call.call_id,
            server=self.origin.server,
            tool=shown(self.origin.tool, 200, lines=False),
            arguments=shown_data(call.arguments),
            status=ItemStatus.IN_PROGRESS,
        )
        await ctx.item_started(item)
        status, result = ItemStatus.FAILED, None
        error: str | None = "interrupted"
        try:
            if problem := self._check.problem(call.arguments):
                raise ToolFailed(f"invalid arguments: {problem}")
            await self._authorize(call, ctx)
            raw = await self._ask_server(call, ctx)
            rendered = await self._render(raw, time.monotonic() - began)
            error, result = None, rendered.item
            status = ItemStatus.FAILED if raw.is_error else ItemStatus.COMPLETED
            return rendered.output
        except PolicyDenied as denied:
            status, error = ItemStatus.DECLINED, denied.message
            raise
        except ToolFailed as failed:
            error = shown(failed.message, 4_000)
            raise
        except Exception as failed:
            error = shown(f"{type(failed).__name__}: {failed}", 4_000)
            raise ToolFailed(f"{self.origin.server}: {error}") from failed
        finally:
            ended = item.replace(
                status=status, error=error, result=result, duration_ms=int((time.monotonic() - began) * 1000)
            )
            with anyio.CancelScope(shield=True):
                await ctx.item_completed(ended)

    async def _authorize(self, call: ToolCall, ctx: ToolContext) -> None:
        """Raises `PolicyDenied`. A tool that was let through is remembered as it is."""
        mode = self._server.config.approval_mode(self.origin.tool)
        now = self._drift = self._drift or definition_of(self._tool)
        record, server, tool = self._services.approved, self.origin.server, self.origin.tool
        settled = record.settled(server, tool, now)
        changed = "" if settled else await anyio.to_thread.run_sync(record.changed, server, tool, now)
        hints = self._tool.annotations
        about = shown(f"{server}: {self._tool.title or tool}", 300, lines=False)
        intent = McpIntent(
            # A consent for the session is kept by this name, so it does not outlive a change of the tool.
            tool=f"{self._definition.name} (changed: {now.digest[:8]})" if changed else self._definition.name,
            arguments=approval_arguments(call.arguments),
            summary=about,
            # Where the user trusts the tool for good, nothing is left to be asked by the approval policy either.
            read_only=not changed and (mode == "approve" or bool(hints and hints.read_only_hint)),
            must_ask=changed or must_ask(mode, hints),  # the reason stands in the question, so the difference does
        )
        await authorize(ctx, intent)
        if changed and asks_nobody(ctx.approval_policy, ctx.sandbox_policy.mode):
            self._services.warn(f"{about}: {changed}")
        if settled:
            return
        try:
            await anyio.to_thread.run_sync(record.approve, server, tool, now)
        except OSError as error:
            self._services.warn(f"that {about} was approved could not be recorded: {error}")

    async def _ask_server(self, call: ToolCall, ctx: ToolContext) -> mcp.types.CallToolResult:
        await self._server.connected()
        config = self._server.config
        clock = CallClock(config.tool_timeout_s)
        running = RunningCall(ctx, self.origin.tool, config.approval_mode(self.origin.tool), clock)
        with self._running.entered(running):
            return await self._server.call_tool(
                self.origin.tool,
                dict(call.arguments),
                timeout_s=clock.remaining,
                progress=_Progress(ctx, call.call_id),
            )

    async def _render(self, raw: mcp.types.CallToolResult, wall_time_s: float) -> Rendered:
        work = partial(self._services.rendering.result, raw, wall_time_s)
        small = all(block.type == "text" and len(block.text) < LARGE_CHARS for block in raw.content[:100])
        if small and len(raw.content) <= 100 and raw.structured_content is None:
            return work()
        return await anyio.to_thread.run_sync(work)


def _figure(number: float) -> str:
    """A number, short. A whole one may be larger than any float is, which must not end the session."""
    return f"{number:g}" if abs(number) < 1e300 else "?"


class _Progress:
    """Shows what a server tells of its progress, one line each; a flood is cut off."""

    def __init__(self, ctx: ToolContext, item_id: str) -> None:
        self._ctx, self._item_id = ctx, item_id
        self._left = MAX_PROGRESS_EVENTS

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        """One notification."""
        if self._left <= 0:
            return
        self._left -= 1
        share = f"{_figure(progress)}/{_figure(total)}" if total else _figure(progress)
        text = f"{share} {shown(message, MAX_PROGRESS_CHARS, lines=False)}" if message else share
        await self._ctx.output_delta(self._item_id, f"{text}\n".encode("utf-8", "replace"))

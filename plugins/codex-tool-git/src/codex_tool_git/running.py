"""Running the plan, with items and an answer like those of any shell command."""

from __future__ import annotations

import os
import time

import anyio

from codex_plugin_sdk import CommandExecutionItem, ItemStatus, PolicyDenied, Process, ToolContext, ToolOutput

from .plan import Plan

NEVER_RAN = -1
_BYTES_PER_TOKEN = 4
_KEPT_BYTES = 1024 * 1024


class Transcript:
    """Output in bounded memory: its first and its last part."""

    def __init__(self, kept_bytes: int = _KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._head = bytearray()
        self._tail = bytearray()
        self.total_bytes = 0

    def append(self, chunk: bytes) -> None:
        """More output."""
        self.total_bytes += len(chunk)
        room = max(0, self._kept_bytes - len(self._head))
        self._head += chunk[:room]
        self._tail += chunk[room:]
        if len(self._tail) > 2 * self._kept_bytes:
            del self._tail[: -self._kept_bytes]

    def text(self, budget_bytes: int) -> str:
        """All of it, or both ends with a word on how much is left out."""
        kept = self._head + self._tail
        if self.total_bytes <= min(budget_bytes, len(kept)):
            return kept.decode("utf-8", "replace")
        half = min(budget_bytes, self._kept_bytes) // 2
        removed = tokens(self.total_bytes - 2 * half)
        first, last = kept[:half].decode("utf-8", "ignore"), kept[len(kept) - half :].decode("utf-8", "ignore")
        return f"{first}…{removed} tokens truncated…{last}"


def tokens(size_bytes: int) -> int:
    """Tokens of so many bytes, estimated as Codex does."""
    return -(-size_bytes // _BYTES_PER_TOKEN)


async def run_plan(plan: Plan, item: CommandExecutionItem, ctx: ToolContext, max_tokens: int) -> ToolOutput:
    """Run it to its end. Raises what `ctx.exec` raises; the item is complete in any case."""
    await ctx.item_started(item)
    began_s = time.monotonic()
    try:
        process = await ctx.exec(plan.request, plan.intent)
    except BaseException as error:
        status = ItemStatus.DECLINED if isinstance(error, PolicyDenied) else ItemStatus.FAILED
        why = str(error) if isinstance(error, Exception) else "interrupted before it ran"
        await _complete(ctx, item.replace(status=status, exit_code=NEVER_RAN, aggregated_output=why))
        raise
    seen = Transcript()
    started_s = time.monotonic()
    try:
        await _follow(process, seen, item.id, ctx)
        code = await process.wait()
    except BaseException:
        with anyio.CancelScope(shield=True):
            await process.kill_tree()
        await _complete(ctx, _ended(item, seen, process.returncode or NEVER_RAN, began_s))
        raise
    await _complete(ctx, _ended(item, seen, code, started_s))
    return _answer(seen, code, time.monotonic() - started_s, max_tokens)


async def _follow(process: Process, seen: Transcript, item_id: str, ctx: ToolContext) -> None:
    while chunk := await process.read():
        if seen.total_bytes < _KEPT_BYTES:
            await ctx.output_delta(item_id, chunk)
        seen.append(chunk)


def _ended(item: CommandExecutionItem, seen: Transcript, code: int, began_s: float) -> CommandExecutionItem:
    return item.replace(
        status=ItemStatus.FAILED if code else ItemStatus.COMPLETED,
        aggregated_output=seen.text(_KEPT_BYTES),
        exit_code=code,
        duration_ms=int((time.monotonic() - began_s) * 1000),
    )


async def _complete(ctx: ToolContext, item: CommandExecutionItem) -> None:
    with anyio.CancelScope(shield=True):
        await ctx.item_completed(item)


def _answer(seen: Transcript, code: int, took_s: float, max_tokens: int) -> ToolOutput:
    lines = (
        f"Chunk ID: {os.urandom(3).hex()}",
        f"Wall time: {took_s:.4f} seconds",
        f"Process exited with code {code}",
        f"Original token count: {tokens(seen.total_bytes)}",
        "Output:",
        seen.text(max_tokens * _BYTES_PER_TOKEN),
    )
    return ToolOutput(output="\n".join(lines), success=not code)

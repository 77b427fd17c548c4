"""One running command, and what is known of it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

import anyio

from codex_plugin_sdk import (
    ApprovalPolicy,
    CommandExecutionItem,
    Denial,
    ItemStatus,
    Process,
    SandboxPolicy,
    ToolContext,
    ToolOutput,
)

from .output import OutputBuffer, SpillFile

READ_BYTES = 65536
SHOWN_BYTES = 1024 * 1024
"""Output beyond this is not sent to whoever watches the command: the model's copy is far smaller, and a command
that prints gigabytes must not drown a client."""


class Session:
    """A command from its start to the moment the model has read its end.

    A task reads the output as it comes, also between calls: a server must not block on a full pipe while the
    model thinks. The same task completes the item when the command ends, through the context of the call that
    started it, even if that call returned long ago: whoever watches learns of the end when it happens and not
    when the model next asks.
    """

    def __init__(
        self,
        session_id: int,
        process: Process,
        item: CommandExecutionItem,
        ctx: ToolContext,
        *,
        tty: bool,
        keep_bytes: int,
        open_spill: Callable[[], SpillFile],
        confinement: SandboxPolicy | None = None,
    ) -> None:
        """`confinement` is the policy that the sandbox enforces on the command; None where it enforces none."""
        self.id = session_id
        self.process = process
        self.tty = tty
        self.display = item.command[-1]
        self.last_used_s = time.monotonic()
        self.calls = 0
        """Calls at work on it now."""
        self.turn = anyio.Lock()
        """Calls take turns, in the order in which the model made them."""
        self.ended = anyio.Event()
        self.failure: Exception | None = None
        self.denial: Denial | None = None
        """What the sandbox kept it from, as far as its output tells; known once it has ended."""
        self._confinement = confinement
        self._item = item
        self._ctx = ctx
        self._began_s = time.monotonic()
        self._fresh = OutputBuffer(keep_bytes, open_spill)
        self._whole = OutputBuffer(keep_bytes)
        self._unshown_bytes = SHOWN_BYTES
        self._keep_bytes = keep_bytes
        # Not in a task group: no scope of the call that starts it may cancel it.
        self._task = asyncio.get_running_loop().create_task(self._follow(), name=f"session-{session_id}")

    # -- following -------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        try:
            while chunk := await self.process.read(READ_BYTES):
                self._fresh.append(chunk)
                self._whole.append(chunk)
                if self._unshown_bytes > 0:
                    await self._ctx.output_delta(self._item.id, chunk[: self._unshown_bytes])
                    self._unshown_bytes -= len(chunk)
            code = await self.process.wait()
            await self._ctx.item_completed(self._completed(code))
        except Exception as error:  # noqa: BLE001 - raised in the next call, or when the thread ends
            self.failure = error
            await self.process.kill_tree()
        finally:
            self.ended.set()

    def _completed(self, code: int) -> CommandExecutionItem:
        output = self._whole.take(self._keep_bytes, final=True).text
        if code and self._confinement is not None:
            from codex_plugin_sdk import explain_denial  # most commands succeed

            self.denial = explain_denial(output, self._confinement, self._item.cwd, os.environ.get("TMPDIR"))
        return self._item.replace(
            status=ItemStatus.FAILED if code else ItemStatus.COMPLETED,
            aggregated_output=output,
            exit_code=code,
            duration_ms=int((time.monotonic() - self._began_s) * 1000),
        )

    # -- for calls -------------------------------------------------------------------------------------

    async def tell_input(self, chars: str, ctx: ToolContext) -> None:
        """Show what a call types, before it does; nothing once the command has ended and its item with it."""
        if not self.ended.is_set():
            await ctx.item_updated(self._item.replace(stdin=chars))

    async def report(self, wait_s: float, budget_bytes: int, notice: str = "") -> ToolOutput:
        """Wait for the end, at most `wait_s`, and tell what came since the last report.

        Raises what kept the session from being followed.
        """
        began_s = time.monotonic()
        with anyio.move_on_after(wait_s):
            await self.ended.wait()
        self.last_used_s = time.monotonic()
        if self.failure is not None:
            raise self.failure
        excerpt = self._fresh.take(budget_bytes, final=self.ended.is_set())
        code = self.process.returncode if self.ended.is_set() else None
        lines = [
            f"Chunk ID: {os.urandom(3).hex()}",
            f"Wall time: {self.last_used_s - began_s:.4f} seconds",
            f"Process running with session ID {self.id}" if code is None else f"Process exited with code {code}",
            f"Original token count: {excerpt.tokens}",
            *([f"Notice: {notice}"] if notice else []),
            *(f"Notice: {told}" for told in self._told(code)),
            "Output:",
            excerpt.text,
        ]
        return ToolOutput(output="\n".join(lines), success=not code, goes_on=code is None)

    def _told(self, code: int | None) -> list[str]:
        """What the sandbox has to say once the command has ended."""
        if code is None:
            return []
        asking = self._ctx.approval_policy is not ApprovalPolicy.NEVER
        denial = [self.denial.in_words(asking=asking)] if code and self.denial is not None else []
        return [*denial, *getattr(self.process, "notices", ())]

    # -- ending ----------------------------------------------------------------------------------------

    async def interrupt(self) -> None:
        """End the command and all that it started; its item is complete when this returns."""
        with anyio.CancelScope(shield=True):
            await self.process.kill_tree()
            await self.ended.wait()
            self._fresh.close()

    async def discard(self) -> None:
        """The thread ends: end the command without telling anybody, as nobody listens any more. Raises what
        kept the session from being followed."""
        with anyio.CancelScope(shield=True):
            self._task.cancel()
            await asyncio.wait([self._task])
            await self.process.kill_tree()
            self._fresh.close()
        if self.failure is not None:
            raise self.failure

"""The tool `write_stdin`."""

from __future__ import annotations

import signal
import time
from contextlib import suppress

import anyio

from codex_plugin_sdk import ToolCall, ToolContext, ToolDefinition, ToolFailed, ToolOutput

from .arguments import WriteArguments, parse_write
from .definitions import WRITE_STDIN
from .session import Session
from .sessions import Sessions

INTERRUPT = "\x03"


class WriteStdinTool:
    """Talks to sessions. Made once per thread; interrupting a call leaves the session running."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @property
    def definition(self) -> ToolDefinition:
        """How the model sees it."""
        return WRITE_STDIN

    @property
    def parallel_safe(self) -> bool:
        """Yes: calls for one session take turns, in the order of the calls."""
        return True

    async def run(self, call: ToolCall, ctx: ToolContext) -> ToolOutput:
        """Write, wait, and tell the output."""
        arguments = parse_write(call.arguments)
        session = self._sessions.get(arguments.session_id)
        session.calls += 1
        try:
            async with session.turn:
                self._sessions.get(arguments.session_id)  # an earlier call may have reported its end
                return await self._talk(session, arguments, ctx)
        finally:
            session.calls -= 1

    async def _talk(self, session: Session, arguments: WriteArguments, ctx: ToolContext) -> ToolOutput:
        limits = self._sessions.limits
        wait_s = (limits.write_wait_s if arguments.chars else limits.poll_wait_s)(arguments.yield_time_ms)
        _check_input(session, arguments.chars)
        await session.tell_input(arguments.chars, ctx)
        began_s = time.monotonic()
        notice = await _type(session, arguments.chars, wait_s)
        left_s = wait_s - (time.monotonic() - began_s)
        try:
            output = await session.report(left_s, limits.budget_bytes(arguments.max_output_tokens), notice)
        except Exception:
            self._sessions.forget(session)  # it could not be followed, and has been ended
            raise
        if session.ended.is_set():
            self._sessions.forget(session)
        return output

    async def aclose(self) -> None:
        """End all sessions of the thread."""
        await self._sessions.aclose()


def _check_input(session: Session, chars: str) -> None:
    """Raise `ToolFailed` for characters that the session cannot take."""
    if chars not in ("", INTERRUPT) and not session.tty:
        raise ToolFailed(
            "write_stdin failed: this session has no stdin; start the command with tty = true to type into it"
        )


async def _type(session: Session, chars: str, wait_s: float) -> str:
    """Send the characters; returns what the model should know about it."""
    if not chars:
        return ""
    if not session.tty:
        session.process.signal(signal.SIGINT)
        return ""
    with suppress(BrokenPipeError):  # it has ended: the report says so
        with anyio.move_on_after(wait_s) as scope:
            await session.process.write(chars.encode("utf-8", "replace"))
        if scope.cancelled_caught:
            return "the program did not take all of the characters; the rest of them was dropped"
    return ""

"""Time-outs that can stand still, as that of a tool call does while the user is asked something."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from codex_plugin_sdk import ToolFailed

CHECK_S = 0.1
"""How soon it is seen that a clock goes on."""

Timeout = Callable[[], "float | None"] | float
"""Seconds, or who is asked how many are left: None while the clock stands still; asked again when they are over."""
ResultT = TypeVar("ResultT")


async def within(timeout_s: Timeout, ask: Callable[[], Awaitable[ResultT]], what: str) -> ResultT:
    """Ask, for as long as the clock says. Raises `ToolFailed` when the time is up."""
    if not callable(timeout_s):
        with anyio.move_on_after(timeout_s):
            return await ask()
        raise ToolFailed(f"Time is up: {what} took longer than {timeout_s:g} s.")
    answer: list[ResultT] = []
    problems: list[Exception] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_run, timeout_s, tasks.cancel_scope)
        try:
            answer.append(await ask())
        except Exception as problem:  # noqa: BLE001 - raised again below, outside the group that would wrap it
            problems.append(problem)
        tasks.cancel_scope.cancel()
    if problems:
        raise problems[0]
    if not answer:
        raise ToolFailed(f"Time is up: {what} took too long.")
    return answer[0]


async def _run(left: Callable[[], float | None], scope: anyio.CancelScope) -> None:
    while (seconds := left()) is None or seconds > 0:  # noqa: ASYNC110 - nobody tells when the clock goes on
        await anyio.sleep(CHECK_S if seconds is None else seconds)
    scope.cancel()

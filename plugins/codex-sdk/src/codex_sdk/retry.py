"""Try again when the server is busy."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import anyio

from .errors import RetryLimitExceededError, ServerBusyError, is_retryable_error

T = TypeVar("T")


def _delays(max_attempts: int, initial_delay_s: float, max_delay_s: float, jitter_ratio: float) -> Iterator[float]:
    """What to wait between attempts: doubled each time, up to the longest, and spread so that clients disperse."""
    if max_attempts < 1:
        raise ValueError(f"max_attempts must be at least 1, not {max_attempts}")
    middles = (min(initial_delay_s * 2.0**attempt, max_delay_s) for attempt in range(max_attempts - 1))
    return (delay * (1 + jitter_ratio * random.uniform(-1, 1)) for delay in middles)


def _wait_s(error: ServerBusyError, delays: Iterator[float], jitter_ratio: float) -> float:
    """How long to wait now. Raises `RetryLimitExceededError` when no attempt is left."""
    if not is_retryable_error(error):
        raise error
    delay = next(delays, None)
    if delay is None:
        text = f"still refused at the last attempt: {error.message}"
        raise RetryLimitExceededError(error.code, text, error.data, method=error.method) from error
    asked = error.retry_after_s
    # Never sooner than the server asks, and not all clients at the same moment.
    return delay if asked is None else asked * (1 + jitter_ratio * random.random())


def retry_on_overload(
    op: Callable[[], T],
    *,
    max_attempts: int = 3,
    initial_delay_s: float = 0.25,
    max_delay_s: float = 2.0,
    jitter_ratio: float = 0.2,
) -> T:
    """Call `op` until it is not refused as overload; `retry_on_overload(lambda: thread.run("…"))`. Where the server
    says when to come back, that is kept to. Raises `RetryLimitExceededError`, and at once whatever else `op` raises."""
    delays = _delays(max_attempts, initial_delay_s, max_delay_s, jitter_ratio)
    while True:
        try:
            return op()
        except ServerBusyError as error:
            time.sleep(_wait_s(error, delays, jitter_ratio))


async def async_retry_on_overload(
    op: Callable[[], Awaitable[T]],
    *,
    max_attempts: int = 3,
    initial_delay_s: float = 0.25,
    max_delay_s: float = 2.0,
    jitter_ratio: float = 0.2,
) -> T:
    """`retry_on_overload` for async functions."""
    delays = _delays(max_attempts, initial_delay_s, max_delay_s, jitter_ratio)
    while True:
        try:
            return await op()
        except ServerBusyError as error:
            await anyio.sleep(_wait_s(error, delays, jitter_ratio))

"""Calls into plugin code that may hang: made on a daemon thread and given up after a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

R = TypeVar("R")


class HookTimeout(Exception):
    """The call did not return in time; its thread was left behind."""


class _Job(Generic[R]):
    def __init__(self, function: Callable[[], R]) -> None:
        self.function = function
        self.done = threading.Event()
        self.result: R
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.function()
        except BaseException as error:  # noqa: BLE001 - SystemExit of a plugin must not end us
            self.error = error
        self.done.set()


class BoundedCaller:
    """Runs functions one after another on a thread of its own, replaced when a call hangs.

    A hung thread cannot be killed; as a daemon it does not keep the process from ending.
    """

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._wake = threading.Semaphore(0)
        self._job: _Job[Any] | None = None
        self._worker: threading.Thread | None = None

    def call(self, function: Callable[[], R], timeout_s: float) -> R:
        """The function's result; raises what it raises, or `HookTimeout`. May be called from several threads."""
        job: _Job[R] = _Job(function)
        with self._one_at_a_time:
            return self._run(job, timeout_s)

    def _run(self, job: _Job[R], timeout_s: float) -> R:
        self._job = job
        if self._worker is None:
            self._worker = threading.Thread(target=self._serve, args=(self._wake,), daemon=True, name="codex-hooks")
            self._worker.start()
        self._wake.release()
        if not job.done.wait(timeout_s):
            self._worker, self._wake = None, threading.Semaphore(0)
            raise HookTimeout(f"did not return within {timeout_s:g} s")
        if job.error is not None:
            raise job.error
        return job.result

    def _serve(self, wake: threading.Semaphore) -> None:
        while True:
            wake.acquire()
            job = self._job
            if job is None:
                return
            job.run()
            if self._wake is not wake:
                return  # given up while it ran

    def close(self) -> None:
        """End the thread if it is idle."""
        if self._worker is not None:
            self._job = None
            self._wake.release()
            self._worker = None

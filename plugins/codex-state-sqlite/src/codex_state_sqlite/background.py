"""Brings the index up to date while a model is waited for: never before the first request has left, in short steps, by
one process of a home at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

from codex_plugin_sdk import TurnGuard

if TYPE_CHECKING:
    from codex_plugin_sdk import EventMsg, ModelRequest, TurnId
    from codex_plugin_sdk.state import Claimed

    from .store import SqliteState

JOB = ("state", "index")
CHECK = ("state", "check")
QUIET_S = 1.0
"""A turn that is done sooner pays nothing."""
STEP_S, REST_S = 0.02, 0.05
LEASE_S = 30.0
AGAIN_S, CHECK_AGAIN_S = 20.0, 24 * 60 * 60.0


class IndexGuard(TurnGuard):
    """Starts a thread of its own with the first request, which ends when the thread of the agent does."""

    def __init__(self, codex_home: str, tell: Callable[[EventMsg], None]) -> None:
        self._home, self._tell = codex_home, tell
        self._stop = threading.Event()
        self._worker: threading.Thread | None = None
        self._notices: list[str] = []

    def request_begins(self, request: ModelRequest) -> None:
        """Begin, unless it is done already or still under way."""
        if self._worker is None or not self._worker.is_alive():
            self._worker = threading.Thread(target=self._work, name="state-index", daemon=True)
            self._worker.start()

    async def turn_ends(self, turn_id: TurnId, state: str) -> None:
        """Tell what came up meanwhile."""
        from codex_plugin_sdk import Notice

        notices, self._notices = self._notices, []
        for text in notices:
            self._tell(Notice(level="warning", message=text))

    async def aclose(self) -> None:
        """End within a step."""
        self._stop.set()
        if self._worker is None:
            return
        self._worker.join(STEP_S)  # one that only waits is gone at once
        if self._worker.is_alive():
            import anyio.to_thread

            await anyio.to_thread.run_sync(self._worker.join)

    def _work(self) -> None:
        if self._stop.wait(QUIET_S):
            return
        from codex_plugin_sdk import StoreError

        from .store import SqliteState

        state = SqliteState(self._home)
        try:
            keep_index(state, self._stop)
        except StoreError:
            pass  # a home that cannot be written: who searches it is told, and a turn has nothing to do with it
        finally:
            state.close()
            self._notices += state.notices()


def keep_index(state: SqliteState, stop: threading.Event) -> None:
    """Do the jobs of the index that are due, until `stop`. Raises `StoreError`."""
    run_job(state, JOB, AGAIN_S, stop, lambda: state.index.refresh(STEP_S) and not state.index.compact())
    run_job(state, CHECK, CHECK_AGAIN_S, stop, state.database.is_sound)


def run_job(
    state: SqliteState, job: tuple[str, str], again_s: float, stop: threading.Event, step: Callable[[], bool]
) -> bool:
    """Carry out a recurring job in steps, the last of which gives True, unless it is not due or another process is at
    it; whether it is done. Raises `StoreError`."""
    from codex_plugin_sdk.state import AlreadyDone, Claimed, InBackoff, LeasedByAnother, NothingToDo

    state.add_job(*job)
    claim = state.claim_job(*job, lease_s=LEASE_S)
    match claim:
        case Claimed():
            return _carry_out(state, claim, again_s, stop, step)
        case AlreadyDone() | LeasedByAnother() | InBackoff() | NothingToDo():
            return False
        case unknown:
            assert_never(unknown)


def _carry_out(
    state: SqliteState, claim: Claimed, again_s: float, stop: threading.Event, step: Callable[[], bool]
) -> bool:
    from codex_plugin_sdk import StoreError

    try:
        while not (done := step()):
            if stop.wait(REST_S) or not state.heartbeat(claim, lease_s=LEASE_S):
                break
    except StoreError as error:
        state.fail_job(claim, error.message)
        raise
    return state.finish_job(claim, again_after_s=again_s if done else 0)

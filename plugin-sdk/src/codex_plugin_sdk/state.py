"""What a state store may offer besides small values: jobs with leases, and an index of the rollouts of its home.

Both are optional. Who needs one asks `open_state` for the store that is installed, and with `isinstance` for the
protocol; where the answer is no, the work is done without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from codex_kernel.contracts.store import StateStore, StoreSetup, ThreadSummary
from codex_kernel.protocol.value import Value, value

if TYPE_CHECKING:
    from codex_kernel.config import Config
    from codex_kernel.plugins import PluginManager


@value
class Claimed(Value):
    """The job is ours until the lease ends, which `Jobs.heartbeat` puts off. `token` proves it; `attempt` counts from 1
    since the job last succeeded."""

    kind: str
    key: str
    token: str
    payload: bytes = b""
    attempt: int = 1


@value
class AlreadyDone(Value):
    """It was done; `again_at_ms` (Unix) says when it is due again, None for never."""

    again_at_ms: int | None = None


@value
class LeasedByAnother(Value):
    """Somebody is at it: `owner` says who, `until_ms` (Unix) how long the lease still holds."""

    owner: str
    until_ms: int


@value
class InBackoff(Value):
    """It failed `attempts` times, lastly with `error`, and is not tried before `until_ms` (Unix)."""

    attempts: int
    until_ms: int
    error: str = ""


@value
class NothingToDo(Value):
    """There is no such job, or none of this kind."""


Claim = Claimed | AlreadyDone | LeasedByAnother | InBackoff | NothingToDo
"""How it went to ask for a job. Match all five, and close with `assert_never`."""


@runtime_checkable
class Jobs(Protocol):
    """Work that one process of a home does while the others leave it alone. All raise `StoreError`.

    A lease that ends unrenewed is free for the next: whoever works longer than that calls `heartbeat`, and stops when
    that says the lease is lost. Clocks that are put back neither prolong a lease nor end it on one machine.
    """

    def add_job(self, kind: str, key: str, payload: bytes = b"") -> bool:
        """Note down a job; False, and nothing changes, where it is known already."""
        ...

    def claim_job(self, kind: str, key: str | None = None, *, lease_s: float = 60.0) -> Claim:
        """Take a job of this kind, or tell why not. Without `key` the one that is due longest; if none is due, the
        answer is about the one that will be first."""
        ...

    def heartbeat(self, claim: Claimed, *, lease_s: float = 60.0) -> bool:
        """Renew the lease; False if it was lost, and the work is to be left."""
        ...

    def finish_job(self, claim: Claimed, *, again_after_s: float | None = None) -> bool:
        """It is done, for good or for so long; False if the lease was lost meanwhile."""
        ...

    def fail_job(self, claim: Claimed, error: str) -> bool:
        """It failed; it is due again after a while that doubles with each attempt. False if the lease was lost."""
        ...


@value
class IndexedThreads(Value):
    """What an index knows: `threads` whose files are as they were when they were read, the newest first, and the paths
    of the `unread` others. `said` are the paths of those of `threads` in which a text may have been said; it was surely
    not in the rest of them. None if that was not asked, or cannot be told."""

    threads: tuple[ThreadSummary, ...] = ()
    unread: tuple[str, ...] = ()
    said: frozenset[str] | None = None


@runtime_checkable
class RolloutIndex(Protocol):
    """Knows the rollouts of its home without reading them. None of these raises: an index that cannot be had answers
    so, and the caller reads files as if there was none."""

    def refresh(self, budget_s: float) -> bool:
        """Catch up with the files for about so long, the newest first; True when nothing is left to be done."""
        ...

    def threads(self, text: str | None = None) -> IndexedThreads | None:
        """All threads of the home, archived ones too, and with a `text` in which of them the user or the agent may have
        said it, capitals or not. None where there is no index."""
        ...

    def forget(self) -> bool:
        """Drop all that is known, so that everything is read anew; False where that cannot be done."""
        ...

    def notices(self) -> Sequence[str]:
        """What the user should be told of the index, each only once."""
        ...


def open_state(config: Config, plugins: PluginManager, environ: Mapping[str, str]) -> StateStore | None:
    """The state store that is installed and chosen (`[stores] state = NAME`), None where there is none. Raises
    `PluginError`."""
    spec = plugins.store("state", config.get("stores.state", str))
    if spec is None:
        return None
    setup = StoreSetup(codex_home=config.codex_home, environ=environ, options=config.table("state"))
    return cast("StateStore", spec.factory(setup))

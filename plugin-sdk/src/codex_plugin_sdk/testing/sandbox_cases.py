"""Cases of the sandbox kit as data: what each is about, which guarantee it belongs to, and how it ended."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from codex_plugin_sdk import GUARANTEES, SandboxMode, SandboxUnavailable, Value, value

if TYPE_CHECKING:
    from .sandbox_bench import Bench

BOTH = (SandboxMode.WORKSPACE_WRITE, SandboxMode.READ_ONLY)
WRITING = (SandboxMode.WORKSPACE_WRITE,)
READING = (SandboxMode.READ_ONLY,)

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@value
class Case(Value):
    """One thing that is tried. `id` is `area.name`; `guarantee` one of `GUARANTEES`, or empty where every backend
    owes it; `modes` are those in which it means something. `may_refuse` says that a backend may raise
    `SandboxUnavailable` instead, which is honest."""

    id: str
    guarantee: str
    modes: tuple[SandboxMode, ...] = BOTH
    says: str = ""
    may_refuse: bool = False

    @property
    def area(self) -> str:
        """The part of the id before the dot."""
        return self.id.partition(".")[0]


@value
class Result(Value):
    """How a case ended: `passed`, `failed` or `skipped`, with the reason."""

    id: str
    state: str
    why: str = ""


@value
class Scenario(Value):
    """A function that sets something up, runs a command or some, and says how each of its cases ended."""

    run: Callable[[Bench, Verdicts], Awaitable[None]]
    cases: tuple[Case, ...]

    @property
    def area(self) -> str:
        """Its cases' area."""
        return self.cases[0].area


SCENARIOS: list[Scenario] = []
"""All of them, in the order of the modules."""


def cases(
    guarantee: str,
    ids: Mapping[str, str] | Iterable[str],
    *,
    modes: tuple[SandboxMode, ...] = BOTH,
    may_refuse: bool = False,
) -> tuple[Case, ...]:
    """Cases of one guarantee. Without a text, the id says it."""
    if guarantee and guarantee not in GUARANTEES:
        raise ValueError(f"there is no guarantee {guarantee!r}")
    texts = ids if isinstance(ids, Mapping) else dict.fromkeys(ids, "")
    return tuple(
        Case(id=id, guarantee=guarantee, modes=modes, may_refuse=may_refuse, says=text or _words(id))
        for id, text in texts.items()
    )


def _words(id: str) -> str:
    return id.replace(".", ": ").replace("-", " ")


Work = Callable[["Bench", "Verdicts"], Awaitable[None]]


def scenario(*parts: tuple[Case, ...]) -> Callable[[Work], Work]:
    """Add a scenario that decides these cases. All of them are of one area."""
    found = tuple(case for part in parts for case in part)

    def keep(work: Work) -> Work:
        known = {case.id for each in SCENARIOS for case in each.cases}
        assert not known & {case.id for case in found}, "an id is taken"
        assert len({case.area for case in found}) == 1, "a scenario has one area"
        SCENARIOS.append(Scenario(run=work, cases=found))
        return work

    return keep


class Verdicts:
    """What a scenario says of its cases. A case of which it says nothing has failed."""

    def __init__(self, wanted: Iterable[Case]) -> None:
        self.wanted = {case.id: case for case in wanted}
        self.results: dict[str, Result] = {}

    def __call__(self, id: str, *faults: str) -> None:
        """The case passed, or failed for these reasons (empty ones do not count). What is not wanted is dropped."""
        found = [fault for fault in faults if fault]
        self._add(Result(id=id, state=FAILED if found else PASSED, why="; ".join(found)))

    def skip(self, id: str, why: str) -> None:
        """The case cannot be tried here."""
        self._add(Result(id=id, state=SKIPPED, why=why))

    def _add(self, result: Result) -> None:
        if result.id in self.wanted:
            self.results[result.id] = result

    def ended(self, error: BaseException | None) -> None:
        """Decide what is left undecided."""
        for id, case in self.wanted.items():
            if id in self.results:
                continue
            if isinstance(error, SandboxUnavailable) and case.may_refuse:
                self.skip(id, f"the backend refuses: {error}")
            elif error is not None:
                self(id, _told(error))
            else:
                self(id, "the scenario said nothing of it")


def _told(error: BaseException) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1] if error.__traceback__ else None
    where = f" ({place.filename.rpartition('/')[2]}:{place.lineno})" if place else ""
    return f"{type(error).__name__}: {error}{where}"

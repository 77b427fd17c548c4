"""Conformance of sandbox backends: an escape suite, and what every backend owes.

A backend's test file subclasses the kit and gives one method, a factory as in the backend's spec::

    class TestJail(SandboxConformance):
        not_enforced = frozenset({"ipc"})

        def open_backend(self, setup):
            return JailBackend(setup)

Every case is tried in the modes in which it means something, as the current user and, when that is root, as an
ordinary one. What the backend's probe promises is attacked: a victim is set up outside, a small program inside tries,
and both what it reports and the victim's real state count. An attack that crashed has proved nothing and fails. What
is not promised is skipped with the backend's own reason. The class must lie at the top of a file: other processes load
it. To set a single case aside, name it in `set_aside` with the reason; once it passes, that fails.

`list_cases()` lists them all; `failures_of(kit_class)` tries them without pytest, for tests of leaky backends.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Collection, Iterator, Mapping

import anyio
import orjson
import pytest

from codex_plugin_sdk import SandboxBackend, SandboxMode, SandboxSetup

from .sandbox_agent import MODULE
from .sandbox_cases import BOTH, FAILED, PASSED, SKIPPED, Case, Result
from .sandbox_runs import all_cases, areas, claim_fault, open_backend, place_of, run_all, run_area, setup_folder

ORDINARY_USER = 65534

_US, _ORDINARY = "us", "ordinary-user"
_USERS = (_US, _ORDINARY) if hasattr(os, "geteuid") and os.geteuid() == 0 else (_US,)
_MODES = tuple(sorted(BOTH, reverse=True))

Key = tuple[type, str, SandboxMode]
_reports: dict[Key, dict[str, Result]] = {}


def list_cases() -> tuple[Case, ...]:
    """Every case, for documentation."""
    return all_cases()


async def failures_of(kit_class: type[SandboxConformance], only: Collection[str] | None = None) -> set[str]:
    """The ids of the cases that fail on a kit's backend, tried as the current user; in which mode is not told. `only`
    names areas (what stands before the dot of an id), without which all are tried.
    A class whose claims are not those of the probe fails `probe.claims`."""
    kit = kit_class()
    with setup_folder() as setup:
        backend = await open_backend(kit, setup)
        claims = claim_fault(kit, backend.probe())
        await backend.aclose()
    found = {id for (_, id), result in (await run_all(kit, only=only)).items() if result.state == FAILED}
    return found | ({"probe.claims"} if claims else set())


def _parameters() -> Iterator[object]:
    for user in _USERS:
        for mode in _MODES:
            for area in areas():
                for case in all_cases():
                    if case.area == area and mode in case.modes:
                        yield pytest.param(user, mode, case.id, id=f"{mode}-{user}-{case.id}")


class SandboxConformance:
    """What every sandbox backend owes. See the module for how to use it."""

    not_enforced: frozenset[str] = frozenset()
    """The names of `GUARANTEES` that the backend's probe says it does not give."""

    private_loopback: bool = True
    """Whether a command has a loopback network of its own while the network is off."""

    proxied_network: bool = True
    """Whether a policy with a proxied network can be enforced; otherwise it must be refused."""

    set_aside: Mapping[str, str] = {}
    """Cases that are known to fail, with the reason."""

    def open_backend(self, setup: SandboxSetup) -> SandboxBackend | Awaitable[SandboxBackend]:
        """Make the backend; may be asynchronous. A subclass overrides it."""
        raise NotImplementedError("give the method `open_backend`")

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _available(cls) -> None:
        """Without the backend nothing can be said, and where all must be tried that is a failure."""
        reason = anyio.run(_unavailable, cls)
        if reason and os.environ.get("CI"):
            pytest.fail(f"the backend is not available, and CI must not skip it: {reason}", pytrace=False)
        if reason:
            pytest.skip(reason)

    def test_probe_promises_what_is_tested(self) -> None:
        """The class and the probe name the same guarantees, and each that is missing has a reason."""
        assert not (fault := anyio.run(_claims, self)), fault

    def test_cases_that_are_set_aside_exist(self) -> None:
        """A misspelt one would hide nothing and tell nothing."""
        assert set(self.set_aside) <= {case.id for case in all_cases()}

    @pytest.mark.parametrize(("user", "mode", "case_id"), [*_parameters()])
    def test_case(self, user: str, mode: SandboxMode, case_id: str) -> None:
        """One case. The first of an area tries them all."""
        result = _report(type(self), user, mode, case_id.partition(".")[0])[case_id]
        if case_id in self.set_aside and result.state != SKIPPED:
            assert result.state == FAILED, f"it passes: set it aside no more ({self.set_aside[case_id]})"
            pytest.xfail(self.set_aside[case_id])
        if result.state == SKIPPED:
            pytest.skip(result.why)
        assert result.state == PASSED, result.why


async def _unavailable(kit_class: type[SandboxConformance]) -> str:
    with setup_folder() as setup:
        backend = await open_backend(kit_class(), setup)
        try:
            probe = backend.probe()
        finally:
            await backend.aclose()
    return "" if probe.available else probe.reason or "the backend is not available"


async def _claims(kit: SandboxConformance) -> str:
    with setup_folder() as setup:
        backend = await open_backend(kit, setup)
        try:
            return claim_fault(kit, backend.probe())
        finally:
            await backend.aclose()


def _report(kit_class: type[SandboxConformance], user: str, mode: SandboxMode, area: str) -> dict[str, Result]:
    """The results of an area; tried once for each class."""
    key = (kit_class, f"{user}/{area}", mode)
    if key not in _reports:
        if user == _US:
            _reports[key] = anyio.run(run_area, kit_class(), mode, area)
        else:
            _reports.update(_as_ordinary_user(kit_class))
    return _reports[key]


def _as_ordinary_user(kit_class: type[SandboxConformance]) -> dict[Key, dict[str, Result]]:
    """Try everything in a process that becomes an ordinary user."""
    place = place_of(kit_class)
    assert place, "the kit's class is made in a function: another process cannot find it"
    words = (sys.executable, "-m", MODULE, "--user", str(ORDINARY_USER), place)
    done = subprocess.run(words, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert not done.returncode, f"status {done.returncode}: {done.stderr.decode()[-3000:]}"
    found: dict[Key, dict[str, Result]] = {
        (kit_class, f"{_ORDINARY}/{area}", mode): {} for area in areas() for mode in BOTH
    }
    for line in map(orjson.loads, done.stdout.splitlines()):
        result = Result(id=line["id"], state=line["state"], why=line["why"])
        area = result.id.partition(".")[0]
        found[kit_class, f"{_ORDINARY}/{area}", SandboxMode(line["mode"])][result.id] = result
    return found

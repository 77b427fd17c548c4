"""The sandbox kit by itself: its cases, and a backend that promises everything and runs nothing.

What leaks is tried where there is a real sandbox to make it from: attacks are not to run unconfined."""

import pytest

from codex_plugin_sdk import GUARANTEES, Guarantee, Probe, SandboxUnavailable
from codex_plugin_sdk.testing.sandbox_kit import SandboxConformance, failures_of, list_cases


class Refusing:
    """Says that it can do everything, and does nothing."""

    def probe(self):
        guarantees = tuple(Guarantee(name=name, enforced=True, why="") for name in GUARANTEES)
        return Probe(available=True, guarantees=guarantees, identity="none", version="1")

    async def spawn(self, request, policy):
        raise SandboxUnavailable("not today")

    async def aclose(self):
        return None


class Kit(SandboxConformance):
    __test__ = False

    def open_backend(self, setup):
        return Refusing()


class Modest(Kit):
    not_enforced = frozenset({"ipc"})


def test_every_case_says_what_it_is_about_and_every_guarantee_has_some():
    cases = list_cases()
    assert len({case.id for case in cases}) == len(cases)
    assert all(case.says for case in cases)
    assert {case.guarantee for case in cases} - {""} == set(GUARANTEES)


@pytest.mark.anyio
async def test_a_backend_that_runs_nothing_fails_every_case_that_it_may_not_refuse():
    allowed = {case.id for case in list_cases() if case.may_refuse} | {"proxied.without-a-session"}
    assert await failures_of(Kit) == {case.id for case in list_cases()} - allowed


@pytest.mark.anyio
async def test_a_class_whose_claims_are_not_those_of_the_probe_fails():
    assert "probe.claims" in await failures_of(Modest)

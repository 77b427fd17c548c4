"""Running the cases of the sandbox kit, with or without pytest, also as another user."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import GUARANTEES, Probe, SandboxBackend, SandboxMode, SandboxSetup

from . import (  # noqa: F401 - each adds its scenarios
    sandbox_case_commands,
    sandbox_case_files,
    sandbox_case_kernel,
    sandbox_case_network,
    sandbox_case_processes,
    sandbox_case_protected,
    sandbox_case_tools,
)
from .sandbox_agent import Agent, started_agent
from .sandbox_bench import interpreter, made_folder, open_bench, remove
from .sandbox_cases import BOTH, SCENARIOS, SKIPPED, Case, Result, Scenario, Verdicts

if TYPE_CHECKING:
    from .sandbox_kit import SandboxConformance

AgentStarter = Callable[[SandboxMode], AbstractContextManager[Agent]]


def all_cases() -> tuple[Case, ...]:
    """Every case, in the order in which they are tried."""
    return tuple(case for each in SCENARIOS for case in each.cases)


def areas() -> tuple[str, ...]:
    """The areas of the cases."""
    return tuple(dict.fromkeys(scenario.area for scenario in SCENARIOS))


# -- classes, found again by another process -------------------------------------------------------------


def place_of(kit_class: type) -> str:
    """`FILE:CLASS`; empty for a class that another process cannot find."""
    if "<locals>" in kit_class.__qualname__:
        return ""
    return f"{inspect.getfile(kit_class)}:{kit_class.__qualname__}"


def load_class(place: str) -> type[SandboxConformance]:
    """The class at `FILE:CLASS`."""
    path, _, name = place.rpartition(":")
    spec = importlib.util.spec_from_file_location("codex_kit_module", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["codex_kit_module"] = module
    spec.loader.exec_module(module)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part)
    kit_class: type[SandboxConformance] = found
    return kit_class


# -- backends --------------------------------------------------------------------------------------------


def setup_in(folder: str) -> SandboxSetup:
    """What a backend's factory gets, with the home in this folder."""
    environ = {"PATH": os.environ.get("PATH", os.defpath), "HOME": folder}
    return SandboxSetup(codex_home=folder, state_dir=os.path.join(folder, "state"), environ=environ)


@contextmanager
def setup_folder() -> Iterator[SandboxSetup]:
    """The same, with a home of its own."""
    folder = made_folder()
    try:
        yield setup_in(folder)
    finally:
        remove(folder)


async def open_backend(kit: SandboxConformance, setup: SandboxSetup) -> SandboxBackend:
    """The kit's backend, whether its factory is asynchronous or not."""
    found = kit.open_backend(setup)
    if isinstance(found, Awaitable):
        return await found
    return found


def claim_fault(kit: SandboxConformance, probe: Probe) -> str:
    """Whether what the kit's class says is what the backend says; empty if so."""
    unknown = (set(kit.not_enforced) | {found.name for found in probe.guarantees}) - set(GUARANTEES)
    if unknown:
        return f"unknown guarantees: {', '.join(sorted(unknown))}"
    missing = {name for name in GUARANTEES if not probe.enforces(name)}
    if missing != set(kit.not_enforced):
        return f"the probe does not claim {sorted(missing)}, the test's class names {sorted(kit.not_enforced)}"
    silent = [found.name for found in probe.guarantees if not found.enforced and not found.why]
    if silent:
        return f"not enforced, and no reason is given: {', '.join(silent)}"
    if missing and not probe.degraded:
        return "what enforces less than everything must say that it is degraded"
    return ""


# -- running ---------------------------------------------------------------------------------------------


async def run_area(
    kit: SandboxConformance, mode: SandboxMode, area: str, agent: AgentStarter | None = None
) -> dict[str, Result]:
    """Try all cases of an area that mean something in this mode."""
    results: dict[str, Result] = {}
    with setup_folder() as setup:
        backend = await open_backend(kit, setup)
        try:
            probe = backend.probe()
            traits = {
                "private_loopback": kit.private_loopback,
                "proxied_network": kit.proxied_network,
                "no_helper_python": interpreter() != sys.executable,
                "agent": agent or (lambda found: started_agent(place_of(type(kit)), found)),
            }
            for scenario in (each for each in SCENARIOS if each.area == area):
                results |= await _run_scenario(scenario, backend, probe, mode, traits)
        finally:
            await backend.aclose()
    return results


async def _run_scenario(
    scenario: Scenario, backend: SandboxBackend, probe: Probe, mode: SandboxMode, traits: Mapping[str, Any]
) -> dict[str, Result]:
    results: dict[str, Result] = {}
    wanted = []
    for case in scenario.cases:
        if mode not in case.modes:
            continue
        why = _not_promised(probe, case.guarantee)
        if not why and not interpreter():
            why = "there is no Python that this user may run inside"
        if why:
            results[case.id] = Result(id=case.id, state=SKIPPED, why=why)
        else:
            wanted.append(case)
    if not wanted:
        return results
    verdicts = Verdicts(wanted)
    error: Exception | None = None
    try:
        async with open_bench(backend, mode, traits) as bench:
            await scenario.run(bench, verdicts)
    except Exception as raised:  # noqa: BLE001 - told with the cases that it leaves undecided
        error = _innermost(raised)
    verdicts.ended(error)
    return results | verdicts.results


def _innermost(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error


def _not_promised(probe: Probe, guarantee: str) -> str:
    if not guarantee or probe.enforces(guarantee):
        return ""
    why = next((found.why for found in probe.guarantees if found.name == guarantee), "")
    return f"{guarantee} is not promised: {why or 'the backend does not name it'}"


async def run_all(
    kit: SandboxConformance, agent: AgentStarter | None = None, only: Collection[str] | None = None
) -> dict[tuple[SandboxMode, str], Result]:
    """Try everything in both modes, or the areas `only`."""
    found = {}
    for mode in BOTH:
        for area in areas() if only is None else only:
            for id, result in (await run_area(kit, mode, area, agent)).items():
                found[mode, id] = result
    return found

"""What confines commands here: all engines, tried out, and the one that would be chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_plugin_sdk import Candidate, Engine, SandboxError, SandboxPolicy, SandboxPreference, Value, value

if TYPE_CHECKING:
    from codex_plugin_sdk import SandboxChooser


@value
class Survey(Value):
    """`chosen` is the engine's name; None comes with `problem` and its `cure`. `confined` is false where the
    policy confines nothing, so that no engine is needed."""

    policy: SandboxPolicy
    preference: SandboxPreference
    candidates: tuple[Candidate, ...] = ()
    chosen: str | None = None
    confined: bool = True
    problem: str = ""
    cure: str = ""

    @property
    def engine(self) -> Candidate | None:
        """The chosen one."""
        return next((found for found in self.candidates if found.name == self.chosen), None)

    @property
    def cures(self) -> str:
        """What would make a stronger engine usable, where the chosen one is not the strongest."""
        return "; ".join(
            f"{found.name}: {found.probe.cure}" for found in self.candidates if found.reason and found.probe.cure
        )


async def survey(engine: Engine, policy: SandboxPolicy, *, first_only: bool = False) -> Survey:
    """Try out all engines for a policy; with `first_only` none behind the one that is chosen. Raises `PluginLoadError`
    for a sandbox plugin that is broken."""
    chooser = engine.sandbox()
    start = Survey(policy=policy, preference=engine.settings.sandbox_preference)
    try:
        if policy.unconfined:
            return await _unconfined(chooser, start)
        return await _confined(chooser, start, first_only=first_only)
    finally:
        await chooser.aclose()


async def _unconfined(chooser: SandboxChooser, start: Survey) -> Survey:
    try:
        await chooser.backend(start.policy)
    except SandboxError as error:
        return start.replace(confined=False, problem=error.message, cure=error.hint)
    return start.replace(confined=False, chosen="none")


async def _confined(chooser: SandboxChooser, start: Survey, *, first_only: bool) -> Survey:
    try:
        start = start.replace(candidates=tuple(await chooser.survey(start.policy, first_only=first_only)))
        # What is chosen, and why nothing is, is the chooser's to say; what has proved itself is not tried again.
        backend = await chooser.backend(start.policy)
    except SandboxError as error:
        return start.replace(problem=error.message, cure=error.hint)
    return start.replace(chosen=next(found.name for found in start.candidates if found.backend is backend))

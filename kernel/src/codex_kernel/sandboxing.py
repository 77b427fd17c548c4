"""Choosing a sandbox backend: the strongest that has proved itself here. Never a weaker one without a word."""

from __future__ import annotations

from collections.abc import Callable

from .contracts.sandbox import Probe, SandboxBackend, SandboxSetup
from .errors import SandboxUnavailable
from .plugins import PluginManager
from .protocol.events import EventMsg, Notice, SandboxSelected
from .protocol.policy import SandboxMode, SandboxPolicy, SandboxPreference
from .protocol.value import Value, field, value
from .sandbox_proof import kind_of, prove
from .specs import SandboxBackendSpec

CURE = "pip install codex-sandbox-linux, or choose danger-full-access (-s danger-full-access) to run unconfined"


@value
class Candidate(Value):
    """A backend that was considered. `reason` is why it is not used, empty for one that could be; `proved`
    tells whether its claims were tried, `cached` whether that was on an earlier occasion."""

    name: str
    probe: Probe
    reason: str = ""
    proved: bool = False
    cached: bool = False
    backend: SandboxBackend = field(repr=False)


class SandboxChooser:
    """Chooses once per thread and kind of policy, when a command first has to be confined."""

    def __init__(
        self,
        plugins: PluginManager,
        setup: SandboxSetup,
        wanted: str | None = None,
        preference: SandboxPreference = SandboxPreference.AUTO,
        tell: Callable[[EventMsg], None] | None = None,
    ) -> None:
        self.preference = preference
        self._plugins = plugins
        self._setup = setup
        self._wanted = wanted
        self._tell = tell
        self._made: dict[str, SandboxBackend] = {}
        self._chosen: dict[str, Candidate] = {}
        self._told: set[str] = set()

    async def backend(self, policy: SandboxPolicy) -> SandboxBackend:
        """The backend for a policy; the first one of its kind is told by an event, and by a warning if it is
        degraded. Raises `SandboxUnavailable` that names the cure, `PluginLoadError` for a broken one."""
        if policy.unconfined:
            return self._unconfined()
        if self.preference is SandboxPreference.FORBID:
            raise SandboxUnavailable(
                '[sandbox] preference = "forbid": commands run only when approved to run outside the sandbox'
            )
        kind = kind_of(policy)
        if kind not in self._chosen:
            candidates = await self.survey(policy, first_only=True)
            chosen = next((found for found in candidates if not found.reason), None)
            if chosen is None:
                raise self._nothing(policy.mode, candidates)
            self._chosen[kind] = chosen
            self._announce(chosen)
        return self._chosen[kind].backend

    async def survey(self, policy: SandboxPolicy, *, first_only: bool = False) -> list[Candidate]:
        """All backends for a policy, the strongest first, each with what it can do and whether it could be
        used; with `first_only` none behind the first that could. Raises as `backend` does."""
        self._plugins.require_sound("sandbox")
        found: list[Candidate] = []
        for spec in self._specs():
            candidate = await self._candidate(spec, policy)
            found.append(candidate)
            if first_only and not candidate.reason:
                break
        return found

    def _specs(self) -> list[SandboxBackendSpec]:
        specs = [offer.spec for offer in self._plugins.sandboxes() if offer.spec.confines]
        if self._wanted is None:
            return specs
        chosen = [spec for spec in specs if spec.name == self._wanted]
        if not chosen:
            known = ", ".join(spec.name for spec in specs) or "none"
            raise SandboxUnavailable(
                f"no sandbox backend named {self._wanted!r} is installed (there are: {known})", hint=CURE
            )
        return chosen

    def _make(self, spec: SandboxBackendSpec) -> SandboxBackend:
        if spec.name not in self._made:
            self._made[spec.name] = spec.factory(self._setup)
        return self._made[spec.name]

    async def _candidate(self, spec: SandboxBackendSpec, policy: SandboxPolicy) -> Candidate:
        backend = self._make(spec)
        probe = backend.probe()
        known = Candidate(name=spec.name, probe=probe, backend=backend)
        if not probe.available:
            return known.replace(reason=probe.reason + (f" ({probe.cure})" if probe.cure else ""))
        if probe.degraded and self.preference is SandboxPreference.REQUIRE:
            missing = ", ".join(f"{g.name}: {g.why}" if g.why else g.name for g in probe.guarantees if not g.enforced)
            return known.replace(reason=f"it is weaker than required ({missing or 'degraded'})")
        proof = await prove(spec.name, backend, probe, policy, self._setup)
        return known.replace(proved=True, cached=proof.cached, reason=proof.failure)

    def _unconfined(self) -> SandboxBackend:
        self._plugins.require_sound("sandbox")
        for offer in self._plugins.sandboxes():
            if not offer.spec.confines:
                return self._make(offer.spec)
        raise SandboxUnavailable(
            "nothing that is installed runs commands outside a sandbox", hint="pip install codex-sandbox-none"
        )

    def _nothing(self, mode: SandboxMode, candidates: list[Candidate]) -> SandboxUnavailable:
        if not candidates:
            return SandboxUnavailable(
                f"no sandbox backend is installed, so commands cannot be confined to {mode}", hint=CURE
            )
        reasons = "; ".join(f"{found.name}: {found.reason}" for found in candidates)
        cures = [found.probe.cure for found in candidates if found.probe.cure]
        return SandboxUnavailable(
            f"no sandbox backend can enforce {mode} here: {reasons}", hint="; ".join([*cures, CURE])
        )

    def _announce(self, chosen: Candidate) -> None:
        if self._tell is None or chosen.name in self._told:
            return
        self._told.add(chosen.name)
        probe = chosen.probe
        self._tell(
            SandboxSelected(
                backend=chosen.name, version=probe.version, degraded=probe.degraded, guarantees=probe.guarantees
            )
        )
        if probe.degraded:
            missing = ", ".join(g.name for g in probe.guarantees if not g.enforced)
            self._tell(
                Notice(
                    level="warning",
                    source="sandbox",
                    message=f"commands are confined by {chosen.name}, which does not enforce: {missing}"
                    " (codex sandbox status tells why)",
                )
            )

    async def aclose(self) -> None:
        """Release the backends that were made."""
        for backend in self._made.values():
            await backend.aclose()

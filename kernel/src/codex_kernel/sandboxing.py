"""Choosing a sandbox backend: the configured one, else the strongest that can work here. Never none by accident."""

from __future__ import annotations

from .contracts.sandbox import SandboxBackend, SandboxSetup
from .errors import SandboxUnavailable
from .plugins import PluginManager
from .protocol.policy import SandboxMode

CURE = "pip install codex-sandbox-linux, or choose danger-full-access (-s danger-full-access) to run unconfined"


class SandboxChooser:
    """Chooses once per thread, when a command first has to be confined."""

    def __init__(self, plugins: PluginManager, setup: SandboxSetup, wanted: str | None = None) -> None:
        self._plugins = plugins
        self._setup = setup
        self._wanted = wanted
        self._backend: SandboxBackend | None = None

    def backend(self, mode: SandboxMode) -> SandboxBackend:
        """The backend. Raises `SandboxUnavailable` that names the cure, `PluginLoadError` for a broken one."""
        if self._backend is None:
            self._plugins.require_sound("sandbox")
            self._backend = self._choose(mode)
        return self._backend

    def _choose(self, mode: SandboxMode) -> SandboxBackend:
        offers = self._plugins.sandboxes()
        if self._wanted is not None:
            offers = [offer for offer in offers if offer.spec.name == self._wanted]
            if not offers:
                raise SandboxUnavailable(f"no sandbox backend named {self._wanted!r} is installed", hint=CURE)
        reasons = []
        for offer in offers:
            backend = offer.spec.factory(self._setup)
            probe = backend.probe()
            if probe.available:
                return backend
            reasons.append(f"{offer.spec.name}: {probe.reason}" + (f" ({probe.cure})" if probe.cure else ""))
        if reasons:
            raise SandboxUnavailable(f"no sandbox backend can enforce {mode} here: {'; '.join(reasons)}", hint=CURE)
        raise SandboxUnavailable(
            f"no sandbox backend is installed, so commands cannot be confined to {mode}", hint=CURE
        )

    async def aclose(self) -> None:
        """Release the backend if one was made."""
        if self._backend is not None:
            await self._backend.aclose()

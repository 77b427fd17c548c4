"""Offers the sandboxes of Linux. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable

from codex_plugin_sdk import SandboxBackend, SandboxBackendSpec, SandboxSetup, hookimpl


@hookimpl
def codex_sandbox_backends() -> Iterable[SandboxBackendSpec]:
    """Bubblewrap; where it cannot start, Landlock, which enforces less and says so."""
    yield SandboxBackendSpec(name="bwrap", platforms=frozenset({"linux"}), strength=100, factory=_bwrap)
    yield SandboxBackendSpec(name="landlock", platforms=frozenset({"linux"}), strength=50, factory=_landlock)


def _bwrap(setup: SandboxSetup) -> SandboxBackend:
    from .bwrap import BwrapBackend

    return BwrapBackend(setup)


def _landlock(setup: SandboxSetup) -> SandboxBackend:
    from .landlock_backend import LandlockBackend

    return LandlockBackend(setup)

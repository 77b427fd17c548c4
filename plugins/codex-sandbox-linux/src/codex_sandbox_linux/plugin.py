"""Offers the sandboxes of Linux. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable

from codex_plugin_sdk import SandboxBackend, SandboxBackendSpec, SandboxSetup, hookimpl


@hookimpl
def codex_sandbox_backends() -> Iterable[SandboxBackendSpec]:
    """Bubblewrap."""
    yield SandboxBackendSpec(name="bwrap", platforms=frozenset({"linux"}), strength=100, factory=_bwrap)


def _bwrap(setup: SandboxSetup) -> SandboxBackend:
    from .engine import BwrapEngine

    return BwrapEngine(setup)

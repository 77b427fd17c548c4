"""Runs commands without a sandbox where that was chosen. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable

from codex_plugin_sdk import SandboxBackend, SandboxBackendSpec, SandboxSetup, hookimpl


@hookimpl
def codex_sandbox_backends() -> Iterable[SandboxBackendSpec]:
    """The backend that confines nothing."""
    yield SandboxBackendSpec(name="none", factory=_open, confines=False)


def _open(setup: SandboxSetup) -> SandboxBackend:
    from codex_plugin_sdk import UnconfinedBackend

    return UnconfinedBackend()

"""Running commands without any sandbox, where that is what the user chose."""

from __future__ import annotations

from codex_kernel.contracts.sandbox import ExecRequest, Probe, Process
from codex_kernel.errors import SandboxUnavailable
from codex_kernel.protocol.policy import SandboxMode, SandboxPolicy


class UnconfinedBackend:
    """Implements the `SandboxBackend` contract for danger-full-access alone."""

    def probe(self) -> Probe:
        """Always available; guarantees nothing."""
        return Probe(available=True, degraded=True)

    async def spawn(self, request: ExecRequest, policy: SandboxPolicy) -> Process:
        """Start a program as it is. Raises `SandboxUnavailable` for a policy that asks for confinement."""
        if policy.mode is not SandboxMode.DANGER_FULL_ACCESS:
            raise SandboxUnavailable(f"a command that {policy.mode} is to confine cannot run unconfined")
        from .local import spawn_process

        return await spawn_process(request)

    async def aclose(self) -> None:
        """Nothing is held."""

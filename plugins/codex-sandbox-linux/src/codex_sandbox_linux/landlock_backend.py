"""The engine for machines on which bubblewrap cannot start: Landlock and seccomp, no helper program in between.

Weaker than namespaces, and said so: `landlock.guarantees`.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TypeVar

from codex_plugin_sdk import (
    ExecRequest,
    NetworkMode,
    Probe,
    Process,
    SandboxPolicy,
    SandboxSetup,
    SandboxUnavailable,
)

from . import calls, landlock
from .restricted_thread import Confinement, Keeper
from .seccomp import program
from .syscalls import NUMBERS

T = TypeVar("T")

_REVISION = 1
"""Of what this engine enforces: part of the probe's identity."""
_KEPT_RULESETS = 32
_CURE = "start Linux 5.13 or newer with landlock in its `lsm=` list"


class LandlockBackend:
    """Implements the `SandboxBackend` contract. Starts its threads and its guard with the first command."""

    def __init__(self, setup: SandboxSetup) -> None:
        self._tmpdir = setup.environ.get("TMPDIR")
        self._probe: Probe | None = None
        self._abi = 0
        self._keeper: Keeper | None = None
        self._closed = False
        self._starting = threading.Lock()
        self._private_folder = ""
        # Where a root led when it was first named: commands may put symlinks in the place of their folders.
        self._resolved: dict[str, str] = {}
        self._rulesets: OrderedDict[tuple[object, ...], _Ruleset] = OrderedDict()

    def probe(self) -> Probe:
        """What Landlock enforces on this kernel; always degraded."""
        if self._probe is None:
            self._probe = self._find_out()
        return self._probe

    def _find_out(self) -> Probe:
        system = os.uname()
        if system.machine not in NUMBERS:
            return Probe(available=False, reason=f"there is no seccomp filter for {system.machine}")
        if not calls.seccomp_can_kill():
            return Probe(available=False, reason="this kernel has no seccomp filters", cure="start Linux 4.14 or newer")
        try:
            self._abi = min(calls.landlock_abi(), landlock.NEWEST_ABI)
        except OSError as error:
            return Probe(available=False, reason=f"Landlock is not available ({error.strerror})", cure=_CURE)
        return Probe(
            available=True,
            degraded=True,
            guarantees=landlock.guarantees(self._abi),
            identity=f"landlock-{self._abi}-{_REVISION}-{system.release}-{system.version}",
            version=f"Landlock ABI {self._abi}",
        )

    async def spawn(self, request: ExecRequest, policy: SandboxPolicy) -> Process:
        """Start a program under the policy; see the contract. Refuses what `landlock.plan` refuses."""
        probe = self.probe()
        if not probe.available:
            raise SandboxUnavailable(probe.reason, hint=probe.cure)
        if policy.unconfined:
            raise SandboxUnavailable("Landlock does not run commands unconfined")
        if policy.network is NetworkMode.PROXIED or request.network is not None:
            raise SandboxUnavailable("Landlock knows ports but no addresses: it cannot enforce a proxied network")
        from codex_plugin_sdk import spawn_process

        if request.tty:
            _load_terminals()
        confinement, env = await self._confinement(request, policy.anchored(request.cwd))
        keeper = self._keeper
        assert keeper is not None

        def launch(start: Callable[[], T]) -> T:
            return keeper.run(confinement, start)

        return await spawn_process(request, env=env, launch=launch)

    async def _confinement(self, request: ExecRequest, policy: SandboxPolicy) -> tuple[Confinement, Mapping[str, str]]:
        """What the command's thread takes upon itself, and the command's environment."""
        import anyio.to_thread

        if self._keeper is None:
            await anyio.to_thread.run_sync(self._start)
        roots = [*dict.fromkeys(map(self._resolve, policy.roots(request.cwd, self._tmpdir)))]
        env = request.env
        if not any(root in roots for root in map(self._resolve, filter(None, ("/tmp", self._tmpdir)))):  # noqa: S108
            # Here-documents and mkstemp need a place; nothing that lasts.
            roots.append(self._private_folder)
            env = {**env, "TMPDIR": self._private_folder}
        key = (policy, tuple(roots), request.tty)
        ruleset = self._rulesets.get(key)
        if ruleset is None or ruleset.stale():
            # Looking through folders may take a while. No await from here on, so that nobody closes it in between.
            ruleset = await anyio.to_thread.run_sync(
                lambda: _Ruleset(landlock.plan(policy, roots, self._abi, terminal=request.tty))
            )
            self._keep(key, ruleset)
        return Confinement(ruleset.descriptor, self._program(policy.network), self._abi), env

    def _keep(self, key: tuple[object, ...], ruleset: _Ruleset) -> None:
        replaced = self._rulesets.pop(key, None)
        self._rulesets[key] = ruleset
        if replaced is None and len(self._rulesets) > _KEPT_RULESETS:
            _, replaced = self._rulesets.popitem(last=False)
        if replaced is not None:
            os.close(replaced.descriptor)

    def _resolve(self, root: str) -> str:
        if root not in self._resolved:
            self._resolved[root] = os.path.realpath(root)
        return self._resolved[root]

    def _program(self, network: NetworkMode) -> bytes:
        # Tracing is allowed: Landlock confines it to the command's own domain.
        return program(
            os.uname().machine,
            "on" if network is NetworkMode.ON else "off",
            private_network=False,
            host_pid=os.getpid(),
            scoped_signals=self._abi >= landlock.SCOPE_ABI,
            guard_truncation=self._abi < landlock.TRUNCATE_ABI,
        )

    def _start(self) -> None:
        with self._starting:
            if self._closed:
                raise SandboxUnavailable("the sandbox has been closed")
            if self._keeper is None:
                self._private_folder = _make_private_folder(self._tmpdir)
                try:
                    self._keeper = Keeper(self._abi, self._private_folder)
                except BaseException:
                    self._remove_private_folder()
                    raise

    async def aclose(self) -> None:
        """End all that is left and the guard; remove the private folder."""
        import anyio
        import anyio.to_thread

        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._close)

    def _close(self) -> None:
        with self._starting:
            self._closed = True
            if self._keeper is not None:
                self._keeper.close()
                self._remove_private_folder()
            while self._rulesets:
                os.close(self._rulesets.popitem()[1].descriptor)

    def _remove_private_folder(self) -> None:
        import shutil

        shutil.rmtree(self._private_folder, ignore_errors=True)  # the guard, if there is one, was here before


class _Ruleset:
    """A ruleset that the kernel holds, and when it has to be made anew."""

    def __init__(self, planned: landlock.LandlockPlan) -> None:
        self._planned = planned
        self._stamp = landlock.stamp(planned)
        self.descriptor = landlock.build(planned)

    def stale(self) -> bool:
        """Whether a folder whose neighbours were allowed one by one has changed."""
        return landlock.stamp(self._planned) != self._stamp


def _make_private_folder(tmpdir: str | None) -> str:
    for parent in filter(None, (tmpdir, "/tmp", "/var/tmp")):  # noqa: S108
        path = os.path.join(os.path.realpath(parent), f"codex-sandbox-{os.urandom(8).hex()}")
        try:
            os.mkdir(path, 0o700)
        except OSError:
            continue
        return path
    raise SandboxUnavailable("there is no folder for temporary files", hint="set TMPDIR to one that can be written")


def _load_terminals() -> None:
    # `spawn_process` imports it when it starts a program, which happens where the disk may not be readable.
    import codex_plugin_sdk.process.terminal  # noqa: F401

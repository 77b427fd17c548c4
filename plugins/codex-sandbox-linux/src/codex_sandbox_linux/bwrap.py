"""The backend that confines commands by namespaces: bubblewrap, started directly, with our seccomp filter."""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress

from codex_plugin_sdk import (
    GUARANTEES,
    ExecRequest,
    Guarantee,
    NetworkMode,
    Probe,
    Process,
    SandboxPolicy,
    SandboxSetup,
    SandboxUnavailable,
)

from .bwrap_binary import Binary, find, forget, private_copy
from .bwrap_command import CommandLine, Confined, SetupFailed, ending, filter_program, is_static
from .bwrap_plan import Facts, gather
from .bwrap_program import check_program
from .namespace import Namespace
from .protected import within_any
from .quarantine import Watch, recover

START_TIMEOUT_S = 15.0
"""How long everything before the command's first instruction may take."""
ATTEMPTS = 2
"""A folder may vanish between the plan and the start: then the plan is made once more."""
MAX_NOTICES = 100
_WHY = {
    "denied-reads": "a file that comes to match while a command runs is covered from the next command on",
    "protected-folders": "what did not exist and appears during a command is taken away after it",
    "dies-with-us": "tied to the thread that starts commands, which is the event loop's",
}


class BwrapBackend:
    """Implements the `SandboxBackend` contract. `notices` are sentences for the user about what was put right
    after commands, the newest last. Commands die with the thread that runs the event loop."""

    def __init__(self, setup: SandboxSetup) -> None:
        self._setup = setup
        self.state_dir = setup.state_dir
        self.kept = (setup.codex_home,)
        self._binary: Binary | None = None
        self._copy = ""
        self._recovered = False
        self.notices: deque[str] = deque(maxlen=MAX_NOTICES)

    # -- probe -----------------------------------------------------------------------------------------

    def _found(self) -> Binary:
        if self._binary is None:
            try:
                self._binary = find(self._setup, filter_program(NetworkMode.OFF))
            except ValueError as error:  # the architecture
                self._binary = Binary(reason=str(error), cure="use x86-64 or aarch64")
        return self._binary

    def probe(self) -> Probe:
        """What bubblewrap enforces here; tried out once per binary and kernel."""
        binary = self._found()
        if binary.reason:
            return Probe(available=False, reason=binary.reason, cure=binary.cure)
        missing = {}
        if not binary.fresh_proc:
            missing["processes"] = "no /proc of its own can be mounted here, so the names of other processes are seen"
        import zlib

        return Probe(
            available=True,
            degraded=bool(missing),
            identity=f"{binary.identity} {zlib.crc32(filter_program(NetworkMode.OFF)):08x}",
            version=f"bubblewrap {binary.version} ({binary.path})",
            guarantees=tuple(
                Guarantee(name=name, enforced=name not in missing, why=missing.get(name, _WHY.get(name, "")))
                for name in GUARANTEES
            ),
        )

    # -- spawn -----------------------------------------------------------------------------------------

    async def spawn(self, request: ExecRequest, policy: SandboxPolicy) -> Process:
        """Start a program under the policy. When this returns, everything is in place and the command has been
        let go. Raises `SandboxUnavailable`, `FileNotFoundError`, `PermissionError`, `ValueError`."""
        if policy.network is NetworkMode.PROXIED and request.network is None:
            raise SandboxUnavailable("the network is to be proxied, and no proxy was given")
        binary = self._usable(policy)
        check_program(request)
        # Late, for the ways that need no event loop.
        import anyio

        from .bwrap_spawn import start

        failure = ""
        for _attempt in range(ATTEMPTS):
            try:
                with anyio.fail_after(START_TIMEOUT_S):
                    return await start(self, binary, request, policy)
            except SetupFailed as error:
                failure = str(error)
            except TimeoutError as error:
                failure = f"it took more than {START_TIMEOUT_S:.0f} s; does a mounted file system not answer?"
                raise self._failed(failure) from error
        raise self._failed(failure)

    def _usable(self, policy: SandboxPolicy) -> Binary:
        """Ready for a command. Raises `SandboxUnavailable`."""
        if policy.unconfined:
            raise SandboxUnavailable(f"{policy.mode} leaves nothing to confine")
        binary = self._found()
        if binary.reason:
            raise SandboxUnavailable(binary.reason, hint=binary.cure)
        self._recover()
        return binary

    def _failed(self, failure: str) -> SandboxUnavailable:
        forget(self._setup.state_dir)
        words = failure.strip() or "it ended without a word"
        return SandboxUnavailable(f"bubblewrap could not set up the sandbox: {words}", hint="codex sandbox status")

    def command(self, request: ExecRequest, policy: SandboxPolicy, *, status_fd: int = -1) -> Confined:
        """The command line that confines a program with our own streams, to be run without an event loop; the
        network may not be proxied. Bubblewrap writes JSON objects to `status_fd`: `child-pid`, and `exit-code` if
        the command ran. Raises as `spawn` does."""
        binary = self._usable(policy)
        facts = gather(policy, request.cwd, request.env.get("TMPDIR"), keep=self.kept)
        self.notices.extend(facts.notices)
        try:
            line = CommandLine(binary, request, policy, facts)
        except SetupFailed as error:
            raise self._failed(str(error)) from error
        static = is_static(policy, facts)
        namespace = None if static else Namespace()
        try:
            if namespace is not None:
                line.fds.append(namespace.told_fd)
                line.words += ["--info-fd", str(namespace.told_fd)]
            if status_fd >= 0:
                line.words += ["--json-status-fd", str(status_fd)]
            words = line.seal(self.program(binary, facts))
            watch = Watch(self._setup.state_dir, facts.watched, self.notices.append)
        except BaseException:
            line.close()
            if namespace is not None:
                namespace.close()
            raise
        return Confined(
            argv=(*words, *request.argv),
            env=line.env,
            cwd="/",
            fds=(*line.fds, *((status_fd,) if status_fd >= 0 else ())),
            done=ending(namespace, watch),
            static=static,
        )

    def program(self, binary: Binary, facts: Facts) -> str:
        """The binary's path, or that of a copy if commands could write it."""
        place = os.path.realpath(binary.path)
        if not within_any(place, facts.writable):
            return binary.path
        if not self._copy:
            try:
                self._copy = private_copy(place, self._setup.state_dir)
            except OSError as error:
                raise SandboxUnavailable(
                    f"{place} lies in a writable root, and no copy can be made in {self._setup.state_dir}: {error}",
                    hint="install bubblewrap outside the workspace",
                ) from error
        return self._copy

    def _recover(self) -> None:
        if not self._recovered:
            self._recovered = True
            with suppress(OSError):  # told when something has to be written there
                os.makedirs(self._setup.state_dir, mode=0o700, exist_ok=True)
            self.notices.extend(recover(self._setup.state_dir))

    async def aclose(self) -> None:
        """Nothing is held; commands are ended by whoever started them."""

"""The backend that confines commands by namespaces: bubblewrap, started directly, with our seccomp filter."""

from __future__ import annotations

import errno
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import anyio

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
    spawn_process,
)

from . import seccomp
from .bwrap_arguments import TMPDIR, arguments, encode, split_environment
from .bwrap_binary import Binary, find, forget, private_copy
from .bwrap_plan import Facts, gather
from .bwrap_process import BwrapProcess, SetupFailed, Start
from .protected import within_any
from .quarantine import Watch, recover

if TYPE_CHECKING:
    from .bwrap_proxied import Handover

START_TIMEOUT_S = 15.0
"""How long everything before the command's first instruction may take."""
ATTEMPTS = 2
"""A folder may vanish between the plan and the start: then the plan is made once more."""
MAX_NOTICES = 100
SHIELDED = frozenset(
    {
        *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGALRM, signal.SIGUSR1),
        *(signal.SIGUSR2, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU),
    }
)
"""What a shared terminal may send: the command is to have it, and bubblewrap outside must not die of it."""

_WHY = {
    "denied-reads": "a file that comes to match while a command runs is covered from the next command on",
    "protected-folders": "what did not exist and appears during a command is taken away after it",
    "dies-with-us": "tied to the thread that starts commands, which is the event loop's",
}
_Started = TypeVar("_Started")


class BwrapBackend:
    """Implements the `SandboxBackend` contract. `notices` are sentences for the user about what was put right
    after commands, the newest last. Commands die with the thread that runs the event loop."""

    def __init__(self, setup: SandboxSetup) -> None:
        self._setup = setup
        self._binary: Binary | None = None
        self._copy = ""
        self._recovered = False
        self.notices: deque[str] = deque(maxlen=MAX_NOTICES)

    # -- probe -----------------------------------------------------------------------------------------

    def _found(self) -> Binary:
        if self._binary is None:
            try:
                self._binary = find(self._setup, _filter(NetworkMode.OFF))
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
            identity=f"{binary.identity} {zlib.crc32(_filter(NetworkMode.OFF)):08x}",
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
        if policy.unconfined:
            raise SandboxUnavailable(f"{policy.mode} leaves nothing to confine")
        if policy.network is NetworkMode.PROXIED and request.network is None:
            raise SandboxUnavailable("the network is to be proxied, and no proxy was given")
        binary = self._found()
        if binary.reason:
            raise SandboxUnavailable(binary.reason, hint=binary.cure)
        self._recover()
        _check_program(request)
        failure = ""
        for _attempt in range(ATTEMPTS):
            try:
                with anyio.fail_after(START_TIMEOUT_S):
                    return await self._start(binary, request, policy)
            except SetupFailed as error:
                failure = str(error)
            except TimeoutError as error:
                failure = f"it took more than {START_TIMEOUT_S:.0f} s; does a mounted file system not answer?"
                raise self._failed(failure) from error
        raise self._failed(failure)

    def _failed(self, failure: str) -> SandboxUnavailable:
        forget(self._setup.state_dir)
        words = failure.strip() or "it ended without a word"
        return SandboxUnavailable(f"bubblewrap could not set up the sandbox: {words}", hint="codex sandbox status")

    async def _facts(self, request: ExecRequest, policy: SandboxPolicy) -> Facts:
        readable: tuple[str, ...] = ()
        if policy.network is NetworkMode.PROXIED:
            from .bwrap_proxied import python_places

            readable = python_places()

        def plan() -> Facts:
            tmpdir = request.env.get("TMPDIR")
            return gather(policy, request.cwd, tmpdir, keep=(self._setup.codex_home,), readable=readable)

        if any(sign in pattern for pattern in policy.denied_reads for sign in "*?["):
            # A search: not on the event loop.
            return await anyio.to_thread.run_sync(plan, abandon_on_cancel=True)
        return plan()

    async def _start(self, binary: Binary, request: ExecRequest, policy: SandboxPolicy) -> Process:
        facts = await self._facts(request, policy)
        self.notices.extend(text for text in facts.notices if text not in self.notices)
        proxied = policy.network is NetworkMode.PROXIED
        handover = None
        if proxied and request.network is not None:
            from .bwrap_proxied import Handover

            handover = Handover(request.network)
        pins = _open_pins(facts) if binary.binds_descriptors else {}
        outer_env, inner_env = split_environment(_environment(request.env, policy, facts))
        words = arguments(
            facts,
            policy.network,
            request.cwd,
            inner_env=inner_env,
            pins=pins,
            new_session=not (request.tty or request.inherit),
            fresh_proc=binary.fresh_proc,
            as_root=os.geteuid() == 0,
        )
        command = [*_prefix(request, binary), *(handover.words() if handover else ()), *request.argv]
        start = Start()
        fds: list[int] = [*pins.values()]
        watch: Watch | None = None
        try:
            fds.append(_memory(_filter(policy.network)))
            words += ["--seccomp", str(fds[-1]), *start.arguments()]
            fds.append(_memory(encode(words)))
            watch = Watch(self._setup.state_dir, facts.watched, self.notices.append)
            process = BwrapProcess(start, _ending(watch, request if proxied else None))
            inner = await spawn_process(
                request,
                argv=[self._program(binary, facts), "--args", str(fds[-1]), "--", *command],
                pass_fds=[*fds, *start.theirs, *([handover.fd] if handover else ())],
                env=outer_env,
                controlling=False,
                launch=_shielded if request.inherit else None,
                on_exit=process.leader_ended,
            )
        except BaseException:
            start.close()
            if handover is not None:
                handover.close()
            if watch is not None:
                watch.end()
            raise
        finally:
            start.close_theirs()
            for fd in fds:
                os.close(fd)
        process.adopt(inner)
        await _let_go(start, handover, process, inner)
        return process

    def _program(self, binary: Binary, facts: Facts) -> str:
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


async def _let_go(start: Start, handover: Handover | None, process: BwrapProcess, inner: Process) -> None:
    """See that the sandbox stands, and let the command begin; else nothing of it is left. Raises `SetupFailed`."""
    try:
        if handover is not None:
            handover.close_theirs()
        await start.finish()
        if handover is not None:
            await handover.finish()
    except SetupFailed as error:
        said = str(error) or await _last_words(inner)
        await process.kill_tree()
        raise SetupFailed(said) from error
    except BaseException:
        with anyio.CancelScope(shield=True):
            await process.kill_tree()
        raise
    finally:
        if handover is not None:
            handover.close()


def _open_pins(facts: Facts) -> dict[str, int]:
    """Descriptors of the folders to be pinned. Raises `SetupFailed` when one is not what it was a moment ago."""
    found: dict[str, int] = {}
    try:
        for mount in facts.mounts:
            if mount.mode == "pin":
                found[mount.path] = os.open(mount.path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
                if os.readlink(f"/proc/self/fd/{found[mount.path]}") != mount.path:
                    raise SetupFailed(f"{mount.path} was replaced meanwhile")
    except BaseException as error:
        for fd in found.values():
            os.close(fd)
        if isinstance(error, OSError):
            raise SetupFailed(str(error)) from error
        raise
    return found


def _filter(network: NetworkMode) -> bytes:
    return seccomp.program(os.uname().machine, network.value, private_network=network is not NetworkMode.ON)


def _ending(watch: Watch, request: ExecRequest | None) -> Callable[[], Sequence[str]]:
    def end() -> Sequence[str]:
        if request is not None and request.network is not None:
            request.network.close()
        return watch.end()

    return end


def _environment(env: Mapping[str, str], policy: SandboxPolicy, facts: Facts) -> dict[str, str]:
    changed = {**env, "CODEX_SANDBOX": "bwrap"}
    if policy.network is NetworkMode.OFF:
        changed["CODEX_SANDBOX_NETWORK_DISABLED"] = "1"
    if facts.own_tmpdir:
        changed["TMPDIR"] = TMPDIR
    return changed


def _prefix(request: ExecRequest, binary: Binary) -> list[str]:
    """What the command is started by, where a terminal is concerned: programs that make one call and become it."""
    if request.inherit:
        names = ",".join(sorted(one.name.removeprefix("SIG") for one in SHIELDED))
        if binary.unblocks and "=" not in request.argv[0]:
            return ["/usr/bin/env", f"--default-signal={names}"]
        return [_interpreter(), "-I", "-S", "-c", _UNBLOCK]
    if request.tty:
        for path in ("/usr/bin/setsid", "/bin/setsid"):
            if os.access(path, os.X_OK):
                return [path, "-c"]
        return [_interpreter(), "-I", "-S", "-c", _TAKE_TERMINAL]
    return []


_EXECUTE = """
try:
    os.execvp(sys.argv[1], [os.fsencode(word) for word in sys.argv[1:]])
except OSError as error:
    print(sys.argv[1] + ": " + error.strerror, file=sys.stderr)
    sys.exit(126 if isinstance(error, PermissionError) else 127)
"""
_UNBLOCK = "import os, signal, sys\nsignal.pthread_sigmask(signal.SIG_SETMASK, ())\n" + _EXECUTE
_TAKE_TERMINAL = "import fcntl, os, sys, termios\nos.setsid()\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)\n" + _EXECUTE


def _interpreter() -> str:
    import sys

    return sys.executable


def _shielded(start: Callable[[], _Started]) -> _Started:
    """Start bubblewrap with signals blocked that are meant for the command. A mask belongs to this thread alone."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SHIELDED)
    try:
        return start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _check_program(request: ExecRequest) -> None:
    """Raise what exec would: in bubblewrap it would be one failure among many."""
    if not request.argv or not request.argv[0]:
        raise ValueError("a command needs at least one word")
    if any("\0" in word for word in (*request.argv, request.cwd)):
        raise ValueError("embedded null byte")
    if not os.path.isdir(request.cwd):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), request.cwd)
    program = request.argv[0]
    folders = [""] if "/" in program else os.get_exec_path(dict(request.env))
    refused = False
    for folder in folders:
        path = os.path.join(request.cwd, folder, program)
        if os.path.isfile(path):
            if os.access(path, os.X_OK):
                return
            refused = True
        elif "/" in program and os.path.exists(path):
            refused = True
    if refused:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), program)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)


def _memory(content: bytes) -> int:
    """A descriptor from which the content can be read."""
    fd = os.memfd_create("codex-sandbox")
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.lseek(fd, 0, os.SEEK_SET)
    except BaseException:
        os.close(fd)
        raise
    return fd


async def _last_words(process: Process) -> str:
    """What bubblewrap said before it ended."""
    said = b""
    with anyio.move_on_after(2):
        while len(said) < 10_000 and (part := await process.read()):
            said += part
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("bwrap: ") if lines else ""

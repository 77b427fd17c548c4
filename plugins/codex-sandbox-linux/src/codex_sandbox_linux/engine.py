"""The engine that confines by namespaces: bubblewrap, started directly, with our seccomp filter."""

from __future__ import annotations

import os
import platform
import shutil
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

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
    Value,
    spawn_process,
    value,
)

from . import seccomp
from .afterwards import Afterwards
from .arguments import TMPDIR, arguments
from .binary import Binary, find
from .confined import ConfinedProcess
from .layout import Layout, plan
from .namespace import Namespace
from .syscalls import NUMBERS

NETWORK_VARIABLE = "CODEX_SANDBOX_NETWORK_DISABLED"
SANDBOX_VARIABLE = "CODEX_SANDBOX"
MAX_NOTICES = 32
MAX_WORDS = 9000
"""More arguments bubblewrap refuses; a writable root takes three."""


@value
class Confined(Value):
    """A command with everything in place to be started: run `argv` with `env` in `cwd`, passing `fds`, and call
    `done` when it has ended or was never started. What `done` says is for the user. Whoever starts it closes
    `fds` afterwards."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    fds: tuple[int, ...]
    done: Callable[[], list[str]]
    namespace: Namespace


class BwrapEngine:
    """Implements the `SandboxBackend` contract."""

    def __init__(self, setup: SandboxSetup) -> None:
        self._setup = setup
        self._afterwards = Afterwards(setup.state_dir)
        self._recovered = False
        self.notices: deque[str] = deque(maxlen=MAX_NOTICES)

    @cached_property
    def _binary(self) -> Binary:
        configured = self._setup.options.get("bwrap")
        return find(configured if isinstance(configured, str) else None, self._setup.state_dir)

    def probe(self) -> Probe:
        """What bubblewrap can enforce here."""
        binary = self._binary
        if not binary.problem and platform.machine() not in NUMBERS:
            binary = binary.replace(problem=f"there is no seccomp filter for {platform.machine()}")
        if binary.problem:
            return Probe(available=False, reason=binary.problem, cure=binary.cure)
        missing = {}
        if not binary.fresh_proc:
            missing["processes"] = "a new /proc cannot be mounted in this container, so processes outside are seen"
        if not binary.private_network:
            missing["network-ip"] = "a private network cannot be made here"
        return Probe(
            available=True,
            degraded=bool(missing),
            identity=f"{binary.identity} {seccomp_version()}",
            version=f"bubblewrap {binary.version} ({binary.path})",
            guarantees=tuple(
                Guarantee(name=name, enforced=name not in missing, why=missing.get(name, "")) for name in GUARANTEES
            ),
        )

    async def spawn(self, request: ExecRequest, policy: SandboxPolicy) -> Process:
        """Start a program under the policy. Raises `SandboxUnavailable`, `FileNotFoundError`."""
        if policy.network is NetworkMode.PROXIED:
            from .proxied import spawn_proxied

            return await spawn_proxied(self, request, policy)
        return await self.start(request, policy)

    async def start(
        self,
        request: ExecRequest,
        policy: SandboxPolicy,
        *,
        fds: Sequence[int] = (),
        on_exit: Callable[[], None] | None = None,
    ) -> Process:
        """As `spawn`; `fds` are passed on to the program, `on_exit` is called when it has ended."""
        confined = self.command(request, policy, fds=fds)
        notices: list[str] = []

        def ended() -> None:
            notices.extend(confined.done())
            if on_exit is not None:
                on_exit()

        try:
            outer = await spawn_process(
                request,
                argv=confined.argv,
                env=confined.env,
                cwd=confined.cwd,
                pass_fds=confined.fds,
                controlling=False,
                on_exit=ended,
            )
        except BaseException:
            confined.done()
            raise
        finally:
            for fd in set(confined.fds) - set(fds):
                os.close(fd)
        return ConfinedProcess(outer, confined.namespace, notices)

    def command(
        self, request: ExecRequest, policy: SandboxPolicy, *, status_fd: int = -1, fds: Sequence[int] = ()
    ) -> Confined:
        """The command line that confines a program, for whoever starts it without an event loop. bubblewrap
        writes JSON objects to `status_fd`: `child-pid`, and `exit-code` if the command ran. Raises as `spawn`
        does."""
        binary = self._usable()
        self._recover()
        if not os.path.isdir(request.cwd):
            raise FileNotFoundError(2, "No such folder", request.cwd)
        argv = self._resolved(request)
        layout = plan(policy, request.cwd, request.env.get("TMPDIR"))
        self._check_hidden(layout, request.cwd)
        env = _environment(request.env, policy, layout)
        namespace = Namespace()
        opened = [namespace.told_fd]
        try:
            words = arguments(
                layout,
                policy.network,
                os.path.realpath(request.cwd),
                fresh_proc=binary.fresh_proc,
                unreadable=self._unreadable(layout),
            )
            words += [*_session(request), "--info-fd", str(namespace.told_fd)]
            opened.append(_memory("filter", _filter(policy.network)))
            words += ["--seccomp", str(opened[-1])]
            if status_fd >= 0:
                words += ["--json-status-fd", str(status_fd)]
            if len(words) + len(argv) + 8 > MAX_WORDS:
                raise SandboxUnavailable(
                    f"the policy names too many places for bubblewrap ({len(layout.writable)} writable roots)",
                    hint="name a folder that holds them",
                )
            opened.append(_memory("arguments", b"".join(os.fsencode(word) + b"\0" for word in words)))
            self._note(layout)
        except BaseException:
            namespace.close()
            for fd in opened:
                os.close(fd)
            raise
        passed = (*opened, *((status_fd,) if status_fd >= 0 else ()), *fds)
        return Confined(
            argv=(binary.path, "--args", str(opened[-1]), "--", *argv),
            env=env,
            cwd="/",
            fds=passed,
            done=lambda: self._after(layout, namespace),
            namespace=namespace,
        )

    async def aclose(self) -> None:
        """Forget the journal: nothing runs any more."""
        self._afterwards.close()

    # -- parts ---------------------------------------------------------------------------------------

    def _usable(self) -> Binary:
        if self._binary.problem:
            raise SandboxUnavailable(self._binary.problem, hint=self._binary.cure)
        return self._binary

    def _note(self, layout: Layout) -> None:
        try:
            self._afterwards.before(layout)
        except OSError as error:
            raise SandboxUnavailable(f"the sandbox's journal cannot be written: {error}") from error

    def _recover(self) -> None:
        if not self._recovered:
            self._recovered = True
            self.notices.extend(self._afterwards.recover())

    def _after(self, layout: Layout, namespace: Namespace) -> list[str]:
        """Only when nothing of the command lives any more can nothing appear any more."""
        try:
            namespace.wait()
            said = self._afterwards.after(layout)
        except OSError as error:
            said = [f"what the command left could not be put right: {error}"]
        finally:
            namespace.close()
        self.notices.extend(said)
        return said

    def _resolved(self, request: ExecRequest) -> tuple[str, ...]:
        """The command with its program found, as the shell would; bubblewrap's own search would tell it apart
        from no other failure."""
        program = request.argv[0] if request.argv else ""
        if not program:
            raise ValueError("a command needs at least one word")
        if any("\0" in word for word in request.argv):
            raise ValueError("embedded null byte")
        if "/" in program:
            found: str | None = os.path.join(request.cwd, program)
            if not os.path.exists(str(found)):
                raise FileNotFoundError(2, "No such file or directory", program)
            if os.path.isdir(str(found)) or not os.access(str(found), os.X_OK):
                raise PermissionError(13, "Permission denied", program)
            found = program
        else:
            found = shutil.which(program, path=request.env.get("PATH", os.defpath))
            if found is None:
                raise FileNotFoundError(2, "No such file or directory", program)
            found = program
        words = (found, *request.argv[1:])
        # The terminal becomes that of the command's own session, so that Ctrl-C reaches it and not bubblewrap.
        return (_setsid(), "-c", *words) if request.tty and not request.inherit else words

    def _check_hidden(self, layout: Layout, cwd: str) -> None:
        real = os.path.realpath(cwd)
        for path, _ in layout.hidden:
            if real == path or real.startswith(path + "/"):
                raise SandboxUnavailable(f"the working directory {cwd} lies in {path}, which must not be read")

    def _unreadable(self, layout: Layout) -> str:
        """An empty file that nobody may read, to lay over others."""
        if not layout.hidden:
            return ""
        path = os.path.join(self._setup.state_dir, "unreadable")
        try:
            os.makedirs(self._setup.state_dir, mode=0o700, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o000))
        except FileExistsError:
            pass
        except OSError as error:
            raise SandboxUnavailable(f"{path} cannot be made: {error.strerror}") from error
        return path


def seccomp_version() -> str:
    """Changes with the filter, so that what was proved of another one does not count."""
    import hashlib

    return hashlib.sha256(_filter(NetworkMode.OFF)).hexdigest()[:16]


def _filter(network: NetworkMode) -> bytes:
    private = network is not NetworkMode.ON
    return seccomp.program(platform.machine(), network.value, private_network=private)


def _session(request: ExecRequest) -> list[str]:
    return [] if request.tty or request.inherit else ["--new-session"]


def _setsid() -> str:
    found = shutil.which("setsid", path=os.defpath)
    if found is None:
        raise SandboxUnavailable("a terminal needs the program setsid", hint="install util-linux")
    return found


def _environment(env: Mapping[str, str], policy: SandboxPolicy, layout: Layout) -> dict[str, str]:
    changed = dict(env)
    changed[SANDBOX_VARIABLE] = "bwrap"
    if policy.network is NetworkMode.OFF:
        changed[NETWORK_VARIABLE] = "1"
    if layout.private_tmp:
        changed["TMPDIR"] = TMPDIR
    return changed


def _memory(name: str, content: bytes) -> int:
    """A descriptor to read the content from."""
    fd = os.memfd_create(name)
    try:
        _write_all(fd, content)
        os.lseek(fd, 0, os.SEEK_SET)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _write_all(fd: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(fd, rest) :]

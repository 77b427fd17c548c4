"""The command line that confines a program, with the descriptors that go with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from codex_plugin_sdk import ExecRequest, NetworkMode, SandboxPolicy, Value, value

from . import seccomp
from .bwrap_arguments import TMPDIR, arguments, encode, split_environment
from .bwrap_binary import Binary
from .bwrap_plan import Facts
from .namespace import Namespace
from .quarantine import Watch


class SetupFailed(Exception):
    """Bubblewrap ended, or did not get on, before the command could start. The text is what it said."""


@value
class Confined(Value):
    """A command with everything in place to be started without an event loop: run `argv` with `env` in `cwd`,
    passing `fds`, which belong to the caller from then on, and call `done` once it has ended or could not be
    started; what that says is for the user. `static` says that all of it follows from policy, folder, environment,
    machine and installation alone, and that `done` has nothing to do."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    fds: tuple[int, ...]
    done: Callable[[], list[str]]
    static: bool


class CommandLine:
    """Bubblewrap's environment, arguments and descriptors for one command. More arguments may be added to `words`
    until `seal`."""

    def __init__(self, binary: Binary, request: ExecRequest, policy: SandboxPolicy, facts: Facts) -> None:
        """Raises `SetupFailed` when a folder is not what it was a moment ago, `SandboxUnavailable`, `ValueError`."""
        self._policy = policy
        self.env, inner_env = split_environment(_environment(request.env, policy, facts))
        pins = _open_pins(facts) if binary.binds_descriptors else {}
        self.fds = [*pins.values()]
        try:
            self.words = arguments(
                facts,
                policy.network,
                request.cwd,
                inner_env=inner_env,
                pins=pins,
                new_session=not (request.tty or request.inherit),
                fresh_proc=binary.fresh_proc,
                as_root=os.geteuid() == 0,
            )
            self.fds.append(_memory(filter_program(policy.network)))
            self.words += ["--seccomp", str(self.fds[-1])]
        except BaseException:
            self.close()
            raise

    def seal(self, program: str) -> list[str]:
        """The words before the command. Raises `ValueError` for what cannot be an argument."""
        self.fds.append(_memory(encode(self.words)))
        return [program, "--args", str(self.fds[-1]), "--"]

    def close(self) -> None:
        """Close our descriptors: bubblewrap has its own, or is not started."""
        while self.fds:
            os.close(self.fds.pop())


def is_static(policy: SandboxPolicy, facts: Facts) -> bool:
    """Whether the same arguments will do next time: nothing on the disk was looked at for them."""
    return facts.everything and not (facts.mounts or facts.watched or facts.notices or policy.denied_reads)


def filter_program(network: NetworkMode) -> bytes:
    """The seccomp filter. Raises `ValueError` for an architecture that there is none for."""
    return seccomp.program(os.uname().machine, network.value, private_network=network is not NetworkMode.ON)


def ending(namespace: Namespace | None, watch: Watch) -> Callable[[], list[str]]:
    """What is to be done when the program has ended: only when nothing of it lives any more can nothing appear."""

    def done() -> list[str]:
        if namespace is not None:
            try:
                namespace.wait()
            except TimeoutError as error:
                return [str(error)]  # the journal stays, so that the next process does the rest
            finally:
                namespace.close()
        return watch.end()

    return done


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


def _environment(env: Mapping[str, str], policy: SandboxPolicy, facts: Facts) -> dict[str, str]:
    changed = {**env, "CODEX_SANDBOX": "bwrap"}
    if policy.network is NetworkMode.OFF:
        changed["CODEX_SANDBOX_NETWORK_DISABLED"] = "1"
    if facts.own_tmpdir:
        changed["TMPDIR"] = TMPDIR
    return changed


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

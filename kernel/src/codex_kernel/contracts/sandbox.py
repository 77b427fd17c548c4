"""The contract of a sandbox backend, and of the processes that it starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ..protocol.policy import Guarantee, SandboxPolicy
from ..protocol.value import Value, field, value
from .network import ProxySession


@value
class ExecRequest(Value):
    """A program to run. `argv` and `cwd` may hold surrogate-escaped bytes; `env` is the whole environment.

    With `tty` the program gets a pseudo-terminal of `rows` x `cols` for all three streams; without, stdin
    is a pipe only if `stdin_pipe` (else empty), and stdout and stderr share one pipe, so that their order
    is kept. With `inherit` it gets this program's own descriptors 0-2 and stays in its session, so that a
    terminal is the very same and both outputs stay apart; nothing can be read of it then.
    `network` is given where the policy's network is proxied: the only way out for the command.
    """

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str] = field(repr=False)
    tty: bool = False
    stdin_pipe: bool = False
    inherit: bool = False
    rows: int = 24
    cols: int = 80
    network: ProxySession | None = field(default=None, repr=False, eq=False)


class Process(Protocol):
    """A running program with everything it started.

    It may also have `notices: Sequence[str]`: what its backend did after its end that the model should know.
    """

    @property
    def pid(self) -> int:
        """Process id of the leader, for display."""
        ...

    @property
    def returncode(self) -> int | None:
        """Exit status once known; 128 + n after signal n."""
        ...

    async def read(self, max_bytes: int = 65536) -> bytes:
        """The next output; `b""` once all of it has been read and every writer is gone."""
        ...

    async def write(self, data: bytes) -> None:
        """Feed stdin. Raises `BrokenPipeError` when nobody reads it any more."""
        ...

    async def close_stdin(self) -> None:
        """End of input (on a terminal: the end-of-file character)."""
        ...

    def resize(self, rows: int, cols: int) -> None:
        """Change the terminal's size; nothing without one."""
        ...

    def signal(self, signum: int) -> None:
        """Send a signal to the whole process group."""
        ...

    async def wait(self) -> int:
        """Exit status of the leader; 128 + n after signal n. May be called again."""
        ...

    async def kill_tree(self) -> None:
        """End the leader and all that it started, whether or not they left its group; returns when gone."""
        ...


@value
class Probe(Value):
    """What a backend can do on this machine. `available` false carries the reason and the cure.
    `degraded` means available, but weaker than the policy's full meaning; `guarantees` say where.
    `identity` changes whenever what enforces changes (a binary's path, size and time): what was proved of
    one identity does not count for another. `version` is for people."""

    available: bool
    reason: str = ""
    cure: str = ""
    degraded: bool = False
    guarantees: tuple[Guarantee, ...] = ()
    identity: str = ""
    version: str = ""

    def enforces(self, name: str) -> bool:
        """Whether a guarantee is given."""
        return any(found.name == name and found.enforced for found in self.guarantees)


@value
class SandboxSetup(Value):
    """What a backend's factory gets. `state_dir` is for caches of proofs; it may not exist yet."""

    codex_home: str
    state_dir: str
    environ: Mapping[str, str] = field(repr=False)
    options: Mapping[str, object] = field(factory=dict)


class SandboxBackend(Protocol):
    """A way to confine commands. Made once per thread."""

    def probe(self) -> Probe:
        """What can be enforced here. Cheap and cached; called before the first command of a thread."""
        ...

    async def spawn(self, request: ExecRequest, policy: SandboxPolicy) -> Process:
        """Start a program under the policy.

        Raises `SandboxUnavailable` when the policy cannot be enforced (never runs it unconfined),
        `FileNotFoundError` when the program or cwd does not exist. With `request.network` the command gets
        `network.environ(port)` on top of its environment, `network.listen` the socket behind that port, and
        `network.close` is called when the command has ended.
        """
        ...

    async def aclose(self) -> None:
        """Release prepared namespaces and helpers."""
        ...

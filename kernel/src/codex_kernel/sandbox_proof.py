"""Proof instead of belief: before a backend confines anything, it has to hold a small program that tries to get out.

Done once per machine state and kind of policy; what was proved is remembered under the state folder.
"""

from __future__ import annotations

import os
import sys

from .contracts.sandbox import ExecRequest, Probe, SandboxBackend, SandboxSetup
from .errors import SandboxError
from .protocol.policy import NetworkMode, SandboxMode, SandboxPolicy
from .protocol.value import Value, value

PROOF_VERSION = 1
PROOF_TIMEOUT_S = 30
_REMEMBERED = 64

# Prints a word per attempt that succeeded. Arguments: folder outside, folder inside, secret file, port, Unix socket.
_ATTEMPTS = """
import os, socket, sys
outside, inside, secret, port, path = sys.argv[1:]
def attempt(word, action):
    try:
        action()
    except OSError:
        return
    print(word)
def connect(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.settimeout(2)
        one.connect(address)
attempt("wrote-outside", lambda: open(os.path.join(outside, "made"), "x").close())
attempt("removed-outside", lambda: os.unlink(os.path.join(outside, "victim")))
attempt("wrote-inside", lambda: open(os.path.join(inside, "made"), "x").close())
attempt("read-secret", lambda: open(secret).close())
attempt("read-ordinary", lambda: open(os.path.join(inside, "ordinary")).close())
attempt("connected", lambda: connect(socket.AF_INET, ("127.0.0.1", int(port))))
attempt("connected-unix", lambda: connect(socket.AF_UNIX, path))
print("done")
"""


@value
class Proof(Value):
    """`failure` says what did not hold; empty means that the backend may be used."""

    failure: str = ""
    cached: bool = False


def kind_of(policy: SandboxPolicy) -> str:
    """What of a policy a proof depends on, as one word."""
    reads = "" if "/" in policy.readable_roots else "+reads"
    return f"{policy.mode}+{policy.network}{'+denied' if policy.denied_reads else ''}{reads}"


async def prove(name: str, backend: SandboxBackend, probe: Probe, policy: SandboxPolicy, setup: SandboxSetup) -> Proof:
    """Let a backend prove itself for this kind of policy, unless it has done so in this state of the machine.
    Never raises for what the backend does wrong."""
    from . import sandbox_memory

    key = sandbox_memory.key(name, probe.identity, kind_of(policy), PROOF_VERSION)
    if probe.identity and sandbox_memory.knows(setup.state_dir, key):
        return Proof(cached=True)
    try:
        failure = await _try_out(backend, probe, policy, setup)
    except (SandboxError, OSError, TimeoutError) as error:
        failure = f"it could not be tried out: {error or type(error).__name__}"
    if not failure and probe.identity:
        sandbox_memory.remember(setup.state_dir, key, _REMEMBERED)
    return Proof(failure=failure)


async def _try_out(backend: SandboxBackend, probe: Probe, policy: SandboxPolicy, setup: SandboxSetup) -> str:
    import shutil
    import tempfile

    os.makedirs(setup.state_dir, mode=0o700, exist_ok=True)
    # A socket's path may have 108 bytes: the state folder's may be longer than that.
    scratch, short = tempfile.mkdtemp(prefix="proof-", dir=setup.state_dir), tempfile.mkdtemp(prefix="codex-")
    try:
        return await _judge(backend, probe, policy, scratch, short)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(short, ignore_errors=True)


async def _judge(backend: SandboxBackend, probe: Probe, policy: SandboxPolicy, scratch: str, short: str) -> str:
    import socket

    import anyio

    outside, inside, secret = _lay_out(scratch)
    socket_path = os.path.join(short, "s")
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        tcp.bind(("127.0.0.1", 0))
        unix.bind(socket_path)
        for listener in (tcp, unix):
            listener.listen(8)
        places = (outside, inside, secret, str(tcp.getsockname()[1]), socket_path)
        request = ExecRequest(
            argv=(sys.executable, "-I", "-S", "-c", _ATTEMPTS, *places), cwd=inside, env={"PATH": os.defpath}
        )
        with anyio.fail_after(PROOF_TIMEOUT_S):
            said = await _output(backend, request, _scaled(policy, secret))
    victim_lives = "victim" in os.listdir(outside)
    return _verdict(said, probe, policy, victim_lives)


def _lay_out(scratch: str) -> tuple[str, str, str]:
    """A folder outside with a victim, one inside with an ordinary file, and a secret."""
    scratch = os.path.realpath(scratch)
    outside, inside, secret = (os.path.join(scratch, name) for name in ("outside", "inside", "secret"))
    for folder in (outside, inside):
        os.mkdir(folder)
    for path in (os.path.join(outside, "victim"), os.path.join(inside, "ordinary"), secret):
        open(path, "x").close()
    return outside, inside, secret


def _scaled(policy: SandboxPolicy, secret: str) -> SandboxPolicy:
    """The policy's kind over the scratch folder."""
    own = () if "/" in policy.readable_roots else (sys.prefix, sys.base_prefix, os.path.dirname(secret))
    return SandboxPolicy(
        mode=policy.mode,
        network_access=policy.network is NetworkMode.ON,
        exclude_slash_tmp=True,
        exclude_tmpdir_env_var=True,
        denied_reads=(secret,) if policy.denied_reads else (),
        readable_roots=own or ("/",),
    )


async def _output(backend: SandboxBackend, request: ExecRequest, policy: SandboxPolicy) -> str:
    process = await backend.spawn(request, policy)
    try:
        said = b""
        while chunk := await process.read():
            said += chunk
        await process.wait()
    finally:
        import anyio

        with anyio.CancelScope(shield=True):
            await process.kill_tree()
    return said.decode(errors="replace")


def _verdict(said: str, probe: Probe, policy: SandboxPolicy, victim_lives: bool) -> str:
    words = set(said.split())
    if "done" not in words:
        return f"a permitted program does not run in it: {said.strip()[-300:] or 'no output'}"
    forbidden = {"wrote-outside": "wrote", "removed-outside": "removed"}
    if policy.mode is SandboxMode.READ_ONLY:
        forbidden["wrote-inside"] = "wrote, although all is read-only,"
    if policy.denied_reads:
        forbidden["read-secret"] = "read"
    if policy.network is not NetworkMode.ON:
        forbidden["connected"] = "reached by network"
    if probe.enforces("network-unix-sockets"):
        forbidden["connected-unix"] = "reached by a Unix socket"
    broken = [words_for for word, words_for in forbidden.items() if word in words]
    if broken or not victim_lives:
        return f"it leaks: a forbidden thing was {' and '.join(broken) or 'removed'}"
    permitted = {"read-ordinary": "an ordinary file cannot be read"}
    if policy.mode is SandboxMode.WORKSPACE_WRITE:
        permitted["wrote-inside"] = "a writable root cannot be written"
    if policy.network is NetworkMode.ON:
        permitted["connected"] = "a permitted address cannot be reached"
    missing = [why for word, why in permitted.items() if word not in words]
    return f"it forbids too much: {', '.join(missing)}" if missing else ""

"""Commands with a proxied network: a listener inside their empty network, served by us outside.

Inside, before the command, a small program makes a listening socket on 127.0.0.1, hands it to us over a socket pair,
gets the environment that names its port, and becomes the command. No process stays between, and nothing but that
one port leads out.
"""

from __future__ import annotations

import array
import os
import socket
import sys
from typing import TYPE_CHECKING

import anyio

from codex_plugin_sdk import ExecRequest, Process, SandboxPolicy, SandboxUnavailable

if TYPE_CHECKING:
    from .engine import BwrapEngine

HANDOVER_TIMEOUT_S = 20

_INSIDE = """
import array, os, socket, sys
channel = socket.socket(fileno=int(sys.argv[1]))
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(128)
port = listener.getsockname()[1]
channel.sendmsg([b"%d" % port], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener.fileno()]))])
given = b""
while not given.endswith(b"\\0\\0"):
    more = channel.recv(65536)
    if not more:
        sys.exit("the proxy is gone")
    given += more
environ = dict(os.environb)
environ.update(pair.split(b"=", 1) for pair in given[:-2].split(b"\\0") if pair)
listener.close()
channel.close()
argv = [os.fsencode(word) for word in sys.argv[2:]]
try:
    os.execvpe(argv[0], argv, environ)
except OSError as error:
    sys.stderr.write(f"{sys.argv[2]}: {error.strerror}\\n")
    sys.exit(126 if isinstance(error, PermissionError) else 127)
"""


async def spawn_proxied(engine: BwrapEngine, request: ExecRequest, policy: SandboxPolicy) -> Process:
    """Start a program whose only way out is `request.network`. Raises `SandboxUnavailable` when there is none."""
    session = request.network
    if session is None:
        raise SandboxUnavailable("the network is to be proxied, and there is no proxy")
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            argv = (sys.executable, "-I", "-S", "-c", _INSIDE, str(theirs.fileno()), *request.argv)
            readable = policy
            if "/" not in policy.readable_roots:
                readable = policy.replace(readable_roots=(*policy.readable_roots, sys.prefix, sys.base_prefix))
            process = await engine.start(
                request.replace(argv=argv), readable, fds=(theirs.fileno(),), on_exit=session.close
            )
        try:
            with anyio.fail_after(HANDOVER_TIMEOUT_S):
                port, listener = await _receive(ours)
                session.listen(listener)
                pairs = (f"{name}={text}" for name, text in session.environ(port).items())
                await _send(ours, b"\0".join(os.fsencode(pair) for pair in pairs) + b"\0\0")
        except BaseException as error:
            session.close()
            await process.kill_tree()
            if isinstance(error, TimeoutError | OSError):
                raise SandboxUnavailable(f"the command's network could not be handed over: {error}") from error
            raise
    return process


async def _receive(channel: socket.socket) -> tuple[int, int]:
    channel.setblocking(False)
    await anyio.wait_readable(channel)
    message, ancillary, _, _ = channel.recvmsg(64, socket.CMSG_SPACE(4))
    fds = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    if not message or len(fds) != 1:
        for fd in fds:
            os.close(fd)
        raise OSError("the sandbox ended before it had a network")
    return int(message), fds[0]


async def _send(channel: socket.socket, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        await anyio.wait_writable(channel)
        rest = rest[channel.send(rest) :]

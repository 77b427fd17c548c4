"""A command whose network leads to our proxy only.

A small program inside makes a listening socket on 127.0.0.1, hands it to us, is told the variables that go with
its port, and becomes the command, in the same process. Nothing stays between; if anything goes wrong the command
does not start.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping

import anyio

from codex_plugin_sdk import ProxySession, SandboxUnavailable

_MESSAGE_BYTES = 16

# `_socket` instead of `socket`: that takes 4 ms less to import.
_BECOME = """
import os, sys, _socket
fd = int(sys.argv[1])
link = _socket.socket(fileno=fd)
door = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
door.bind(("127.0.0.1", 0))
door.listen(128)
link.sendmsg([b"%d" % door.getsockname()[1]],
             [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, door.fileno().to_bytes(4, sys.byteorder))])
door.close()
got = b""
while part := link.recv(65536):
    got += part
link.close()
if not got.endswith(b"\\0."):
    sys.exit("the proxy is not there")
env = dict(os.environb)
env.update(field.partition(b"=")[::2] for field in got[:-2].split(b"\\0") if field)
words = [os.fsencode(word) for word in sys.argv[2:]]
try:
    os.execvpe(words[0], words, env)
except OSError as error:
    print(sys.argv[2] + ": " + error.strerror, file=sys.stderr)
    sys.exit(126 if isinstance(error, PermissionError) else 127)
"""


def python_places() -> tuple[str, ...]:
    """What must be readable inside for the small program: the interpreter and its library."""
    return (os.path.dirname(os.path.realpath(sys.executable)), sys.base_prefix, sys.prefix)


class Handover:
    """The socket between the small program and us."""

    def __init__(self, session: ProxySession) -> None:
        if not sys.executable:
            raise SandboxUnavailable("a proxied network needs a Python interpreter, and there is none to start")
        self._session = session
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)

    @property
    def fd(self) -> int:
        """Theirs, to be passed on."""
        return self._theirs.fileno()

    def words(self) -> list[str]:
        """What to put before the command."""
        return [sys.executable, "-I", "-S", "-c", _BECOME, str(self.fd)]

    def close_theirs(self) -> None:
        """The program has its own copy now."""
        self._theirs.close()

    def close(self) -> None:
        """Give up, or done."""
        self._theirs.close()
        self._ours.close()

    async def finish(self) -> None:
        """Take the listening socket over and let the command start. Raises `SandboxUnavailable`."""
        try:
            port, listener = await self._receive()
        except (OSError, ValueError) as error:
            raise SandboxUnavailable(f"the command's way to the proxy could not be made: {error}") from error
        self._session.listen(listener)
        await self._send(self._session.environ(port))
        self.close()

    async def _receive(self) -> tuple[int, int]:
        await anyio.wait_readable(self._ours)
        text, fds, _flags, _address = socket.recv_fds(self._ours, _MESSAGE_BYTES, 1)
        if len(fds) != 1:
            for fd in fds:
                os.close(fd)
            raise ValueError("the interpreter did not start inside")
        return int(text), fds[0]

    async def _send(self, environ: Mapping[str, str]) -> None:
        rest = memoryview(b"\0".join([*(os.fsencode(f"{name}={text}") for name, text in environ.items()), b"."]))
        if not environ:
            rest = memoryview(b"\0.")
        try:
            while rest:
                try:
                    rest = rest[self._ours.send(rest) :]
                except BlockingIOError:
                    await anyio.wait_writable(self._ours)
            self._ours.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise SandboxUnavailable(f"the command ended before it had its proxy: {error}") from error

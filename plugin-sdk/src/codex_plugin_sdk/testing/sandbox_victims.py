"""What attacks of the sandbox kit are aimed at: a process with a secret, sockets, shared memory, a terminal."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import anyio
import orjson

from codex_plugin_sdk import NetworkIntent

_SECRET_BYTES = 64

_VICTIM = """
import ctypes, json, os, signal, sys
secret = ctypes.create_string_buffer(os.environb[b"KIT_SECRET"], 64)
spare = ctypes.create_string_buffer(b"-" * 64, 64)
fd = os.open(sys.argv[1], os.O_RDONLY)
came = []
for each in (signal.SIGURG, signal.SIGWINCH, signal.SIGCHLD, signal.SIGCONT):
    signal.signal(each, lambda number, frame: came.append(number))
def tell(**words):
    os.write(1, json.dumps(words).encode() + b"\\n")
tell(pid=os.getpid(), address=ctypes.addressof(secret), spare=ctypes.addressof(spare), fd=fd)
while True:
    if not os.read(0, 1):
        break
    tell(came=came, spare=spare.raw.decode(errors="replace"))
"""


def _python() -> str:
    return sys.executable if os.access(os.path.realpath(sys.executable), os.X_OK) else "/usr/bin/python3"


class VictimProcess:
    """A process of this user outside the sandbox: its environment, its memory and an open file hold a secret."""

    def __init__(self, folder: str, secret: str, mark: str) -> None:
        self.word = f"victim:{mark}"
        self.cwd = os.path.join(folder, f"cwd-{secret}")
        os.makedirs(self.cwd, exist_ok=True)
        path = os.path.join(self.cwd, "held")
        with open(path, "w", encoding="utf-8") as file:
            file.write(secret)
        self._process = self._started(path, secret)
        self.told = self._answer()
        self.pid = int(self.told["pid"])
        os.unlink(path)
        self._before = self._settings()

    def _started(self, path: str, secret: str) -> subprocess.Popen[bytes]:
        _use_up_small_numbers()
        return subprocess.Popen(
            (_python(), "-I", "-S", "-c", _VICTIM, path, self.word),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"KIT_SECRET": secret},
            cwd=self.cwd,
            start_new_session=True,
        )

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = orjson.loads(self._process.stdout.readline())
        return found

    def given(self) -> dict[str, Any]:
        """What attacks are told of it."""
        kept = {"address": self.told["address"], "spare": self.told["spare"], "length": _SECRET_BYTES}
        return {"pid": self.pid, "secret-fd": self.told["fd"], "victim-word": self.word, **kept}

    def signals(self) -> list[int]:
        """Which signals it has got, and whether its memory was written (then with a 0)."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"?")
        self._process.stdin.flush()
        answer = self._answer()
        return [*answer["came"], *([] if answer["spare"] == "-" * _SECRET_BYTES else [0])]

    def changes(self) -> dict[str, str]:
        """Which of its settings were changed."""
        after = self._settings()
        return {
            name: f"{self._before[name]} became {after[name]}" for name in after if after[name] != self._before[name]
        }

    def _settings(self) -> dict[str, object]:
        return {
            "priority": os.getpriority(os.PRIO_PROCESS, self.pid),
            "limits": resource.prlimit(self.pid, resource.RLIMIT_CORE),
            "affinity": os.sched_getaffinity(self.pid),
        }

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def _use_up_small_numbers() -> None:
    """Inside a process namespace numbers begin at 1: what is attacked must not be there by chance."""
    for _ in range(512):
        pid = os.fork()
        if not pid:
            os._exit(0)
        os.waitpid(pid, 0)
        if pid > 512:
            return


@contextmanager
def victim_process(folder: str, secret: str, mark: str) -> Iterator[VictimProcess]:
    """A victim that ends at the end."""
    victim = VictimProcess(folder, secret, mark)
    try:
        yield victim
    finally:
        victim.close()


class Listeners:
    """Sockets of this program that nothing inside a sandbox should reach. Whoever does says who it is."""

    def __init__(self, folder: str, inside: str, mark: str) -> None:
        self._sockets: list[tuple[str, socket.socket]] = []
        unix, stream, datagram = socket.AF_UNIX, socket.SOCK_STREAM, socket.SOCK_DGRAM
        self.given: dict[str, Any] = {
            "tcp": self._open(socket.AF_INET, stream, ("127.0.0.1", 0)),
            "udp": self._open(socket.AF_INET, datagram, ("127.0.0.1", 0)),
            "tcp6": 0,
            "udp6": 0,
            "unix-stream": self._open(unix, stream, os.path.join(folder, "stream")),
            "unix-datagram": self._open(unix, datagram, os.path.join(folder, "datagram")),
            "unix-sequenced": self._open(unix, socket.SOCK_SEQPACKET, os.path.join(folder, "sequenced")),
            "unix-inside": self._open(unix, stream, os.path.join(inside, "listening")),
            "unix-link": os.path.join(inside, "link-to-it"),
            "abstract": mark,
        }
        os.symlink(self.given["unix-stream"], self.given["unix-link"])
        self._open(unix, stream, f"\0{mark}")
        self._open(unix, datagram, f"\0{mark}-datagram")
        with suppress(OSError):  # a machine without IPv6
            self.given["tcp6"] = self._open(socket.AF_INET6, stream, ("::1", 0))
            self.given["udp6"] = self._open(socket.AF_INET6, datagram, ("::1", 0))

    def _open(self, family: int, kind: int, address: Any) -> Any:
        server = socket.socket(family, kind)
        try:
            server.bind(address)
            if kind != socket.SOCK_DGRAM:
                server.listen(32)
            server.setblocking(False)
        except BaseException:
            server.close()
            raise
        self._sockets.append((f"{family}/{kind}", server))
        return server.getsockname()[1] if family in (socket.AF_INET, socket.AF_INET6) else address

    def came(self) -> dict[str, str]:
        """Who has been here since the last time, and where."""
        found: dict[str, str] = {}
        for where, server in self._sockets:
            while True:
                try:
                    found[_visitor(server)] = f"reached {where}"
                except BlockingIOError:
                    break
        return found

    def close(self) -> None:
        """Listen no more."""
        for _, server in self._sockets:
            server.close()


def _visitor(server: socket.socket) -> str:
    """Who has come; nameless if it said nothing. Raises `BlockingIOError` when nobody has."""
    if server.type == socket.SOCK_DGRAM:
        return server.recv(4096).decode(errors="replace")
    peer, _ = server.accept()
    with peer:
        peer.settimeout(1)
        try:
            return peer.recv(4096).decode(errors="replace")
        except OSError:
            return ""


@contextmanager
def listeners(folder: str, inside: str, mark: str) -> Iterator[Listeners]:
    """Listeners that are closed at the end."""
    found = Listeners(folder, inside, mark)
    try:
        yield found
    finally:
        found.close()


class LittleProxy:
    """A proxy session as small as can be: everybody who comes is greeted."""

    GREETING = b"hello from the proxy"

    def __init__(self) -> None:
        self.on_refusal: Callable[[NetworkIntent, str], None] | None = None
        self.closed = 0
        self.visitors: list[str] = []
        self._listener: socket.socket | None = None
        self._ready = anyio.Event()

    def environ(self, port: int) -> dict[str, str]:
        """Where it is found inside."""
        return {"KIT_PROXY": f"127.0.0.1:{port}"}

    def listen(self, fd: int) -> None:
        """Serve this socket."""
        self._listener = socket.socket(fileno=fd)
        self._listener.setblocking(False)
        self._ready.set()

    async def run(self) -> None:
        """Serve until closed."""
        import asyncio

        loop = asyncio.get_running_loop()
        await self._ready.wait()
        while self._listener is not None:
            try:
                peer, _ = await loop.sock_accept(self._listener)
            except OSError:
                return
            with peer:
                peer.setblocking(False)
                self.visitors.append((await loop.sock_recv(peer, 4096)).decode())
                await loop.sock_sendall(peer, self.GREETING)

    def close(self) -> None:
        """Serve no more."""
        self.closed += 1
        self._ready.set()
        if self._listener is not None:
            self._listener.close()
            self._listener = None


class SharedMemory:
    """A System V segment, queue and semaphore, a POSIX queue, and a file in /dev/shm, all holding a secret."""

    def __init__(self, secret: str, mark: str) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.key = int.from_bytes(os.urandom(3), "big") + 0x1000
        self.name = mark
        self._closers = ExitStack()
        try:
            self._make(secret)
        except BaseException:
            self._closers.close()
            raise

    def _make(self, secret: str) -> None:
        libc, create = self._libc, 0o1000 | 0o2000 | 0o600
        self._segment = self._checked(libc.shmget(self.key, 4096, create))
        self._closers.callback(libc.shmctl, self._segment, 0, None)
        libc.shmat.restype = ctypes.c_void_p
        place = libc.shmat(self._segment, None, 0)
        ctypes.memmove(place, secret.encode(), len(secret))
        libc.shmdt(ctypes.c_void_p(place))
        self._queue = self._checked(libc.msgget(self.key, create))
        self._closers.callback(libc.msgctl, self._queue, 0, None)
        self._semaphore = self._checked(libc.semget(self.key, 1, create))
        self._closers.callback(libc.semctl, self._semaphore, 0, 0)
        posix = self._checked(libc.mq_open(b"/" + self.name.encode(), os.O_RDWR | os.O_CREAT, 0o600, None))
        self._closers.callback(os.close, posix)
        self._closers.callback(libc.mq_unlink, b"/" + self.name.encode())
        with open(f"/dev/shm/{self.name}", "w", encoding="utf-8") as file:
            file.write(secret)
        self._closers.callback(os.unlink, f"/dev/shm/{self.name}")

    def _checked(self, result: int) -> int:
        if result == -1:
            raise OSError(ctypes.get_errno(), "no System V or POSIX objects can be made here")
        return result

    def changes(self) -> dict[str, str]:
        """What has happened to them, by case."""
        found = {}
        if self._libc.msgrcv(self._queue, ctypes.create_string_buffer(64), 56, 0, 0o4000) != -1:
            found["ipc.queue"] = "a message came"
        if self._libc.semctl(self._semaphore, 0, 12):
            found["ipc.semaphore"] = "it was raised"
        if os.path.exists(f"/dev/shm/{self.name}-new"):
            os.unlink(f"/dev/shm/{self.name}-new")
            found["ipc.new-shared-memory-file"] = "it appeared outside"
        return found

    def close(self) -> None:
        """Remove them."""
        self._closers.close()


class Terminal:
    """A pseudo-terminal of this program: `path` is its name, `heard` what was written to it."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)

    def heard(self) -> bytes:
        """What has been written since the last time."""
        with suppress(BlockingIOError):
            return os.read(self._master, 65536)
        return b""

    def close(self) -> None:
        """Hang up."""
        os.close(self._slave)
        os.close(self._master)


def is_held(path: str) -> bool:
    """Whether a process holds the lock of a file."""
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False

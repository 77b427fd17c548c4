"""A real HTTP/1.1 server on loopback that plays a list of replies, faults included, and records requests.

Plain threads and sockets: it does not share an event loop, or a bug, with the client under test.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from codex_plugin_sdk import Value, field, value

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_POLL_S = 0.01


class Stall:
    """A step that waits until `release()` (or the client's leaving, or the server's end).

    `reached` is set when the server gets there, so that a test need not guess.
    """

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._released = threading.Event()

    def release(self) -> None:
        """Let the reply go on."""
        self._released.set()

    def wait(self, seconds: float) -> bool:
        """Whether it was released within that time."""
        return self._released.wait(seconds)


@value
class Delay(Value):
    """A step that waits."""

    seconds: float


Step = bytes | Stall | Delay


@value
class Reply(Value):
    """One answer. Each `bytes` step is one write (and one chunk, if `framing` is chunked).

    `framing` is chunked, length or close. `raw` sends the steps alone, without head or framing.
    `cut_after` closes the connection after so many bytes of body (with `reset`, rudely);
    `keep_alive` false says so and closes after the reply; `hang_up` closes without saying so.
    """

    status: int = 200
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = (("content-type", "text/event-stream"),)
    steps: tuple[Step, ...] = ()
    framing: str = "chunked"
    raw: bool = False
    cut_after: int | None = None
    reset: bool = False
    keep_alive: bool = True
    hang_up: bool = False


@value
class RecordedRequest(Value):
    """A request as it came. `headers` have lower-case names, `arrived_s` is monotonic time of its last byte,
    `connection` counts connections from 0."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    arrived_s: float
    connection: int

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


Script = Reply | Callable[[RecordedRequest], Reply]


class ScriptedServer:
    """Plays one reply per request, in order; a context manager. `requests` is what came so far.

    When the script is at its end the last reply is played again if `repeat_last`, else the answer is a 400.
    With `tls` (a server-side context) it speaks https under the name `localhost`.
    """

    def __init__(
        self,
        script: Iterable[Script] = (),
        *,
        port: int = 0,
        repeat_last: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: list[RecordedRequest] = []
        self.connections = 0
        self._script: list[Script] = list(script)
        self._played = 0
        self._repeat_last = repeat_last
        self._port = port
        self._tls = tls
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._open: dict[int, socket.socket] = {}
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None

    # -- what a test uses ------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def base_url(self) -> str:
        """Where a provider finds it."""
        return f"https://localhost:{self._port}/v1" if self._tls else f"http://127.0.0.1:{self._port}/v1"

    @property
    def open_connections(self) -> int:
        """Connections that neither side has closed."""
        return len(self._open)

    def play(self, *script: Script) -> None:
        """Append to the script."""
        with self._changed:
            self._script.extend(script)

    def wait_until(self, condition: Callable[[Self], bool], timeout_s: float = 5.0) -> None:
        """Block until `condition(server)` holds; it is asked again after each request and each change of
        connections. Raises `TimeoutError`."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), timeout_s):
                raise TimeoutError(f"not within {timeout_s} s; requests={len(self.requests)}, open={len(self._open)}")

    # -- life ------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Listen. Raises `OSError` if the port is taken."""
        self._listener = socket.create_server(("127.0.0.1", self._port), backlog=128)
        self._port = self._listener.getsockname()[1]
        self._spawn(self._accept)
        return self

    def stop(self) -> None:
        """Close everything and wait for the threads."""
        if self._listener is None:
            return
        self._stopping.set()
        socket.create_connection(("127.0.0.1", self._port)).close()  # wakes the accepting thread
        with self._changed:
            for connection in self._open.values():
                _shut_down(connection)
        for thread in self._threads:
            thread.join()
        self._listener.close()
        self._listener = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _spawn(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        assert self._listener is not None
        while True:
            connection, _ = self._listener.accept()
            with self._changed:
                if self._stopping.is_set():
                    connection.close()
                    return
                number = self.connections
                self.connections += 1
                self._open[number] = connection
                self._changed.notify_all()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._spawn(self._serve, connection, number)

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            if self._tls is not None:
                connection = self._open[number] = self._tls.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as reader:
                while (request := _read_request(reader, number)) is not None:
                    if not self._answer(connection, self._next(request)):
                        return
        except (OSError, ValueError):
            return  # the client went away (`open_connections` tells), or does not speak HTTP
        finally:
            with self._changed:
                self._open.pop(number).close()
                self._changed.notify_all()

    def _next(self, request: RecordedRequest) -> Reply:
        with self._changed:
            self.requests.append(request)
            at = self._played
            self._played += 1
            if at < len(self._script):
                step: Script = self._script[at]
            elif self._repeat_last and self._script:
                step = self._script[-1]
            else:
                step = json_reply(400, {"error": {"message": f"the script has no reply for request {at + 1}"}})
            self._changed.notify_all()
        return step if isinstance(step, Reply) else step(request)

    # -- playing a reply -------------------------------------------------------------------------

    def _answer(self, connection: socket.socket, reply: Reply) -> bool:
        """Play it; whether the connection serves another request."""
        if not reply.raw:
            connection.sendall(_head(reply))
        left = reply.cut_after
        for step in reply.steps:
            if not isinstance(step, bytes):
                if not self._pause(connection, step):
                    return False
                continue
            data = step if left is None else step[:left]
            if data:
                connection.sendall(_framed(reply, data, whole=len(step)))
            if left is not None:
                left -= len(data)
                if left <= 0:
                    break
        if reply.cut_after is not None:
            if reply.reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            return False
        if reply.framing == "chunked" and not reply.raw:
            connection.sendall(b"0\r\n\r\n")
        return reply.keep_alive and not reply.raw and not reply.hang_up and reply.framing != "close"

    def _pause(self, connection: socket.socket, step: Stall | Delay) -> bool:
        if isinstance(step, Delay):
            return not self._stopping.wait(step.seconds)
        step.reached.set()
        while not step.wait(_POLL_S):
            if self._stopping.is_set() or _peer_left(connection):
                return False
        return True


def json_reply(status: int, body: object, headers: Mapping[str, str] | None = None) -> Reply:
    """A reply with a JSON body, or the text itself if `body` is one."""
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    kind = "text/plain" if isinstance(body, str) else "application/json"
    return Reply(
        status=status,
        headers=(("content-type", kind), *(headers or {}).items()),
        steps=(data,),
        framing="length",
    )


def _head(reply: Reply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {reply.reason or 'Scripted'}"]
    lines += [f"{name}: {text}" for name, text in reply.headers]
    if reply.framing == "chunked":
        lines.append("transfer-encoding: chunked")
    elif reply.framing == "length":
        lines.append(f"content-length: {sum(len(s) for s in reply.steps if isinstance(s, bytes))}")
    if not reply.keep_alive or reply.framing == "close":
        lines.append("connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _framed(reply: Reply, data: bytes, *, whole: int) -> bytes:
    if reply.raw or reply.framing != "chunked":
        return data
    # A chunk that is cut short still announces its whole size: that is what a broken connection looks like.
    return b"%x\r\n%b" % (whole, data) + (b"\r\n" if len(data) == whole else b"")


def _read_request(reader: Any, number: int) -> RecordedRequest | None:
    first = reader.readline(65536)
    if not first:
        return None
    method, path, _ = first.decode("latin-1").split(" ", 2)
    headers = {}
    while (line := reader.readline(65536).strip()) != b"":
        name, _, text = line.decode("latin-1").partition(":")
        headers[name.lower()] = text.strip()
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while (size := int(reader.readline(), 16)) > 0:
            body += reader.read(size)
            reader.readline()
        reader.readline()
    else:
        body = reader.read(int(headers.get("content-length", "0")))
    return RecordedRequest(
        method=method, path=path, headers=headers, body=body, arrived_s=time.monotonic(), connection=number
    )


def _peer_left(connection: socket.socket) -> bool:
    if not select.select([connection], [], [], 0)[0]:
        return False
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


def _shut_down(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # already gone

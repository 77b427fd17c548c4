"""The server in the background: one for each home, whose lock says that it lives.

Its files are in `$CODEX_HOME/kernel/app-server/`: `daemon.lock` (held for as long as it lives, so that a killed one
leaves nothing stale) and `daemon.log`. It listens where every client of the home looks, see `default_socket`.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson

from codex_plugin_sdk import CodexError, UserError, __version__, codex_home
from codex_plugin_sdk.remote.address import default_socket

if TYPE_CHECKING:
    import anyio

    from codex_plugin_sdk import Invocation

    from .server import Server

START_S = 30.0
STOP_S = 15.0
"""Then it is killed."""
LOOK_S = 0.02
LOOKS = 10
MAX_LOG_BYTES = 4 * 1024 * 1024
READY = b"ready\n"
ALREADY = b"already\n"


class Files:
    """Where the daemon of a home keeps its things."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.home = codex_home(environ)
        self.folder = os.path.join(self.home, "kernel", "app-server")
        self.lock = os.path.join(self.folder, "daemon.lock")
        self.log = os.path.join(self.folder, "daemon.log")
        self.socket = default_socket(self.home)

    def make(self) -> None:
        """Make the folder, for us alone. Raises `UserError`."""
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot make {self.folder}: {error.strerror}") from error


class Lock:
    """The lock of the daemon that lives. What it says of itself is written into it."""

    def __init__(self, path: str) -> None:
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UserError(f"cannot open {path}: {error.strerror}") from error

    def take(self) -> bool:
        """Whether it is ours now; if not, a daemon has it. Those who only look have it for a moment."""
        for _ in range(LOOKS):
            if self._flock(fcntl.LOCK_EX):
                return True
            time.sleep(LOOK_S)
        return False

    def is_held(self) -> bool:
        """Whether a daemon has it. Any number may look at once."""
        return not self._flock(fcntl.LOCK_SH)

    def _flock(self, kind: int) -> bool:
        try:
            fcntl.flock(self._fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def write(self, found: Mapping[str, Any]) -> None:
        """Say who holds it; empty for nobody."""
        data = orjson.dumps(found) if found else b""
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, data, 0)

    def read(self) -> dict[str, Any]:
        """Who holds it; empty while that has not been said."""
        try:
            found = orjson.loads(os.pread(self._fd, 65536, 0))
        except orjson.JSONDecodeError:
            return {}
        return found if isinstance(found, dict) and isinstance(found.get("pid"), int) else {}

    def close(self) -> None:
        """Let go."""
        os.close(self._fd)


def living(files: Files) -> dict[str, Any] | None:
    """What the daemon says of itself (empty while it starts); None if there is none."""
    if not os.path.exists(files.lock):
        return None
    lock = Lock(files.lock)
    try:
        return lock.read() if lock.is_held() else None
    finally:
        lock.close()


# -- commands ------------------------------------------------------------------------------------


def start(invocation: Invocation, *, idle_minutes: float) -> dict[str, Any]:
    """Start the daemon unless it runs; it takes requests when this returns. Raises `UserError`."""
    files = Files(invocation.environ)
    found = living(files)
    if found:
        return _report(files, "alreadyRunning", found)
    said = _spawn(invocation, files, idle_minutes)
    found = living(files) or {}
    if said == READY and found:
        return _report(files, "started", found)
    if said == ALREADY:
        return _report(files, "alreadyRunning", _known(files))
    reason = said.decode("utf-8", "replace").strip() or "it ended before it was ready"
    raise UserError(f"the daemon did not start: {reason}", hint=f"see {files.log}")


def stop(invocation: Invocation) -> dict[str, Any]:
    """Stop the daemon if it runs, and wait until it is gone. Raises `UserError`."""
    files = Files(invocation.environ)
    found = living(files)
    if found is None:
        return _report(files, "notRunning", {})
    found = found or _known(files)
    for number, limit_s in ((signal.SIGTERM, STOP_S), (signal.SIGKILL, LOOK_S * 100)):
        try:
            os.kill(found["pid"], number)
        except ProcessLookupError:
            break
        except PermissionError as error:
            raise UserError(f"may not stop the daemon, process {found['pid']}") from error
        if _gone_within(files, limit_s):
            break
    if living(files) is not None:
        raise UserError(f"the daemon, process {found['pid']}, did not end")
    return _report(files, "stopped", found)


def restart(invocation: Invocation, *, idle_minutes: float) -> dict[str, Any]:
    """Stop and start it."""
    stop(invocation)
    return {**start(invocation, idle_minutes=idle_minutes), "status": "restarted"}


def status(invocation: Invocation) -> dict[str, Any]:
    """Whether it runs."""
    files = Files(invocation.environ)
    found = living(files)
    return _report(files, "notRunning", {}) if found is None else _report(files, "running", found or _known(files))


def sentence(found: Mapping[str, Any]) -> str:
    """A report for people."""
    word = {"alreadyRunning": "runs already", "notRunning": "does not run", "running": "runs"}
    text = f"The app server's daemon {word.get(found['status'], 'was ' + found['status'])}"
    if "pid" in found:
        text += f", process {found['pid']}"
    text += f"; socket {found['socketPath']}."
    if found.get("appServerVersion", found["cliVersion"]) != found["cliVersion"]:
        text += (
            f" It is of version {found['appServerVersion']}, this program of {found['cliVersion']}:"
            " `codex app-server daemon restart` replaces it."
        )
    return text


def _report(files: Files, word: str, found: Mapping[str, Any]) -> dict[str, Any]:
    about = {"status": word, **found, "socketPath": files.socket, "cliVersion": __version__, "logPath": files.log}
    if word == "stopped":
        about.pop("appServerVersion", None)
    return about


def _known(files: Files) -> dict[str, Any]:
    """What a daemon that is just starting says of itself, once it does. Raises `UserError`."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        found = living(files)
        if found:
            return found
        if found is None:
            break
        time.sleep(LOOK_S)
    raise UserError("the daemon did not come up", hint=f"see {files.log}")


def _gone_within(files: Files, limit_s: float) -> bool:
    end = time.monotonic() + limit_s
    while living(files) is not None:
        if time.monotonic() > end:
            return False
        time.sleep(LOOK_S)
    return True


def _spawn(invocation: Invocation, files: Files, idle_minutes: float) -> bytes:
    """Start the process in a session of its own; what it says when it is ready, or why it is not."""
    import select
    import subprocess

    files.make()
    words = [word for text in invocation.overrides for word in ("-c", text)]
    if invocation.flags.get("profile"):
        words += ["--profile", invocation.flags["profile"]]
    program = "import sys; from codex_plugin_sdk import run_codex; run_codex(['codex', *sys.argv[1:]])"
    log = _open_log(files.log)
    inner, outer = os.pipe()
    try:
        args = ["app-server", "daemon", "run", f"--idle-minutes={idle_minutes}", f"--ready-fd={outer}"]
        home = invocation.environ.get("HOME", "")
        try:
            # Whether it lives is known by its lock, and it outlives us.
            child = subprocess.Popen(
                [sys.executable, "-c", program, *words, *args],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(invocation.environ),
                cwd=home if os.path.isdir(home) else "/",
                pass_fds=(outer,),
                start_new_session=True,
            )
        finally:
            os.close(log)
            os.close(outer)
        if not select.select([inner], [], [], START_S)[0]:
            child.kill()
            child.wait()
            return f"it was not ready after {START_S:.0f} s".encode()
        said = b""
        while part := os.read(inner, 65536):
            said += part
    finally:
        os.close(inner)
    if said == READY:
        child.returncode = 0  # nobody waits for it: it belongs to the system now
    else:
        child.wait()
    return said


def _open_log(path: str) -> int:
    """The log, for appending; a long one is put aside first."""
    try:
        with suppress(FileNotFoundError):
            if os.path.getsize(path) > MAX_LOG_BYTES:
                os.replace(path, path + ".previous")
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UserError(f"cannot open {path}: {error.strerror}") from error


# -- being the daemon ----------------------------------------------------------------------------


def run(invocation: Invocation, *, idle_minutes: float, ready_fd: int | None) -> None:
    """Serve the socket of the home until SIGTERM, SIGINT or idleness. Raises `UserError`."""
    files = Files(invocation.environ)
    files.make()
    lock = Lock(files.lock)
    say = _Say(ready_fd)
    try:
        if not lock.take():
            say(ALREADY)
            raise UserError("the daemon of this home runs already")
        lock.write({})
        try:
            _serve(invocation, files, idle_minutes, lock, say)
        finally:
            lock.write({})
    except CodexError as error:
        say(str(error).encode())
        raise
    finally:
        say(b"")
        lock.close()


class _Say:
    """Tells who started us, once."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd

    def __call__(self, text: bytes) -> None:
        fd, self._fd = self._fd, None
        if fd is None:
            return
        try:
            os.write(fd, text)
        except BrokenPipeError:  # it does not wait for us any more
            pass
        finally:
            os.close(fd)


def _serve(invocation: Invocation, files: Files, idle_minutes: float, lock: Lock, say: _Say) -> None:
    import anyio

    from .listen import run as run_to_end
    from .listen import until_told
    from .server import Server
    from .unix import serve_unix

    server = Server(invocation)

    def ready(path: str) -> None:
        about = {"pid": os.getpid(), "appServerVersion": __version__, "startedAt": int(time.time())}
        lock.write({**about, "idleMinutes": idle_minutes})
        say(READY)

    async def transport() -> None:
        async with anyio.create_task_group() as tasks:
            if idle_minutes:
                tasks.start_soon(_end_when_idle, server, idle_minutes * 60, tasks.cancel_scope)
            await serve_unix(server, None, home=files.home, ready=ready)

    run_to_end(lambda: until_told(server, transport))


async def _end_when_idle(server: Server, idle_s: float, scope: anyio.CancelScope) -> None:
    import anyio

    look_s = min(idle_s / 4, 30.0)
    idle_since = time.monotonic()
    while time.monotonic() - idle_since < idle_s:
        await anyio.sleep(look_s)
        if server.clients or any(loaded.active_turn for loaded in server.threads.values()):
            idle_since = time.monotonic()
    sys.stderr.write("nobody needs the server: it ends\n")
    scope.cancel()

"""A pytest plugin: processes of `codex` that tests start begin with everything loaded.

Most of the time of a test that runs the program goes into the interpreter's start and into imports. With this plugin
each worker of pytest keeps one process that has done both, and every start of the program by `subprocess` or
`asyncio` (and what is built on them) becomes a fork of it: a process of its own and a child of the test's, with its
own arguments, folder, environment, streams, signals and exit code. What cannot be had that way (streams that are a
terminal, `preexec_fn`, file descriptors to be inherited, another locale, variables of the interpreter) is started as
always. `in_terminal` is for a program that gets a terminal of its own: that, and a script there, is forked too.

`@pytest.mark.cold_start` is for tests of the start itself; with `CODEX_TESTS_COLD=1` every test is one.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

PROGRAM = str(Path(sys.executable).with_name("codex"))
OPEN_TERMINAL = ["/bin/sh", "-c", 'exec <"$0" >"$0" 2>&1; exec "$@"']
UNDERSTOOD = frozenset({"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONUNBUFFERED", "PYTHON_KEYRING_BACKEND"})
MAX_REQUEST_BYTES = 128 * 1024
PR_SET_CHILD_SUBREAPER = 36
_ORDINARY = subprocess.Popen._execute_child  # type: ignore[attr-defined]


def in_terminal(terminal: str, argv: Sequence[str]) -> list[str]:
    """The command line that runs `argv` in a terminal, the path of which is given. It is to be started as the leader of
    a new session (`start_new_session`): who is that and opens a terminal gets it as its own."""
    return [*OPEN_TERMINAL, terminal, *argv]


class WarmStart:
    """The process that is forked, from its first use to `close`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._wire: socket.socket | None = None
        self._inherited = _inherited()
        self._prctl = ctypes.CDLL(None, use_errno=True).prctl

    def start(self, request: dict[str, Any], streams: list[int]) -> int:
        """The pid of a new process, a child of ours."""
        with self._lock:
            wire = self._wire or self._begin()
            self._prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            try:
                socket.send_fds(wire, [json.dumps(request).encode()], streams)
                answer = wire.recv(64)
            finally:
                self._prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        assert answer, "the process that is forked has ended"
        return int(answer)

    def would_inherit_the_same(self) -> bool:
        """Whether what a child inherits from us unseen is still what the process that is forked inherits."""
        return self._inherited == _inherited()

    def close(self) -> None:
        """End it. What was started is left alone."""
        with self._lock:
            if self._process is not None and self._wire is not None:
                self._wire.close()
                self._process.wait()

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * MAX_REQUEST_BYTES)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "codex_plugin_sdk.testing.warm_process", str(theirs.fileno()), PROGRAM],
                pass_fds=[theirs.fileno()],
                cwd="/",
                env={"LANG": "C.UTF-8", "PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        assert ours.recv(64) == b"ready", "the process that is forked did not start"
        self._wire = ours
        return ours


class Starter:
    """Decides for each process that a test starts."""

    def __init__(self) -> None:
        self.warm = WarmStart()
        self.is_cold = True

    def execute(
        self,
        process: Any,
        args: Any,
        executable: Any,
        preexec_fn: Any,
        close_fds: bool,
        pass_fds: Any,
        cwd: Any,
        env: Any,
        startupinfo: Any,
        creationflags: Any,
        shell: Any,
        p2cread: int,
        p2cwrite: int,
        c2pread: int,
        c2pwrite: int,
        errread: int,
        errwrite: int,
        restore_signals: bool,
        *rest: Any,
    ) -> None:
        """Stands for `Popen._execute_child`, whose parameters these are."""
        *ids, umask, session, group = rest
        streams = [fd if fd >= 0 else number for number, fd in enumerate((p2cread, c2pwrite, errwrite))]
        request = None
        plain = not (self.is_cold or preexec_fn or pass_fds or shell or any(id not in (None, -1) for id in ids))
        if plain and close_fds and restore_signals and umask < 0 and executable in (None, PROGRAM):
            request = _request(args, cwd, os.environ if env is None else env, streams, bool(session))
        if request is None or not self.warm.would_inherit_the_same():
            _ORDINARY(
                process,
                args,
                executable,
                preexec_fn,
                close_fds,
                pass_fds,
                cwd,
                env,
                startupinfo,
                creationflags,
                shell,
                p2cread,
                p2cwrite,
                c2pread,
                c2pwrite,
                errread,
                errwrite,
                restore_signals,
                *rest,
            )
            return
        process.pid = self.warm.start({**request, "session": bool(session), "group": group}, streams)
        process._child_created = True
        process._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)


def _inherited() -> object:
    """Signals that are ignored or blocked, limits, ids, and the mask of new files' permissions."""
    numbers = signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}  # the interpreter sees to these
    ignored = {number for number in numbers if signal.getsignal(number) is signal.SIG_IGN}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    limits = [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")]
    mask = os.umask(0o077)
    os.umask(mask)
    return ignored, blocked, limits, os.getresuid(), os.getresgid(), mask


def _request(args: Any, cwd: Any, env: Any, streams: list[int], session: bool) -> dict[str, Any] | None:
    """What to fork for, or None where it has to be a process from the beginning."""
    given = [args] if isinstance(args, str | os.PathLike) else list(args)
    words: list[Any] = [os.fspath(word) for word in given]
    terminal, script = "", ""
    if session and words[: len(OPEN_TERMINAL)] == OPEN_TERMINAL:
        terminal, *words = words[len(OPEN_TERMINAL) :]
        if words[0] == sys.executable and words[1:2] and words[1].endswith(".py"):
            script, words = words[1], words[1:]
    folder = os.getcwd() if cwd is None else os.fspath(cwd)
    texts = [*words, *env, *env.values(), folder]
    if words[0] not in (PROGRAM, script):
        return None
    if any(not isinstance(text, str) or "\0" in text for text in texts):
        return None
    if any(name.startswith(("PYTHON", "TEXTUAL")) and name not in UNDERSTOOD for name in env):
        return None
    if _shadows(env.get("PYTHONPATH", "")):
        return None
    if (env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or "C.UTF-8") != "C.UTF-8":
        return None
    try:
        if (not terminal and any(map(os.isatty, streams))) or not os.access(folder, os.X_OK):
            return None
        list(map(os.fstat, streams))
    except OSError:
        return None
    if sum(map(len, texts)) > MAX_REQUEST_BYTES // 4:
        return None
    shell = {"PWD": folder} if terminal else {}  # the shell that opens the terminal says so
    return {"args": words[1:], "cwd": folder, "env": {**env, **shell}, "terminal": terminal, "script": script}


def _shadows(pythonpath: str) -> bool:
    """Whether something there would have been loaded in place of, or before, what the process has loaded."""
    found = [name.partition(".")[0] for folder in pythonpath.split(os.pathsep) for name in _listed(folder)]
    return any(name in ("sitecustomize", "usercustomize") or find_spec(name) is not None for name in found if name)


def _listed(folder: str) -> list[str]:
    return os.listdir(folder) if folder and os.path.isdir(folder) else []


_STARTER = pytest.StashKey[Starter]()


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark, and stand in where processes are started."""
    config.addinivalue_line("markers", "cold_start: the program is started by executing it, as users do")
    if not sys.platform.startswith("linux") or os.environ.get("CODEX_TESTS_COLD"):
        return
    starter = config.stash[_STARTER] = Starter()

    def execute(process: Any, *args: Any) -> None:
        starter.execute(process, *args)

    subprocess.Popen._execute_child = execute  # type: ignore[attr-defined]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Put it back."""
    if (starter := config.stash.get(_STARTER, None)) is not None:
        subprocess.Popen._execute_child = _ORDINARY  # type: ignore[attr-defined]
        starter.warm.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Warm, unless the test is marked; outside of tests nothing is forked."""
    starter = item.config.stash.get(_STARTER, None)
    if starter is not None:
        starter.is_cold = item.get_closest_marker("cold_start") is not None
    try:
        return (yield)
    finally:
        if starter is not None:
            starter.is_cold = True

"""Starting a command line that confines, and waiting for it, without an event loop.

On the way of every short command: imports nothing but `os`, `signal`, `sys` and `time`.
"""

from __future__ import annotations

import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FORWARDED = frozenset(
    {
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGTSTP,
        signal.SIGCONT,
    }
)
"""Signals that are passed on to the command."""
KEYS = (signal.SIGINT, signal.SIGQUIT)
"""The signals of Ctrl-C and Ctrl-\\, which the terminal sends to all processes of the job."""

_THREAD_GRACE_S = 0.2
_LOOK_EVERY_S = 0.05
_SI_KERNEL = 0x80  # `si_code` of a signal that the terminal sends
_RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)  # Python ignores them for itself


class NotStarted(Exception):
    """What confines ended with `code` before the command was started; it has said why on stderr."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the sandbox ended with {code} before the command was started")
        self.code = code


def run_child(
    argv: tuple[str | bytes, ...],
    env: Mapping[str, str] | Mapping[bytes, bytes],
    cwd: str | bytes,
    fds: Mapping[int, int],
    status_fd: int,
    *,
    ignore_keys: bool = False,
) -> int:
    """Run it to its end; returns the exit code, 128 + n after signal n.

    It gets descriptors 0-2 and those of `fds` (its number -> ours), which are closed here once it runs.
    `status_fd` is the end that we read (not blocking) of a pipe to which it writes JSON objects: `child-pid`, the
    parent of the command as seen from here, and `exit-code` once the command was started and has ended. With
    `ignore_keys` it starts with the signals of `KEYS` ignored. Raises `NotStarted`, `OSError` as exec does.
    """
    with _Signals() as signals:
        try:
            with Keys(ignored=ignore_keys):
                pid = _spawn(argv, env, cwd, fds, signals.mask_before)
        finally:
            for fd in {*fds.values()}:
                os.close(fd)
        return _Command(pid, status_fd).follow(signals)


class _Signals:
    """A context in which `FORWARDED` and SIGCHLD are blocked, to be waited for. Those that our parent ignores
    (`nohup`) stay ignored."""

    def __enter__(self) -> _Signals:
        self._alone = _wait_for_threads()
        ignored = {number for number in FORWARDED if signal.getsignal(number) is signal.SIG_IGN}
        self.awaited = (FORWARDED - ignored) | {signal.SIGCHLD}
        self.mask_before: set[int] = set(signal.pthread_sigmask(signal.SIG_BLOCK, self.awaited))
        return self

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask_before)

    def next(self) -> signal.struct_siginfo | None:
        """The next one; None now and then where another thread may have taken the end of our child from us."""
        if self._alone:
            return signal.sigwaitinfo(self.awaited)
        return signal.sigtimedwait(self.awaited, _LOOK_EVERY_S)


def _wait_for_threads() -> bool:
    """Whether we are the only thread: another that does not block a signal may take it from us."""
    threading = sys.modules.get("threading")
    if threading is not None:
        deadline = time.monotonic() + _THREAD_GRACE_S  # for all of them: idle ones never end
        for thread in threading.enumerate():
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
    return len(os.listdir("/proc/self/task")) == 1  # also those that `threading` knows nothing of


class Keys:
    """A context in which the signals of `KEYS` are ignored, if wanted."""

    def __init__(self, *, ignored: bool) -> None:
        self._numbers = KEYS if ignored else ()

    def __enter__(self) -> None:
        self._previous = {number: signal.signal(number, signal.SIG_IGN) for number in self._numbers}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)


class _Command:
    """What runs: our child `pid`, which confines, and below it the command."""

    def __init__(self, pid: int, status_fd: int) -> None:
        self._pid = pid
        self._status_fd = status_fd
        self._said = b""

    def follow(self, signals: _Signals) -> int:
        """Pass signals on until the end; returns the exit code."""
        while True:
            info = signals.next()
            if info is not None and info.si_signo != signal.SIGCHLD:
                self._pass_on(info.si_signo, from_terminal=info.si_code == _SI_KERNEL)
                continue
            ended, status = os.waitpid(self._pid, os.WNOHANG)
            if ended:
                return self._verdict(os.waitstatus_to_exitcode(status))

    def _verdict(self, code: int) -> int:
        if code < 0:
            return 128 - code
        self._read_status()
        if code and b'"exit-code"' not in self._said:
            raise NotStarted(code)
        return code

    def _pass_on(self, number: int, *, from_terminal: bool) -> None:
        """The terminal has told the command as well, if it is of our job; any other sender has told us alone."""
        command = self._find_command()
        try:
            if not from_terminal or (number in KEYS and command and os.getpgid(command) != os.getpgrp()):
                os.kill(command or self._pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # it has just ended
        if number == signal.SIGTSTP:
            os.kill(os.getpid(), signal.SIGSTOP)  # the shell waits for us to stop

    def _find_command(self) -> int:
        """The command's process id; 0 before it is there. Its parent tells its own (`child-pid`), and has the
        command as first child."""
        import json

        self._read_status()
        for line in self._said.splitlines():
            try:
                parent = int(json.loads(line)["child-pid"])
                with open(f"/proc/{parent}/task/{parent}/children", "rb") as file:
                    return int(file.read().split()[0])
            except (ValueError, KeyError, TypeError, OSError, IndexError):
                continue
        return 0

    def _read_status(self) -> None:
        try:
            while chunk := os.read(self._status_fd, 4096):
                self._said += chunk
        except BlockingIOError:
            return


def _spawn(
    argv: tuple[str | bytes, ...],
    env: Mapping[str, str] | Mapping[bytes, bytes],
    cwd: str | bytes,
    fds: Mapping[int, int],
    mask: Iterable[int],
) -> int:
    """Start it with descriptors 0-2 and its own, the signal mask that we were given, and no more of us."""
    actions: list[tuple[int, ...]] = [(os.POSIX_SPAWN_CLOSE, fd) for fd in _inheritable() if fd > 2 and fd not in fds]
    # Ours out of the way first, so that no number is overwritten that is still to be passed on.
    high = max([*fds, *fds.values(), 63]) + 1
    sources = {theirs: os.dup2(ours, high + index, False) for index, (theirs, ours) in enumerate(fds.items())}
    actions += [(os.POSIX_SPAWN_DUP2, source, theirs) for theirs, source in sources.items()]
    here = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.chdir(cwd)
        return os.posix_spawn(argv[0], argv, env, file_actions=actions, setsigmask=mask, setsigdef=_RESTORED)
    finally:
        os.fchdir(here)
        for fd in (here, *sources.values()):
            os.close(fd)


def _inheritable() -> list[int]:
    """Descriptors that exec would not close by itself: what our own parent gave us unasked."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.get_inheritable(int(name)):
                found.append(int(name))
        except OSError:
            continue  # that of the listing itself
    return found

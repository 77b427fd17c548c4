"""Threads of ours that are restricted, so that what they start inherits it: no helper program in between.

Some threads stay. The keeper has no privileges and, where Landlock can scope signals, a domain of its own; a
starter for each filter inherits that and has the filter (putting one on takes longer than starting a thread). They
run nothing but this file. For every command its starter begets a thread that enters the domain of the command,
starts it and ends. So each command has a domain of its own, and what stays is not in it: a command can neither
trace nor signal our threads or another command. What remains is the moment in which the thread that started a
command has not yet ended: it could be signalled, and with it this process. Its memory could be read if the process
were dumpable, which it therefore is no more.

The guard is a shell in the keeper's domain. It waits for the end of its input, which comes when this process has
gone, however it went. Then it kills everything that it may signal: by the scope that is the keeper's domain, so
all commands with all that they started, whether or not they left their session, parent or environment.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Generic, TypeVar

from codex_plugin_sdk import SandboxUnavailable

from . import calls
from .landlock import LOG_ABI, LOG_SAME_EXEC_OFF, SCOPE_ABI, SCOPE_ABSTRACT_SOCKETS, SCOPE_SIGNALS

T = TypeVar("T")

# $1 is our process: if it can be signalled, the scope does not hold, and killing all would kill all. $2 is the
# private folder. One signal to all reaches all: a fork that it meets fails. Only what this process was about to
# start when it ended may come later, hence the rounds; whether any was hit cannot be told from the result.
_GUARD = """
kill -0 "$1" 2>/dev/null && exit 3
echo armed
while read -r line; do :; done
round=0
while [ "$round" -lt 100 ]; do kill -9 -1 2>/dev/null; round=$((round + 1)); done
[ -z "$2" ] || rm -rf -- "$2"
"""


class _Outcome(Generic[T]):
    """What a job gave, for the thread that waits for it."""

    def __init__(self, job: Callable[[], T]) -> None:
        self._job = job
        self._done = threading.Lock()
        self._done.acquire()
        self._result: T | None = None
        self._error: BaseException | None = None
        self.failed = False

    def run(self) -> None:
        try:
            self._result = self._job()
        except BaseException as error:  # noqa: BLE001 - belongs to who waits
            self.fail(error)
        else:
            self._done.release()

    def fail(self, error: BaseException) -> None:
        self._error, self.failed = error, True
        self._done.release()

    def wait(self) -> T:
        self._done.acquire()
        try:
            if self._error is not None:
                raise self._error
            return self._result  # type: ignore[return-value]
        finally:
            self._error = None  # it holds this frame


class Confinement:
    """What a command's thread takes upon itself: a ruleset (a descriptor) and a filter."""

    def __init__(self, ruleset: int, program: bytes, abi: int) -> None:
        self.ruleset = ruleset
        self.program = program
        self.flags = LOG_SAME_EXEC_OFF if abi >= LOG_ABI else 0


_Begin = Callable[[Callable[[], None], Callable[[BaseException], None]], object]
"""Calls its first argument in a new thread, or its second with why there is none; does not wait."""


class _Lasting:
    """A thread that stays: restricts itself, then begets a thread for every job, which inherits that.

    Raises what `prepare` raises.
    """

    def __init__(self, prepare: Callable[[], None], begin: _Begin) -> None:
        self._queue: SimpleQueue[tuple[Callable[[], None], Callable[[BaseException], None]] | None] = SimpleQueue()
        self._ended = threading.Lock()
        self._ended.acquire()
        preparing = _Outcome(prepare)
        begin(lambda: self._serve(preparing), preparing.fail)
        preparing.wait()

    def _serve(self, preparing: _Outcome[None]) -> None:
        preparing.run()
        if not preparing.failed:
            del preparing
            while (job := self._queue.get()) is not None:
                _begin_thread(*job)
                del job  # what it holds is not to wait for the next one
        self._ended.release()

    def begin(self, run: Callable[[], None], fail: Callable[[BaseException], None]) -> None:
        """See `_Begin`; the thread inherits the restrictions of this one."""
        self._queue.put((run, fail))

    def call(self, job: Callable[[], T]) -> T:
        """Call `job` in such a thread; blocks until it is done. Raises what it raises."""
        outcome = _Outcome(job)
        self.begin(outcome.run, outcome.fail)
        return outcome.wait()

    def end(self) -> None:
        """Returns when the thread begets no more. To be called once."""
        self._queue.put(None)
        self._ended.acquire()


def _begin_thread(run: Callable[[], None], fail: Callable[[BaseException], None]) -> None:
    import _thread  # below `threading`, which would keep book of threads that live for a millisecond

    try:
        _thread.start_new_thread(run, ())
    except RuntimeError as error:
        fail(SandboxUnavailable(f"there is no thread for the command: {error}"))


class Keeper:
    """Starts programs under confinements. Thread-safe.

    `private_folder` is removed by the guard when all ends. `scoped` tells whether there is a guard, so that
    nothing survives this process. Raises `SandboxUnavailable` when the keeper cannot be restricted.
    """

    def __init__(self, abi: int, private_folder: str = "") -> None:
        self.scoped = abi >= SCOPE_ABI
        self._abi = abi
        self._private_folder = private_folder
        self._guard: tuple[int, int] | None = None  # its pid, and the pipe whose end it waits for
        self._closed = False
        self._opening = threading.Lock()
        self._starters: dict[bytes, _Lasting] = {}
        calls.load()
        try:
            self._first = _Lasting(self._prepare, _begin_thread)
        except (OSError, SandboxUnavailable) as error:
            raise SandboxUnavailable(f"commands cannot be confined: {error}") from error

    def _prepare(self) -> None:
        calls.unshare(calls.CLONE_FS)
        calls.make_undumpable()
        calls.drop_privileges()
        if self.scoped:
            domain = calls.create_ruleset(0, 0, SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS)
            try:
                calls.restrict(domain, LOG_SAME_EXEC_OFF if self._abi >= LOG_ABI else 0)
            finally:
                os.close(domain)
            self._guard = _start_guard(self._private_folder)

    @property
    def guard_pid(self) -> int | None:
        """The process that ends all commands when this one has gone."""
        return self._guard[0] if self._guard else None

    def run(self, confinement: Confinement, job: Callable[[], T]) -> T:
        """Call `job` in a new thread under a confinement and give what it gives; blocks until then. What the
        job starts inherits the confinement for good. Raises what the job raises, `SandboxUnavailable` when
        the confinement cannot be entered: then the job is not called."""

        def confined() -> T:
            try:
                calls.restrict(confinement.ruleset, confinement.flags)
            except OSError as error:
                raise SandboxUnavailable(f"the command cannot be confined: {error}") from error
            return job()

        return self._starter(confinement.program).call(confined)

    def _starter(self, program: bytes) -> _Lasting:
        with self._opening:
            if self._closed:
                raise SandboxUnavailable("the sandbox has been closed")
            if program not in self._starters:
                try:
                    self._starters[program] = _Lasting(lambda: calls.install_filter(program), self._first.begin)
                except OSError as error:
                    raise SandboxUnavailable(f"the command cannot be confined: {error}") from error
            return self._starters[program]

    def close(self) -> None:
        """End the threads and, by the guard, all commands that are left. May be called twice."""
        with self._opening:
            if self._closed:
                return
            self._closed = True
        for thread in (*self._starters.values(), self._first):
            thread.end()
        if self._guard is not None:
            pid, pipe = self._guard
            self._guard = None
            os.close(pipe)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _start_guard(private_folder: str) -> tuple[int, int]:
    """Called in the keeper, inside its domain. Raises `SandboxUnavailable` if the scope does not hold."""
    import subprocess

    guard = subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "codex-sandbox-guard", str(os.getpid()), private_folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={"PATH": os.defpath},
        start_new_session=True,
        bufsize=0,
    )
    assert guard.stdin is not None
    assert guard.stdout is not None
    with guard.stdout as said:
        armed = said.read(6) == b"armed\n"
    if not armed:
        guard.stdin.close()
        guard.wait()
        raise SandboxUnavailable("Landlock's signal scope does not hold on this kernel")
    pipe = os.dup(guard.stdin.fileno())
    guard.stdin.close()
    guard.returncode = 0  # it is waited for by its number: Popen would warn when it goes out of use
    return guard.pid, pipe

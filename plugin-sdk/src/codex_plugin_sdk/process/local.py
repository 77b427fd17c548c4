"""Running programs: unconfined, in a session of their own, on pipes or on a terminal.

Sandbox backends build on `spawn_process`: they change the words of the command and pass descriptors. Not on the
way to a turn's first request: imported when the first program starts. POSIX only.
"""

from __future__ import annotations

import array
import asyncio
import errno
import fcntl
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import anyio
import anyio.lowlevel

from codex_kernel.contracts.sandbox import ExecRequest, Process
from codex_kernel.protocol.value import Value, value

from .guard import Guard
from .tree import TreeMark, end_tree, exit_handle, owner

DRAIN_GRACE_S = 0.05
"""How long `read` waits for more after the leader has exited while something else holds its output open."""

_PIPE_BYTES = 1024 * 1024
_DISCARD_PAUSE_S = 0.1
_guard = Guard(by_name=sys.platform != "linux")


async def spawn_process(
    request: ExecRequest,
    *,
    argv: Sequence[str] | None = None,
    pass_fds: Sequence[int] = (),
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    stderr: int | None = None,
    controlling: bool = True,
    launch: Callable[[Callable[[], Started]], Started] | None = None,
    on_exit: Callable[[], None] | None = None,
) -> Process:
    """Start a program, as its own session leader, with descriptors 0-2 and `pass_fds` and no others.

    `argv`, `env` and `cwd` take the place of the request's. `stderr` is a descriptor of the caller's for a program on
    pipes whose stdout is not to hold anything else. `controlling` false leaves a terminal to a session
    that the program starts itself. `launch` calls what starts the program, in
    another thread if need be (one whose restrictions the program is to inherit). `on_exit` is called once,
    on the event loop, when the program has ended. The environment gets one variable more, by which
    `kill_tree` finds descendants, and, should this process be killed, the guard (see `guard`), which is started
    with the first program (1 ms). Nothing is awaited once the program runs, so a cancelled call has started
    nothing; blocks for as long as exec takes (0.2 ms).

    Raises `FileNotFoundError` when the program or the folder does not exist, `PermissionError` and other
    kinds of `OSError` as exec does, `ValueError` for an empty command or a NUL character.
    """
    words = tuple(request.argv if argv is None else argv)
    if not words:
        raise ValueError("a command needs at least one word")
    mark = TreeMark.new()
    environ = mark.on(request.env if env is None else env)
    if cwd is not None:
        request = request.replace(cwd=cwd)
    if request.tty:
        from . import terminal  # noqa: F401 - `launch` may call where nothing can be read any more

    def start() -> Started:
        if request.tty and not request.inherit:
            return _start_on_terminal(request, words, environ, tuple(pass_fds), controlling=controlling)
        if request.inherit:
            return _start_as_is(request, words, environ, tuple(pass_fds))
        return _start_on_pipes(request, words, environ, tuple(pass_fds), stderr)

    _guard.stand(owner())
    started = start() if launch is None else launch(start)
    _guard.add(started.pid, group=not started.inherited)
    mark.put_on(started.pid)
    return LocalProcess(started, mark, on_exit)


@value
class Started(Value):
    """A program that runs, and our ends of its streams (-1: none). `popen` wants to be told of its end."""

    pid: int
    output: int
    input: int
    terminal: bool
    popen: subprocess.Popen[bytes] | None = None
    inherited: bool = False


def _start_on_pipes(
    request: ExecRequest, argv: Sequence[str], env: Mapping[str, str], pass_fds: Sequence[int], stderr: int | None
) -> Started:
    ours: list[int] = []
    theirs: list[int] = []
    try:
        output, output_end = os.pipe()
        ours.append(output)
        theirs.append(output_end)
        feed, stdin = -1, subprocess.DEVNULL
        if request.stdin_pipe:
            stdin, feed = os.pipe()
            ours.append(feed)
            theirs.append(stdin)
        # Where the user's share of pipe memory is used up, the default size must do.
        if sys.platform == "linux":
            with suppress(OSError):
                fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        # Without preexec_fn this is a vfork: its cost does not grow with the size of this process.
        popen = subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=output_end,
            stderr=output_end if stderr is None else stderr,
            cwd=request.cwd,
            env=env,
            pass_fds=pass_fds,
            start_new_session=True,
        )
    except BaseException:
        _close(ours)
        raise
    finally:
        _close(theirs)
    for fd in ours:
        os.set_blocking(fd, False)
    return Started(pid=popen.pid, output=output, input=feed, terminal=False, popen=popen)


def _start_as_is(request: ExecRequest, argv: Sequence[str], env: Mapping[str, str], pass_fds: Sequence[int]) -> Started:
    # Its own group, as a shell would do it, would have to be given the terminal; ours has it already.
    popen = subprocess.Popen(argv, cwd=request.cwd, env=env, pass_fds=pass_fds)
    return Started(pid=popen.pid, output=-1, input=-1, terminal=False, popen=popen, inherited=True)


def _start_on_terminal(
    request: ExecRequest,
    argv: Sequence[str],
    env: Mapping[str, str],
    pass_fds: Sequence[int],
    *,
    controlling: bool,
) -> Started:
    from .terminal import start_on_terminal  # ctypes: only when a terminal is asked for

    pid, master = start_on_terminal(
        argv,
        cwd=request.cwd,
        env=env,
        rows=request.rows,
        cols=request.cols,
        pass_fds=pass_fds,
        controlling=controlling,
    )
    os.set_blocking(master, False)
    return Started(pid=pid, output=master, input=master, terminal=True)


class LocalProcess:
    """A program on this machine. Implements the `Process` contract; one task at a time may read.

    Whoever starts one either reads to the end or calls `kill_tree`; both release all descriptors.
    """

    def __init__(self, started: Started, mark: TreeMark, on_exit: Callable[[], None] | None = None) -> None:
        self._pid = started.pid
        self._terminal = started.terminal
        self._shares_our_group = started.inherited
        self._popen = started.popen
        self._mark = mark
        self._at_exit = on_exit
        self._output = started.output
        self._input = started.input
        self._unread = b""
        self._returncode: int | None = None
        self._exited = anyio.Event()
        self._writing = anyio.Lock()
        # After the leader's exit: what it may have left in the pipe, and until when others may add to it.
        self._owed_bytes = 0
        self._drain_deadline = float("inf")
        self._reader: anyio.CancelScope | None = None
        self._discarding = False
        self._loop = asyncio.get_running_loop()
        self._watch()

    def __repr__(self) -> str:
        return f"<LocalProcess {self._pid} {'running' if self._returncode is None else self._returncode}>"

    @property
    def pid(self) -> int:
        """Process id of the leader."""
        return self._pid

    @property
    def returncode(self) -> int | None:
        """Exit status once known; 128 + n after signal n."""
        return self._returncode

    # -- the leader's end ------------------------------------------------------------------------------

    def _watch(self) -> None:
        handle = exit_handle(self._pid)
        if handle is not None:
            self._loop.add_reader(handle, self._reap, handle)
        else:
            import threading

            threading.Thread(target=self._reap_in_thread, name=f"reap-{self._pid}", daemon=True).start()

    def _reap(self, handle: int) -> None:
        self._loop.remove_reader(handle)
        os.close(handle)
        self._on_exit(_wait_status(self._pid))

    def _reap_in_thread(self) -> None:
        status = _wait_status(self._pid)
        with suppress(RuntimeError):  # the loop has been closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._on_exit, status)

    def _on_exit(self, status: int) -> None:
        _guard.remove(self._pid, group=not self._shares_our_group)
        self._returncode = 128 - status if status < 0 else status
        if self._popen is not None:
            self._popen.returncode = status
        if not self._terminal:
            self._close_input()
        if self._output >= 0:
            self._owed_bytes = _readable_bytes(self._output)
        self._drain_deadline = self._loop.time() + DRAIN_GRACE_S
        if self._reader is not None:
            self._reader.deadline = self._drain_deadline
        self._exited.set()
        if self._at_exit is not None:
            self._at_exit()

    async def wait(self) -> int:
        """Exit status of the leader; 128 + n after signal n."""
        await self._exited.wait()
        assert self._returncode is not None
        return self._returncode

    # -- output ----------------------------------------------------------------------------------------

    async def read(self, max_bytes: int = 65536) -> bytes:
        """The next output; `b""` at its end.

        The end is when nothing can write any more, or `DRAIN_GRACE_S` after the leader's exit: what it wrote
        has been read by then, and a process that it left in the background may hold the pipe for ever. What
        such a process writes later is read and dropped, so that it neither blocks nor dies of it.
        """
        await anyio.lowlevel.checkpoint()  # before anything is taken out; a flood must not starve the loop
        while True:
            if self._unread:
                taken, self._unread = self._unread[:max_bytes], self._unread[max_bytes:]
                return taken
            if self._output < 0 or self._discarding or self._drained():
                self._let_go()
                return b""
            data = self._read_now(max_bytes)
            if data:
                return data
            if data is None:
                await self._readable()

    def _read_now(self, max_bytes: int) -> bytes | None:
        """What is there; None if nothing is yet, `b""` at the end, with the descriptor closed."""
        data = _read_some(self._output, max_bytes)
        if data is not None:
            self._owed_bytes -= len(data)
            if not data:
                self._close_output()
        elif self._returncode is not None:
            self._owed_bytes = 0
        return data

    def _drained(self) -> bool:
        return self._owed_bytes <= 0 and self._loop.time() >= self._drain_deadline

    async def _readable(self) -> None:
        """Wait for output, its end, or the deadline that the leader's exit sets."""
        with anyio.CancelScope(deadline=self._drain_deadline) as scope:
            self._reader = scope
            try:
                await anyio.wait_readable(self._output)
            finally:
                self._reader = None

    def _let_go(self) -> None:
        """Reading has ended. What others may still write is dropped, and not refused."""
        if self._output >= 0 and not self._discarding:
            self._discarding = True
            self._discard()

    def _discard(self) -> None:
        """Drop what is there, then look again after a pause: a background process that floods us has to wait."""
        if self._output < 0:
            return
        self._loop.remove_reader(self._output)
        data = _read_some(self._output, _PIPE_BYTES)
        if data is None:
            self._loop.add_reader(self._output, self._discard)
        elif data:
            self._loop.call_later(_DISCARD_PAUSE_S, self._discard)
        else:
            self._close_output()

    def _close_output(self) -> None:
        if self._discarding:
            self._loop.remove_reader(self._output)
        os.close(self._output)
        self._output = -1
        if self._terminal:
            self._input = -1

    # -- input -----------------------------------------------------------------------------------------

    async def write(self, data: bytes) -> None:
        """Feed stdin or the terminal; waits while it is full. Raises `BrokenPipeError` when nobody reads it."""
        rest = memoryview(data)
        async with self._writing:
            while rest:
                try:
                    rest = rest[os.write(self._open_input(), rest) :]
                except BlockingIOError:
                    with suppress(anyio.ClosedResourceError):  # closed while waiting: the next round tells
                        await anyio.wait_writable(self._input)

    def _open_input(self) -> int:
        if self._input < 0 or self._returncode is not None:
            raise BrokenPipeError(errno.EPIPE, "the program does not read its input any more")
        return self._input

    async def close_stdin(self) -> None:
        """End of input; on a terminal its end-of-file character, which counts at the start of a line."""
        if not self._terminal:
            self._close_input()
            return
        from .terminal import end_of_file_character

        with suppress(BrokenPipeError):  # it has ended by itself
            await self.write(end_of_file_character(self._open_input()))

    def _close_input(self) -> None:
        if self._input >= 0:
            anyio.notify_closing(self._input)
            os.close(self._input)
            self._input = -1

    # -- control ---------------------------------------------------------------------------------------

    def resize(self, rows: int, cols: int) -> None:
        """Change the terminal's size; nothing without one."""
        if self._terminal and self._output >= 0:
            from .terminal import set_size

            set_size(self._output, rows, cols)

    def signal(self, signum: int) -> None:
        """Send a signal to the leader's process group (to the leader alone if it shares ours); nothing once
        the leader has ended (its number may mean somebody else by then)."""
        if self._returncode is None:
            with suppress(ProcessLookupError):
                (os.kill if self._shares_our_group else os.killpg)(self._pid, signum)

    async def kill_tree(self) -> None:
        """End the leader and all that it started, also after it has ended itself; returns when gone.

        SIGTERM first (and SIGHUP on a terminal), SIGKILL after `TERM_GRACE_S`. Output that nobody has read
        yet can still be read. Cancelling does not interrupt it. Raises `TimeoutError` for a process that
        SIGKILL does not end.
        """
        with anyio.CancelScope(shield=True):
            gentle = (signal.SIGTERM, signal.SIGCONT)
            await end_tree(self._mark, self._leader, gentle=(signal.SIGHUP, *gentle) if self._terminal else gentle)
            await self._exited.wait()
            self._release()

    def _leader(self) -> int | None:
        return self._pid if self._returncode is None else None

    def _release(self) -> None:
        """Close everything, keeping output that is not read yet: at most a pipe full, as all writers are gone."""
        if not self._terminal:
            self._close_input()
        if self._output < 0 or self._reader is not None:
            return  # who reads at this moment will see the end and close it
        while not self._discarding and (rest := _read_some(self._output, _PIPE_BYTES)):
            self._unread += rest
        self._close_output()


def _read_some(fd: int, max_bytes: int) -> bytes | None:
    """What is there; None if nothing is, `b""` at the end."""
    try:
        return os.read(fd, max_bytes)
    except BlockingIOError:
        return None
    except OSError as error:
        if error.errno == errno.EIO:  # how a terminal says that all programs on it are gone
            return b""
        raise


def _readable_bytes(fd: int) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]


def _wait_status(pid: int) -> int:
    """Reap a child that has ended, or wait for that: its exit code, or minus the signal."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:  # somebody else reaped it; as asyncio does
        return 255


def _close(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)

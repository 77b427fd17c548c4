"""Finding and ending everything that a program started.

A command can leave its process group (`setsid`), its parent (a double fork) and its terminal (`nohup`), so none
of these finds all of it again. Two marks do, both inherited by fork and exec:

- `CODEX_PROCESS_TREE` in the environment, in place before the first instruction runs. A nested agent appends
  its own mark to the one it was started with, so that the outer one still finds what the inner one started.
- On Linux the soft limit RLIMIT_LOCKS, which the kernel has ignored since 2.4.25 and which every process may
  read of its own user's processes: it stays when a program clears its environment or hides it, as ssh-agent does.
  It is put on right after the start; who is faster than that with all of clearing, leaving and forking escapes it.

While the leader lives, its session and its children's children count as well. Not used: PR_SET_CHILD_SUBREAPER,
which would hand the orphans of every library in this process to it, with nobody to reap them.
What runs as another user (`sudo`) cannot be signalled and is left alone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from itertools import count

import anyio

from codex_kernel.protocol.value import Value, value

from .sweep import MARK_VARIABLE, OWNER_DIGITS, RLIMIT_LOCKS, look_at, read

TERM_GRACE_S = 0.5
"""How long a program may take to end by itself after SIGTERM."""
KILL_WAIT_S = 10.0
"""How long the system may take to end a program after SIGKILL (it may sit in a hung file system)."""

_COUNT_DIGITS = 15 - OWNER_DIGITS
_counter = count(1)


def owner() -> str:
    """How the marks that this process gives begin; not those of a fork of it."""
    return _owner_of(os.getpid())


@cache
def _owner_of(_pid: int) -> str:
    return os.urandom(OWNER_DIGITS // 2).hex()


@value
class TreeMark(Value):
    """What a program and all that it starts can be told by, in 60 bits: 40 random ones of ours, and a count."""

    number: int

    @classmethod
    def new(cls) -> TreeMark:
        """A mark that no other tree on this machine has."""
        return cls(number=int(owner(), 16) << 4 * _COUNT_DIGITS | next(_counter) % 16**_COUNT_DIGITS)

    @property
    def text(self) -> str:
        """As it stands in the environment."""
        return f"{self.number:015x}"

    def on(self, env: Mapping[str, str]) -> dict[str, str]:
        """The environment with this mark behind those that this process carries itself."""
        outer = os.environ.get(MARK_VARIABLE)
        return {**env, MARK_VARIABLE: f"{outer}:{self.text}" if outer else self.text}

    def put_on(self, pid: int) -> None:
        """Mark a process that has just been started, by its limit; the environment was marked before."""
        if sys.platform == "linux":
            import resource

            if resource.getrlimit(RLIMIT_LOCKS)[0] != resource.RLIM_INFINITY:
                return  # the mark of an outer agent: one field holds one mark
            # Refused where another process's limits are out of reach (gVisor): the environment must do.
            with suppress(OSError, ValueError):
                resource.prlimit(pid, RLIMIT_LOCKS, (self.number, resource.RLIM_INFINITY))


@value
class _Row(Value):
    """One process as the system lists it."""

    pid: int
    parent: int
    session: int
    zombie: bool


class Census:
    """Who lives, as of now. Reads of a process only what is asked for."""

    def __init__(self) -> None:
        self._pids = [int(name) for name in os.listdir("/proc") if name.isdigit()] if _has_proc() else []
        self._marks: dict[str, set[int]] | None = None
        self._rows: dict[int, _Row] | None = None

    def members(self, mark: TreeMark, leader: int | None) -> set[int]:
        """The living processes of a tree. `leader` is its first process while that is not reaped yet, so that
        its number cannot mean another one."""
        found = self._marked().get(mark.text, set()) - {os.getpid()}
        if leader is not None or not _has_proc():
            rows = self._all_rows()
            if leader is not None:
                found |= _family(rows.values(), leader)
            return {pid for pid in found if pid in rows and not rows[pid].zombie}
        return {pid for pid in found if (row := _row(pid)) is not None and not row.zombie}

    def _marked(self) -> dict[str, set[int]]:
        if self._marks is None:
            self._marks = {}
            blank = [pid for pid in self._pids if self._is_blank(pid) and _is_between(pid)]
            for _ in range(_LOOKS):
                if not blank:
                    break
                time.sleep(_LOOK_AGAIN_S)
                blank = [pid for pid in blank if self._is_blank(pid)]
            _without_environment.update(map(_birth, blank))
        return self._marks

    def _is_blank(self, pid: int) -> bool:
        """Note the marks of a process; whether it has neither one nor an environment."""
        assert self._marks is not None
        found, empty = look_at(pid)
        for text in found:
            self._marks.setdefault(text, set()).add(pid)
        return empty and not found

    def _all_rows(self) -> dict[int, _Row]:
        if self._rows is None:
            rows = map(_row, self._pids) if _has_proc() else _ps_rows()
            self._rows = {row.pid: row for row in rows if row is not None}
        return self._rows


def _has_proc() -> bool:
    return sys.platform == "linux"


_KERNEL_THREAD = 0x00200000  # PF_KTHREAD
_LOOKS, _LOOK_AGAIN_S = 4, 0.001
_without_environment: set[tuple[int, bytes]] = set()
"""Processes that have none for good, and are not waited for again."""


def _is_between(pid: int) -> bool:
    """Whether a process without environment may be in the middle of an exec. Kernel threads never have one."""
    try:
        flags = int(read(f"/proc/{pid}/stat").rpartition(b")")[2].split(None, 7)[6])
    except (OSError, IndexError):
        return False  # gone, or another user's
    return not flags & _KERNEL_THREAD and _birth(pid) not in _without_environment


def _birth(pid: int) -> tuple[int, bytes]:
    """A process and when it began: its number alone may come to mean another."""
    try:
        return pid, read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[19]
    except (OSError, IndexError):
        return pid, b""


def _family(rows: Iterable[_Row], leader: int) -> set[int]:
    """The leader, its session, and all descendants of these."""
    children: dict[int, list[int]] = {}
    family: set[int] = set()
    for row in rows:
        children.setdefault(row.parent, []).append(row.pid)
        if leader in (row.session, row.pid):
            family.add(row.pid)
    unseen = list(family)
    while unseen:
        new = [pid for pid in children.get(unseen.pop(), ()) if pid not in family]
        family.update(new)
        unseen.extend(new)
    return family


def _row(pid: int) -> _Row | None:
    try:
        stat = read(f"/proc/{pid}/stat")
    except OSError:
        return None  # gone since it was listed
    state, parent, _group, session = stat[stat.rindex(b")") + 2 :].split(b" ", 4)[:4]
    return _Row(pid=pid, parent=int(parent), session=int(session), zombie=state in b"ZX")


def _ps_rows() -> list[_Row]:
    """Where there is no /proc (macOS). Its `ps` has no session numbers: the group stands for it."""
    command = ["ps", "-A", "-o", "pid=,ppid=,pgid=,stat="]
    listing = subprocess.run(command, capture_output=True, check=True, stdin=subprocess.DEVNULL).stdout
    rows = []
    for line in listing.splitlines():
        pid, parent, group, state = line.split(None, 3)
        rows.append(_Row(pid=int(pid), parent=int(parent), session=int(group), zombie=state.startswith(b"Z")))
    return rows


_asked: dict[asyncio.AbstractEventLoop, asyncio.Future[Census]] = {}


async def take_census() -> Census:
    """A census taken after this call began. Whoever asks in the same tick shares it, so that ending a thread
    with hundreds of finished commands lists the processes once and not hundreds of times."""
    loop = asyncio.get_running_loop()
    asked = _asked.get(loop)
    if asked is None:
        asked = _asked[loop] = loop.create_future()
        loop.call_soon(_answer, loop)
    # Shielded: one who stops waiting must not cancel it for the others.
    return await asyncio.shield(asked)


def _answer(loop: asyncio.AbstractEventLoop) -> None:
    asked = _asked.pop(loop)
    try:
        asked.set_result(Census())
    except BaseException as error:  # noqa: BLE001 - belongs to those who asked
        asked.set_exception(error)


async def end_tree(mark: TreeMark, leader: Callable[[], int | None], *, gentle: tuple[signal.Signals, ...]) -> None:
    """End all processes of a tree: the `gentle` signals, after `TERM_GRACE_S` SIGKILL until none is left.

    `leader` gives the leader as `Census.members` wants it, at the time of asking. Raises `TimeoutError`
    naming those that not even SIGKILL ended.
    """
    foreign: set[int] = set()
    left = (await take_census()).members(mark, leader())
    if left:
        await _signal_and_wait(left, gentle, TERM_GRACE_S, foreign)
        left = (await take_census()).members(mark, leader()) - foreign
    give_up = anyio.current_time() + KILL_WAIT_S
    while left:
        if anyio.current_time() > give_up:
            raise TimeoutError(f"processes {sorted(left)} are still there {KILL_WAIT_S:.0f} s after SIGKILL")
        await _signal_and_wait(left, (signal.SIGKILL,), 1.0, foreign)
        left = (await take_census()).members(mark, leader()) - foreign


async def _signal_and_wait(
    pids: set[int], signals: tuple[signal.Signals, ...], wait_s: float, foreign: set[int]
) -> None:
    """Signal each process, then wait until all have ended, but not longer than `wait_s`. Those of other users
    are added to `foreign`."""
    handles = []
    try:
        for pid in sorted(pids):  # parents first, who would else report the ends of their children
            try:
                for signum in signals:
                    os.kill(pid, signum)
            except ProcessLookupError:
                continue
            except PermissionError:
                foreign.add(pid)
                continue
            handle = exit_handle(pid)
            if handle is not None:
                handles.append(handle)
        with anyio.move_on_after(wait_s):
            for handle in handles:
                await anyio.wait_readable(handle)
            if not handles:
                await _poll_gone(pids - foreign)
    finally:
        for handle in handles:
            os.close(handle)


def exit_handle(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends; None where there is no such thing (macOS, old
    kernels), no descriptor is left, or the process has gone."""
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


async def _poll_gone(pids: set[int]) -> None:
    while any(map(_exists, pids)):  # noqa: ASYNC110 - without pidfd nothing tells of the end of a grandchild
        await anyio.sleep(0.01)


def _exists(pid: int) -> bool:
    if _has_proc():
        row = _row(pid)
        return row is not None and not row.zombie
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

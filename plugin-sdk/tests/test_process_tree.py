"""Nothing that a program started survives `kill_tree`, and nothing else is touched."""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from codex_kernel.contracts.sandbox import ExecRequest, Process
from codex_plugin_sdk.process import tree as process_tree
from codex_plugin_sdk.process.local import spawn_process
from codex_plugin_sdk.process.tree import Census, TreeMark

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

ENV = {"PATH": os.environ["PATH"]}


class Stayer:
    """A program that reports that it runs, then stays. `command` starts it from a shell."""

    def __init__(self, folder: Path) -> None:
        self._seconds = f"{100000 + secrets.randbelow(800000)}.{secrets.randbelow(10**9):09d}"  # only ours
        fifo, self._script = folder / f"fifo-{self._seconds}", folder / f"stay-{self._seconds}"
        self._script.write_text(f"echo up >{fifo}; exec sleep {self._seconds}\n")
        os.mkfifo(fifo)
        self._fifo = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        self.command = f"sh {self._script}"

    async def up(self, count: int = 1) -> None:
        """Wait until it has reported so many times."""
        with anyio.fail_after(10):
            while count > 0:
                await anyio.wait_readable(self._fifo)
                count -= os.read(self._fifo, 1000).count(b"up")

    def alive(self) -> set[int]:
        """The processes that are this program."""
        found = set()
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with suppress(OSError):
                    words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
                    if words[:2] in ([b"sleep", self._seconds.encode()], [b"sh", bytes(self._script)]):
                        found.add(int(entry))
        return found

    def close(self) -> None:
        os.close(self._fifo)


@pytest.fixture
def stayer(tmp_path):
    made = Stayer(tmp_path)
    yield made
    made.close()


async def start(script: str, **more: object) -> Process:
    return await spawn_process(ExecRequest(argv=("sh", "-c", script), cwd="/", env=ENV, **more))


ESCAPES = {
    "plain": "{} & wait",
    "nohup": "nohup {} >/dev/null 2>&1 </dev/null &",
    "setsid": "setsid {} &",
    "double fork": "(setsid sh -c '{} & exit' &) ",
    "daemon": "(setsid sh -c '({} >/dev/null 2>&1 </dev/null &) ; exit' >/dev/null 2>&1 </dev/null &)",
    "cleared environment": "read go; (env -i PATH=\"$PATH\" setsid sh -c '({} >/dev/null 2>&1 &)' &)",
    "ignores SIGTERM": "(trap '' TERM HUP; setsid {} &) ; trap '' TERM; while :; do sleep 0.01; done",
    "stopped": "setsid sh -c 'kill -STOP $$; :' & setsid {} & wait",
}


@pytest.mark.parametrize("tty", [False, True], ids=["pipes", "terminal"])
@pytest.mark.parametrize("escape", ESCAPES)
async def test_nothing_survives(escape, tty, stayer):
    # Without the trap, the end of a leader on a terminal ends by SIGHUP what has not escaped yet.
    process = await start("trap '' HUP; " + ESCAPES[escape].format(stayer.command), tty=tty, stdin_pipe=True)
    with suppress(BrokenPipeError):
        await process.write(b"\n")
    await stayer.up()
    await process.kill_tree()
    assert stayer.alive() == set()
    assert process.returncode is not None
    assert Census().members(process._mark, None) == set()


async def test_nothing_survives_long_after_the_leader_has_ended(stayer):
    process = await start(f"setsid {stayer.command} >/dev/null 2>&1 & {stayer.command} >/dev/null 2>&1 &")
    while await process.read():
        pass
    assert await process.wait() == 0
    await stayer.up(2)
    await process.kill_tree()
    assert stayer.alive() == set()


async def test_processes_without_pidfd_are_ended_as_well(monkeypatch, stayer):
    monkeypatch.setattr(process_tree, "exit_handle", lambda pid: None)
    process = await start(f"trap '' TERM; setsid {stayer.command} & wait; wait")
    await stayer.up()
    await process.kill_tree()
    assert stayer.alive() == set()


async def test_other_trees_and_our_own_process_are_left_alone(stayer):
    one = await start("exec sleep 1000")
    other = await start(f"{stayer.command} & wait")
    await stayer.up()
    await one.kill_tree()
    assert (len(stayer.alive()), other.returncode) == (1, None)
    await other.kill_tree()


async def test_an_outer_agent_finds_what_an_inner_one_started(monkeypatch, stayer):
    outer, inner = TreeMark.new(), TreeMark.new()
    monkeypatch.setenv(process_tree.MARK_VARIABLE, outer.text)
    assert inner.on({"A": "1"}) == {"A": "1", process_tree.MARK_VARIABLE: f"{outer.text}:{inner.text}"}
    process = await start(f"setsid {stayer.command} & wait")
    await stayer.up()
    assert stayer.alive() < Census().members(outer, None)
    await process.kill_tree()


async def test_cancelling_does_not_stop_it_half_way(stayer):
    process = await start(f"trap '' TERM; setsid {stayer.command} & while :; do sleep 0.01; done")
    await stayer.up()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await process.kill_tree()
    assert (stayer.alive(), process.returncode) == (set(), 137)


async def test_output_that_was_not_read_is_kept():
    process = await start("echo kept; setsid sleep 1000 & wait")
    await anyio.wait_readable(process._output)
    await process.kill_tree()
    assert [await process.read(3), await process.read(), await process.read()] == [b"kep", b"t\n", b""]


async def test_a_reader_at_work_sees_the_end():
    process = await start("echo first; exec sleep 1000")
    seen = []

    async def read() -> None:
        while part := await process.read():
            seen.append(part)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            await process.kill_tree()
    assert seen == [b"first\n"]


async def test_it_may_be_called_again_and_by_several_tasks():
    process = await start("exec sleep 1000")
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(process.kill_tree)
    await process.kill_tree()
    assert process.returncode == 143


async def test_ending_many_at_once_lists_the_processes_once_for_all(monkeypatch):
    taken = []

    class Counted(Census):
        def __init__(self) -> None:
            taken.append(1)
            super().__init__()

    many = [await start("exit 0") for _ in range(30)]
    for process in many:
        await process.wait()
    monkeypatch.setattr(process_tree, "Census", Counted)
    async with anyio.create_task_group() as tasks:
        for process in many:
            tasks.start_soon(process.kill_tree)
    assert len(taken) == 1


async def test_what_another_user_runs_is_left_alone(monkeypatch, stayer):
    real = os.kill
    process = await start(f"setsid {stayer.command} >/dev/null 2>&1 & exit")
    await process.wait()
    await stayer.up()
    (pid,) = stayer.alive()

    def refuse(target: int, signum: int) -> None:
        if target == pid:
            raise PermissionError(1, "not permitted")
        real(target, signum)

    monkeypatch.setattr(os, "kill", refuse)
    with anyio.fail_after(5):
        await process.kill_tree()
    assert stayer.alive() == {pid}
    monkeypatch.undo()
    await process.kill_tree()
    assert stayer.alive() == set()


async def test_a_process_that_nothing_ends_is_named(monkeypatch):
    monkeypatch.setattr(process_tree, "KILL_WAIT_S", -1.0)
    process = await start("trap '' TERM; while :; do sleep 0.01; done")
    monkeypatch.setattr(process_tree, "TERM_GRACE_S", 0.01)
    with pytest.raises(TimeoutError, match=str(process.pid)):
        await process.kill_tree()
    monkeypatch.undo()
    await process.kill_tree()


def test_family_is_the_session_and_all_descendants():
    rows = [
        process_tree._Row(pid=pid, parent=parent, session=session, zombie=False)
        for pid, parent, session in [
            (1, 0, 1),
            (10, 1, 10),
            (11, 10, 10),
            (12, 1, 10),
            (13, 11, 13),
            (14, 13, 13),
            (20, 1, 1),
        ]
    ]
    assert process_tree._family(rows, 10) == {10, 11, 12, 13, 14}


def test_ps_lists_what_proc_lists():
    rows = {row.pid: row for row in process_tree._ps_rows()}
    mine = process_tree._row(os.getpid())
    assert mine is not None
    assert (rows[os.getpid()].parent, rows[os.getpid()].zombie) == (mine.parent, False)

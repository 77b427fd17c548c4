"""What is left of our commands when we are killed, end in order, or lose our guard."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from codex_plugin_sdk.process import sweep
from codex_plugin_sdk.process.guard import Guard

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")

PATIENCE_S = 30
STAY = "trap '' TERM HUP INT; echo $$ >> pids; while :; do sleep 1000; done"

# Starts `sh -c` for each argument, by turns on pipes and on a terminal; tells when all said so; then obeys one word.
PROGRAM = """
import os, signal, sys
import anyio
from codex_plugin_sdk import ExecRequest, spawn_process

async def main():
    processes = []
    for number, script in enumerate(sys.argv[1:]):
        env = {"PATH": os.environ["PATH"], "TOKEN": os.environ["TOKEN"]}
        request = ExecRequest(argv=("sh", "-c", script), cwd=os.getcwd(), env=env, tty=bool(number % 2))
        processes.append(await spawn_process(request))
    print("started", flush=True)
    match sys.stdin.readline().strip():
        case "again":
            os.waitid(os.P_PID, int(sys.stdin.readline()), os.WEXITED | os.WNOWAIT)
            await spawn_process(request)
            print("started", flush=True)
            sys.stdin.readline()
        case "leave":
            for process in processes:
                await process.wait()

anyio.run(main)
"""


def wait_for(what: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < give_up
        time.sleep(0.005)  # no event tells of the end of a process that is not ours


def holding(folder: Path) -> list[int]:
    """The processes that were started with the folder's name in the environment, and by those the guard's."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if f"TOKEN={folder}".encode() in Path("/proc", name, "environ").read_bytes().split(b"\0"):
                found.append(int(name))
        except OSError:
            continue
    return found


@contextmanager
def program(folder: Path, *scripts: str) -> Iterator[subprocess.Popen[str]]:
    (folder / "stay").write_text(STAY)
    command = [sys.executable, "-c", PROGRAM, *scripts]
    env = {**os.environ, "TOKEN": str(folder)}
    with subprocess.Popen(
        command, cwd=folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "started\n"
        try:
            yield process
        finally:
            process.kill()


def pids(folder: Path, count: int) -> list[int]:
    """The process ids that `count` commands have noted."""
    file = folder / "pids"
    wait_for(lambda: file.exists() and len(file.read_text().splitlines()) == count)
    return [int(line) for line in file.read_text().split()]


def guard_of(process: subprocess.Popen[str]) -> int:
    (guard,) = [
        int(pid)
        for path in Path(f"/proc/{process.pid}/task").glob("*/children")
        for pid in path.read_text().split()
        if b"guard" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    ]
    return guard


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def test_nothing_survives_the_one_that_is_killed(tmp_path):
    scripts = [
        "exec sh stay",
        "exec sh stay",
        "setsid sh stay & wait",
        "trap '' HUP; (setsid sh stay &)",  # whose terminal goes
        'sleep 0; exec env -i PATH="$PATH" sh stay',
    ]
    with program(tmp_path, *scripts) as process:
        noted = pids(tmp_path, len(scripts))
        guard = guard_of(process)
        process.kill()
        process.wait()
        wait_for(lambda: not any(lives(pid) for pid in (*noted, guard)))
        wait_for(lambda: not holding(tmp_path))


def test_who_ends_in_order_leaves_what_a_finished_command_left(tmp_path):
    with program(tmp_path, "(setsid sh stay >/dev/null 2>&1 &)") as process:
        (left,) = pids(tmp_path, 1)
        guard = guard_of(process)
        handle = os.pidfd_open(guard)
        try:
            process.communicate("leave\n", timeout=PATIENCE_S)
            assert process.returncode == 0
            assert select.select([handle], [], [], PATIENCE_S)[0]
            assert lives(left)
        finally:
            os.close(handle)
            for pid in holding(tmp_path):
                os.kill(pid, signal.SIGKILL)


def test_a_guard_that_was_ended_is_replaced_with_the_next_command(tmp_path):
    with program(tmp_path, "exec sh stay") as process:
        guard = guard_of(process)
        os.kill(guard, signal.SIGKILL)
        process.stdin.write(f"again\n{guard}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "started\n"
        assert guard_of(process) != guard
        pids(tmp_path, 2)
        process.kill()
        wait_for(lambda: not holding(tmp_path))


@contextmanager
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sh", "-c", "sleep 1000 & wait"], start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_guard_by_name_kills_the_groups_that_had_not_ended():
    guard = Guard(by_name=True)
    with sleeper() as running, sleeper() as alone, sleeper() as ended:
        guard.stand("0" * sweep.OWNER_DIGITS)
        for process in (running, ended):
            guard.add(process.pid, group=True)
        guard.add(alone.pid, group=False)
        guard.remove(ended.pid, group=True)
        pid = guard.pid
        with open(os.devnull, "wb") as null:
            os.dup2(null.fileno(), guard._pipe)  # as if we had been killed
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert running.wait(PATIENCE_S) == alone.wait(PATIENCE_S) == -signal.SIGKILL
        assert ended.poll() is None
        os.killpg(ended.pid, signal.SIGKILL)
        guard.dismiss()


def test_a_guard_that_is_dismissed_kills_nothing():
    guard = Guard(by_name=True)
    with sleeper() as running:
        guard.stand("0" * sweep.OWNER_DIGITS)
        guard.add(running.pid, group=True)
        pid = guard.pid
        guard.dismiss()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert running.poll() is None
        os.killpg(running.pid, signal.SIGKILL)


def test_a_sweep_kills_those_of_its_owner_alone():
    ours, others = "a1" * 5, "b2" * 5
    env = {"PATH": os.environ["PATH"]}
    marks = [f"{ours}00001", f"{others}00001", f"{others}00001:{ours}00002", f"{others}{ours}"]
    programs = [
        subprocess.Popen(["sleep", "1000"], env={**env, sweep.MARK_VARIABLE: mark}, start_new_session=True)
        for mark in marks
    ]
    try:
        sweep.sweep(ours)
        assert [programs[0].wait(PATIENCE_S), programs[2].wait(PATIENCE_S)] == [-signal.SIGKILL] * 2
        assert [programs[1].poll(), programs[3].poll()] == [None, None]
    finally:
        for process in programs:
            process.kill()
            process.wait()

"""Cases of the sandbox kit: processes outside, memory shared with them, and the end of what was started."""

from __future__ import annotations

import signal
from typing import Any

import anyio

from .sandbox_bench import PATIENCE_S, Bench, expect
from .sandbox_cases import Verdicts, cases, scenario
from .sandbox_victims import SharedMemory, VictimProcess, is_held, victim_process

_PROCESSES = cases(
    "processes",
    {
        "processes.list": "the victim is seen in /proc",
        "processes.environ": "/proc/PID/environ",
        "processes.command-line": "/proc/PID/cmdline",
        "processes.memory-file": "/proc/PID/mem",
        "processes.memory-call": "process_vm_readv",
        "processes.memory-write": "process_vm_writev",
        "processes.open-files": "/proc/PID/fd",
        "processes.folder": "/proc/PID/cwd",
        "processes.take-descriptor": "pidfd_getfd",
        "processes.trace": "ptrace",
        "processes.signal": "kill",
        "processes.signal-group": "killpg",
        "processes.signal-thread": "tgkill",
        "processes.signal-everybody": "kill(-1)",
        "processes.signal-by-descriptor": "pidfd_send_signal",
        "processes.priority": "setpriority",
        "processes.priority-of-group": "setpriority of a process group",
        "processes.limits": "prlimit",
        "processes.affinity": "sched_setaffinity",
    },
)
_SIGNALS = {
    "processes.signal": signal.SIGWINCH,
    "processes.signal-group": signal.SIGCHLD,
    "processes.signal-thread": signal.SIGCONT,
    "processes.signal-everybody": signal.SIGURG,
    "processes.memory-write": 0,
}


@scenario(_PROCESSES)
async def processes(bench: Bench, say: Verdicts) -> None:
    """Two victims of the same user."""
    with (
        victim_process(bench.outside, bench.secret, bench.mark) as victim,
        victim_process(bench.made("second"), bench.secret, bench.mark) as second,
    ):
        attacks = {id: id for id in say.wanted}
        outcomes = await bench.attack("processes", attacks, second=second.pid, **victim.given())
        seen = _seen(victim, second)
    everybody = outcomes.pop("processes.signal-everybody", None)  # inside, there are some whom it may reach
    bench.judge(say, outcomes, outside=seen)
    if everybody is not None:
        ran = expect(everybody.fate in ("done", "refused"), f"the attack {everybody.fate}: {everybody.detail}")
        say("processes.signal-everybody", ran, seen.get("processes.signal-everybody", ""))


def _seen(victim: VictimProcess, second: VictimProcess) -> dict[str, str]:
    """What happened to the victims, by case."""
    came = victim.signals()
    found = {id: "the victim noticed" for id, number in _SIGNALS.items() if number in came}
    if signal.SIGWINCH in second.signals():
        found["processes.signal-by-descriptor"] = "the victim noticed"
    changes = victim.changes()
    found |= {f"processes.{name}": words for name, words in changes.items()}
    if "priority" in second.changes():
        found["processes.priority-of-group"] = "the victim's priority changed"
    return found


_IPC = cases(
    "ipc",
    {
        "ipc.shared-memory": "System V shared memory",
        "ipc.queue": "a System V message queue",
        "ipc.semaphore": "a System V semaphore",
        "ipc.posix-queue": "a POSIX message queue",
        "ipc.shared-memory-file": "a file in /dev/shm",
        "ipc.new-shared-memory-file": "a new file in /dev/shm",
    },
)


@scenario(_IPC)
async def shared_memory(bench: Bench, say: Verdicts) -> None:
    """Objects of the same user."""
    try:
        shared = SharedMemory(bench.secret, bench.mark)
    except OSError as error:
        for id in say.wanted:
            say.skip(id, str(error))
        return
    try:
        attacks = {id: id for id in say.wanted}
        given: dict[str, Any] = {"ipc-key": shared.key, "shm-name": shared.name}
        outcomes = await bench.attack("processes", attacks, **given)
        seen = shared.changes()
    finally:
        shared.close()
    new = "ipc.new-shared-memory-file"  # inside, it may well work
    made = outcomes.pop(new, None)
    bench.judge(say, outcomes, outside=seen)
    if made is not None:
        ran = expect(made.fate in ("done", "refused"), f"the attack {made.fate}: {made.detail}")
        say(new, ran, seen.get(new, ""))


# -- the end ---------------------------------------------------------------------------------------------

_ENDS = cases(
    "dies-with-us",
    {
        "ends.background": "a background process whose leader has ended",
        "ends.daemon": "two forks, a new session, no environment, deaf to signals; the leader has ended",
        "ends.leader": "the same, while the leader lives",
    },
)


@scenario(_ENDS)
async def kill_tree_ends_all(bench: Bench, say: Verdicts) -> None:
    """Whoever holds a file's lock lives."""
    for id in say.wanted:
        lock = bench.write("", "outside", f"lock-{id}")
        request = bench.request(*bench.probe("holders", {id: id}, lock=lock))
        with anyio.fail_after(PATIENCE_S):
            process = await bench.backend.spawn(request, bench.policy())
            said = await process.read()
            if id != "ends.leader":
                await process.wait()
            held = is_held(lock)
            await process.kill_tree()
            left = is_held(lock)
        # A process namespace may end everything with the leader: then there is nothing left to be killed.
        ran = held or (id != "ends.leader" and b'"done"' in said)
        say(id, expect(ran, f"nothing was started: {said!r}"), expect(not left, "it lives after kill_tree"))


@scenario(cases("dies-with-us", {"ends.agent-killed": "SIGKILL of the agent ends all that its command started"}))
async def agent_killed(bench: Bench, say: Verdicts) -> None:
    """Another agent runs a command, and is killed."""
    start = bench.traits["agent"]
    lock = bench.write("", "outside", "lock")
    with start(bench.mode) as agent:
        argv = bench.probe("holders", {"ends.leader": "ends.leader"}, lock=lock)
        with anyio.fail_after(PATIENCE_S):
            await anyio.to_thread.run_sync(lambda: agent.order(argv=argv, cwd=bench.workspace, folder=bench.home))
            held = is_held(lock)
            agent.kill()
            with anyio.move_on_after(10):
                while is_held(lock):  # noqa: ASYNC110 - nobody tells of the end of a stranger
                    await anyio.sleep(0.01)
        say("ends.agent-killed", expect(held, "it did not start"), expect(not is_held(lock), "it lives on"))

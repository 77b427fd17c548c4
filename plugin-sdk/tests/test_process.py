"""Programs that really run: streams, ends, descriptors, terminals."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import anyio
import pytest

from codex_kernel.contracts.sandbox import ExecRequest, Process
from codex_plugin_sdk.process import local as process_module
from codex_plugin_sdk.process import terminal as process_terminal
from codex_plugin_sdk.process.local import spawn_process

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX only"),
]

ENV = {"PATH": os.environ["PATH"]}
BOTH = pytest.mark.parametrize("tty", [False, True], ids=["pipes", "terminal"])


def request(*argv: str, cwd: str = "/", **more: object) -> ExecRequest:
    return ExecRequest(argv=argv, cwd=cwd, env=more.pop("env", ENV), **more)


def shell(script: str, **more: object) -> ExecRequest:
    return request("sh", "-c", script, **more)


async def read_all(process: Process) -> bytes:
    parts = []
    with anyio.fail_after(10):
        while part := await process.read():
            parts.append(part)
    return b"".join(parts)


async def read_until(process: Process, wanted: bytes) -> bytes:
    seen = b""
    with anyio.fail_after(10):
        while wanted not in seen:
            part = await process.read()
            assert part, seen
            seen += part
    return seen


async def run(wanted: ExecRequest, **more: object) -> tuple[bytes, int]:
    process = await spawn_process(wanted, **more)
    output = await read_all(process)
    with anyio.fail_after(10):
        code = await process.wait()
    await process.kill_tree()
    return output, code


@pytest.fixture(autouse=True)
def nothing_leaks():
    """Every test gives back its descriptors and its children. The guard stays."""
    process_module._guard.stand(process_module.owner())
    fds, children = set(os.listdir("/proc/self/fd")) if sys.platform == "linux" else set(), _children()
    yield
    if sys.platform == "linux":
        left = {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_open(fd)}
        # The loop of the test and its wake-up sockets are closed after this fixture.
        assert not {fd: to for fd, to in left.items() if fd not in fds and not to.startswith(("anon", "socket"))}
        assert not [to for fd, to in left.items() if fd not in fds and "pidfd" in to]
        assert _children() <= children | {process_module._guard.pid}


def _children():
    found = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
    return {int(pid) for each in found for pid in each}


def _is_open(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")


async def test_stdout_and_stderr_arrive_in_the_order_of_writing():
    output, code = await run(shell("echo one; echo two >&2; echo three"))
    assert (output, code) == (b"one\ntwo\nthree\n", 0)


@BOTH
@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
async def test_exit_code_is_128_plus_the_signal(script, code, tty):
    assert (await run(shell(script, tty=tty)))[1] == code


async def test_returncode_is_unknown_while_it_runs_and_wait_may_be_called_again():
    process = await spawn_process(shell("read x; exit 4", stdin_pipe=True))
    assert process.returncode is None
    await process.close_stdin()
    assert [await process.wait(), await process.wait(), process.returncode] == [4, 4, 4]
    assert await read_all(process) == b""


@BOTH
async def test_it_runs_in_its_folder_with_its_environment_in_its_own_session(tmp_path, tty):
    wanted = shell('pwd; echo "$A"; ps -o sid= -p $$', cwd=str(tmp_path), env={**ENV, "A": "a b"}, tty=tty)
    process = await spawn_process(wanted)
    lines = (await read_all(process)).decode().split()
    await process.wait()
    assert lines == [os.path.realpath(tmp_path), "a", "b", str(process.pid)]


@BOTH
async def test_environment_is_the_given_one_and_the_mark(tty):
    output, _ = await run(request("env", env={"B": "1"}, tty=tty), argv=("/usr/bin/env",))
    names = [line.partition(b"=")[0] for line in output.split()]
    assert sorted(names) == [b"B", b"CODEX_PROCESS_TREE"]


@BOTH
async def test_a_missing_program_and_a_missing_folder_are_told_apart(tmp_path, tty):
    with pytest.raises(FileNotFoundError) as program:
        await spawn_process(request("no-such-program", tty=tty))
    with pytest.raises(FileNotFoundError) as folder:
        await spawn_process(request("sh", cwd=str(tmp_path / "gone"), tty=tty))
    assert (program.value.filename, folder.value.filename) == ("no-such-program", str(tmp_path / "gone"))


@BOTH
async def test_a_file_that_is_not_executable_is_refused(tmp_path, tty):
    (tmp_path / "text").write_text("hello")
    with pytest.raises(PermissionError):
        await spawn_process(request(str(tmp_path / "text"), tty=tty))


@BOTH
async def test_nul_characters_and_empty_commands_are_refused(tty):
    with pytest.raises(ValueError, match="null byte"):
        await spawn_process(request("echo", "a\0b", tty=tty))
    with pytest.raises(ValueError, match="at least one word"):
        await spawn_process(request(tty=tty))


@BOTH
async def test_arguments_that_are_no_text_arrive_as_they_are(tty):
    raw = b"caf\xe9 \xff"
    output, _ = await run(request("printf", "%s", os.fsdecode(raw), tty=tty))
    assert output == raw


async def test_output_is_binary_safe():
    output, _ = await run(request(sys.executable, "-c", "import os; os.write(1, bytes(range(256)))"))
    assert output == bytes(range(256))


@pytest.mark.skipif(sys.platform != "linux", reason="lists /proc")
@BOTH
async def test_no_descriptor_but_the_first_three_and_those_passed_is_inherited(tty):
    stray, passed = os.open("/dev/null", os.O_RDONLY), os.open("/dev/zero", os.O_RDONLY)
    try:
        os.set_inheritable(stray, True)
        script = "import os; print(*sorted(os.listdir('/proc/self/fd'), key=int))"
        output, _ = await run(request(sys.executable, "-c", script, tty=tty), pass_fds=(passed,))
        assert os.get_inheritable(passed) is False
    finally:
        os.close(stray)
        os.close(passed)
    listing = max(3, 3 if passed != 3 else 4)  # what listdir itself has open
    assert [int(fd) for fd in output.split()] == sorted({0, 1, 2, passed, listing})


# -- input ---------------------------------------------------------------------------------------------


async def test_stdin_is_empty_unless_a_pipe_is_asked_for():
    assert await run(request("cat")) == (b"", 0)


async def test_stdin_pipe_carries_more_than_a_pipe_holds_and_its_end():
    process = await spawn_process(request("wc", "-c", stdin_pipe=True))
    with anyio.fail_after(10):
        await process.write(b"x" * 3_000_000)
    await process.close_stdin()
    assert (await read_all(process)).split() == [b"3000000"]
    assert await process.wait() == 0


@pytest.mark.parametrize("tty", [False, True], ids=["pipes", "terminal"])
async def test_writing_to_a_program_that_has_ended_is_a_broken_pipe(tty):
    process = await spawn_process(request("true", stdin_pipe=True, tty=tty))
    await process.wait()
    with pytest.raises(BrokenPipeError):
        await process.write(b"hello")
    await process.close_stdin()
    assert await read_all(process) == b""


async def test_a_writer_that_waits_learns_of_the_end():
    process = await spawn_process(shell("read x; sleep 0 & exec sleep 100", stdin_pipe=True))

    async def fill() -> None:
        with pytest.raises(BrokenPipeError):
            await process.write(b"x\n" * 1_000_000)
        full.set()

    full = anyio.Event()
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fill)
            await anyio.lowlevel.checkpoint()
            await process.kill_tree()
            await full.wait()


# -- the end of the output --------------------------------------------------------------------------------


@BOTH
async def test_a_background_process_that_holds_the_output_does_not_hold_up_the_end(tty):
    process = await spawn_process(shell("trap '' HUP; sleep 1000 & echo done", tty=tty))
    began = time.monotonic()
    assert (await read_all(process)).strip() == b"done"
    assert time.monotonic() - began < 20  # the process in the background would take 1,000
    await process.kill_tree()


async def test_what_the_leader_wrote_is_read_to_the_last_byte_however_late(monkeypatch):
    monkeypatch.setattr(process_module, "DRAIN_GRACE_S", 0.0)  # over before the first read
    process = await spawn_process(shell("head -c 60000 /dev/zero; sleep 1000 &"))
    await process.wait()
    total = 0
    while part := await process.read(1000):
        total += len(part)
    assert total == 60000
    await process.kill_tree()


async def test_a_background_process_that_writes_for_ever_does_not_make_the_output_endless():
    process = await spawn_process(shell("yes & sleep 0.05"))
    with anyio.fail_after(10):
        while await process.read():
            pass
    await process.kill_tree()


async def test_a_background_process_may_go_on_writing_after_the_end(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = await spawn_process(
        shell('(read go <pipe; echo more; echo alive >pipe) & echo "started"', cwd=str(tmp_path))
    )
    assert await read_all(process) == b"started\n"
    with anyio.fail_after(10):
        await anyio.to_thread.run_sync(pipe.write_text, "go\n")
        assert await anyio.to_thread.run_sync(pipe.read_text) == "alive\n"
    await process.kill_tree()


async def test_output_ends_although_the_program_goes_on_without_it():
    process = await spawn_process(shell("echo bye; exec >/dev/null 2>&1; read x; exit 5", stdin_pipe=True))
    assert await read_all(process) == b"bye\n"
    assert process.returncode is None
    await process.write(b"\n")
    assert await process.wait() == 5


async def test_cancelling_a_read_loses_nothing():
    process = await spawn_process(shell("read x; echo got $x", stdin_pipe=True))
    with anyio.move_on_after(0.01) as scope:
        await process.read()
    assert scope.cancelled_caught
    await process.write(b"it\n")
    assert await read_all(process) == b"got it\n"
    assert await process.wait() == 0


async def test_a_flood_leaves_other_tasks_their_turn():
    process = await spawn_process(request("yes"))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        for _ in range(50):
            assert await process.read()
        tasks.cancel_scope.cancel()
    assert turns >= 25
    await process.kill_tree()


@BOTH
async def test_the_end_is_noticed_without_pidfd(monkeypatch, tty):
    def refuse(pid: int) -> int:
        raise OSError(38, "not implemented")

    monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)
    assert await run(shell("echo hi; exit 3", tty=tty)) in ((b"hi\n", 3), (b"hi\r\n", 3))


# -- terminals ------------------------------------------------------------------------------------------


async def test_a_terminal_has_its_size_and_controls_the_program():
    output, code = await run(shell("stty size; tty; : >/dev/tty && echo controlled", tty=True, rows=33, cols=101))
    size, name, controlled = output.decode().split("\r\n")[:3]
    assert (size, name[:5], controlled, code) == ("33 101", "/dev/", "controlled", 0)


async def test_resize_reaches_the_program():
    script = """if True:
        import os, signal
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})
        print("ready", flush=True)
        signal.sigwait({signal.SIGWINCH})
        print(os.get_terminal_size())
    """
    process = await spawn_process(request(sys.executable, "-c", script, tty=True))
    await read_until(process, b"ready")
    process.resize(11, 22)
    assert b"columns=22, lines=11" in await read_all(process)
    assert await process.wait() == 0


async def test_resize_without_a_terminal_does_nothing():
    process = await spawn_process(request("true"))
    process.resize(1, 2)
    assert (await read_all(process), await process.wait()) == (b"", 0)


async def test_the_interrupt_character_interrupts():
    process = await spawn_process(
        shell("trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.01; done", tty=True)
    )
    await read_until(process, b"ready")
    await process.write(b"\x03")
    assert b"caught" in await read_all(process)
    assert await process.wait() == 9


async def test_end_of_file_on_a_terminal_ends_cat():
    process = await spawn_process(request("cat", tty=True))
    await process.write(b"abc\n")
    await read_until(process, b"abc\r\nabc\r\n")
    await process.close_stdin()
    assert await process.wait() == 0
    await process.kill_tree()


async def test_a_terminal_works_with_a_c_library_that_cannot_change_the_folder(monkeypatch, tmp_path):
    class OldLibrary:
        def __init__(self, library):
            self._library = library

        def __getattr__(self, name):
            if name.endswith("addchdir_np"):
                raise AttributeError(name)
            return getattr(self._library, name)

    library = OldLibrary(process_terminal._libc())
    monkeypatch.setattr(process_terminal, "_libc", lambda: library)
    output, code = await run(shell("pwd", tty=True, cwd=str(tmp_path)))
    assert (output.decode().strip(), code) == (os.path.realpath(tmp_path), 0)


# -- signals -----------------------------------------------------------------------------------------------


async def test_signal_reaches_the_whole_group():
    inner = "trap 'echo inner; exit' USR1; echo ready; while :; do sleep 0.01; done"
    process = await spawn_process(shell(f'trap "wait; exit 7" USR1; sh -c "{inner}" & wait'))
    await read_until(process, b"ready")
    process.signal(signal.SIGUSR1)
    assert b"inner" in await read_all(process)
    assert await process.wait() == 7


async def test_signal_after_the_end_does_nothing():
    process = await spawn_process(request("true"))
    await process.wait()
    process.signal(signal.SIGKILL)
    assert (await read_all(process), process.returncode) == (b"", 0)


@BOTH
async def test_ignored_signals_of_python_are_not_inherited(tty):
    assert signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN
    _, code = await run(shell("kill -PIPE $$; exit 1", tty=tty))
    assert code == 128 + signal.SIGPIPE


@pytest.mark.parametrize("tty", [False, True])
async def test_failed_starts_leave_nothing_open(tty):
    for _ in range(20):
        with pytest.raises(FileNotFoundError):
            await spawn_process(request("no-such-program", tty=tty, stdin_pipe=True))

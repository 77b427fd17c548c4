"""A confined command is the same command: its end, its streams, its arguments, its signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

ODD = [b"", b"--", b"-x", b"a b", b"\xff\xfe", b"new\nline", "ü".encode(), b"'\"$`\\", b"*"]
PRINT_ARGUMENTS = "import os, sys; sys.stdout.buffer.write(b'\\0'.join(map(os.fsencode, sys.argv[1:])))"


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_exit_code_is_the_commands_own(sandbox, code):
    assert sandbox.run("sh", "-c", f"exit {code}").returncode == code


@pytest.mark.parametrize("name", ["TERM", "KILL", "SEGV", "INT"])
def test_death_by_signal_is_128_and_its_number(sandbox, name):
    done = sandbox.run("sh", "-c", f"kill -{name} $$")
    assert done.returncode == 128 + signal.Signals[f"SIG{name}"]


def test_stdout_and_stderr_stay_apart_byte_by_byte(sandbox):
    done = sandbox.run("sh", "-c", r"printf 'o\000\377\n'; printf 'e\001\376' >&2")
    assert (done.stdout, sandbox.said(done)) == (b"o\0\xff\n", b"e\1\xfe")


def test_stdin_reaches_it_whole_and_ends(sandbox):
    sent = bytes(range(256)) * 16384  # more than any pipe holds
    done = sandbox.run("cat", stdin=sent)
    assert done.stdout == sent


def test_output_streams_without_waiting_for_the_end(sandbox):
    with sandbox.start("sh", "-c", "echo first; read line; echo $line", stdin=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"first\n"
        out, _ = process.communicate(b"second\n", timeout=20)
    assert (out, process.returncode) == (b"second\n", 0)


def test_a_reader_that_goes_away_ends_the_writer(sandbox):
    with sandbox.start("yes") as process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(20) == 128 + signal.SIGPIPE
        process.stderr.close()


def test_arguments_arrive_as_bytes(sandbox):
    done = sandbox.run(sys.executable, "-c", PRINT_ARGUMENTS, *ODD)
    assert done.stdout == b"\0".join(ODD)


def test_environment_is_passed_on_and_tells_of_the_closed_network(sandbox):
    done = sandbox.run("sh", "-c", 'echo "$NAME_OF_TEST $CODEX_SANDBOX_NETWORK_DISABLED"')
    assert done.stdout == b"kept 1\n"


def test_no_descriptor_but_the_three_is_passed_on(sandbox):
    read, write = os.pipe()
    try:
        done = sandbox.run("sh", "-c", "ls /proc/$$/fd", pass_fds=(write,))
    finally:
        os.close(read)
        os.close(write)
    assert done.stdout.split() == [b"0", b"1", b"2"]


def test_words_before_the_command_need_no_dashes(any_sandbox):
    argv = any_sandbox.argv("echo", "-n", "x")
    argv.remove("--")
    done = subprocess.run(argv, env=any_sandbox.env, cwd=any_sandbox.work, capture_output=True, timeout=30, check=False)
    assert done.stdout == b"x"


def test_a_program_called_status_is_reached_behind_the_dashes(any_sandbox):
    program = any_sandbox.work / "status"
    program.write_text("#!/bin/sh\necho mine $1\n")
    program.chmod(0o755)
    done = any_sandbox.run("status", "x", env={"PATH": f"{any_sandbox.work}:{any_sandbox.env['PATH']}"})
    assert done.stdout == b"mine x\n"


def test_the_folder_is_the_one_that_is_named(any_sandbox, tmp_path):
    folder = tmp_path / "a b\n"
    folder.mkdir()
    done = any_sandbox.run("sh", "-c", 'pwd; echo "$PWD"', options=("-C", str(folder)))
    assert done.stdout == f"{folder}\n{folder}\n".encode()


def test_the_other_program_name_does_the_same(any_sandbox, tmp_path):
    name = tmp_path / "codex-linux-sandbox"
    name.symlink_to(any_sandbox.argv("x")[0])
    done = any_sandbox.run("sh", "-c", "echo here; exit 5", program=name)
    assert (done.stdout, done.returncode) == (b"here\n", 5)


# -- signals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "USR1"])
def test_a_signal_sent_to_us_reaches_the_command_once(sandbox, name):
    script = (
        "import signal, sys\n"
        f"wanted = {{signal.SIG{name}}}\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, wanted)\n"
        "print('ready', flush=True)\n"
        "signal.sigwait(wanted)\n"
        "print('again' if signal.sigtimedwait(wanted, 0.2) else 'once', flush=True)\n"
        "sys.exit(9)\n"
    )
    with sandbox.start(sys.executable, "-c", script, start_new_session=True) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.Signals[f"SIG{name}"])
        out, _ = process.communicate(timeout=20)
    assert (out, process.returncode) == (b"once\n", 9)


def test_a_signal_that_the_command_does_not_handle_ends_it(sandbox):
    with sandbox.start("sh", "-c", "echo ready; exec sleep 60") as process:
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM


def test_a_signal_for_us_spares_the_others_of_our_group(sandbox):
    """A pipeline's other programs share our process group and are not the command's."""
    with subprocess.Popen(["sleep", "60"], process_group=0) as neighbour:
        try:
            with sandbox.start("sh", "-c", "echo ready; exec sleep 60", process_group=neighbour.pid) as process:
                assert process.stdout.readline() == b"ready\n"
                process.terminate()
                process.communicate(timeout=20)
            assert neighbour.poll() is None
        finally:
            neighbour.kill()


def test_nohup_is_respected(sandbox):
    script = "kill -HUP $$; echo alive"
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        done = sandbox.run("sh", "-c", script)
    finally:
        signal.signal(signal.SIGHUP, previous)
    assert done.stdout == b"alive\n"


def test_what_the_command_left_behind_ends_with_it(sandbox):
    done = sandbox.run("sh", "-c", "sleep 60 & echo done")  # would keep the pipe open for a minute
    assert done.stdout == b"done\n"


def test_nothing_survives_when_we_are_killed(sandbox):
    with sandbox.start("sh", "-c", "echo ready; sleep 60 & setsid sleep 60") as process:
        assert process.stdout.readline() == b"ready\n"
        process.kill()
        assert process.stdout.read() == b""  # the end: nobody holds the pipe any more
        process.stderr.close()
        process.wait(20)

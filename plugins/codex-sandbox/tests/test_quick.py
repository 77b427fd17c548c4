"""A static command line is remembered, and forgotten as soon as anything that it depends on has changed."""

from __future__ import annotations

import _thread
import os
import subprocess
import sys
import threading

import pytest

from codex_plugin_sdk import ExecRequest, SandboxPolicy, SandboxUnavailable
from codex_sandbox.direct import run_directly
from codex_sandbox.keeping import called_with, plan_of
from codex_sandbox.memory import Plan, recall, remember, state_path
from codex_sandbox.programs import CannotRun
from codex_sandbox.quick import split_command

# Stands for what confines: says on descriptor 9 that the command runs, and becomes it.
CONFINES = (b"/bin/sh", b"-c", b"""echo '{"exit-code": 0}' >&9; exec 9>&-; exec "$@" """, b"sh")
PLAN = Plan(CONFINES, {b"ADDED": b"1=\n2", b"HIDDEN": None}, b"/", {8: b"of eight\n\0\xff", 7: b""}, 9)
DRIVER = "import os, sys; from codex_sandbox.quick import run; code = run(sys.argv[1:]); os._exit(99 if code is None else code)"


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "kernel" / "sandbox").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("args", "found"),
    [
        (["--", "a", "--", "b"], ([], ["a", "--", "b"])),
        (["-s", "read-only", "-c", "x=1", "--", "a"], (["-s", "read-only", "-c", "x=1"], ["a"])),
        (["a"], None),
        (["--"], None),
        (["-s", "--", "a"], None),
        (["-P", "p", "--", "a"], None),
        (["-C", "/", "--", "a"], None),
        (["--debug", "--", "a"], None),
        (["status", "--", "a"], None),
    ],
)
def test_only_plain_command_lines_are_quick(args, found):
    assert split_command(args) == found


def test_how_it_was_called_is_seen_from_the_program_name():
    assert called_with(["/bin/codex", "sandbox", "-s", "x", "--", "a"]) == ["-s", "x"]
    assert called_with(["/bin/codex-linux-sandbox", "--", "a"]) == []
    assert called_with(["/bin/codex", "-s", "x", "sandbox", "--", "a"]) is None
    assert called_with(["/bin/codex", "exec", "--", "a"]) is None


def test_a_plan_is_recalled_as_it_was(home):
    remember(home, ["-s", "x"], PLAN, [f"{home}/config.toml"])
    assert vars(recall(home, ["-s", "x"])) == vars(PLAN)
    assert os.stat(state_path(home)).st_mode & 0o777 == 0o600


def _config(home, monkeypatch):
    with open(os.path.join(home, "config.toml"), "w") as file:
        file.write("")


def _variable(home, monkeypatch):
    monkeypatch.setenv("TMPDIR", "/elsewhere")


def _folder(home, monkeypatch):
    os.mkdir("below")
    monkeypatch.chdir("below")


def _installation(home, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, home])


def _writable(home, monkeypatch):
    os.chmod(state_path(home), 0o666)


def _garbage(home, monkeypatch):
    with open(state_path(home), "ab") as file:
        file.write(b"\nzz")


def _truncated(home, monkeypatch):
    os.truncate(state_path(home), 100)


def _program(home, monkeypatch):
    os.utime(os.path.join(home, "program"), (1, 1))


@pytest.mark.parametrize(
    "change", [_config, _variable, _folder, _installation, _writable, _garbage, _truncated, _program]
)
def test_whatever_changes_sends_the_next_run_the_ordinary_way(home, monkeypatch, change):
    program = os.path.join(home, "program")
    with open(program, "w"):
        pass
    remember(home, [], Plan([os.fsencode(program)], {}, b"/", {}, 9), [f"{home}/config.toml"])
    assert recall(home, []) is not None
    change(home, monkeypatch)
    assert recall(home, []) is None


def test_other_options_are_another_plan(home):
    remember(home, [], PLAN, [f"{home}/config.toml"])
    assert recall(home, ["-s", "workspace-write"]) is None


def test_a_folder_that_cannot_be_written_is_only_slower(home):
    os.rmdir(os.path.join(home, "kernel", "sandbox"))
    remember(home, [], PLAN, [f"{home}/config.toml"])
    assert recall(home, []) is None


SEED = """\
from codex_sandbox.memory import Plan, remember
remember({home!r}, [], {plan}, [])
import sys
sys.argv = ["x", *{words!r}]
"""


def quick(home, *words, plan=PLAN):
    """Remember the plan and run it, in a process of its own without a terminal."""
    text = f"Plan({plan.argv!r}, {plan.env!r}, {plan.cwd!r}, {plan.fds!r}, {plan.status!r})"
    script = SEED.format(home=home, plan=text, words=["--", *words]) + DRIVER
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "HIDDEN": "x", "CODEX_HOME": home},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        start_new_session=True,
        timeout=20,
        check=False,
    )


def test_a_plan_runs_the_command_with_its_descriptors_and_environment(home):
    done = quick(home, "sh", "-c", 'cat <&8; echo "$ADDED/${HIDDEN-none}" >&2; exit 5')
    assert (done.returncode, done.stdout, done.stderr) == (5, b"of eight\n\0\xff", b"1=\n2/none\n")


def test_a_command_that_dies_of_a_signal_is_told_as_ever(home):
    assert quick(home, "sh", "-c", "kill -TERM $$").returncode == 143


def test_a_program_that_is_not_there_goes_the_ordinary_way(home):
    assert quick(home, "no-such-program").returncode == 99
    assert os.path.exists(state_path(home))


def test_a_plan_that_does_not_start_the_command_is_forgotten(home):
    plan = Plan([b"/bin/false"], {}, b"/", {}, 9)
    assert quick(home, "true", plan=plan).returncode == 99
    assert not os.path.exists(state_path(home))


# -- what an engine gives ---------------------------------------------------------------------------


class Confined:
    def __init__(self, words, fds, *, static=True, said=()):
        self.argv, self.env, self.cwd, self.fds = words, dict(os.environ), "/", fds
        self.static, self.done = static, lambda: said


class Engine:
    """Gives a command line; `script` is what confines, `{fd}` in it the status descriptor."""

    def __init__(self, script, *, static=True, error=None):
        self.script, self.static, self.error = script, static, error

    def command(self, request, policy, *, status_fd):
        if self.error is not None:
            raise self.error
        prefix = ("/bin/sh", "-c", self.script.format(fd=status_fd), "sh")
        return Confined((*prefix, *request.argv), (status_fd,), static=self.static, said=["it was put right"])


STARTS = """echo '{{"exit-code": 0}}' > /proc/self/fd/{fd}; exec "$@" """
REQUEST = ExecRequest(argv=("sh", "-c", "exit 3"), cwd="/", env={}, inherit=True)


def direct(engine):
    told, kept = [], []
    code = run_directly(engine, REQUEST, SandboxPolicy(), told.append, lambda *found: kept.append(found))
    return code, told, kept


@pytest.mark.parametrize("static", [True, False])
def test_what_is_static_is_remembered_and_nothing_else(static):
    code, told, kept = direct(Engine(STARTS, static=static))
    assert (code, told, len(kept)) == (3, ["note: it was put right"], int(static))


def test_a_sandbox_that_fails_before_the_command_is_no_exit_code_of_it():
    with pytest.raises(SandboxUnavailable, match="ended with 3 before"):
        direct(Engine("exit 3"))


def test_an_error_of_the_engine_is_told_as_a_shell_does():
    with pytest.raises(CannotRun, match="sh: not found") as caught:
        direct(Engine("", error=FileNotFoundError(2, "gone")))
    assert caught.value.code == 127


def test_the_end_is_seen_although_another_thread_takes_its_signal():
    release, ended = threading.Event(), threading.Event()

    def unlisted():
        release.wait()
        ended.set()

    _thread.start_new_thread(unlisted, ())
    try:
        assert [direct(Engine(STARTS))[0] for _ in range(5)] == [3] * 5
    finally:
        release.set()
        ended.wait()


def test_descriptors_are_as_many_afterwards_as_before():
    before = len(os.listdir("/proc/self/fd"))
    direct(Engine(STARTS))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_plan_leaves_the_command_out_and_reads_the_descriptors():
    fd = os.memfd_create("test")
    try:
        os.write(fd, b"content")
        confined = Confined(("bwrap", "--", *REQUEST.argv), (fd, 77))
        confined.env = {**os.environ, "NEW": "x"}
        removed = next(iter(os.environ))
        del confined.env[removed]
        plan = plan_of(confined, REQUEST, 77)
        assert (plan.argv, plan.fds, plan.status, plan.cwd) == ([b"bwrap", b"--"], {fd: b"content"}, 77, b"/")
        assert plan.env == {b"NEW": b"x", os.fsencode(removed): None}
        assert plan_of(Confined(("bwrap", "other"), (fd,)), REQUEST, 77) is None
    finally:
        os.close(fd)


def test_a_plan_with_a_pipe_cannot_be_kept():
    read, write = os.pipe()
    try:
        assert plan_of(Confined(REQUEST.argv, (read,)), REQUEST, 77) is None
    finally:
        os.close(read)
        os.close(write)

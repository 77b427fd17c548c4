import errno
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from codex_plugin_sdk import SandboxPolicy, SandboxUnavailable
from codex_sandbox_linux import calls, landlock
from codex_sandbox_linux.restricted_thread import Confinement, Keeper
from codex_sandbox_linux.seccomp import program


def abi():
    try:
        return min(calls.landlock_abi(), landlock.NEWEST_ABI)
    except (OSError, KeyError):
        return 0


pytestmark = pytest.mark.skipif(abi() < 1, reason="needs Landlock")


@pytest.fixture
def keeper():
    keeper = Keeper(abi())
    yield keeper
    keeper.close()


@pytest.fixture
def confinement():
    ruleset = landlock.build(landlock.plan(SandboxPolicy(), [], abi()))
    filter = program(os.uname().machine, "off", private_network=False, host_pid=os.getpid())
    yield Confinement(ruleset, filter, abi())
    os.close(ruleset)


def status_of(thread):
    with open(f"/proc/self/task/{thread}/status") as lines:
        found = dict(line.rstrip().partition(":\t")[::2] for line in lines)
    return found["NoNewPrivs"], found["Seccomp"], found["CapBnd"]


def test_only_the_thread_that_does_the_job_is_confined(keeper, confinement, tmp_path):
    before = status_of(threading.get_native_id())

    def job():
        with pytest.raises(PermissionError):
            (tmp_path / "made").touch()
        return threading.get_native_id(), status_of(threading.get_native_id())

    thread, inside = keeper.run(confinement, job)
    assert inside[:2] == ("1", "2")
    assert int(inside[2], 16) == 0 or os.getuid() != 0
    assert thread != threading.get_native_id()
    assert status_of(threading.get_native_id()) == before
    (tmp_path / "made").touch()
    assert subprocess.run(["touch", tmp_path / "more"], check=False).returncode == 0


def test_what_it_starts_is_confined(keeper, confinement, tmp_path):
    def start():
        return subprocess.run(["touch", tmp_path / "made"], capture_output=True, text=True, check=False)

    result = keeper.run(confinement, start)
    assert result.returncode == 1
    assert "Permission denied" in result.stderr
    assert not (tmp_path / "made").exists()


def test_folder_and_umask_of_the_process_are_left_alone(keeper, confinement):
    here, mask = os.getcwd(), os.umask(0o022)

    def job():
        os.chdir("/")
        return os.umask(0o777)

    assert keeper.run(confinement, job) == 0o022
    assert (os.getcwd(), os.umask(mask)) == (here, 0o022)


def test_the_error_of_a_job_is_raised_where_it_was_asked_for(keeper, confinement):
    def job():
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        keeper.run(confinement, job)
    assert keeper.run(confinement, lambda: "next") == "next"


def test_a_job_is_not_begun_when_its_confinement_cannot_be_entered(keeper):
    begun = []
    with open("/dev/null") as no_ruleset:
        for ruleset, filter in ((no_ruleset.fileno(), b""), (-1, b"")):
            with pytest.raises(SandboxUnavailable):
                keeper.run(Confinement(ruleset, filter, abi()), lambda: begun.append(1))
    assert not begun


def test_a_filter_that_the_kernel_refuses_is_an_error(keeper, confinement):
    confinement.program = b"\xff" * 8
    with pytest.raises(SandboxUnavailable, match=os.strerror(errno.EINVAL)):
        keeper.run(confinement, lambda: pytest.fail("it ran"))


def test_many_at_once(keeper, confinement):
    def start(number):
        words = [sys.executable, "-I", "-S", "-c", f"print({number})"]
        return keeper.run(confinement, lambda: subprocess.run(words, capture_output=True, check=True).stdout)

    with ThreadPoolExecutor(8) as pool:
        assert [int(said) for said in pool.map(start, range(32))] == list(range(32))


def test_every_job_has_a_domain_of_its_own(keeper, confinement):
    """So that commands cannot trace each other, however alike their policies."""
    words = [sys.executable, "-I", "-S", "-c", "import sys; print(flush=True); sys.stdin.read()"]

    def start():
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    look = "import sys; print(open(f'/proc/{sys.argv[1]}/environ', 'rb').read()[:0])"
    with keeper.run(confinement, start) as neighbour:
        neighbour.stdout.readline()
        command = [sys.executable, "-I", "-S", "-c", look, str(neighbour.pid)]
        inside = keeper.run(confinement, lambda: subprocess.run(command, capture_output=True, text=True, check=False))
        outside = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "PermissionError" in inside.stderr
    assert outside.stdout == "b''\n"


def test_closing_ends_what_is_left_and_the_guard(confinement):
    if abi() < landlock.SCOPE_ABI:
        pytest.skip("needs Landlock ABI 6 (Linux 6.12)")
    keeper = Keeper(abi())
    guard = os.pidfd_open(keeper.guard_pid)
    with keeper.run(confinement, lambda: subprocess.Popen(["sleep", "1000"], start_new_session=True)) as left:
        keeper.close()
        assert left.wait(10) == -9
    with pytest.raises(ProcessLookupError):
        signal.pidfd_send_signal(guard, 0)
    os.close(guard)
    keeper.close()
    with pytest.raises(SandboxUnavailable):
        keeper.run(confinement, lambda: None)


def test_a_keeper_that_cannot_restrict_itself_is_not_made(monkeypatch):
    def refuse():
        raise OSError(errno.EPERM, "capset")

    monkeypatch.setattr(calls, "drop_privileges", refuse)
    with pytest.raises(SandboxUnavailable, match="capset"):
        Keeper(abi())


def test_no_guard_without_a_scope_that_holds(monkeypatch):
    """It would kill everything that the user has."""
    monkeypatch.setattr(calls, "restrict", lambda ruleset, flags: None)
    if abi() < landlock.SCOPE_ABI:
        pytest.skip("needs Landlock ABI 6 (Linux 6.12)")
    with pytest.raises(SandboxUnavailable, match="scope does not hold"):
        Keeper(abi())

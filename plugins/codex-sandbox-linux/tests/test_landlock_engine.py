"""The engine as a whole, in processes of its own: as root where the tests are, and as an ordinary user."""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from codex_sandbox_linux import calls, landlock

EVERYBODYS_PYTHON = "/usr/bin/python3"  # the one that runs the tests may lie in root's home
PYTHON = "python that the user can run"
HOST = Path(__file__).with_name("landlock_host.py")


def abi():
    try:
        return calls.landlock_abi()
    except (OSError, KeyError):
        return 0


pytestmark = pytest.mark.skipif(abi() < 6, reason="needs Landlock ABI 6 (Linux 6.12)")


def users():
    yield pytest.param(os.getuid(), id="as-we-are")
    yield pytest.param(
        65534,
        id="as-nobody",
        marks=pytest.mark.skipif(
            os.getuid() != 0 or not os.path.exists(EVERYBODYS_PYTHON),
            reason=f"needs root, to become another user, and {EVERYBODYS_PYTHON}",
        ),
    )


@pytest.fixture(params=users())
def uid(request):
    return request.param


@pytest.fixture
def places(uid, tmp_path_factory):
    """A folder of the user's to work in, and one outside; neither under /tmp, which commands may write."""
    top = Path(f"/var/tmp/codex-landlock-{os.getpid()}-{os.urandom(4).hex()}")
    top.mkdir(mode=0o755)
    for name in ("inside", "outside"):
        (top / name).mkdir()
        (top / name / "file").write_text("old")
        for path in (top / name, top / name / "file"):
            os.chown(path, uid, -1)
    os.chown(top, uid, -1)
    yield top / "inside", top / "outside"
    shutil.rmtree(top)


def python_of(uid):
    return sys.executable if uid == os.getuid() else EVERYBODYS_PYTHON


def host(uid, scenario, folder, abi=landlock.NEWEST_ABI):
    return subprocess.Popen(
        [sys.executable, str(HOST), str(uid), scenario, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHON": python_of(uid), "ABI": str(abi)},
    )


@pytest.fixture(scope="module")
def hosts():
    """Hosts that serve many tests, by user and version."""
    running = {}
    yield running
    for process in running.values():
        with process:
            process.stdin.close()
            assert process.wait(30) == 0


@pytest.fixture
def run(uid, places, hosts):
    """Run commands (dicts: argv, mode, policy, cwd, tty) in one host; gives [status, output] for each."""

    def run(*jobs, abi=landlock.NEWEST_ABI):
        defaults = {"mode": "workspace-write", "policy": {}, "cwd": str(places[0]), "tty": False}
        jobs = [{**defaults, **job} for job in jobs]
        for job in jobs:
            job["argv"] = [python_of(uid) if word == PYTHON else word for word in job["argv"]]
        if (uid, abi) not in hosts:
            hosts[uid, abi] = host(uid, "batch", "/", abi)
        process = hosts[uid, abi]
        process.stdin.write(json.dumps(jobs) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    return run


def python(code, *arguments, **more):
    return {"argv": [PYTHON, "-I", "-S", "-c", code, *map(str, arguments)], **more}


WRITES = """
import os, sys
folder = sys.argv[1]
at = lambda name: os.path.join(folder, name)
here = lambda name: os.path.join(os.getcwd(), name)
def redirect(*flags):
    os.close(os.open(at("file"), *flags))
attempts = {
    "create": lambda: open(at("new"), "x"),
    "change": lambda: open(at("file"), "r+"),
    "append": lambda: open(at("file"), "a"),
    "truncate": lambda: os.truncate(at("file"), 0),
    "truncate-by-open": lambda: redirect(os.O_RDONLY | os.O_TRUNC),
    "truncate-by-ioctl-mode": lambda: redirect(3 | os.O_TRUNC),
    "remove": lambda: os.unlink(at("file")),
    "folder": lambda: os.mkdir(at("folder")),
    "symlink": lambda: os.symlink("x", at("link")),
    "fifo": lambda: os.mkfifo(at("fifo")),
    "rename": lambda: os.rename(at("file"), at("renamed")),
    "move-out": lambda: os.rename(at("file"), here("stolen")),
    "link-out": lambda: os.link(at("file"), here("linked")),
    "move-in": lambda: os.rename(here("file"), at("file")),
}
for word, attempt in attempts.items():
    try:
        attempt()
        print(word)
    except OSError:
        pass
print("done")
"""


@pytest.mark.parametrize("abi", [1, 2, landlock.NEWEST_ABI])
def test_nothing_is_written_outside(run, places, abi):
    inside, outside = places
    for mode in ("workspace-write", "read-only"):
        [[status, said]] = run(python(WRITES, outside, mode=mode), abi=abi)
        assert (status, said.split()) == (0, ["done"])
    assert [path.name for path in outside.iterdir()] == ["file"]
    assert (outside / "file").read_text() == "old"
    [[status, said]] = run(python(WRITES, inside, mode="read-only"), abi=abi)
    assert (status, said.split()) == (0, ["done"])


def test_the_writable_root_can_be_used_freely(run, places):
    work = "mkdir -p a/b && echo hi > a/f && mv a/f a/b/g && ln -s a s && rm -r a && touch x && chmod 600 x && cat file"
    assert run({"argv": ["sh", "-c", work]}) == [[0, "old"]]


def test_here_documents_and_temporary_files_work_in_read_only_mode_and_are_gone_afterwards(run, hosts, uid):
    [[status, said]] = run({"argv": ["bash", "-c", "cat <<E\nhi\nE\nmktemp"], "mode": "read-only"})
    assert status == 0
    greeting, path = said.split()
    assert greeting == "hi"
    assert os.path.exists(path)
    with hosts.pop((uid, landlock.NEWEST_ABI)) as process:
        process.stdin.close()
        assert process.wait(30) == 0
    assert not os.path.exists(path)
    assert not os.path.exists(os.path.dirname(path))


def test_denied_reads_cannot_be_read_and_their_neighbours_can(run, places):
    _, outside = places
    (outside / "secrets").mkdir(mode=0o755)
    (outside / "secrets" / "key").write_text("secret")
    policy = {"denied_reads": [str(outside / "secrets"), str(outside / "*.pem")]}
    (outside / "a.pem").write_text("secret")
    work = f"cat {outside}/secrets/key; ls {outside}/secrets; cat {outside}/a.pem; cat {outside}/file"
    [[status, said]] = run({"argv": ["sh", "-c", work], "mode": "read-only", "policy": policy})
    assert status == 0
    assert said.count("Permission denied") == 3
    assert said.endswith("old")
    assert "secret\n" not in said


def test_what_appears_beside_a_denied_file_can_be_read_by_the_next_command(run, places):
    _, outside = places
    # The first command writes into the folder whose neighbours the second one's plan had allowed one by one.
    look = {"argv": ["sh", "-c", f"cat {outside}/later {outside}/file"], "mode": "read-only"}
    look["policy"] = {"denied_reads": [str(outside / "file")]}
    make = {"argv": ["sh", "-c", "echo new > later"], "cwd": str(outside)}
    before, _, after = run(dict(look), make, dict(look))
    assert before[1].count("No such file") == 1
    assert after[1].startswith("new\n")
    assert after[1].count("Permission denied") == 1


def test_only_named_folders_are_readable_where_the_policy_names_them(run, places):
    inside, outside = places
    jobs = [
        {
            "argv": ["sh", "-c", f"cat {outside}/file; cat {inside}/file"],
            "policy": {"readable_roots": roots, "exclude_slash_tmp": True},
        }
        for roots in ([], [str(outside)])
    ]
    closed, opened = run(*jobs)
    assert "Permission denied" in closed[1]
    assert closed[1].endswith("old")
    assert opened == [0, "oldold"]


CONNECTS = """
import socket, sys
port, path = int(sys.argv[1]), sys.argv[2]
def tcp(): socket.create_connection(("127.0.0.1", port), 2)
def udp(): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port))
def raw(): socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
def unix(): socket.socket(socket.AF_UNIX).connect(path)
def abstract(): socket.socket(socket.AF_UNIX).connect("\\0" + path)
def datagram(): socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b"x", path)
def vsock(): socket.socket(40, socket.SOCK_STREAM)
def packet(): socket.socket(17, socket.SOCK_RAW)
def listen(): socket.create_server(("127.0.0.1", 0))
for attempt in (tcp, udp, raw, unix, abstract, datagram, vsock, packet, listen):
    try:
        attempt()
        print(attempt.__name__)
    except OSError:
        pass
"""


def test_the_network_is_closed_and_local_sockets_stay_closed_when_it_is_open(run, places):
    path = str(places[1] / "socket")
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(path)
        os.chmod(path, 0o777)
        unix.listen()
        port = tcp.getsockname()[1]
        off, on = run(*(python(CONNECTS, port, path, policy={"network_access": open}) for open in (False, True)))
    assert off == [0, ""]
    assert on[1].split() == ["tcp", "udp", "listen"]


PROCESSES = """
import ctypes, os, resource, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4
us = int(sys.argv[1])
host = os.getppid()
threads = [int(name) for name in os.listdir(f"/proc/{host}/task")]
def trace(pid):
    if libc.ptrace(16, pid, 0, 0):
        raise OSError(ctypes.get_errno(), "")
def shrink(pid):
    resource.prlimit(pid, resource.RLIMIT_CPU, (1, 1))
targets = {"tests": us, **{f"thread{n}": tid for n, tid in enumerate(threads)}}
for name, pid in targets.items():
    attempts = {
        "signal": lambda: os.kill(pid, 0),
        "environ": lambda: open(f"/proc/{pid}/environ", "rb").read(),
        "memory": lambda: open(f"/proc/{pid}/mem", "rb"),
        "maps": lambda: open(f"/proc/{pid}/maps", "rb").read(),
        "descriptors": lambda: os.listdir(f"/proc/{pid}/fd") and os.readlink(f"/proc/{pid}/fd/0"),
        "root": lambda: os.listdir(f"/proc/{pid}/root"),
        "trace": lambda: trace(pid),
        "limits": lambda: shrink(pid),
        "oom": lambda: open(f"/proc/{pid}/oom_score_adj", "w").write("1000"),
        "pidfd": lambda: signal.pidfd_send_signal(os.pidfd_open(pid), 0),
        "pidfd-folder": lambda: signal.pidfd_send_signal(os.open(f"/proc/{pid}", os.O_RDONLY), 0),
        "group": lambda: os.killpg(pid, 0),
    }
    for word, attempt in attempts.items():
        try:
            attempt()
            print(name, word)
        except OSError:
            pass
print("done", len(threads) > 1)
"""


def test_no_process_outside_nor_thread_of_ours_is_signalled_read_or_traced(run):
    [[status, said]] = run(python(PROCESSES, os.getpid()))
    assert (status, said.splitlines()) == (0, ["done True"])


def test_own_children_can_be_traced_and_signalled(run):
    code = """
import ctypes, os, signal, time
libc = ctypes.CDLL(None)
libc.ptrace.argtypes = [ctypes.c_long] * 4
pid = os.fork()
if not pid:
    signal.pause()
assert libc.ptrace(16, pid, 0, 0) == 0
os.waitpid(pid, 0)
assert libc.ptrace(17, pid, 0, 0) == 0
os.kill(pid, 9)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert run(python(code)) == [[0, "-9\n"]]


def test_commands_have_no_privileges_and_cannot_get_any(run):
    code = """
import ctypes, os
status = dict(line.rstrip().partition(":\\t")[::2] for line in open("/proc/self/status"))
print(*[int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")], status["NoNewPrivs"], status["Seccomp"])
libc = ctypes.CDLL(None, use_errno=True)
print([libc.unshare(flag) for flag in (0x10000000, 0x20000, 0x40000000)], libc.chroot(b"/"), libc.mount(b"none", b"/", b"tmpfs", 0, 0))
for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/power/state", "/dev/kmsg"):
    try:
        open(path, "w")
        print(path)
    except OSError:
        pass
print(sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:3], len(os.listdir("/proc/self/fd")))
"""
    [[status, said]] = run(python(code))
    assert (status, said.splitlines()) == (0, ["0 0 0 0 1 2", "[-1, -1, -1] -1 -1", "[0, 1, 2] 4"])


def test_devices_are_closed_but_for_the_harmless_ones(run):
    code = """
import os, stat
opened = []
for name in os.listdir("/dev"):
    path = os.path.join("/dev", name)
    try:
        if stat.S_ISBLK(os.stat(path).st_mode) or stat.S_ISCHR(os.stat(path).st_mode):
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY))
            opened.append(name)
    except OSError:
        pass
open("/dev/null", "w").write("x")
print(*sorted(set(opened) - {"stdin", "stdout", "stderr", "tty"}))
"""
    assert run(python(code)) == [[0, "full null random urandom zero\n"]]


def test_a_command_on_a_terminal(run):
    status, said = run({"argv": ["sh", "-c", "tty && stty size < /dev/tty && echo x > /dev/tty"], "tty": True})[0]
    assert status == 0
    assert said.startswith("/dev/pts/")
    assert said.endswith("24 80\r\nx\r\n")


def test_a_root_that_was_replaced_by_a_symlink_is_not_followed(uid, places, run):
    inside, outside = places
    (inside / "sub").mkdir()
    os.chown(inside / "sub", uid, -1)
    roots = [str(inside / "sub"), str(inside / "not-yet")]
    _, replaced, appeared = run(
        {
            "argv": ["sh", "-c", f"rmdir sub && ln -s {outside} sub && ln -s {outside} not-yet"],
            "policy": {"writable_roots": roots},
        },
        *({"argv": ["touch", f"{outside}/escaped"], "policy": {"writable_roots": [root]}} for root in roots),
    )
    assert not (outside / "escaped").exists()
    for kind, message in (replaced, appeared):
        assert kind == "SandboxUnavailable"
        assert "was moved or replaced" in message


def test_what_cannot_be_enforced_is_not_run(run, places):
    inside, _ = places
    policies = [
        {"denied_reads": [f"{inside}/.env"]},
        {"denied_reads": ["/**/.env"]},
        {"read_only_paths": [f"{inside}/vendor"]},
    ]
    for kind, message in run(*({"argv": ["touch", "ran"], "policy": policy} for policy in policies)):
        assert kind == "SandboxUnavailable"
        assert "Landlock cannot" in message
    [[kind, _]] = run({"argv": ["touch", "ran"], "mode": "danger-full-access"})
    assert kind == "SandboxUnavailable"
    assert not (inside / "ran").exists()


def test_a_program_or_folder_that_does_not_exist_is_told(run):
    assert [kind for kind, _ in run({"argv": ["/no/such"]}, {"argv": ["true"], "cwd": "/no/such"})] == [
        "FileNotFoundError"
    ] * 2


def test_older_versions_still_guard_our_process(run):
    code = """
import os
for attempt in (lambda: os.kill(os.getppid(), 0), lambda: os.killpg(os.getppid(), 0), lambda: os.kill(-1, 0)):
    try:
        attempt()
        print("signalled")
    except PermissionError:
        pass
"""
    assert run(python(code), abi=5) == [[0, ""]]


@pytest.mark.parametrize("how", ["stay", "leave", "close"])
def test_nothing_survives_us(uid, places, how):
    """Not even what left session, parent and environment, after SIGKILL of ours or an orderly end."""
    folder, _ = places
    with host(uid, how, folder) as process:
        told = json.loads(process.stdout.readline())
        survivor = int((folder / "pid").read_text())
        ends = {name: os.pidfd_open(pid) for name, pid in (("survivor", survivor), ("guard", told["guard"]))}
        try:
            if how == "close":
                process.stdin.write("\n")
                process.stdin.flush()
                assert process.stdout.readline() == "closed\n"
            process.send_signal(signal.SIGKILL)
            for name, handle in ends.items():
                assert select.select([handle], [], [], 10)[0], f"the {name} lives on"
            assert not os.path.exists(told["private"])
        finally:
            for handle in ends.values():
                os.close(handle)

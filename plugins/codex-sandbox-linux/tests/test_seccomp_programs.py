"""Real programs under the filters of both engines, without anything else that confines."""

import os
import shutil
import subprocess
import sys

import pytest

from codex_sandbox_linux import calls
from codex_sandbox_linux.syscalls import NUMBERS

pytestmark = pytest.mark.skipif(
    os.uname().machine not in NUMBERS or not calls.seccomp_can_kill(), reason="needs seccomp filters"
)

ENTER = """
import os, sys
from codex_sandbox_linux import calls
from codex_sandbox_linux.seccomp import program
engine, *command = sys.argv[1:]
kind = {
    "bwrap": {},
    "landlock": {"private_network": False, "host_pid": os.getppid(), "guard_truncation": True, "scoped_signals": False},
}[engine]
calls.drop_privileges()
calls.install_filter(program(os.uname().machine, "off", **kind))
os.execvp(command[0], command)
"""

PYTHON = {
    "asyncio": """
import asyncio, subprocess
async def main():
    assert await asyncio.to_thread(lambda: 6 * 7) == 42
    process = await asyncio.create_subprocess_exec("cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert (await process.communicate(b"hi"))[0] == b"hi"
asyncio.run(main())
""",
    "multiprocessing": """
import multiprocessing
if __name__ == "__main__":
    for how in ("fork", "spawn"):
        context = multiprocessing.get_context(how)
        with context.Pool(2) as pool:
            assert pool.map(abs, [-1, -2]) == [1, 2]
        ours, theirs = context.Pipe()
        ours.send(1)
        assert theirs.recv() == 1
""",
    "threads": """
import subprocess, threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    assert sum(pool.map(lambda n: int(subprocess.check_output(["echo", str(n)])), range(8))) == 28
""",
    "socketpair": """
import array, os, socket
ours, theirs = socket.socketpair()
r, w = os.pipe()
socket.send_fds(ours, [b"x"], [w])
ours.send(b"hello"); ours.shutdown(socket.SHUT_WR)
data, fds, *_ = socket.recv_fds(theirs, 1, 1)
os.write(fds[0], b"y")
assert (os.read(r, 1), theirs.recv(9)) == (b"y", b"hello")
assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
""",
    "names": """
import pwd, socket, syslog
assert pwd.getpwuid(0).pw_name == "root"
syslog.syslog("goes nowhere")
try:
    socket.getaddrinfo("localhost", 80)
except OSError:
    pass
""",
    "files": """
import mmap, os, pathlib, resource, signal, tempfile
with tempfile.TemporaryFile() as file:
    file.truncate(4096); mmap.mmap(file.fileno(), 0).close()
path = pathlib.Path(tempfile.mkdtemp(), "x")
path.write_text("long"); path.write_text("s"); path.chmod(0o600); os.utime(path, (1, 1))
with path.open("r+") as file:
    file.truncate(0)
resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))
child = os.fork()
if not child:
    signal.pause()
os.kill(child, 9); os.waitpid(child, 0)
os.sched_setaffinity(0, os.sched_getaffinity(0)); os.nice(1)
""",
}
NODE = """
const { execSync, spawnSync, spawn } = require("child_process");
const { Worker } = require("worker_threads");
const assert = require("assert");
assert.equal(execSync("echo hi").toString(), "hi\\n");
assert.equal(spawnSync("cat", { input: "in" }).stdout.toString(), "in");
const child = spawn("cat");
child.stdout.on("data", (data) => assert.equal(data.toString(), "x"));
child.stdin.end("x");
require("fs").promises.readFile("/etc/passwd").then((data) => assert(data.length));
new Worker("require('worker_threads').parentPort.postMessage(1)", { eval: true }).on("message", (m) => assert.equal(m, 1));
"""


@pytest.fixture(params=["bwrap", "landlock"])
def confined(request, tmp_path):
    """Run a program under the filter of an engine; fails unless the program succeeds."""

    def confined(*command):
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed")
        if command[1:] == ("--version",) and subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip(f"{command[0]} does not work here without a sandbox either")
        words = [sys.executable, "-c", ENTER, request.param, *command]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    confined.engine = request.param
    return confined


@pytest.mark.parametrize("name", PYTHON)
def test_python(confined, tmp_path, name):
    (tmp_path / "script.py").write_text(PYTHON[name])  # `spawn` imports it again
    confined(sys.executable, "-I", "-S", "-Werror::ResourceWarning", "script.py")


def test_node(confined):
    confined("node", "-e", NODE)


def test_compiler(confined, tmp_path):
    (tmp_path / "hello.c").write_text('#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n')
    confined("gcc", "-pipe", "-o", "hello", "hello.c")
    assert confined(str(tmp_path / "hello")) == "hello\n"


def test_git(confined):
    work = (
        "git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m one && git status && git log"
    )
    assert "one" in confined("sh", "-c", work)


def test_pytest(confined, tmp_path):
    (tmp_path / "test_it.py").write_text("def test_it(tmp_path, capfd):\n    (tmp_path / 'x').touch()\n")
    assert "1 passed" in confined(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py")


def test_cargo(confined):
    assert confined("cargo", "--version").startswith("cargo")


def test_shell(confined):
    assert confined("bash", "-c", "cat <<E | tr a-z A-Z; ulimit -n; : > f; echo x >> f; time true\nhi\nE").startswith(
        "HI"
    )


LOOPBACK = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
    print(len(socket.if_nameindex()) > 0)
"""


def test_a_private_network_can_be_used_and_a_shared_one_cannot(confined):
    code = f"try:\n{LOOPBACK.replace(chr(10), chr(10) + '    ')}\nexcept PermissionError:\n    print('refused')"
    expected = {"bwrap": "True", "landlock": "refused"}[confined.engine]
    assert confined(sys.executable, "-I", "-S", "-c", code).strip() == expected


def test_multiprocessing_servers_are_refused_with_a_plain_error(confined):
    """They listen on local sockets: forkserver, managers."""
    code = """
import multiprocessing
try:
    multiprocessing.get_context("forkserver").Process(target=print).start()
except PermissionError as error:
    print("refused", error.errno)
"""
    assert confined(sys.executable, "-I", "-c", code) == "refused 1\n"


FOREIGN = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
page = os.sysconf("SC_PAGE_SIZE")
libc.mmap.restype = ctypes.c_void_p
code = libc.mmap(None, page, 7, 0x22, -1, 0)
# push rbx; mov eax, 20 (getpid); int 0x80; pop rbx; ret
machine = bytes.fromhex("53b814000000cd805bc3")
ctypes.memmove(ctypes.c_void_p(code), machine, len(machine))
print(libc.syscall(0x40000000 + 39), ctypes.get_errno(), flush=True)
child = os.fork()
if not child:
    ctypes.CFUNCTYPE(ctypes.c_int)(code)()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="is about the other ABIs of x86-64")
def test_other_calling_conventions_do_not_lead_around_the_filter(confined):
    assert confined(sys.executable, "-I", "-S", "-c", FOREIGN).split() == ["-1", "38", "-31"]

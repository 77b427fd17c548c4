import os
import socket

import anyio
import pytest

from codex_plugin_sdk import ExecRequest, NetworkRules, SandboxMode, SandboxPolicy, SandboxSetup, SandboxUnavailable
from codex_sandbox_linux import bwrap, bwrap_proxied
from codex_sandbox_linux.bwrap import BwrapBackend

pytestmark = pytest.mark.anyio
POLICY = SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE, exclude_slash_tmp=True, network_rules=NetworkRules())


class Session:
    """A proxy that answers one line to whoever connects."""

    def __init__(self, extra=None):
        self.listener = None
        self.closed = 0
        self.extra = extra or {}

    def environ(self, port):
        return {"PROXY": f"127.0.0.1:{port}", **self.extra}

    def listen(self, fd):
        self.listener = socket.socket(fileno=fd)

    async def run(self):
        raise AssertionError("the kernel's task")

    def close(self):
        self.closed += 1
        if self.listener is not None:
            self.listener.close()


@pytest.fixture
async def backend(tmp_path):
    setup = SandboxSetup(codex_home=str(tmp_path / "home"), state_dir=str(tmp_path / "home/state"), environ={})
    made = BwrapBackend(setup)
    yield made
    await made.aclose()


def request(tmp_path, session, *argv, **more):
    (tmp_path / "ws").mkdir(exist_ok=True)
    env = {"PATH": "/usr/bin:/bin", "BYTES": "\udcff"}
    return ExecRequest(argv=argv, cwd=str(tmp_path / "ws"), env=env, network=session, **more)


async def output(process):
    said = b""
    while part := await process.read():
        said += part
    code = await process.wait()
    await process.kill_tree()
    return code, said


async def test_the_one_way_out_is_the_proxy_s_port(backend, tmp_path):
    session = Session({"EMPTY": "", "LINES": "a\nb"})
    script = (
        'import os, socket; host, port = os.environ["PROXY"].split(":")\n'
        "print(socket.create_connection((host, int(port))).recv(99).decode())\n"
        'print(os.listdir("/proc/self/fd")[:3], repr(os.environ["LINES"]), repr(os.environ["BYTES"]), os.getpid())'
    )
    with socket.create_server(("127.0.0.1", 0)) as forbidden, anyio.fail_after(20):
        script += f"\ntry: socket.create_connection(('127.0.0.1', {forbidden.getsockname()[1]}))\nexcept OSError: print('empty')"
        process = await backend.spawn(request(tmp_path, session, "/usr/bin/python3", "-c", script), POLICY)
        session.listener.setblocking(False)
        await anyio.wait_readable(session.listener)
        with session.listener.accept()[0] as connection:
            connection.send(b"through the proxy")
        code, said = await output(process)
    assert said.decode() == "through the proxy\n['0', '1', '2'] 'a\\nb' '\\udcff' 2\nempty\n"
    assert (code, session.closed) == (0, 1)


async def test_no_bridge_stays_and_the_exit_code_is_the_command_s(backend, tmp_path):
    session = Session()
    process = await backend.spawn(request(tmp_path, session, "/bin/sh", "-c", "echo /proc/[0-9]*; exit 5"), POLICY)
    assert await output(process) == (5, b"/proc/1 /proc/2\n")


async def test_a_terminal_and_limited_reading_go_together_with_a_proxy(backend, tmp_path):
    policy = POLICY.replace(readable_roots=())
    session = Session()
    process = await backend.spawn(request(tmp_path, session, "/bin/sh", "-c", "tty && echo $PROXY", tty=True), policy)
    code, said = await output(process)
    assert code == 0
    assert b"127.0.0.1:" in said


async def test_a_command_whose_proxy_cannot_be_set_up_never_starts(backend, tmp_path, monkeypatch):
    monkeypatch.setattr(bwrap_proxied, "_BECOME", "raise SystemExit")
    session = Session()
    with pytest.raises(SandboxUnavailable, match="way to the proxy"):
        await backend.spawn(request(tmp_path, session, "/usr/bin/touch", "ran"), POLICY)
    assert os.listdir(tmp_path / "ws") == []
    assert session.closed == 1


async def test_a_proxy_that_never_comes_is_given_up(backend, tmp_path, monkeypatch):
    monkeypatch.setattr(bwrap_proxied, "_BECOME", "import time; time.sleep(60)")
    monkeypatch.setattr(bwrap, "START_TIMEOUT_S", 0.3)
    with anyio.fail_after(10), pytest.raises(SandboxUnavailable, match="more than"):
        await backend.spawn(request(tmp_path, Session(), "/usr/bin/touch", "ran"), POLICY)
    assert os.listdir(tmp_path / "ws") == []


async def test_an_error_of_the_proxy_ends_the_command_before_it_began(backend, tmp_path):
    class Broken(Session):
        def environ(self, port):
            raise RuntimeError("no certificate")

    with pytest.raises(RuntimeError, match="no certificate"):
        await backend.spawn(request(tmp_path, Broken(), "/usr/bin/touch", "ran"), POLICY)
    assert os.listdir(tmp_path / "ws") == []


async def test_a_program_that_is_missing_inside_has_the_shell_s_code(backend, tmp_path):
    (tmp_path / "ws").mkdir()
    script = tmp_path / "ws/script"
    script.write_text("#!/no/interpreter\n")
    script.chmod(0o755)
    process = await backend.spawn(request(tmp_path, Session(), "./script"), POLICY)
    code, said = await output(process)
    assert code == 127
    assert b"./script" in said

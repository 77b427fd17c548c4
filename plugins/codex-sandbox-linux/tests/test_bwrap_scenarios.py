"""What confined commands can and cannot do, for whoever runs the tests, and once more as an ordinary user."""

import errno
import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import anyio
import pytest

from codex_plugin_sdk import ExecRequest, NetworkRules, SandboxMode, SandboxPolicy, SandboxSetup, SandboxUnavailable
from codex_sandbox_linux.bwrap import BwrapBackend

pytestmark = pytest.mark.anyio
NOBODY = 65534


class Box:
    """A backend with a workspace beside things that commands must not touch."""

    def __init__(self, base):
        self.base = base
        self.ws = base / "work space\n\udcff"
        self.outside = base / "outside"
        self.state = base / "home" / "state"
        self.ws.mkdir()
        self.outside.mkdir()
        (self.outside / "victim").write_text("precious")
        self.backend = BwrapBackend(
            SandboxSetup(codex_home=str(base / "home"), state_dir=str(self.state), environ=os.environ)
        )

    def policy(self, **changes):
        return SandboxPolicy(**{"mode": SandboxMode.WORKSPACE_WRITE, "exclude_slash_tmp": True, **changes})

    async def spawn(self, *argv, policy=None, env=None, cwd=None, **request):
        environ = {"PATH": "/usr/bin:/bin", "HOME": str(self.base), **(env or {})}
        request = ExecRequest(argv=argv, cwd=str(cwd or self.ws), env=environ, **request)
        return await self.backend.spawn(request, policy or self.policy())

    async def run(self, *argv, **options):
        """Exit code and output."""
        with anyio.fail_after(20):
            process = await self.spawn(*argv, **options)
            try:
                said = await everything(process)
                return await process.wait(), said
            finally:
                await process.kill_tree()

    async def sh(self, script, **options):
        return await self.run("/bin/sh", "-c", textwrap.dedent(script), **options)

    async def python(self, script, **options):
        return await self.run("/usr/bin/python3", "-I", "-S", "-c", textwrap.dedent(script), **options)


async def everything(process):
    said = b""
    while part := await process.read():
        said += part
    return said.decode(errors="surrogateescape")


async def until(process, word):
    said = b""
    with anyio.fail_after(10):
        while word not in said:
            part = await process.read()
            assert part, said
            said += part
    return said


@pytest.fixture
async def box(tmp_path):
    made = Box(tmp_path)
    yield made
    await made.backend.aclose()


# -- files -------------------------------------------------------------------------------------------------


async def test_a_command_writes_inside_and_nowhere_else(box):
    code, said = await box.sh(
        f"echo in > inside; cd {box.outside}; echo out > made; rm victim; chmod 0 victim; ls /proc"
    )
    assert code == 0
    assert (box.ws / "inside").read_text() == "in\n"
    assert sorted(os.listdir(box.outside)) == ["victim"]
    assert said.count("Read-only file system") == 3


async def test_metadata_outside_does_not_change(box):
    before = (box.outside / "victim").stat()
    script = f"""
        import os
        path = {str(box.outside / "victim")!r}
        for act in (lambda: os.chmod(path, 0o777), lambda: os.chown(path, {os.getuid()}, -1), lambda: os.utime(path),
                    lambda: os.setxattr(path, "user.x", b""), lambda: os.truncate(path, 0),
                    lambda: os.link(path, "linked"), lambda: os.rename(path, path + "2")):
            try:
                act()
                print("CHANGED")
            except OSError as error:
                assert error.errno in (1, 18, 30), error
    """
    assert await box.python(script) == (0, "")
    after = (box.outside / "victim").stat()
    assert (after.st_mode, after.st_mtime_ns, after.st_nlink) == (before.st_mode, before.st_mtime_ns, 1)


async def test_read_only_mode_writes_to_a_private_temporary_folder_only(box):
    policy = SandboxPolicy()
    code, said = await box.sh('touch here; mktemp; cat <<E\nheld\nE\necho "$TMPDIR"', policy=policy)
    assert code == 0
    assert "Read-only" in said
    assert "/dev/shm/tmp." in said
    assert "held" in said
    assert os.listdir(box.ws) == []
    assert not [name for name in os.listdir("/dev/shm") if name.startswith("tmp.")]


async def test_symlinks_out_of_a_root_do_not_help(box):
    (box.ws / "link").symlink_to(box.outside)
    _, said = await box.sh("touch link/made; ln -s ../outside other; touch other/made")
    assert said.count("Read-only file system") == 2
    assert os.listdir(box.outside) == ["victim"]


async def test_a_symlinked_root_is_writable_by_both_names(box):
    real = box.base / "real"
    real.mkdir()
    (box.base / "alias").symlink_to(real)
    policy = box.policy(writable_roots=(str(box.base / "alias"),))
    code, said = await box.sh(f"touch {box.base}/alias/a {box.base}/real/b", policy=policy)
    assert (code, said) == (0, "")
    assert sorted(os.listdir(real)) == ["a", "b"]


async def test_a_root_that_a_command_could_have_made_a_link_is_not_followed(box):
    (box.ws / "sub").symlink_to("../outside")
    policy = box.policy(writable_roots=(str(box.ws / "sub"),))
    code, said = await box.sh("touch sub/made", policy=policy)
    assert code != 0
    assert "Read-only" in said
    assert "is not followed" in box.backend.notices[-1]


async def test_missing_roots_are_skipped_and_nested_ones_work(box):
    (box.ws / "a/b").mkdir(parents=True)
    policy = box.policy(writable_roots=(str(box.base / "gone"), str(box.ws / "a"), str(box.ws / "a/b")))
    assert await box.sh("touch a/b/x", policy=policy) == (0, "")


async def test_read_only_paths_stay_and_a_root_inside_opens_again(box):
    (box.ws / "kept/open").mkdir(parents=True)
    kept = box.ws / "kept"
    policy = box.policy(read_only_paths=(str(kept),), writable_roots=(str(kept / "open"),))
    _, said = await box.sh("touch kept/no; touch kept/open/yes; mv kept away", policy=policy)
    assert os.listdir(kept) == ["open"]
    assert os.listdir(kept / "open") == ["yes"]
    assert "Read-only" in said
    assert "busy" in said


async def test_hundreds_of_roots_work_and_thousands_are_refused_in_words(box):
    many = box.base / "many"
    for number in range(1100):
        (many / str(number)).mkdir(parents=True)
    names = [str(many / str(number)) for number in range(1100)]
    code, _ = await box.sh(f"touch {many}/7/x {many}/99/x", policy=box.policy(writable_roots=tuple(names[:120])))
    assert code == 0
    with pytest.raises(SandboxUnavailable, match="1100 mounts"):
        await box.sh("true", policy=box.policy(writable_roots=tuple(names), cwd_writable=False))


async def test_a_root_that_vanishes_before_the_start_is_planned_around(box, monkeypatch):
    root = box.base / "short-lived"
    root.mkdir()
    from codex_sandbox_linux import bwrap_spawn

    def gather(*args, **options):
        facts = real(*args, **options)
        if root.exists():
            root.rmdir()
        return facts

    real = bwrap_spawn.gather
    monkeypatch.setattr(bwrap_spawn, "gather", gather)
    assert await box.sh("echo fine", policy=box.policy(writable_roots=(str(root),))) == (0, "fine\n")


async def test_a_setup_that_fails_twice_is_an_error_and_nothing_runs(box, monkeypatch):
    from codex_sandbox_linux import bwrap_spawn
    from codex_sandbox_linux.bwrap_plan import Mount

    def gather(*args, **options):
        facts = real(*args, **options)
        return facts.replace(mounts=(*facts.mounts, Mount(path="/no/such/place", mode="rw")))

    real = bwrap_spawn.gather
    monkeypatch.setattr(bwrap_spawn, "gather", gather)
    with pytest.raises(SandboxUnavailable, match="/no/such/place"):
        await box.sh("touch ran")
    assert os.listdir(box.ws) == []
    assert os.listdir(box.state / "journal") == []


async def test_denied_reads_hide_files_folders_and_matches(box):
    for name in ("secret.key", "deep/er/other.key", "folder/file"):
        (box.ws / name).parent.mkdir(parents=True, exist_ok=True)
        (box.ws / name).write_text("hidden")
    policy = box.policy(denied_reads=(str(box.ws / "*.key"), str(box.ws / "folder"), str(box.ws / "missing")))
    script = """
        cat secret.key deep/er/other.key folder/file; ls folder; chmod 777 folder secret.key; touch folder/x
        rm -f secret.key; mv folder elsewhere; cp secret.key copy; ln secret.key hard
    """
    code, said = await box.sh(script, policy=policy)
    assert code != 0
    assert "hidden" not in said
    assert sorted(os.listdir(box.ws)) in (["deep", "folder", "secret.key"], ["copy", "deep", "folder", "secret.key"])
    with pytest.raises(SandboxUnavailable, match=r"forbids to read|must not be read"):
        await box.sh("true", policy=policy, cwd=box.ws / "folder")


async def test_a_search_that_would_take_too_long_refuses(box, monkeypatch):
    from codex_sandbox_linux import denied

    monkeypatch.setattr(denied, "MAX_ENTRIES", 20)
    with pytest.raises(SandboxUnavailable, match="too large a tree"):
        await box.sh("true", policy=box.policy(denied_reads=("/usr/*.no-such-ending",)))


async def test_only_the_named_folders_are_readable_without_the_root(box):
    (box.base / "open").mkdir()
    (box.base / "open/file").write_text("open")
    policy = box.policy(readable_roots=(str(box.base / "open"),))
    code, said = await box.sh(f"cat {box.base}/open/file; cat {box.outside}/victim; touch made /x; ls /", policy=policy)
    assert code == 0
    assert "open" in said
    assert "precious" not in said
    assert "home\n" not in said
    assert "'/x'" in said
    assert os.listdir(box.ws) == ["made"]


# -- protected folders ---------------------------------------------------------------------------------------


async def test_existing_protected_folders_stay_as_they_are(box):
    for name in (".git/hooks", ".codex", ".agents"):
        (box.ws / name).mkdir(parents=True)
    (box.ws / ".git/config").write_text("[core]\n")
    script = "touch .git/commondir .git/hooks/x .codex/y .agents/z; rm -rf .git; mv .codex c; echo >> .git/config; chmod 0 .git"
    await box.sh(script)
    found = sorted(str(path.relative_to(box.ws)) for path in box.ws.rglob("*"))
    assert found == [".agents", ".codex", ".git", ".git/config", ".git/hooks"]
    assert (box.ws / ".git/config").read_text() == "[core]\n"


async def test_the_repository_of_a_worktree_is_kept_too(box):
    inner = box.ws / "main/.git/worktrees/tree"
    inner.mkdir(parents=True)
    (inner / "commondir").write_text("../..\n")
    tree = box.ws / "tree"
    tree.mkdir()
    (tree / ".git").write_bytes(os.fsencode(f"gitdir: {inner}\n"))
    policy = box.policy(writable_roots=(str(box.ws),))
    _, said = await box.sh(
        "echo x > .git; touch ../main/.git/config ../main/.git/worktrees/tree/x", policy=policy, cwd=tree
    )
    assert said.count("Read-only") == 3
    assert not (box.ws / "main/.git/config").exists()


async def test_a_repository_above_the_working_directory_is_kept(box):
    (box.base / "work/.git").mkdir(parents=True)
    (box.base / "work/package").mkdir()
    policy = box.policy(writable_roots=(str(box.base),))
    _, said = await box.sh(
        "touch ../.git/x; git --version >&-; mkdir .codex", policy=policy, cwd=box.base / "work/package"
    )
    assert "Read-only" in said
    assert os.listdir(box.base / "work/package") == []


async def test_a_kept_or_hidden_thing_cannot_be_moved_with_its_folder(box):
    inner = box.ws / "between/inner"
    (inner / ".git").mkdir(parents=True)
    (box.ws / "keys/deep").mkdir(parents=True)
    (box.ws / "keys/deep/secret").write_text("hidden")
    policy = box.policy(writable_roots=(str(box.ws),), denied_reads=(str(box.ws / "keys/deep/secret"),))
    script = "cd ../..; mv between away; mv between/inner between/x; mv keys other; mv keys/deep keys/x; ls /proc/self/fd | wc -l"
    _, said = await box.sh(script, policy=policy, cwd=inner)
    assert said.count("busy") == 4
    assert said.endswith("\n4\n")
    assert sorted(os.listdir(box.ws)) == ["between", "keys"]


async def test_what_appears_is_quarantined_and_told(box):
    with anyio.fail_after(20):
        process = await box.spawn(
            "/bin/sh", "-c", "mkdir -p .git/hooks; echo evil > .git/config; touch .codex; echo ok > ok"
        )
        await everything(process)
        assert await process.wait() == 0
        await process.kill_tree()
    assert os.listdir(box.ws) == ["ok"]
    assert len(process.notices) == 2
    assert ".git appeared" in process.notices[0]
    moved = sorted(path.name for path in (box.state / "quarantine").glob("*/.*"))
    assert moved == [".codex", ".git"]
    assert os.listdir(box.state / "journal") == []


async def test_a_process_in_the_background_cannot_make_one_after_the_end(box):
    for _ in range(5):
        await box.sh("(while :; do mkdir .git 2>/dev/null; done) & sleep 0.05")
        assert os.listdir(box.ws) == []


async def test_a_linked_git_folder_is_kept_and_the_link_put_back(box):
    (box.ws / "store").mkdir()
    (box.ws / ".git").symlink_to("store")
    process = await box.spawn("/bin/sh", "-c", "touch store/x; rm .git; mkdir .git; touch .git/config")
    said = await everything(process)
    await process.wait()
    await process.kill_tree()
    assert "Read-only" in said
    assert os.readlink(box.ws / ".git") == "store"
    assert os.listdir(box.ws / "store") == []


async def test_a_working_directory_inside_git_is_not_writable_for_that(box):
    (box.ws / ".git/hooks").mkdir(parents=True)
    policy = box.policy(writable_roots=(str(box.ws),))
    code, _ = await box.sh("touch made", policy=policy, cwd=box.ws / ".git/hooks")
    assert code != 0
    assert os.listdir(box.ws / ".git/hooks") == []


async def test_our_own_home_in_a_writable_root_is_kept(box):
    (box.base / "home").mkdir(exist_ok=True)
    code, said = await box.sh(f"touch {box.base}/home/config.toml", policy=box.policy(writable_roots=(str(box.base),)))
    assert code != 0
    assert "Read-only" in said


# -- the kernel and its settings -------------------------------------------------------------------------------


async def test_no_privileges_no_descriptors_and_no_way_back(box):
    inherited = os.open("/", os.O_RDONLY)
    os.set_inheritable(inherited, True)
    try:
        code, said = await box.python(
            """
            import os
            print(sorted(map(int, os.listdir("/proc/self/fd")))[:4])
            for line in open("/proc/self/status"):
                if line.startswith(("Cap", "NoNewPrivs", "Seccomp:")):
                    print(line.split()[1].strip("0") or "0", end=" ")
            try:
                os.unshare(0x10000000) if hasattr(os, "unshare") else None
            except OSError as error:
                print(error.errno)
            """
        )
    finally:
        os.close(inherited)
    assert code == 0
    assert said.split("\n") == ["[0, 1, 2, 3]", "0 0 0 0 0 1 2 "]


async def test_settings_of_the_machine_cannot_be_written(box):
    script = """
        import os
        for top in ("/proc", "/sys"):
            for base, folders, files in os.walk(top):
                if base == "/proc":
                    folders[:] = [name for name in folders if not name.isdigit() and "self" not in name]
                if base.count("/") > 4:
                    folders[:] = []
                for name in files:
                    path = os.path.join(base, name)
                    if path.startswith("/proc/pressure/"):
                        continue
                    try:
                        os.close(os.open(path, os.O_WRONLY))
                        print(path)
                    except OSError:
                        pass
        for path in ("/proc/kcore", "/proc/kmsg", "/dev/mem", "/dev/kmsg"):
            try:
                os.read(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 1)
                print("read", path)
            except OSError:
                pass
    """
    assert await box.python(script) == (0, "")


async def test_other_processes_cannot_be_seen_or_signalled(box):
    code, said = await box.sh(f"ls /proc | grep -c '^[0-9]'; ls /proc/{os.getpid()}/environ; kill -0 {os.getppid()}")
    assert code != 0
    assert int(said.split()[0]) < 8


async def test_devices_are_the_harmless_ones_and_memory_is_private(box):
    _, said = await box.sh("ls /dev /dev/pts; touch /dev/shm/ours; ls /dev/shm")
    names = set(said.split())
    assert not names & {"mem", "kmsg", "vda", "sda", "loop0", "kvm", "fuse", "vsock"}
    assert {"null", "zero", "full", "random", "urandom", "tty", "ours"} <= names
    assert not os.path.exists("/dev/shm/ours")


# -- network ---------------------------------------------------------------------------------------------------


async def test_the_network_is_empty_but_for_a_loopback_of_its_own(box):
    with socket.create_server(("127.0.0.1", 0)) as server:
        script = f"""
            import os, socket
            print(os.environ["CODEX_SANDBOX_NETWORK_DISABLED"], os.environ["CODEX_SANDBOX"])
            for family, address in ((2, ("127.0.0.1", {server.getsockname()[1]})), (2, ("192.0.2.1", 80))):
                try:
                    socket.socket(family).connect(address)
                    print("CONNECTED")
                except OSError as error:
                    print(error.errno)
            own = socket.create_server(("127.0.0.1", 0))
            socket.create_connection(own.getsockname()).close()
            print(socket.if_nameindex())
        """
        code, said = await box.python(script)
        assert (code, said) == (0, f"1 bwrap\n{errno.ECONNREFUSED}\n{errno.ENETUNREACH}\n[(1, 'lo')]\n")
        free = box.policy(network_access=True)
        connect = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]})).close()"
        assert await box.python(connect, policy=free) == (0, "")


@pytest.mark.parametrize("network", [False, True])
async def test_sockets_of_other_programs_cannot_be_reached(box, network):
    path = str(box.base / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        daemon.setblocking(False)
        script = f"""
            import socket
            for kind in (1, 2, 5):
                try:
                    socket.socket(socket.AF_UNIX, kind).connect({path!r})
                    print("MADE", kind)
                except OSError:
                    pass
            try:
                one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
                one.sendmsg([b"x"], [], 0, {path!r})
                print("SENT")
            except OSError:
                pass
            a, b = socket.socketpair()
            a.send(b"fine")
            print(b.recv(9).decode())
        """
        assert await box.python(script, policy=box.policy(network_access=network)) == (0, "fine\n")
        with pytest.raises(BlockingIOError):
            daemon.recv(1)


async def test_a_proxied_policy_without_a_proxy_runs_nothing(box):
    with pytest.raises(SandboxUnavailable, match="no proxy"):
        await box.sh("touch ran", policy=box.policy(network_rules=NetworkRules()))
    assert os.listdir(box.ws) == []


# -- starting, signals, ends -------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 2, 126, 255])
async def test_exit_codes_are_exact(box, code):
    assert await box.sh(f"exit {code}") == (code, "")


async def test_an_end_by_signal_is_128_plus_its_number(box):
    assert (await box.sh("kill -SEGV $$"))[0] == 128 + signal.SIGSEGV


async def test_what_cannot_be_executed_is_told_as_exec_tells_it(box):
    (box.ws / "plain").write_text("text")
    (box.ws / "broken").write_text("#!/no/such/interpreter\n")
    (box.ws / "broken").chmod(0o755)
    with pytest.raises(FileNotFoundError):
        await box.run("no-such-program")
    with pytest.raises(PermissionError):
        await box.run("./plain")
    with pytest.raises(FileNotFoundError):
        await box.run("true", cwd=box.ws / "gone")
    with pytest.raises(ValueError, match="null"):
        await box.run("echo", "a\0b")
    assert (await box.run("./broken"))[0] == 127


async def test_bytes_that_are_no_text_pass_unchanged(box):
    assert await box.run("printf", "%s", "\udcfe\n ü") == (0, "\udcfe\n ü")
    code, said = await box.run("pwd")
    assert (code, said) == (0, f"{box.ws}\n")


async def test_the_dynamic_linker_obeys_the_command_only(box):
    code, said = await box.sh('echo "$LD_LIBRARY_PATH"', env={"LD_LIBRARY_PATH": str(box.ws), "LD_PRELOAD": ""})
    assert (code, said) == (0, f"{box.ws}\n")
    library = box.ws / "libcap.so.2"
    library.write_text("no library: bubblewrap would not start with it")
    code, said = await box.sh("echo ran", env={"LD_LIBRARY_PATH": str(box.ws)})
    assert (code, said) == (0, "ran\n")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
async def test_signals_reach_the_command_and_not_bubblewrap(box, signum):
    process = await box.spawn(
        "/bin/sh", "-c", "trap 'echo caught; kill $!; exit 9' INT TERM USR1; sleep 60 & echo ready; wait"
    )
    await until(process, b"ready")
    process.signal(signum)
    with anyio.fail_after(10):
        assert "caught" in await everything(process)
        assert await process.wait() == 9
    await process.kill_tree()


async def test_a_signal_right_after_the_start_is_not_lost(box):
    for _ in range(5):
        process = await box.spawn("/bin/sleep", "60")
        process.signal(signal.SIGTERM)
        with anyio.fail_after(5):
            assert await process.wait() == 128 + signal.SIGTERM
        await process.kill_tree()


async def test_kill_tree_ends_what_left_session_and_parents(box):
    token = f"{os.getpid()}{time.monotonic_ns()}"
    process = await box.spawn(
        "/bin/sh",
        "-c",
        f"trap '' TERM; (setsid sh -c 'sleep {token} & exec sleep {token}' &) ; echo ready; sleep {token}",
    )
    await until(process, b"ready")
    with anyio.fail_after(10):
        await process.kill_tree()
    assert await process.wait() == 128 + signal.SIGKILL
    assert not running(token)


def running(token):
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path("/proc", name, "cmdline").read_bytes()
        except OSError:
            continue
        if token.encode() in words and int(name) != os.getpid():
            found.append(int(name))
    return found


async def test_everything_dies_when_we_are_killed(box):
    token = f"{os.getpid()}{time.monotonic_ns()}"
    script = f"""
        import anyio, os, sys
        from codex_plugin_sdk import *
        from codex_sandbox_linux.bwrap import BwrapBackend
        async def main():
            backend = BwrapBackend(SandboxSetup(codex_home={str(box.base / "home")!r}, state_dir={str(box.state)!r}, environ={{}}))
            policy = SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE, exclude_slash_tmp=True)
            argv = ("/bin/sh", "-c", "mkdir .git; (setsid sh -c 'sleep {token} & exec sleep {token}' &); echo ready; sleep {token}")
            process = await backend.spawn(ExecRequest(argv=argv, cwd={str(box.outside)!r}, env=dict(os.environ)), policy)
            sys.stdout.buffer.write(await process.read())
            sys.stdout.flush()
            await process.wait()
        anyio.run(main)
    """
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, env=environ
    ) as parent:
        assert parent.stdout.readline() == b"ready\n"
        assert len(running(token)) >= 3
        handles = [os.pidfd_open(pid) for pid in running(token) if pid != parent.pid]
        parent.kill()
        for handle in handles:
            assert select.select([handle], [], [], 10)[0], "a process outlived us"
            os.close(handle)
    assert not running(token)
    # What it left in a protected place is taken away by whoever starts next.
    assert (box.outside / ".git").is_dir()
    assert await box.sh("true") == (0, "")
    assert not (box.outside / ".git").exists()
    assert "was moved to" in box.backend.notices[0]


async def test_a_cancelled_start_leaves_nothing(box):
    with anyio.CancelScope() as scope:
        scope.cancel()
        await box.spawn("/bin/sh", "-c", "touch ran; sleep 60")
    assert os.listdir(box.ws) == []
    assert not (box.state / "journal").exists() or os.listdir(box.state / "journal") == []


async def test_eight_at_once_do_not_disturb_each_other(box):
    results = {}

    async def one(number):
        results[number] = await box.sh(f"echo {number} > file{number}; cat file{number}")

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(one, number)
    assert results == {number: (0, f"{number}\n") for number in range(8)}


async def test_a_hundred_at_once_end_well_and_leave_no_descriptor(box):
    await box.sh("true")
    before = len(os.listdir("/proc/self/fd"))
    codes = []

    async def one(number):
        codes.append((await box.sh(f"exit {number % 7}"))[0])

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(one, number)
    assert sorted(codes) == sorted(number % 7 for number in range(100))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount")
def test_mounts_below_are_read_only_outside_and_as_they_are_inside_roots(tmp_path):
    script = f"""
        set -e
        cd {tmp_path}; mkdir ws home ws/free ws/fixed out
        mount -t tmpfs none ws/free; mount -t tmpfs -o ro none ws/fixed; mount -t tmpfs none out
        exec {sys.executable} - <<'E'
        import anyio, os
        from codex_plugin_sdk import *
        from codex_sandbox_linux.bwrap import BwrapBackend
        async def main():
            backend = BwrapBackend(SandboxSetup(codex_home={str(tmp_path / "home")!r}, state_dir={str(tmp_path / "home")!r}, environ={{}}))
            policy = SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE, exclude_slash_tmp=True)
            argv = ("/bin/sh", "-c", "touch free/x && echo written; touch fixed/x; touch ../out/x")
            process = await backend.spawn(ExecRequest(argv=argv, cwd={str(tmp_path / "ws")!r}, env=dict(os.environ)), policy)
            while part := await process.read():
                print(part.decode(), end="")
            await process.kill_tree()
        anyio.run(main)
        E
    """
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    script = textwrap.dedent(script)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, env=environ, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("written\n")
    assert done.stdout.count("Read-only file system") == 2


# -- terminals -----------------------------------------------------------------------------------------------------


async def test_a_terminal_controls_the_command(box):
    process = await box.spawn(
        "/bin/bash",
        "-c",
        "trap 'echo caught; exit 3' INT; trap 'stty size' WINCH; tty; stty size; test -t 0 && : < /dev/tty && echo ready;"
        " while :; do sleep 0.1; done",
        tty=True,
        rows=33,
        cols=101,
    )
    assert b"33 101" in await until(process, b"ready")
    process.resize(40, 120)
    await until(process, b"40 120")
    await process.write(b"\x03")
    assert b"caught" in await until(process, b"caught")
    assert await process.wait() == 3
    await process.kill_tree()


async def test_keys_cannot_be_typed_into_the_terminal(box):
    code, said = await box.python(
        """
        import fcntl, termios
        for request in (termios.TIOCSTI, 0x541C, termios.TIOCSTI | 1 << 32):
            try:
                fcntl.ioctl(0, request & 0xFFFFFFFF, b"x")
                print("TYPED")
            except OSError as error:
                print(error.errno)
        """,
        tty=True,
    )
    assert (code, said.split()) == (0, ["1", "1", "1"])


def test_inherited_streams_stay_apart_and_an_interrupt_reaches_the_command_alone(tmp_path):
    script = """
        import anyio, os, signal, sys
        from codex_plugin_sdk import *
        from codex_sandbox_linux.bwrap import BwrapBackend
        async def main():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            backend = BwrapBackend(SandboxSetup(codex_home=sys.argv[1], state_dir=sys.argv[1] + "/state", environ={}))
            policy = SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE, exclude_slash_tmp=True)
            words = "import signal, sys\\ntry:\\n  print('ready', flush=True)\\n  while True: signal.pause()\\nexcept KeyboardInterrupt: sys.exit('caught')"
            # Ignored here, and ignored is inherited: the command resets what it was given.
            words = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\\n" + words
            argv = ("/usr/bin/python3", "-c", words)
            process = await backend.spawn(ExecRequest(argv=argv, cwd=sys.argv[1], env=dict(os.environ), inherit=True), policy)
            sys.exit(await process.wait() + 40)
        anyio.run(main)
    """
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ,
        start_new_session=True,
    ) as parent:
        assert parent.stdout.readline() == b"ready\n"
        os.killpg(parent.pid, signal.SIGINT)  # as a terminal does
        out, err = parent.communicate(timeout=10)
    assert (parent.returncode, out, err) == (41, b"", b"caught\n")


# -- again as somebody else ------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else; the other tests ran as one")
def test_all_of_this_holds_for_an_ordinary_user(tmp_path_factory):
    interpreter = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    if not os.access(interpreter, os.X_OK):
        pytest.skip("no interpreter of this version that an ordinary user may read")
    base = Path("/var/tmp") / f"codex-bwrap-{os.getpid()}"
    base.mkdir()
    os.chown(base, NOBODY, NOBODY)
    paths = [path for path in sys.path if "site-packages" in path or path.endswith("src")]
    command = [interpreter, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [*command, "-o", "addopts=", f"--basetemp={base}/t", "--import-mode=importlib", __file__],
        user=NOBODY,
        group=NOBODY,
        extra_groups=(),
        cwd="/",
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(base),
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    subprocess.run(["rm", "-rf", str(base)], check=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]

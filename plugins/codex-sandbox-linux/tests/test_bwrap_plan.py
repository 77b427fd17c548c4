import os

import pytest

from codex_plugin_sdk import NetworkMode, SandboxMode, SandboxPolicy, SandboxUnavailable
from codex_sandbox_linux.bwrap_arguments import MAX_MOUNTS, arguments, encode, split_environment
from codex_sandbox_linux.bwrap_plan import Facts, Mount, gather

START = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--die-with-parent", "--cap-drop", "ALL"]


def facts(*mounts, everything=True):
    return Facts(everything=everything, mounts=mounts, writable=(), watched=(), own_tmpdir=False)


def test_the_whole_disk_read_only_a_root_and_what_is_kept_in_it():
    plan = facts(Mount(path="/ws", mode="rw"), Mount(path="/ws/.git", mode="ro"))
    assert arguments(plan, NetworkMode.OFF, "/ws") == [
        *START,
        *("--unshare-net", "--new-session", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
        *("--ro-bind", "/proc/sys", "/proc/sys"),
        *("--bind", "/ws", "/ws", "--ro-bind", "/ws/.git", "/ws/.git", "--chdir", "/ws"),
    ]


def test_with_the_network_on_there_is_no_network_namespace_and_real_root_gets_proc_read_only():
    words = arguments(facts(), NetworkMode.ON, "/", as_root=True, new_session=False, inner_env={"LD_X": "y"})
    assert words == [
        *START,
        *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--remount-ro", "/proc"),
        *("--setenv", "LD_X", "y", "--chdir", "/"),
    ]


def test_a_small_view_ends_read_only_and_hides_what_is_denied():
    plan = facts(
        Mount(path="/bin", mode="link", target="usr/bin"),
        Mount(path="/usr", mode="ro"),
        Mount(path="/usr/key", mode="hidden-file"),
        Mount(path="/usr/keys", mode="hidden-folder"),
        everything=False,
    )
    words = arguments(plan, NetworkMode.PROXIED, "/usr", fresh_proc=False)
    assert words[len(START) + 2 :] == [
        *("--dev", "/dev", "--ro-bind", "/proc", "/proc", "--perms", "1777", "--tmpfs", "/tmp"),
        *("--symlink", "usr/bin", "/bin", "--ro-bind", "/usr", "/usr", "--ro-bind", "/dev/null", "/usr/key"),
        *("--perms", "0000", "--tmpfs", "/usr/keys", "--remount-ro", "/usr/keys", "--remount-ro", "/"),
        *("--chdir", "/usr"),
    ]


def test_too_many_mounts_are_refused_with_their_number():
    plan = facts(*(Mount(path=f"/{number}", mode="rw") for number in range(MAX_MOUNTS + 1)))
    with pytest.raises(SandboxUnavailable, match=str(MAX_MOUNTS + 1)):
        arguments(plan, NetworkMode.OFF, "/")


def test_arguments_are_bytes_and_hold_no_nul():
    assert encode(["a b", "\udcff\n"]) == b"a b\0\xff\n\0"
    with pytest.raises(ValueError, match="null"):
        encode(["a\0b"])


def test_what_the_dynamic_linker_obeys_is_kept_from_bubblewrap():
    outer, inner = split_environment({"LD_PRELOAD": "x", "GLIBC_TUNABLES": "y", "PATH": "z", "OLD_THING": "w"})
    assert outer == {"PATH": "z", "OLD_THING": "w"}
    assert inner == {"LD_PRELOAD": "x", "GLIBC_TUNABLES": "y"}


def policy(**changes):
    return SandboxPolicy(**{"mode": SandboxMode.WORKSPACE_WRITE, "exclude_slash_tmp": True, **changes})


def modes(plan):
    return {mount.path: mount.mode for mount in plan.mounts}


def test_a_root_inside_a_root_needs_no_mount_of_its_own(tmp_path):
    (tmp_path / "in").mkdir()
    plan = gather(policy(writable_roots=(str(tmp_path / "in"),)), str(tmp_path), None)
    assert modes(plan) == {str(tmp_path): "rw"}
    assert set(plan.writable) == {str(tmp_path), str(tmp_path / "in")}


def test_denied_outweighs_every_other_field(tmp_path):
    for name in ("no/root", "ws"):
        (tmp_path / name).mkdir(parents=True)
    changes = {"writable_roots": (str(tmp_path / "no/root"),), "denied_reads": (str(tmp_path / "no"),)}
    plan = gather(policy(**changes), str(tmp_path / "ws"), None)
    assert modes(plan) == {str(tmp_path / "ws"): "rw", str(tmp_path / "no"): "hidden-folder"}


def test_naming_a_protected_entry_as_a_root_opens_it(tmp_path):
    (tmp_path / ".git").mkdir()
    opened = gather(policy(writable_roots=(str(tmp_path / ".git"),)), str(tmp_path), None)
    assert modes(opened) == {str(tmp_path): "rw"}
    assert modes(gather(policy(), str(tmp_path), None))[str(tmp_path / ".git")] == "ro"


def test_folders_of_the_kernel_are_no_writable_roots(tmp_path):
    plan = gather(policy(writable_roots=("/proc", "/sys", "/dev", "/proc/self")), str(tmp_path), None)
    assert plan.writable == (str(tmp_path),)


def test_the_whole_disk_as_a_root_leaves_out_the_kernel_s_settings(tmp_path):
    plan = gather(policy(writable_roots=("/",)), str(tmp_path), None)
    assert modes(plan)["/"] == "rw"
    assert modes(plan)["/sys"] == "ro"
    words = arguments(plan, NetworkMode.OFF, "/")
    assert words[words.index("--bind") : words.index("--bind") + 3] == ["--bind", "/", "/"]


@pytest.mark.parametrize("mode", [SandboxMode.READ_ONLY, SandboxMode.WORKSPACE_WRITE])
def test_a_temporary_folder_of_its_own_if_no_root_serves(tmp_path, mode):
    (tmp_path / "ws").mkdir()
    ws = str(tmp_path / "ws")
    assert gather(policy(mode=mode), ws, None).own_tmpdir
    writes = mode is SandboxMode.WORKSPACE_WRITE
    assert gather(policy(mode=mode, exclude_slash_tmp=False), ws, None).own_tmpdir is not writes
    assert gather(policy(mode=mode), ws, str(tmp_path)).own_tmpdir is not writes
    assert gather(policy(exclude_tmpdir_env_var=True), ws, str(tmp_path)).own_tmpdir


def test_a_working_directory_out_of_sight_is_an_error(tmp_path):
    with pytest.raises(SandboxUnavailable, match="outside what the policy allows to read"):
        gather(SandboxPolicy(readable_roots=("/usr",)), str(tmp_path), None)


def test_links_of_the_system_are_links_in_a_small_view(tmp_path):
    plan = gather(policy(readable_roots=()), str(tmp_path), None)
    for mount in plan.mounts:
        if mount.mode == "link":
            assert os.readlink(mount.path) == mount.target
    assert modes(plan)["/usr"] == "ro"
    assert modes(plan)[str(tmp_path)] == "rw"


def test_folders_above_what_is_kept_cannot_be_renamed(tmp_path):
    (tmp_path / "a/b/.git").mkdir(parents=True)
    plan = gather(policy(writable_roots=(str(tmp_path),)), str(tmp_path / "a/b"), None)
    found = [(os.path.relpath(mount.path, tmp_path), mount.mode) for mount in plan.mounts]
    assert found == [(".", "rw"), ("a", "pin"), ("a/b", "pin"), ("a/b/.git", "ro")]
    words = arguments(plan, NetworkMode.OFF, "/", pins={str(tmp_path / "a"): 7})
    assert ["--bind-fd", "7", str(tmp_path / "a")] == words[words.index("--bind-fd") :][:3]

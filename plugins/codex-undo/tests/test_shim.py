"""The program before `rm`, called by a real shell."""

import os
import subprocess

import pytest

from codex_plugin_sdk import ExecRequest, SandboxMode, SandboxPolicy, UserError
from codex_undo.quarantine import Quarantine, drop, held_things, restore
from codex_undo.section import UndoSection

FULL = SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    return work


@pytest.fixture
def sh(tmp_path, place):
    """Runs a command behind the quarantine; gives exit code and output. `.guard` is the quarantine."""
    home = tmp_path / "home"
    guard = Quarantine(str(home), "thread", UndoSection(quarantine_files=5, quarantine_mb=1))

    def run(command, shell="/bin/sh", flag="-c"):
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(tmp_path)}
        request = ExecRequest(argv=(shell, flag, command), cwd=str(place), env=env)
        # The folder of the test lies below /tmp, which is scratch for a session: here it is outside.
        policy = FULL.replace(mode=SandboxMode.WORKSPACE_WRITE, exclude_slash_tmp=True)
        request = guard.guarded(request, policy, [os.fsencode(os.path.realpath(place))])
        done = subprocess.run(
            request.argv, cwd=place, env=dict(request.env), capture_output=True, text=True, timeout=60, check=False
        )
        guard.collect()
        return done.returncode, done.stdout + done.stderr

    run.home, run.guard = str(home), guard
    return run


def fill(folder, count=8):
    folder.mkdir()
    for number in range(count):
        (folder / f"f{number}").write_text(str(number))


def test_small_deletes_go_to_the_real_program(place, sh):
    fill(place / "d", 3)
    (place / "-odd").write_text("")
    assert sh("rm -rf d; rm -- -odd; ls -A") == (0, "")
    assert held_things(sh.home) == []


@pytest.mark.parametrize("flag", ["-c", "-lc"])
def test_a_large_delete_becomes_a_move_and_comes_back(place, sh, flag):
    fill(place / "d e")
    assert sh("rm -rf 'd e'; echo $?; ls -A", "/bin/bash", flag) == (0, "0\n")
    [held] = held_things(sh.home)
    assert held.path == os.fsencode(os.path.realpath(place / "d e"))
    assert sh.guard.news() == [
        f"the folder {place / 'd e'} was not deleted but put aside: codex quarantine restore {held.id}"
    ]
    restore(sh.home, held.id)
    assert sorted(os.listdir(place / "d e")) == [f"f{n}" for n in range(8)]
    assert held_things(sh.home) == []


def test_many_names_and_large_files_are_moved_too(place, sh):
    fill(place / "d")
    (place / "big").write_bytes(b"x" * (2 << 20))
    assert sh("rm d/* && rmdir d && unlink big; ls -A") == (0, "")
    assert len(held_things(sh.home)) == 9


def test_a_delete_outside_of_the_workspace_is_moved(tmp_path, place, sh):
    (tmp_path / "mine").write_text("mine")
    (place / "link").symlink_to(tmp_path)
    assert sh("rm -v ../mine")[0] == 0
    assert not (tmp_path / "mine").exists()
    restore(sh.home, "")
    assert sh("rm link/mine") == (0, "")
    restore(sh.home, str(tmp_path / "mine"))
    assert (tmp_path / "mine").read_text() == "mine"


def test_it_fails_as_the_real_program_does(place, sh):
    fill(place / "d")
    real = subprocess.run(
        ["rm", "d", "none"], cwd=place, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, check=False
    )
    code, said = sh("rm d none a b c e f")
    assert code == real.returncode == 1
    for line in real.stderr.splitlines():
        assert line in said.replace(f"{os.path.dirname(real.args[0])}/rm:", "rm:")
    assert sh("rm -f none a b c e f g") == (0, "")
    assert sh("rm")[0] == 1
    assert "Usage" in sh("rm --help")[1]
    assert len(os.listdir(place / "d")) == 8


def test_something_new_at_the_old_place_is_not_replaced(place, sh):
    fill(place / "d")
    sh("rm -r d")
    (place / "d").write_text("new")
    with pytest.raises(UserError, match="is there again"):
        restore(sh.home, "")
    assert (place / "d").read_text() == "new"
    assert len(held_things(sh.home)) == 1


def test_what_a_command_left_in_the_store_is_not_believed(tmp_path, place, sh):
    """Commands can write into the store: neither a path outside of the root nor a link in it is followed."""
    victim = tmp_path / "victim"
    fill(victim, 1)
    sh(
        "mkdir -p .codex-quarantine/1-1; echo evil > .codex-quarantine/1-1/item; echo -n /etc/x > .codex-quarantine/1-1/path"
    )
    [held] = held_things(sh.home)
    assert held.path == os.fsencode(place / "recovered-1-1")
    (place / ".codex-quarantine").symlink_to(victim)
    fill(victim / "1-2", 0)
    (victim / "1-2/item").write_text("mine")
    sh("true")
    assert (victim / "1-2/item").exists()
    assert len(held_things(sh.home)) == 1


def test_only_what_is_old_is_dropped_for_good(place, sh):
    fill(place / "d")
    sh("rm -r d")
    [held] = held_things(sh.home)
    assert drop(sh.home, held.moved_at) == []
    assert drop(sh.home, held.moved_at + 1) == [held]
    assert held_things(sh.home) == []

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from codex_plugin_sdk import SandboxUnavailable
from codex_sandbox_linux import quarantine
from codex_sandbox_linux.protected import Watched
from codex_sandbox_linux.quarantine import Watch, recover


@pytest.fixture
def state(tmp_path):
    return str(tmp_path / "state")


@pytest.fixture
def root(tmp_path):
    made = tmp_path / "root"
    made.mkdir()
    return made


def cells(state):
    base = os.path.join(state, "quarantine")
    return sorted(os.listdir(base)) if os.path.isdir(base) else []


def test_nothing_appeared_so_nothing_is_left_behind(state, root):
    told = []
    watch = Watch(state, [Watched(path=str(root / ".git"))], told.append)
    assert len(os.listdir(os.path.join(state, "journal"))) == 1
    assert watch.end() == [] == told
    assert watch.end() == []
    assert os.listdir(os.path.join(state, "journal")) == [] == cells(state)


def test_what_appeared_is_moved_with_a_record(state, root):
    told = []
    watch = Watch(state, [Watched(path=str(root / ".git"))], told.append)
    (root / ".git").mkdir()
    (root / ".git/config").write_text("evil")
    assert watch.end() == told
    assert os.listdir(root) == []
    (cell,) = cells(state)
    place = os.path.join(state, "quarantine", cell)
    assert Path(place, ".git/config").read_text() == "evil"
    record = json.loads(Path(place, "record.json").read_text())
    assert (record["path"], record["moved_to"]) == (str(root / ".git"), os.path.join(place, ".git"))


def test_to_another_file_system_it_is_copied(state, root, monkeypatch):
    real = os.rename

    def rename(source, target, **options):
        if "src_dir_fd" in options and "dst_dir_fd" not in options:
            raise OSError(18, "Invalid cross-device link")
        return real(source, target, **options)

    watch = Watch(state, [Watched(path=str(root / name)) for name in (".git", ".codex")], lambda _text: None)
    (root / ".git").mkdir()
    (root / ".git/config").write_text("evil")
    (root / ".codex").write_text("evil")
    monkeypatch.setattr(os, "rename", rename)
    assert all("was moved to" in text for text in watch.end())
    assert os.listdir(root) == []
    found = [os.path.join(state, "quarantine", cell) for cell in cells(state)]
    assert sorted(name for cell in found for name in os.listdir(cell) if name != "record.json") == [".codex", ".git"]


def test_what_is_too_large_to_copy_stays_under_a_name_that_nobody_obeys(state, root, monkeypatch):
    real = os.rename

    def rename(source, target, **options):
        if "src_dir_fd" in options and "dst_dir_fd" not in options:
            raise OSError(18, "Invalid cross-device link")
        return real(source, target, **options)

    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(quarantine, "COPIED_BYTES", 3)
    watch = Watch(state, [Watched(path=str(root / ".codex"))], lambda _text: None)
    (root / ".codex").write_text("evil")
    watch.end()
    (name,) = os.listdir(root)
    assert name.startswith(".codex-quarantined-")


def test_a_folder_swapped_for_a_link_costs_its_target_nothing(state, root, tmp_path):
    (tmp_path / "home/.codex").mkdir(parents=True)
    (root / "package").mkdir()
    watch = Watch(state, [Watched(path=str(root / "package/.codex"))], lambda _text: None)
    (root / "package").rename(root / "gone")
    (root / "package").symlink_to(tmp_path / "home")
    assert "replaced by a link" in watch.end()[0]
    assert (tmp_path / "home/.codex").is_dir()


def test_a_link_is_put_back(state, root):
    (root / ".git").symlink_to("store")
    watch = Watch(state, [Watched(path=str(root / ".git"), target="store")], lambda _text: None)
    (root / ".git").unlink()
    (root / ".git").symlink_to("/elsewhere")
    assert len(watch.end()) == 2
    assert os.readlink(root / ".git") == "store"


def test_a_journal_that_cannot_be_written_means_no_command(tmp_path):
    (tmp_path / "state").write_text("not a folder")
    with pytest.raises(SandboxUnavailable, match="journal"):
        Watch(str(tmp_path / "state"), [Watched(path="/x")], lambda _text: None)


def test_the_living_keep_their_journals_and_the_dead_are_cleaned_up_after(state, root):
    script = f"""
        import sys
        from codex_sandbox_linux.protected import Watched
        from codex_sandbox_linux.quarantine import Watch
        watch = Watch({state!r}, [Watched(path={str(root / ".agents")!r})], print)
        print("watching", flush=True)
        sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"watching\n"
        (root / ".agents").mkdir()
        assert recover(state) == []
        assert (root / ".agents").exists()
        other.kill()
        other.wait()
    (text,) = recover(state)
    assert "was moved to" in text
    assert os.listdir(root) == [] == os.listdir(os.path.join(state, "journal"))
    assert recover(state) == []

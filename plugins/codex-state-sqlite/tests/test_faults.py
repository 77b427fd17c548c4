"""A database that is damaged, cannot be written, is newer than we are, or lies where there is no shared memory."""

from __future__ import annotations

import contextlib
import os
import resource
import sqlite3
import subprocess
import sys

import pytest

from codex_plugin_sdk import StoreError
from codex_plugin_sdk.state import LeasedByAnother
from codex_state_sqlite.database import Database
from codex_state_sqlite.schema import STEPS
from codex_state_sqlite.store import SqliteState


def asides(path):
    return sorted(file.name for file in path.parent.glob("state.sqlite.damaged-*") if not file.name.endswith("-wal"))


def fill(home, rollouts, count=40):
    """A home with values, jobs and an index, closed."""
    for number in range(count):
        rollouts.put(number, f"find zebra {number}", "there " * 200)
    state = SqliteState(str(home))
    for number in range(count):
        state.put("n", f"k{number}", b"v" * 300)
    state.add_job("j", "one")
    assert state.refresh(60)
    state.close()


def flip_header(path):
    data = bytearray(path.read_bytes())
    data[0:16] = b"no database here"
    path.write_bytes(data)


def flip_everywhere(path):
    data = bytearray(path.read_bytes())
    for at in range(200, len(data), 97):
        data[at] ^= 0xFF
    path.write_bytes(data)


def cut_off(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def something_else(path):
    path.write_bytes(b"this was never a database\n" * 500)


@pytest.mark.parametrize("damage", [flip_header, flip_everywhere, cut_off, something_else])
def test_damaged_database_is_put_aside_and_made_anew(damage, home, rollouts, path, state):
    fill(home, rollouts)
    damage(path)
    assert state.refresh(60)  # whatever is met first
    found = state.threads("zebra 7")
    assert [os.path.basename(one) for one in found.said] == [rollouts.path(7).name]
    assert len(asides(path)) == 1
    (notice,) = state.notices()
    assert "was damaged" in notice
    assert asides(path)[0] in notice
    assert state.notices() == []
    state.put("n", "after", b"w")
    assert state.database.is_sound()
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_can_be_read_of_a_damaged_database_is_taken_over(home, rollouts, path, state):
    fill(home, rollouts)
    connection = sqlite3.connect(path)
    (root, size) = connection.execute(
        "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_master WHERE name = 'said_data'"
    ).fetchone()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = bytearray(path.read_bytes())
    data[(root - 1) * size : root * size] = b"\xee" * size
    path.write_bytes(data)
    assert not state.database.notices
    assert state.database.is_sound()
    assert len(state.keys("n")) == 40
    assert state.get("n", "k7") == b"v" * 300
    assert "41 of its values" in state.notices()[0]
    assert state.refresh(60)
    assert len(state.threads("zebra").said) == 40


def test_value_that_was_flipped_is_never_given(home, path, state):
    state.put("n", "k", b"unmistakable" * 50)
    state.put("n", "other", b"o")
    state.close()
    data = bytearray(path.read_bytes())
    data[data.index(b"unmistakable")] ^= 1
    path.write_bytes(data)
    assert state.get("n", "k") is None
    assert state.get("n", "other") == b"o"
    assert len(asides(path)) == 1


def test_damage_met_by_several_at_once_is_put_aside_once(home, rollouts, path):
    fill(home, rollouts, 5)
    flip_header(path)
    states = [SqliteState(str(home)) for _ in range(4)]
    for one in states:
        one.put("n", "k", b"v")
    assert len(asides(path)) == 1
    assert sum(len(one.notices()) for one in states) == 1
    for one in states:
        one.close()


def test_file_that_is_replaced_under_an_open_store_is_opened_anew(home, path, state):
    state.put("n", "k", b"v")
    path.rename(path.with_name("elsewhere"))
    assert state.get("n", "k") is None
    state.put("n", "k", b"w")
    assert state.get("n", "k") == b"w"


def test_no_more_than_a_few_damaged_files_are_kept(home, path):
    for _ in range(5):
        state = SqliteState(str(home))
        state.put("n", "k", b"v")
        state.close()
        flip_header(path)
    SqliteState(str(home)).put("n", "k", b"v")
    assert len(asides(path)) == 3


def test_home_where_nothing_can_be_made_is_told_once_and_searched_without(tmp_path, rollouts):
    (tmp_path / "home" / "kernel").write_text("a file where the folder should be")
    rollouts.put(1, "zebra")
    state = SqliteState(str(tmp_path / "home"))
    assert state.refresh(1)
    assert state.threads("zebra") is None
    assert state.threads() is None
    (notice,) = state.notices()
    assert notice.startswith("the index of sessions is not used: ")
    assert state.notices() == []
    with pytest.raises(StoreError):
        state.put("n", "k", b"v")


@pytest.fixture
def frozen(home):
    """Makes the home read-only, as a file system does."""
    mounted = []

    def freeze():
        for step in (["--bind", str(home), str(home)], ["-o", "remount,bind,ro", str(home)]):
            if os.geteuid() or subprocess.run(["mount", *step], capture_output=True, check=False).returncode:
                pytest.skip("needs leave to mount")
            mounted[:] = [str(home)]

    yield freeze
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("there", [False, True])
def test_read_only_home_is_told_once_and_searched_without(there, home, rollouts, frozen):
    rollouts.put(1, "zebra")
    if there:
        fill(home, rollouts, 3)
    frozen()
    state = SqliteState(str(home))
    try:
        assert state.refresh(1)
        state.threads("zebra")
        state.threads()
        assert len(state.notices()) == 1
        with pytest.raises(StoreError):
            state.put("n", "k", b"v")
    finally:
        state.close()


def test_file_system_without_shared_memory_is_told(home, path):
    database = Database(str(path), vfs="unix-dotfile")  # SQLite's own, which has none
    state = SqliteState(str(home), database=database)
    assert state.threads() is None
    assert "no shared memory" in state.notices()[0]


def fill_up(state):
    for number in range(1000):
        state.put("n", f"k{number}", b"x" * 20_000)


def test_full_disk_is_told_and_harms_nothing(home, path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(home)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs leave to mount")
    state = SqliteState(str(home))
    try:
        state.put("n", "first", b"v")
        with pytest.raises(StoreError, match="cannot be used"):
            fill_up(state)
        assert state.get("n", "first") == b"v"
        for key in state.keys("n")[2:]:
            with contextlib.suppress(StoreError):
                state.delete("n", key)
        assert state.database.is_sound()
        assert not state.notices()
    finally:
        state.close()
        subprocess.run(["umount", str(home)], check=True)


KILLED = """
import sys
from codex_state_sqlite.store import SqliteState
state = SqliteState(sys.argv[1])
state.add_job("k", "a")
state.claim_job("k", "a", lease_s=3600)
def work(connection):
    connection.execute("INSERT INTO kv VALUES ('n', 'half', 'x', 0)")
    print("in the midst", flush=True)
    sys.stdin.read()
state.database.write(work)
"""


def test_process_that_is_killed_in_the_midst_of_a_write_leaves_nothing_behind(home, state):
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout.readline() == "in the midst\n"
    writer.kill()
    writer.communicate()
    state.put("n", "k", b"v")
    assert state.keys("n") == ["k"]
    assert isinstance(state.claim_job("k", "a"), LeasedByAnother)  # until the lease ends, as nobody can tell
    assert state.database.is_sound()


def test_newer_database_is_left_alone(home, path, state):
    state.put("n", "k", b"v")
    state.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="newer version"):
        state.get("n", "k")
    assert not asides(path)


def test_each_step_to_a_newer_version_leaves_a_backup(home, path):
    old = Database(str(path), steps=STEPS[:1])
    SqliteState(str(home), database=old).put("n", "k", b"v")
    old.close()
    more = (*STEPS, ("CREATE TABLE more (id INTEGER)",))
    database = Database(str(path), steps=more)
    state = SqliteState(str(home), database=database)
    assert state.get("n", "k") == b"v"
    state.close()
    assert {file.name: file.stat().st_mode & 0o777 for file in path.parent.glob("*.backup-*")} == {
        "state.sqlite.backup-v1": 0o600,
        "state.sqlite.backup-v2": 0o600,
    }
    backup = sqlite3.connect(path.with_name("state.sqlite.backup-v1"))
    assert backup.execute("PRAGMA user_version").fetchone() == (1,)
    assert backup.execute("SELECT data FROM kv").fetchall() == [(b"v",)]
    backup.close()


def test_step_that_fails_changes_nothing(home, path, state):
    state.put("n", "k", b"v")
    state.close()
    broken = Database(str(path), steps=(*STEPS, ("CREATE TABLE more (id INTEGER)", "nonsense")))
    with pytest.raises(StoreError):
        SqliteState(str(home), database=broken).get("n", "k")
    broken.close()
    assert state.get("n", "k") == b"v"


@contextlib.contextmanager
def full_disk(size):
    """No file grows beyond `size` bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_full_disk_is_told_and_nothing_is_half_written(home, state):
    state.put("n", "k", b"v")
    with full_disk(128 * 1024):
        with pytest.raises(StoreError, match="cannot be used"):
            state.put("n", "k", b"w" * 500_000)
        assert state.get("n", "k") == b"v"
    state.put("n", "k", b"x")
    assert state.get("n", "k") == b"x"


def test_backup_that_finds_no_room_is_not_left_as_if_it_was_one(home, path):
    old = Database(str(path), steps=STEPS[:1])
    SqliteState(str(home), database=old).put("n", "k", b"v" * 500_000)
    old.close()
    database = Database(str(path))
    state = SqliteState(str(home), database=database)
    with full_disk(128 * 1024), pytest.raises(StoreError):
        state.get("n", "k")
    assert not list(path.parent.glob("*.backup-*"))
    assert state.get("n", "k") == b"v" * 500_000
    state.close()
    assert len(list(path.parent.glob("*.backup-*"))) == 1

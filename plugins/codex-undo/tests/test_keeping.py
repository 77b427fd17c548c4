"""What the journal keeps, for how long, and what it costs to look again."""

import os
import shutil

import pytest

from codex_plugin_sdk import StoreError, UserError
from codex_undo.blobs import Blobs
from codex_undo.database import connect
from codex_undo.journal import Journal
from codex_undo.locks import Locks


def test_old_turns_go_and_so_does_what_only_they_needed(make_bench):
    bench = make_bench(keep_turns=5)
    file = bench.work / "f"
    for number in range(7):
        bench.turn(lambda number=number: file.write_bytes(os.urandom(20_000 + number)))
    journal = bench.recorder._journal
    assert len(journal.entries("1")) == 5
    assert 5 * 20_000 < journal.blobs.stored_bytes() < 7 * 20_000
    for _ in range(5):
        assert bench.undo().applied
    with pytest.raises(UserError, match="nothing is left"):
        bench.undo()


def test_the_journal_stays_below_its_size(make_bench):
    bench = make_bench(max_mb=2)
    file = bench.work / "f"
    for _ in range(6):
        bench.turn(lambda: file.write_bytes(os.urandom(600_000)))
    assert bench.recorder._journal.blobs.stored_bytes() <= 2 << 20
    assert bench.undo().applied


def test_nothing_is_pruned_while_another_session_uses_the_journal(make_bench):
    bench = make_bench(keep_turns=1)
    other = Locks(str(bench.home / "kernel/undo"))
    other.share()
    for number in range(4):
        bench.turn(lambda number=number: (bench.work / "f").write_text(str(number)))
    assert len(bench.recorder._journal.entries("1")) == 4
    other.close()
    bench.turn(lambda: (bench.work / "f").write_text("last"))
    assert len(bench.recorder._journal.entries("1")) == 1


def test_a_scan_of_unchanged_files_reads_none_of_them(make_bench, monkeypatch):
    bench = make_bench()
    for number in range(50):
        path = bench.work / f"f{number}"
        path.write_text(str(number))
    bench.turn(lambda: None)
    monkeypatch.setattr("codex_undo.scan._FINE_NS", 0)  # they were written a moment ago: that does not count here
    bench.turn(lambda: None)
    bench.recorder.close()
    read = []
    monkeypatch.setattr("codex_undo.scan._read_file", lambda path, *_: read.append(path))
    bench.open()  # as in another process: what was known is on the disk
    bench.turn(lambda: None)
    assert read == []


def test_a_file_changed_in_the_tick_in_which_it_was_read_is_seen(bench):
    """Same size, same inode, and times set back: only the content tells."""
    file = bench.work / "f"
    file.write_text("one")
    status = file.stat()

    def change():
        file.write_text("two")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))

    bench.turn(change)
    assert bench.undo().applied
    assert file.read_text() == "one"


def test_a_turn_that_was_cut_off_is_completed_when_the_thread_goes_on(bench):
    file = bench.work / "f"
    file.write_text("old")
    bench.begin()
    bench.recorder.before_command(bench.roots, alone=True)
    file.write_text("new")
    bench.recorder.close()
    bench.open()
    bench.turn(lambda: file.write_text("newer"))
    assert bench.undo().applied
    assert file.read_text() == "new"
    assert bench.undo().cut_off
    assert file.read_text() == "old"


@pytest.mark.parametrize("size", [0, 10, 200_000, 3_000_000])
@pytest.mark.parametrize("kind", ["even", "random"])
def test_contents_come_back_as_they_were(tmp_path, size, kind):
    data = os.urandom(size) if kind == "random" else b"even" * (size // 4) + b"x"
    (tmp_path / "f").write_bytes(data)
    database = connect(str(tmp_path / "undo"), make=True)
    blobs = Blobs(str(tmp_path / "undo"), database)
    with open(tmp_path / "f", "rb") as file:
        digest = blobs.keep(file.fileno(), len(data))
    assert blobs.has(digest)
    assert b"".join(blobs.chunks(digest)) == data
    blobs.flush()
    assert blobs.all() == {digest}
    assert b"".join(blobs.chunks(digest)) == data
    assert kind == "random" or size < 100 or blobs.stored_bytes() < len(data) / 2
    with pytest.raises(StoreError, match="no longer holds"):
        list(blobs.chunks("00" * 32))
    database.close()


def test_a_damaged_content_is_never_written_to_a_file(bench):
    file = bench.work / "f"
    file.write_text("old " * 50)
    bench.turn(lambda: file.write_text("new"))
    bench.recorder._journal.database.execute("update blobs set data = x'00', codec = 0")
    with pytest.raises(StoreError, match="damaged"):
        bench.undo()
    assert file.read_text() == "new"


def test_a_damaged_database_is_told_with_its_cure(bench):
    bench.turn(lambda: (bench.work / "f").write_text("x"))
    bench.recorder.close()
    path = bench.home / "kernel/undo/journal.sqlite"
    path.write_bytes(b"garbage " * 1000)
    with pytest.raises(StoreError, match="could not open the undo journal") as caught:
        Journal.open(str(bench.home))
    assert f"move {path} away" in caught.value.hint


def test_a_damaged_baseline_is_read_anew(bench):
    file = bench.work / "f"
    file.write_text("old")
    bench.turn(lambda: None)
    bench.recorder.close()
    [saved] = (bench.home / "kernel/undo/roots").iterdir()
    data = bytearray(saved.read_bytes())
    data[-5] ^= 0xFF
    saved.write_bytes(data)
    bench.open()
    bench.turn(lambda: file.write_text("new"))
    assert bench.undo().applied
    assert file.read_text() == "old"


def test_what_a_folder_looks_like_takes_half_of_the_journal_at_most(make_bench):
    bench = make_bench(max_mb=2, max_file_mb=5)
    for number in range(6):
        (bench.work / f"f{number}").write_bytes(os.urandom(400_000))
    for _ in range(3):
        assert bench.turn(lambda: None) == ["what exceeds 1 MB together"]
    assert bench.recorder._journal.blobs.stored_bytes() < 2 << 20


def test_the_working_folder_itself_comes_back(bench, tree_of):
    (bench.work / "d").mkdir()
    (bench.work / "d/f").write_text("x")
    before = tree_of(bench.work)
    bench.turn(lambda: shutil.rmtree(bench.work))
    assert not bench.work.exists()
    assert bench.undo().applied
    assert tree_of(bench.work) == before


def test_what_is_in_a_folder_that_was_closed_is_not_taken_for_gone(bench, words, monkeypatch):
    inner = bench.work / "d"
    inner.mkdir()
    (inner / "f").write_text("x")
    real = os.scandir

    def closed(folder):
        """For root no folder is closed."""
        if not os.lstat(folder).st_mode & 0o777:
            raise PermissionError(13, "Permission denied", folder)
        return real(folder)

    monkeypatch.setattr(os, "scandir", closed)
    bench.turn(lambda: inner.chmod(0))
    assert words(bench.undo()) == {"d": "restore"}
    assert (inner / "f").read_text() == "x"

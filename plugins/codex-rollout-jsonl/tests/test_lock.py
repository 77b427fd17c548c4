"""One writer for each thread, whichever program it is."""

from __future__ import annotations

import errno
import fcntl
import os
import threading

import orjson
import pytest

from codex_plugin_sdk import RolloutLine, StoreError, new_thread_id, uuid7_unix_ms
from codex_rollout_jsonl.lock import COORDINATION, FOLDER, ThreadLock
from codex_rollout_jsonl.store import JsonlRolloutStore


def line(payload: object) -> RolloutLine:
    return RolloutLine(type="event_msg", payload=orjson.dumps(payload))


def is_held(path) -> bool:
    """Whether somebody holds the lock of a file."""
    with open(path, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_thread_is_locked_where_codex_looks_from_its_first_line_until_it_is_closed(home) -> None:
    thread_id = new_thread_id()
    lock = home.path / FOLDER / f"{thread_id}.lock"
    writer = home.store.create(thread_id, uuid7_unix_ms(thread_id))
    writer.append([line(1)])
    assert is_held(lock)
    writer.close()
    assert [file.name for file in lock.parent.iterdir()] == [COORDINATION]
    again = home.store.append_to(thread_id)
    assert is_held(lock)
    again.close()
    assert not lock.exists()


def test_thread_that_codex_has_open_is_read_but_not_written_nor_changed(home) -> None:
    thread_id = home.record(0)
    lock = home.path / FOLDER / f"{thread_id}.lock"
    with open(lock, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for change in (
            lambda: home.store.append_to(thread_id),
            lambda: home.store.archive(thread_id),
            lambda: home.store.delete(thread_id),
            lambda: home.store.revert(thread_id, "a turn"),
        ):
            with pytest.raises(StoreError, match=f"thread {thread_id} already has an active writer: ") as caught:
                change()
            assert "fork the thread" in caught.value.hint
        assert home.payloads(thread_id) == [0]
    home.store.append_to(thread_id).close()  # the file that was left holds no one up


def test_of_many_that_resume_a_thread_at_once_one_wins_and_the_others_are_told(home) -> None:
    thread_id = home.record(0)
    start, won, told = threading.Barrier(6), [], []

    def resume() -> None:
        start.wait()
        try:
            won.append(JsonlRolloutStore(str(home.path)).append_to(thread_id))
        except StoreError as error:
            told.append(error.message)

    workers = [threading.Thread(target=resume) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (len(won), len(told)) == (1, 5)
    assert all("already has an active writer" in text for text in told)
    won[0].close()


def test_file_that_its_holder_removes_meanwhile_is_not_taken_for_the_lock(home, monkeypatch) -> None:
    held = ThreadLock(str(home.path), "a")
    flock, begun = fcntl.flock, []

    def late(fd: int, how: int) -> None:
        if not begun:
            begun.append(fd)
            held.release()  # between our opening of the file and our lock on it
        flock(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    again = ThreadLock(str(home.path), "a")
    assert is_held(home.path / FOLDER / "a.lock")
    again.release()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_file_system_without_locks_is_used_without(home, monkeypatch, code: int) -> None:
    thread_id = home.record(0)

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    first, second = home.store.append_to(thread_id), home.store.append_to(thread_id)
    first.append([line(1)])
    first.close()
    second.close()
    assert home.payloads(thread_id) == [0, 1]


def test_folder_for_locks_that_cannot_be_written_keeps_no_one_from_reading_and_writing(home) -> None:
    home.path.mkdir()
    (home.path / FOLDER).write_text("no folder")
    thread_id = home.record(0)
    writer = home.store.append_to(thread_id)
    with pytest.raises(StoreError, match="already has an active writer"):  # the rollout's own lock is left
        home.store.append_to(thread_id)
    writer.append([line(1)])
    writer.close()
    home.store.archive(thread_id)
    assert home.payloads(thread_id) == [0, 1]

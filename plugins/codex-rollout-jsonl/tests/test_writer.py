"""What reaches the disk, and what happens when the disk refuses."""

from __future__ import annotations

import calendar
import errno
import json
import os
import re
import stat
import subprocess
import sys
import textwrap
import threading
import time

import orjson
import pytest

from codex_plugin_sdk import RolloutLine, StoreError, new_thread_id, uuid7_unix_ms
from codex_rollout_jsonl import writer as writer_module
from codex_rollout_jsonl.failures import store_error
from codex_rollout_jsonl.store import JsonlRolloutStore


def line(payload: object, kind: str = "event_msg") -> RolloutLine:
    return RolloutLine(type=kind, payload=orjson.dumps(payload))


def run(code: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_file_has_the_name_place_and_mode_that_codex_gives_it(home) -> None:
    thread_id = home.record({"type": "task_started"})
    file = home.file_of(thread_id)
    local = time.localtime(uuid7_unix_ms(thread_id) // 1000)
    expected = time.strftime(f"sessions/%Y/%m/%d/rollout-%Y-%m-%dT%H-%M-%S-{thread_id}.jsonl", local)
    assert str(file.relative_to(home.path)) == expected
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    folders = [file.parent, *file.parent.parents][:5]
    assert folders[-1] == home.path
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}


def test_line_has_the_form_that_codex_gives_it_and_the_payloads_own_bytes(home) -> None:
    thread_id = new_thread_id()
    writer = home.store.create(thread_id, uuid7_unix_ms(thread_id))
    payload = b'{"z": 1.50, "a":"\\u00e9\xc3\xa9" }'
    writer.append([RolloutLine(type="response_item", payload=payload, timestamp="ignored", ordinal=99)])
    writer.close()
    stamp = rb'\{"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","ordinal":0,"type":"response_item","payload":'
    assert re.fullmatch(stamp + re.escape(payload) + rb"\}\n", home.file_of(thread_id).read_bytes())


def test_each_append_is_one_write(home, monkeypatch) -> None:
    sizes: list[int] = []
    write = os.write

    def counted(fd, data):
        sizes.append(len(data))
        return write(fd, data)

    monkeypatch.setattr(writer_module.os, "write", counted)
    thread_id = new_thread_id()
    writer = home.store.create(thread_id, uuid7_unix_ms(thread_id))
    writer.append([line(1), line(2), line("x" * 100_000)])
    writer.append([line(3)])
    writer.close()
    assert len(sizes) == 2
    assert sum(sizes) == home.file_of(thread_id).stat().st_size


def test_secrets_never_reach_the_disk(home, monkeypatch) -> None:
    secret, key = "a passphrase of mine", "sk-" + "proj-Ab3dEf6hIj9lMn2pQr5tUv8x"
    monkeypatch.setenv("DEPLOY_PASSWORD", secret)
    store = JsonlRolloutStore(str(home.path), os.environ)
    thread_id = new_thread_id()
    writer = store.create(thread_id, uuid7_unix_ms(thread_id))
    writer.append([line({"output": f"$ env\nDEPLOY={secret}\n{key}\n", "encrypted_content": key})])
    writer.close()
    wanted = "$ env\nDEPLOY=[REDACTED:env:DEPLOY_PASSWORD]\n[REDACTED:api-key]\n"
    assert home.payloads(thread_id) == [{"output": wanted, "encrypted_content": key}]


def test_threads_may_append_at_once(home) -> None:
    thread_id = new_thread_id()
    writer = home.store.create(thread_id, uuid7_unix_ms(thread_id))

    def work(number: int) -> None:
        for index in range(100):
            writer.append([line([number, index]), line([number, index])])

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    writer.close()
    found = list(home.store.read(thread_id))
    assert [entry.ordinal for entry in found] == list(range(800))
    pairs = [json.loads(entry.payload) for entry in found]
    assert all(first == second for first, second in zip(pairs[::2], pairs[1::2], strict=True))
    for number in range(4):
        assert [index for who, index in pairs[::2] if who == number] == list(range(100))


# -- a disk that refuses ----------------------------------------------------------------------------------

LIMITED = """
    import resource, signal, sys
    import orjson
    from codex_plugin_sdk import RolloutLine, StoreError, new_thread_id, uuid7_unix_ms
    from codex_rollout_jsonl.store import JsonlRolloutStore

    store, thread_id = JsonlRolloutStore(sys.argv[1]), new_thread_id()
    writer = store.create(thread_id, uuid7_unix_ms(thread_id))
    line = lambda payload: RolloutLine(type="event_msg", payload=orjson.dumps(payload))
    limit = lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    if int(sys.argv[2]):
        writer.append([line("first")])
    limit(500)
    for _ in range(2):
        try:
            writer.append([line("small"), line("x" * 1000)])
        except StoreError as error:
            print(error)
    sizes = [file.stat().st_size for file in __import__("pathlib").Path(sys.argv[1]).rglob("*.jsonl")]
    print(sizes)
    limit(1_000_000)
    writer.append([line("last")])
    writer.close()
    print([(e.ordinal, orjson.loads(e.payload)) for e in store.read(thread_id)])
"""


def test_write_cut_short_by_the_system_is_taken_back_and_the_next_one_goes_on(home) -> None:
    done = run(LIMITED, str(home.path), "1")
    assert done.returncode == 0, done.stderr
    first, second, sizes, found = done.stdout.splitlines()
    assert first == second
    assert first.startswith(f"cannot append to the rollout {home.path}")
    assert "File too large (the file has reached the size limit" in first
    assert 0 < json.loads(sizes)[0] < 150
    assert found == "[(0, 'first'), (1, 'last')]"


def test_file_whose_first_append_fails_is_not_left_behind(home) -> None:
    done = run(LIMITED, str(home.path), "0")
    assert done.returncode == 0, done.stderr
    *_, sizes, found = done.stdout.splitlines()
    assert sizes == "[]"
    assert found == "[(0, 'last')]"


class Disk:
    """A disk that accepts `room` bytes more."""

    def __init__(self, room: int, code: int) -> None:
        self.room, self.code, self.write = room, code, os.write

    def __call__(self, fd: int, data: bytes) -> int:
        if self.room == 0:
            raise OSError(self.code, os.strerror(self.code))
        written = self.write(fd, data[: self.room])
        self.room -= written
        return written


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("room", [0, 1, 100])
def test_full_disk_is_told_and_leaves_no_torn_line(home, monkeypatch, code: int, room: int) -> None:
    thread_id = new_thread_id()
    writer = home.store.create(thread_id, uuid7_unix_ms(thread_id))
    writer.append([line(0)])
    before = home.file_of(thread_id).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(writer_module.os, "write", Disk(room, code))
        with pytest.raises(StoreError) as caught:
            writer.append([line("lost"), line("x" * 200)])
    assert home.file_of(thread_id).read_bytes() == before
    error = caught.value
    assert (error.path, error.operation) == (str(home.file_of(thread_id)), "append to the rollout")
    assert os.strerror(code) in error.message
    assert error.hint
    assert isinstance(error.__cause__, OSError)
    writer.append([line(1)])
    writer.close()
    assert home.payloads(thread_id) == [0, 1]


def test_line_that_cannot_even_be_taken_back_is_the_only_one_lost(home, monkeypatch) -> None:
    thread_id = new_thread_id()
    writer = home.store.create(thread_id, uuid7_unix_ms(thread_id))
    writer.append([line(0)])

    def refuse(fd, size):
        raise OSError(errno.EIO, "fault")

    with monkeypatch.context() as patch:
        patch.setattr(writer_module.os, "write", Disk(60, errno.ENOSPC))
        patch.setattr(writer_module.os, "ftruncate", refuse)
        with pytest.raises(StoreError, match="No space left"):
            writer.append([line("lost")])
    writer.append([line(1)])
    writer.append([line(2)])
    writer.close()
    assert [(entry.ordinal, json.loads(entry.payload)) for entry in home.store.read(thread_id)] == [
        (0, 0),
        (1, 1),
        (2, 2),
    ]


def test_interrupt_within_a_write_leaves_no_torn_line(home, monkeypatch) -> None:
    thread_id = new_thread_id()
    writer = home.store.create(thread_id, uuid7_unix_ms(thread_id))
    writer.append([line(0)])
    write = os.write

    def interrupted(fd, data):
        write(fd, data)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(writer_module.os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.append([line("lost")])
    writer.append([line(1)])
    writer.close()
    assert [(entry.ordinal, json.loads(entry.payload)) for entry in home.store.read(thread_id)] == [(0, 0), (1, 1)]


def test_folder_that_cannot_be_made_is_told_with_a_way_out(home) -> None:
    home.path.mkdir()
    (home.path / "sessions").write_text("a file")
    with pytest.raises(StoreError) as caught:
        home.record(1)
    assert "cannot begin the rollout" in str(caught.value)
    assert "Not a directory" in str(caught.value)
    assert "--ephemeral" in caught.value.hint


def test_name_is_in_local_time_and_the_line_in_utc(home, monkeypatch) -> None:
    monkeypatch.setenv("TZ", "XYZ-13")  # thirteen hours ahead of UTC
    time.tzset()
    try:
        at_ms = 1795229695000  # 2026-11-21T02:54:55Z
        writer = home.store.create("thread", at_ms)
        writer.append([line(1)])
        writer.close()
        assert writer.path.endswith("/sessions/2026/11/21/rollout-2026-11-21T15-54-55-thread.jsonl")
        (found,) = home.store.read("thread")
        assert abs(calendar.timegm(time.strptime(found.timestamp[:19], "%Y-%m-%dT%H:%M:%S")) - time.time()) < 60
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_home_that_is_read_only_is_told_with_a_way_out(home) -> None:
    home.path.mkdir(mode=0o500)
    with pytest.raises(StoreError) as caught:
        home.record(1)
    assert "Permission denied" in str(caught.value)
    assert "--ephemeral" in caught.value.hint


@pytest.mark.parametrize(
    ("code", "part"),
    [
        (errno.EROFS, "--ephemeral"),
        (errno.EACCES, "owner"),
        (errno.ENOSPC, "free some space"),
        (errno.ENOTDIR, "a file stands where"),
        (errno.EMFILE, "ulimit -n"),
    ],
)
def test_each_fault_of_a_disk_says_what_to_try(code: int, part: str) -> None:
    error = store_error(OSError(code, os.strerror(code)), "append to the rollout", "/x")
    assert part in error.hint
    assert str(error).startswith(f"cannot append to the rollout /x: {os.strerror(code)} (")


def test_id_that_is_no_file_name_is_refused(home) -> None:
    for bad in ("", "../x", "a/b", ".hidden", "x" * 200, "a\0b"):
        with pytest.raises(StoreError, match="cannot name a rollout"):
            home.store.create(bad, 0)


# -- two writers ------------------------------------------------------------------------------------------


def test_rollout_of_another_process_is_refused_and_the_process_named(home) -> None:
    thread_id = home.record(0)
    code = """
        import sys
        from codex_rollout_jsonl.store import JsonlRolloutStore

        writer = JsonlRolloutStore(sys.argv[1]).append_to(sys.argv[2])
        print("held", flush=True)
        sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(home.path), thread_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(StoreError) as caught:
            home.store.append_to(thread_id)
        who = f"process {other.pid}" if os.path.exists("/proc/locks") else "another process"
        assert f"already has an active writer: {who}" in str(caught.value)
        assert "fork" in caught.value.hint
        other.kill()
    home.store.append_to(thread_id).close()  # a lock ends with its process


def test_child_of_a_tool_does_not_inherit_the_lock(home) -> None:
    thread_id = new_thread_id()
    writer = home.store.create(thread_id, uuid7_unix_ms(thread_id))
    writer.append([line(0)])
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False) as child:
        writer.close()
        home.store.append_to(thread_id).close()
        child.communicate(b"\n")

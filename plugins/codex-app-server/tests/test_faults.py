"""Streams that close, disks that fill up, files that run out, signals in mid-turn: what was recorded stays whole, each
fault is told in words, and who is not concerned goes on."""

import asyncio
import itertools
import json
import os
import resource
import signal
import socket
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from websockets.exceptions import InvalidMessage

from codex_app_server.stdio import watched
from codex_plugin_sdk.testing.model import call, say

pytestmark = pytest.mark.anyio
GO = [{"type": "text", "text": "go"}]
EMPTY = {"data": [], "nextCursor": None}


def recorded(host):
    """The lines of the only rollout of a home, each of them whole."""
    (path,) = (host.root / "codex-home" / "sessions").glob("*/*/*/*.jsonl")
    data = path.read_bytes()
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


def running(mark):
    """Whether a process has this word in its command line."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes():
                return True
        except OSError:
            continue
    return False


async def gone(mark):
    """Wait until no process has this word in its command line."""
    async with asyncio.timeout(10):
        while running(mark):
            await asyncio.sleep(0.02)
    return True


async def in_mid_turn(app, host, mark, **params):
    """Start a turn whose command runs on."""
    host.script([call("exec_command", "c1", cmd=f"echo on; sleep {mark}")])
    thread = await app.thread(sandbox="workspace-write", **params)
    await app.call("turn/start", {"threadId": thread, "input": GO})
    await app.until("item/commandExecution/outputDelta", itemId="c1")
    assert running(mark)
    return thread


async def goes_on(host, thread):
    """A server resumes the thread, and the model reads an output for each call."""
    host.script([say("after")])
    async with host.start() as app:
        await app.call("thread/resume", {"threadId": thread})
        assert (await app.turn(thread))["turn"]["status"] == "completed"
    told = host.model.requests[-1].json["input"]
    calls = {item["call_id"] for item in told if item["type"] == "function_call"}
    assert calls == {item["call_id"] for item in told if item["type"] == "function_call_output"} == {"c1"}


# -- ends in mid-turn ----------------------------------------------------------------------------


ENDS = [("stdin", 0), ("stdout", 0), (signal.SIGTERM, 0), (signal.SIGINT, 130)]


@pytest.mark.parametrize(("how", "code"), ENDS, ids=str)
async def test_an_end_in_mid_turn_is_recorded_and_ends_the_command(host, how, code):
    mark = f"7{os.getpid()}1"
    async with host.start() as app:
        thread = await in_mid_turn(app, host, mark)
        if how == "stdin":
            app.process.stdin.close()
        elif how == "stdout":  # there is nothing to say when it closes, nor behind it: the command is silent
            app.process._transport.get_pipe_transport(1).close()
        else:
            app.process.send_signal(how)
        assert await asyncio.wait_for(app.process.wait(), 40) == code
    assert not running(mark)
    last = recorded(host)[-1]["payload"]
    assert last["type"] == "turn_aborted"
    await goes_on(host, thread)


async def test_a_kill_in_mid_turn_ends_the_sandboxed_command_and_the_thread_goes_on(host):
    mark = f"7{os.getpid()}2"
    async with host.start() as app:
        thread = await in_mid_turn(app, host, mark)
        app.process.kill()
        await app.process.wait()
    assert await gone(mark)
    assert [line["payload"].get("call_id") for line in recorded(host)][-1] in ("c1", None)
    await goes_on(host, thread)


# -- streams that are closed ---------------------------------------------------------------------


async def test_an_output_that_nobody_can_read_any_more_is_told_at_once_and_once(tmp_path):
    near, far = socket.socketpair()
    near.setblocking(False)
    inner, outer = os.pipe()
    told = asyncio.Queue()
    async with asyncio.timeout(20):
        with watched(outer, lambda: told.put_nowait("pipe")), watched(near.fileno(), lambda: told.put_nowait("socket")):
            os.close(inner)
            assert await told.get() == "pipe"
            far.close()
            assert await told.get() == "socket"
    os.close(outer)
    near.close()
    with open(tmp_path / "file", "wb") as file, watched(file.fileno(), lambda: told.put_nowait("file")):
        await asyncio.sleep(0)
    assert told.empty()


async def test_a_socket_that_is_read_and_written_is_not_taken_for_closed():
    near, far = socket.socketpair()
    told = []
    with watched(near.fileno(), lambda: told.append(1)):
        far.sendall(b"a line for somebody else")
        reader, writer = await asyncio.open_connection(sock=near.dup())
        async with asyncio.timeout(20):
            assert await reader.readexactly(24) == b"a line for somebody else"
        writer.close()
        await writer.wait_closed()
    assert told == []
    near.close()
    far.close()


@pytest.mark.parametrize("redirect", ["2>&-", "2>/dev/full"])
async def test_without_a_place_for_errors_everything_else_works(host, redirect):
    host.script([say("done")])
    async with host.start(redirect=redirect) as app:
        assert (await app.turn(await app.thread()))["turn"]["status"] == "completed"
        app.process.stdin.close()
        assert await app.process.wait() == 0


@pytest.mark.parametrize("redirect", ["<&-", ">&-", "<&- >&- 2>&-", ">/dev/full"])
def test_without_input_or_output_the_server_ends_by_itself(host, redirect):
    line = json.dumps({"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "x", "version": "1"}}})
    found = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirect}', "sh", host.program, "app-server"],
        input=line.encode() + b"\n",
        env=host.env,
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert b"Traceback" not in found.stderr
    assert found.returncode == 0


# -- the disk ------------------------------------------------------------------------------------


async def test_a_full_disk_fails_the_turn_in_words_and_the_next_one_goes_on(host):
    host.script([say("before")], [say("y" * 200_000, "m2")], [say("after", "m3")])
    async with host.start() as app:
        thread = await app.thread()
        await app.turn(thread)
        size = sum(path.stat().st_size for path in (host.root / "codex-home" / "sessions").glob("*/*/*/*"))
        resource.prlimit(app.process.pid, resource.RLIMIT_FSIZE, (size + 20_000, resource.RLIM_INFINITY))
        failed = (await app.turn(thread))["turn"]
        assert failed["status"] == "failed"
        assert failed["error"]["message"].startswith("cannot append to the rollout ")
        assert "ulimit -f" in failed["error"]["additionalDetails"]
        with pytest.raises(Exception, match="cannot be written: File too large") as caught:
            await app.call("config/value/write", {"keyPath": "a", "value": "x" * 90_000, "mergeStrategy": "replace"})
        assert caught.value.error["code"] == -32600
        resource.prlimit(app.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        assert (await app.turn(thread))["turn"]["status"] == "completed"
    texts = [part.get("text") for line in recorded(host) for part in line["payload"].get("content") or ()]
    assert [text for text in texts if text in ("before", "after")] == ["before", "after"]
    assert not any("yyy" in (text or "") for text in texts)
    host.script([say("again")])
    async with host.start() as app:
        await app.call("thread/resume", {"threadId": thread})
        assert (await app.turn(thread))["turn"]["status"] == "completed"


@contextmanager
def mounted(folder, *args):
    """Something mounted on a folder, where that is possible."""
    if os.geteuid() != 0 or subprocess.run(["mount", *args, folder], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(path):
    """Write until nothing more fits."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 1024)


async def test_no_space_left_is_told_by_each_method_and_does_no_harm(host):
    home = host.root / "codex-home"
    config = (home / "config.toml").read_bytes()
    with mounted(home, "-t", "tmpfs", "-o", "size=256k", "tmpfs"):
        (home / "config.toml").write_bytes(config)
        host.script([say("before")])
        async with host.start() as app:
            thread = await app.thread()
            await app.turn(thread)
            fill(home / "filler")
            for method, params in (
                ("thread/start", {"cwd": str(app.work)}),
                ("thread/fork", {"threadId": thread}),
                ("thread/name/set", {"threadId": thread, "name": "n" * 5000}),
                ("thread/goal/set", {"threadId": thread, "objective": "o" * 4000}),
                ("config/value/write", {"keyPath": "a", "value": "x" * 9000, "mergeStrategy": "replace"}),
                ("account/login/start", {"type": "apiKey", "apiKey": "k"}),
            ):
                with pytest.raises(Exception, match="No space left on device") as caught:
                    await app.call(method, params)
                assert caught.value.error["code"] == -32600, method
            host.script([say("y" * 20_000, "m2")])
            failed = (await app.turn(thread))["turn"]
            assert "No space left on device" in failed["error"]["message"]
            (home / "filler").unlink()
            host.script([say("after")])
            assert (await app.turn(thread))["turn"]["status"] == "completed"
        assert (home / "config.toml").read_bytes() == config
        recorded(host)


async def test_a_home_that_cannot_be_written_is_read_and_serves_ephemeral_threads(host):
    home = host.root / "codex-home"
    with mounted(home, "--bind", home):
        subprocess.run(["mount", "-o", "remount,ro,bind", home], check=True)
        host.script([say("done")])
        async with host.start() as app:
            for method, params in (
                ("thread/start", {"cwd": str(app.work)}),
                ("config/value/write", {"keyPath": "a", "value": 1, "mergeStrategy": "replace"}),
                ("account/login/start", {"type": "apiKey", "apiKey": "k"}),
            ):
                with pytest.raises(Exception, match="Read-only file system"):
                    await app.call(method, params)
            assert (await app.call("thread/list", {}))["data"] == []
            assert (await app.call("config/read", {}))["config"]["model"] == "gpt-5.5"
            thread = await app.thread(ephemeral=True)
            assert (await app.turn(thread))["turn"]["status"] == "completed"
        for args in (("--listen", "unix://"), ("daemon", "start"), ("proxy",)):
            found = subprocess.run(
                [host.program, "app-server", *args],
                env=host.env,
                input=b"{}\n",
                capture_output=True,
                timeout=20,
                check=False,
            )
            assert found.returncode == 1
            assert b"Read-only file system" in found.stderr
            assert b"Traceback" not in found.stderr


# -- files ---------------------------------------------------------------------------------------


async def outcome(app, id):
    """The result of a request, or its error."""
    try:
        return await app.result(id)
    except Exception as failed:
        return failed.error


async def test_when_files_run_out_new_threads_are_refused_and_the_open_ones_go_on(host):
    async with host.start() as app:
        resource.prlimit(app.process.pid, resource.RLIMIT_NOFILE, (48, 48))
        ids = [await app.begin("thread/start", {"cwd": str(app.work)}) for _ in range(48)]
        found = [await outcome(app, id) for id in ids]
        threads = [one["thread"]["id"] for one in found if "thread" in one]
        refused = [one for one in found if "thread" not in one]
        assert {one["code"] for one in refused} == {-32001}
        assert refused[0]["message"].startswith("too many files are open for one more thread")
        assert refused[0]["data"]["retryable"] is True
        assert len(threads) > 10
        host.script([call("exec_command", "c1", cmd="echo hello | cat")], [say("done")])
        assert (await app.turn(threads[0], sandbox="workspace-write"))["turn"]["status"] == "completed"
        told = host.model.requests[-1].json["input"][-1]
        assert "hello" in told["output"]
        for thread in threads[1:6]:
            host.script([say("x")])
            await app.turn(thread)
            await app.call("thread/archive", {"threadId": thread})
        assert await app.thread() not in threads


async def comes_in(server, thread):
    """Whether a further client is served."""
    try:
        async with server.connect() as other:
            assert (await other.call("thread/loaded/list", {}))["data"] == [thread]
    except (InvalidMessage, OSError):
        return False
    return True


async def at_its_end(stream):
    """Wait until a connection that nothing comes from is closed by the other side."""
    assert await stream.read() == b""


async def test_a_flood_of_connections_takes_no_files_from_those_who_are_there_and_passes(host, short_url):
    async with host.listen(short_url) as server, server.connect() as app:
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (64, 64))
        thread = await app.thread(sandbox="danger-full-access", approvalPolicy="never")
        flood = [await asyncio.open_unix_connection(server.address) for _ in range(120)]
        ends = [asyncio.create_task(at_its_end(reader)) for reader, _ in flood]
        try:
            async with asyncio.timeout(60):  # there are files for fewer than half of them: the others are sent away
                for done in itertools.islice(asyncio.as_completed(ends), 70):
                    await done
            host.script([call("exec_command", "c1", cmd="echo hello | cat")], [say("done")])
            assert (await app.turn(thread))["turn"]["status"] == "completed"
            assert "hello" in host.model.requests[-1].json["input"][-1]["output"]
        finally:
            for _, writer in flood:
                writer.close()
            await asyncio.gather(*ends, *(writer.wait_closed() for _, writer in flood), return_exceptions=True)
        async with asyncio.timeout(60):
            while not await comes_in(server, thread):
                continue
        assert server.process.returncode is None

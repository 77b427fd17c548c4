"""The server in the background, and the program that joins its streams to it."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from codex_app_server import daemon
from codex_app_server.unix import address_of
from codex_plugin_sdk import __version__
from codex_plugin_sdk.testing.model import say

pytestmark = pytest.mark.anyio
PROGRAM = Path(sys.executable).with_name("codex")


def codex(host, *args, input=None, code=0):
    """Run `codex app-server …`; its output and what it says on stderr."""
    found = subprocess.run(
        [PROGRAM, "app-server", *args],
        input=input,
        capture_output=True,
        env=host.env,
        cwd=host.root / "work",
        timeout=30,
        check=False,
    )
    assert found.returncode == code, found.stderr.decode()
    return found.stdout.decode(errors="replace"), found.stderr.decode()


def report(host, *args, code=0):
    """The JSON object that `codex app-server daemon …` prints."""
    out, err = codex(host, "daemon", *args, "--json", code=code)
    assert err == ""
    return json.loads(out)


@pytest.fixture
def daemons(host):
    """The host; a daemon that a test leaves behind is stopped."""
    yield host
    report(host, "stop")


async def ended(pid):
    """Wait until a process that is not our child is gone."""
    fd = os.pidfd_open(pid)
    try:
        loop, gone = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(fd, gone.set)
        try:
            await asyncio.wait_for(gone.wait(), 15)
        finally:
            loop.remove_reader(fd)
    finally:
        os.close(fd)


def test_there_is_one_daemon_for_a_home_and_it_can_be_stopped_and_restarted(daemons):
    assert report(daemons, "status", code=1)["status"] == "notRunning"
    assert report(daemons, "stop")["status"] == "notRunning"
    started = report(daemons, "start")
    assert started["status"] == "started"
    assert (started["cliVersion"], started["appServerVersion"]) == (__version__, __version__)
    again = report(daemons, "start")
    assert (again["status"], again["pid"]) == ("alreadyRunning", started["pid"])
    found = report(daemons, "status")
    assert (found["status"], found["pid"]) == ("running", started["pid"])
    folder = daemons.root / "codex-home" / "kernel" / "app-server"
    assert sorted(path.name for path in folder.iterdir()) == ["daemon.lock", "daemon.log"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    restarted = report(daemons, "restart")
    assert restarted["status"] == "restarted"
    assert restarted["pid"] != started["pid"]
    assert report(daemons, "stop")["status"] == "stopped"
    assert report(daemons, "status", code=1)["status"] == "notRunning"
    assert not os.path.lexists(found["socketPath"])


async def test_many_that_start_it_at_once_get_the_same_one(daemons):
    found = await asyncio.gather(*(asyncio.to_thread(report, daemons, "start") for _ in range(4)))
    assert len({one["pid"] for one in found}) == 1
    assert sorted(one["status"] for one in found) == ["alreadyRunning"] * 3 + ["started"]


def test_people_are_told_in_words_and_of_another_version(daemons):
    out, err = codex(daemons, "daemon", "start")
    pid = json.loads(out)["pid"]
    assert err.startswith(f"The app server's daemon was started, process {pid}; socket ")
    old = {"status": "running", "pid": 5, "appServerVersion": "0.0.1", "cliVersion": "0.0.2", "socketPath": "/s"}
    assert daemon.sentence(old) == (
        "The app server's daemon runs, process 5; socket /s. It is of version 0.0.1, this program of 0.0.2:"
        " `codex app-server daemon restart` replaces it."
    )


async def test_a_killed_daemon_leaves_nothing_that_stands_in_the_way(daemons):
    pid = report(daemons, "start")["pid"]
    os.kill(pid, signal.SIGKILL)
    await ended(pid)
    assert report(daemons, "status", code=1)["status"] == "notRunning"
    started = report(daemons, "start")
    assert started["status"] == "started"
    assert started["pid"] != pid


def test_a_stale_file_is_not_believed_and_the_process_that_has_the_pid_now_is_left_alone(daemons):
    folder = daemons.root / "codex-home" / "kernel" / "app-server"
    folder.mkdir(parents=True)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            about = {"pid": stranger.pid, "appServerVersion": __version__, "startedAt": 1}
            for text in (json.dumps(about), "[]", '{"pid":"x"}', "half a li"):
                (folder / "daemon.lock").write_text(text)
                assert report(daemons, "status", code=1)["status"] == "notRunning"
            (folder / "daemon.lock").write_text(json.dumps(about))
            assert report(daemons, "stop")["status"] == "notRunning"
            started = report(daemons, "start")
            assert started["pid"] != stranger.pid
            assert report(daemons, "stop")["pid"] == started["pid"]
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_those_who_only_look_are_no_daemon_and_keep_none_from_its_lock(tmp_path):
    path = str(tmp_path / "daemon.lock")
    one, two, its = daemon.Lock(path), daemon.Lock(path), daemon.Lock(path)
    assert not one.is_held()
    assert not two.is_held()  # while the first one looks
    one.close()
    later = threading.Timer(0.05, two.close)
    later.start()
    assert its.take()
    later.join()
    look = daemon.Lock(path)
    assert look.is_held()
    its.write({"pid": 5})
    assert look.read() == {"pid": 5}
    its.close()
    assert not look.is_held()
    look.close()


async def test_an_idle_daemon_ends_but_not_under_a_client(daemons):
    started = report(daemons, "start", "--idle-minutes=0.005")
    pid = started["pid"]
    fd = os.pidfd_open(pid)
    try:
        reader, writer = await asyncio.open_unix_connection(address_of(started["socketPath"]))
        writer.write(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        with pytest.raises(TimeoutError):  # three times as long as it would wait without us
            await asyncio.wait_for(reader.read(), 0.9)
        writer.close()
    finally:
        os.close(fd)
    await ended(pid)
    assert report(daemons, "status", code=1)["status"] == "notRunning"
    log = daemons.root / "codex-home" / "kernel" / "app-server" / "daemon.log"
    assert "nobody needs the server" in log.read_text()


def test_a_daemon_that_cannot_start_says_why(daemons):
    place = daemons.root / "codex-home" / "app-server-control"
    place.mkdir(mode=0o700)
    (place / "app-server-control.sock").write_text("in the way")
    _, err = codex(daemons, "daemon", "start", code=1)
    assert "the daemon did not start: " in err
    assert "is not a socket" in err


async def test_the_proxy_starts_the_daemon_and_a_turn_goes_on_without_it(daemons):
    daemons.script([say("first")], [say("second")])
    async with daemons.start(command=("app-server", "proxy")) as app:
        thread = await app.thread()
        await app.turn(thread)
    pid = report(daemons, "status")["pid"]
    async with daemons.start(command=("app-server", "proxy")) as app:
        assert (await app.call("thread/loaded/list", {}))["data"] == [thread]
        await app.call("thread/resume", {"threadId": thread})
        await app.turn(thread)
    assert report(daemons, "status")["pid"] == pid


def test_the_proxy_passes_a_web_socket_on_as_it_is(daemons):
    upgrade = (
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    payload = b'{"id":7,"method":"thread/loaded/list"}'
    out, _ = codex(daemons, "proxy", input=upgrade + bytes([0x81, 0x80 | len(payload)]) + bytes(4) + payload)
    assert out.startswith("HTTP/1.1 101 ")
    assert "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in out
    assert "Not initialized" in out


def test_the_proxy_says_when_nobody_listens_on_a_given_socket(host):
    _, err = codex(host, "proxy", "--sock", str(host.root / "no.sock"), input=b"{}\n", code=1)
    assert "cannot reach the socket" in err
    assert report(host, "status", code=1)["status"] == "notRunning"

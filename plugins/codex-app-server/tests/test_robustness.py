"""Bad input, clients that do not read or die, servers that die: nothing is lost, and nothing grows without bound."""

import asyncio
import json
import socket
import tempfile
from pathlib import Path

import pytest

from codex_app_server.outbox import HARD_BYTES, MAX_BYTES, ClientTooSlow, Outbox
from codex_plugin_sdk.testing.model import call, say
from codex_plugin_sdk.testing.sse_wire import responses_answer

pytestmark = pytest.mark.anyio
ASK = {"approvalPolicy": "untrusted", "sandbox": "workspace-write"}
GO = [{"type": "text", "text": "go"}]
SLICE = 300
"""Characters in a delta, where there are many."""
EMPTY = {"data": [], "nextCursor": None}


@pytest.fixture
def url():
    """Where a server may listen, short enough for a socket's address."""
    with tempfile.TemporaryDirectory(prefix="cas-") as folder:
        yield f"unix://{folder}/s.sock"


def memory_kib(pid, name="VmRSS"):
    """What a process holds (`VmRSS`), or held at most (`VmHWM`)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


# -- bad input -----------------------------------------------------------------------------------


async def test_garbage_over_a_socket_gets_no_answer_and_half_a_message_harms_nobody(host, url):
    async with host.listen(url) as server, server.connect() as app:
        for data in (b"", b"\x00", b"{", b"[1]", b'{"id": {}}', b"[" * 100_000, b'{"id":1e400,"method":"x"}'):
            await app.send(data)
        await app.socket.send(b"\xff\xfe\x00 not text", text=True)
        reader, writer = await asyncio.open_unix_connection(server.address)
        writer.write(b"GET / HTTP/1.1\r\nHo")
        writer.close()
        reader2, writer2 = await asyncio.open_unix_connection(server.address)
        writer2.write(b"\x16\x03\x01\x02\x00\x01 a TLS hello\r\n\r\n")
        assert await reader2.read() == b""
        writer2.close()
        assert await app.call("thread/loaded/list", {}) == EMPTY
        del reader


@pytest.mark.cold_start  # what it holds is measured
async def test_a_long_line_without_an_end_is_skipped_and_the_next_one_is_answered(host):
    async with host.start() as app:
        part = b"x" * (8 * 1024 * 1024)
        for _ in range(9):
            await app.send(part)
        await app.send(b'{"id":5,"method":"thread/loaded/list"}\n')  # still the same line
        assert await app.call("thread/loaded/list", {}) == EMPTY
        assert 5 not in app._answers
        before = memory_kib(app.process.pid, "VmHWM")
        for _ in range(18):
            await app.send(part)
        await app.send(b"\n")
        assert await app.call("thread/loaded/list", {}) == EMPTY
        assert memory_kib(app.process.pid, "VmHWM") - before < 80 * 1024


# -- too much ------------------------------------------------------------------------------------


@pytest.mark.cold_start  # what it holds is measured
async def test_ten_thousand_requests_without_reading_are_all_answered_and_too_many_are_refused(host):
    count = 10_000
    async with host.start() as app:
        before = memory_kib(app.process.pid)
        thread = await app.thread()
        line = json.dumps({"method": "thread/read", "params": {"threadId": thread}})[1:]
        await app.send(b"".join(b'{"id":%d,%s\n' % (1000 + n, line.encode()) for n in range(count)))
        answers = []
        async with asyncio.timeout(30):
            while len(answers) < count:
                message = json.loads(await app.process.stdout.readline())
                if message.get("id", 0) >= 1000:
                    answers.append(message)
        assert {message["id"] for message in answers} == set(range(1000, 1000 + count))
        errors = [message["error"] for message in answers if "error" in message]
        assert all("result" in message or message["error"]["code"] == -32001 for message in answers)
        assert errors
        assert errors[0]["data"] == {"retryable": True, "retryAfterMs": 250}
        assert memory_kib(app.process.pid, "VmHWM") - before < 64 * 1024
        assert (await app.call("thread/loaded/list", {}))["data"] == [thread]


@pytest.mark.cold_start  # what it holds is measured
async def test_a_flood_on_one_thread_of_who_reads_nothing_is_bounded_and_holds_no_one_else_up(host, url):
    count = 5_000
    async with host.listen(url) as server, server.connect(max_queue=1) as app, server.connect() as other:
        thread = await app.thread()
        before = memory_kib(server.process.pid)
        for number in range(count):
            await app.send({"id": f"n{number}", "method": "thread/goal/get", "params": {"threadId": thread}})
        async with asyncio.timeout(5):
            assert (await other.call("thread/loaded/list", {}))["data"] == [thread]
            assert await other.thread() != thread
        answers = []
        async with asyncio.timeout(30):
            while len(answers) < count:
                message = json.loads(await app._receive())
                if str(message.get("id")).startswith("n"):
                    answers.append(message)
        assert {message["id"] for message in answers} == {f"n{number}" for number in range(count)}
        assert {message["error"]["code"] for message in answers if "error" in message} <= {-32001}
        assert memory_kib(server.process.pid, "VmHWM") - before < 64 * 1024
        assert (await app.call("thread/loaded/list", {}))["data"]


@pytest.mark.cold_start  # what it holds is measured
async def test_what_waits_may_have_128_mib_in_all(host):
    async with host.start() as app:
        filler = "x" * (50 * 1024 * 1024)
        command = {"command": ["cat"], "processId": "p", "streamStdin": True, "disableTimeout": True}
        for id in "ab":  # the second one is refused for its processId, once it is its turn
            await app.begin("command/exec", {**command, "x": filler}, id=id)
        await app.begin("command/exec", {**command, "processId": "q", "x": filler}, id="c")
        await app.begin("command/exec", {**command, "processId": "r", "x": filler}, id="d")
        with pytest.raises(Exception, match="overloaded") as caught:
            await app.result("d")
        assert caught.value.error["code"] == -32001
        assert caught.value.error["data"] == {"retryable": True, "retryAfterMs": 250}
        assert (await app.call("thread/loaded/list", {})) == EMPTY
        assert memory_kib(app.process.pid, "VmHWM") < 1024 * 1024


@pytest.mark.cold_start  # what it holds is measured
async def test_a_slow_reader_loses_deltas_is_told_of_the_gap_and_nobody_waits_for_it(host, url):
    text = "".join(f"{number:07d} " for number in range(1_800_000))
    host.model.play(responses_answer(say(text), delta_chars=SLICE))
    async with host.listen(url) as server, server.connect() as quick:
        thread = await quick.thread()
        slow_options = {"max_queue": 1}
        async with server.connect(**slow_options) as slow:
            await slow.call("thread/resume", {"threadId": thread})
            done = await quick.turn(thread)  # while the other one reads nothing
            assert done["turn"]["items"][0]["text"] == text
            await slow.until("turn/completed")
            deltas = [m["params"]["delta"] for m in slow.heard if m["method"] == "item/agentMessage/delta"]
            (gap,) = [m["params"]["message"] for m in slow.heard if m["method"] == "warning"]
            missing = int(gap.partition(" ")[0])
            assert gap.endswith("notifications were dropped, because they were not read fast enough")
            assert 0 < len(deltas) == len(text) // SLICE - missing
            assert text.startswith("".join(deltas[:1000]))
            (item,) = [
                m["params"]["item"]
                for m in slow.heard
                if m["method"] == "item/completed" and m["params"]["item"]["type"] == "agentMessage"
            ]
            assert item["text"] == text
            assert memory_kib(server.process.pid, "VmHWM") < 400 * 1024


async def test_an_outbox_counts_what_is_being_sent_and_gives_a_client_up_that_takes_nothing():
    outbox = Outbox()
    delta = {"x": "y" * (1024 * 1024)}
    for _ in range(MAX_BYTES // (1024 * 1024) + 5):
        outbox.put(delta, droppable=True)
    assert len(await outbox.take()) == 1
    outbox.put({"method": "m"})
    taken = []
    while not taken or taken[-1] != b'{"method":"m"}':
        taken += await outbox.take()
    assert sum(part.startswith(b'{"x":') for part in taken) == MAX_BYTES // (1024 * 1024) - 1
    assert b"5 notifications were dropped" in taken[-2]
    for _ in range(HARD_BYTES // (1024 * 1024)):
        outbox.put(delta)
    with pytest.raises(ClientTooSlow):
        outbox.put(delta)


# -- who dies ------------------------------------------------------------------------------------


async def test_a_client_that_dies_during_an_approval_leaves_the_question_to_the_next(host, url):
    host.script([call("exec_command", "c1", cmd="touch made")], [say("done")])
    async with host.listen(url) as server:
        async with server.connect() as first:
            thread = await first.thread(**ASK)
            await first.call("turn/start", {"threadId": thread, "input": GO})
            await first.until("item/commandExecution/requestApproval")
            first.socket.transport.abort()
        async with server.connect() as second:
            await second.call("thread/resume", {"threadId": thread})
            request = await second.until("item/commandExecution/requestApproval")
            assert request["params"]["itemId"] == "c1"
            await second.answer(request, {"decision": "accept"})
            done = await second.until("turn/completed")
            assert done["params"]["turn"]["status"] == "completed"
    assert (host.root / "work" / "made").exists()


@pytest.mark.parametrize("answer", [{"error": {"code": -32601, "message": "unknown"}}, {"result": {"decision": "?"}}])
async def test_who_cannot_answer_a_question_declines_it(host, answer):
    host.script([call("exec_command", "c1", cmd="touch made")], [say("done")])
    async with host.start() as app:
        thread = await app.thread(**ASK)
        await app.call("turn/start", {"threadId": thread, "input": GO})
        request = await app.until("item/commandExecution/requestApproval")
        await app.send({"id": request["id"], **answer})
        done = await app.until("turn/completed")
        assert done["params"]["turn"]["status"] == "completed"
    assert not (host.root / "work" / "made").exists()


async def test_while_another_client_is_asked_one_that_cannot_answer_decides_nothing(host, url):
    host.script([call("exec_command", "c1", cmd="touch made")], [say("done")])
    async with host.listen(url) as server, server.connect() as one, server.connect() as two:
        thread = await one.thread(**ASK)
        await two.call("thread/resume", {"threadId": thread})
        await one.call("turn/start", {"threadId": thread, "input": GO})
        unknown = await one.until("item/commandExecution/requestApproval")
        await one.send({"id": unknown["id"], "error": {"code": -32601, "message": "unknown"}})
        await one.until("serverRequest/resolved")
        await two.answer(await two.until("item/commandExecution/requestApproval"), {"decision": "accept"})
        assert (await two.until("turn/completed"))["params"]["turn"]["status"] == "completed"
    assert (host.root / "work" / "made").exists()


async def test_clients_that_come_and_go_during_an_approval_leave_nothing_behind(host, url):
    host.script([call("exec_command", "c1", cmd="touch made")], [say("done")])
    async with host.listen(url) as server, server.connect() as stays:
        thread = await stays.thread(**ASK)
        await stays.call("turn/start", {"threadId": thread, "input": GO})
        request = await stays.until("item/commandExecution/requestApproval")
        files = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
        for _ in range(20):
            async with server.connect() as app:
                await app.call("thread/resume", {"threadId": thread})
                await app.until("item/commandExecution/requestApproval")
                app.socket.transport.abort()
        async with asyncio.timeout(10):
            # What works in the background meanwhile opens a few; each of the twenty would have left one.
            while len(list(Path(f"/proc/{server.process.pid}/fd").iterdir())) > files + 10:
                await stays.call("thread/loaded/list", {})
        await stays.answer(request, {"decision": "accept"})
        assert (await stays.until("turn/completed"))["params"]["turn"]["status"] == "completed"


async def test_two_clients_are_asked_and_the_first_answer_withdraws_the_other_question(host, url):
    host.script([call("exec_command", "c1", cmd="touch made")], [say("done")])
    async with host.listen(url) as server, server.connect() as one, server.connect() as two:
        thread = await one.thread(**ASK)
        await two.call("thread/resume", {"threadId": thread})
        await one.call("turn/start", {"threadId": thread, "input": GO})
        asked = await one.until("item/commandExecution/requestApproval")
        other = await two.until("item/commandExecution/requestApproval")
        await two.answer(other, {"decision": "decline"})
        for app, request in ((one, asked), (two, other)):
            resolved = await app.until("serverRequest/resolved")
            assert resolved["params"] == {"threadId": thread, "requestId": request["id"]}
            await app.until("turn/completed")
        await one.answer(asked, {"decision": "accept"})  # too late, and no harm
        assert (await one.call("thread/loaded/list", {}))["data"] == [thread]
    assert not (host.root / "work" / "made").exists()


async def test_a_server_killed_in_mid_turn_loses_nothing_that_was_shown_complete(host, url):
    host.script([say("first")], [say("before", "m2"), call("exec_command", "c1", cmd="echo on; sleep 60")])
    async with host.listen(url) as server:
        async with server.connect() as app:
            thread = await app.thread(sandbox="workspace-write")
            await app.turn(thread, "one")
            await app.call("turn/start", {"threadId": thread, "input": [{"type": "text", "text": "two"}]})
            await app.until("item/commandExecution/outputDelta", itemId="c1")
            server.process.kill()
            await server.process.wait()
        host.script([say("after")])
    async with host.listen(url) as server, server.connect() as app:
        found = await app.call("thread/resume", {"threadId": thread})
        assert found["thread"]["id"] == thread
        assert (await app.turn(thread, "three"))["turn"]["status"] == "completed"
    told = host.model.requests[-1].json["input"]
    texts = [part["text"] for item in told for part in item.get("content", [])]
    assert [text for text in texts if text in ("one", "first", "two", "before", "three")] == [
        "one",
        "first",
        "two",
        "before",
        "three",
    ]
    calls = {item["call_id"] for item in told if item["type"] == "function_call"}
    outputs = {item["call_id"] for item in told if item["type"] == "function_call_output"}
    assert calls == outputs == {"c1"}


async def test_of_two_servers_on_one_home_one_has_the_thread_until_it_ends(host):
    host.script([say("one")], [say("two")])
    async with host.start() as first, host.start() as second:
        thread = await first.thread()
        await first.turn(thread)
        mine = await second.thread()
        assert mine != thread
        with pytest.raises(Exception, match=f"{thread} already has an active writer") as caught:
            await second.call("thread/resume", {"threadId": thread})
        assert caught.value.error["code"] == -32600
        command = (host.program, "exec", "--skip-git-repo-check", "resume", thread, "go on")
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, env=host.env, cwd=host.root / "work", stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
        async with asyncio.timeout(30):
            _, told = await process.communicate()
        assert process.returncode != 0
        assert told.decode().count(f"thread {thread} already has an active writer: ") == 1
        first.process.stdin.close()
        assert await asyncio.wait_for(first.process.wait(), 10) == 0
        await second.call("thread/resume", {"threadId": thread})
        assert (await second.turn(thread))["turn"]["status"] == "completed"


async def test_a_client_that_goes_without_a_word_does_not_end_its_turn(host, url):
    host.script([call("exec_command", "c1", cmd="echo on; while [ ! -e go ]; do sleep 0.05; done")], [say("done")])
    async with host.listen(url) as server, server.connect() as watcher:
        async with server.connect() as app:
            thread = await app.thread(sandbox="workspace-write")
            await app.call("turn/start", {"threadId": thread, "input": GO})
            await app.until("item/commandExecution/outputDelta", itemId="c1")
            app.socket.transport.abort()
        found = await watcher.call("thread/resume", {"threadId": thread})
        assert found["thread"]["status"]["type"] == "active"
        (host.root / "work" / "go").touch()
        done = await watcher.until("turn/completed")
        assert done["params"]["turn"]["status"] == "completed"


async def test_sigterm_in_mid_turn_ends_commands_too(host, url):
    host.script([call("exec_command", "c1", cmd="echo on; sleep 98765")])
    async with host.listen(url) as server, server.connect() as app:
        thread = await app.thread(sandbox="workspace-write")
        await app.call("turn/start", {"threadId": thread, "input": GO})
        await app.until("item/commandExecution/outputDelta", itemId="c1")
        assert any("sleep 98765" in line for line in commands())
        server.process.terminate()
        assert await asyncio.wait_for(server.process.wait(), 10) == 0
        assert not any("sleep 98765" in line for line in commands())


def commands():
    """The command lines of all processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found


async def test_many_connections_that_say_nothing_hold_nobody_up(host, url):
    async with host.listen(url) as server:
        silent = [socket.socket(socket.AF_UNIX) for _ in range(50)]
        try:
            for one in silent:
                one.connect(server.address)
            async with server.connect() as app:
                assert await app.call("thread/loaded/list", {}) == EMPTY
        finally:
            for one in silent:
                one.close()

"""The client for plain code: several threads, Ctrl-C, forgotten clients, and handlers that call back."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from codex_plugin_sdk.testing.model import call, say
from codex_sdk import Codex, CodexSdkError, ConnectError, Handlers, TransportClosedError

LIMIT_S = 30


def test_one_client_serves_many_threads_at_once(place):
    place.model.play(*(place.model.answer(say(f"answer {n}", f"m{n}")) for n in range(24)))
    begin = threading.Barrier(8, timeout=LIMIT_S)
    with Codex(place.config) as codex:

        def work(_):
            begin.wait()
            thread = codex.thread_start()
            return [(thread.id, thread.run(f"{thread.id} {n}")) for n in range(3)]

        with ThreadPoolExecutor(8) as pool:
            found = [one for many in pool.map(work, range(8)) for one in many]
    assert sorted(result.final_response for _, result in found) == sorted(f"answer {n}" for n in range(24))
    for thread_id, result in found:
        assert result.items[0].text.startswith(thread_id)


def test_close_in_one_thread_ends_the_calls_of_others(fake):
    asked = threading.Event()
    fake.script(
        turn_start=[
            [
                {"result": {"turn": {"id": "u1"}}},
                {"ask": [1, "item/tool/call", {"threadId": "t1", "turnId": "u1", "callId": "k", "tool": "wait"}]},
            ]
        ]
    )
    never = threading.Event()

    def block(request):
        asked.set()
        never.wait(LIMIT_S)

    codex = Codex(fake.config, handlers=Handlers(dynamic_tool=block))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(codex.thread_start().run, "go")
        assert asked.wait(LIMIT_S)
        codex.close()
        with pytest.raises(TransportClosedError, match="this client was closed"):
            running.result(LIMIT_S)
    never.set()
    with pytest.raises(TransportClosedError):
        codex.models()
    codex.close()


def test_a_plain_handler_may_call_the_client(place):
    place.script([call("exec_command", "c1", cmd="touch made")])
    begun = []

    def stop(request):
        begun[0].interrupt()
        return "decline"

    with Codex(place.config, handlers=Handlers(command=stop)) as codex:
        thread = codex.thread_start(approval_mode="untrusted")
        begun.append(thread)
        assert thread.run("go").status == "interrupted"
    assert not (place.work / "made").exists()


def test_an_async_handler_that_would_wait_for_itself_is_told_so(place):
    place.script([call("exec_command", "c1", cmd="touch made")], [say("done", "m2")])

    async def ask(request):
        codex.models()

    with Codex(place.config, handlers=Handlers(command=ask)) as codex:
        result = codex.thread_start(approval_mode="untrusted").run("go")
    assert "this would wait for itself" in result.declined[0].reason


def test_what_cannot_be_opened_leaves_no_thread_behind(tmp_path):
    before = threading.active_count()
    with pytest.raises(ConnectError):
        Codex(codex_bin=str(tmp_path / "none"))
    assert threading.active_count() == before


def test_a_steer_without_a_turn_says_so(fake):
    with Codex(fake.config) as codex, pytest.raises(CodexSdkError, match="no turn of thread t1 was started here"):
        codex.thread_start().steer("x")


PROGRAM = """
import os, sys, threading
from codex_sdk import Codex, CodexConfig
codex = Codex(CodexConfig(launch_args_override=tuple(sys.argv[2:])))
thread = codex.thread_start()
print("pid", codex._codex._transport.pid, flush=True)
if sys.argv[1] == "forget":
    sys.exit()
try:
    thread.run("go")
except KeyboardInterrupt:
    print("interrupted", flush=True)
codex.close()
print("threads", threading.active_count(), flush=True)
"""


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_ctrl_c_ends_a_run_and_interrupts_its_turn(fake):
    note = {"note": ["turn/started", {"threadId": "t1", "turn": {"id": "u1", "status": "inProgress"}}]}
    fake.script(
        turn_start=[[{"result": {"turn": {"id": "u1"}}}, note, {"stderr": "x"}]], turn_interrupt=[[{"result": {}}]]
    )
    command = [sys.executable, "-c", PROGRAM, "run", *fake.config.launch_args_override]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        server = int(program.stdout.readline().split()[1])
        while "turn/start" not in [message.get("method") for message in fake.received()]:
            assert program.poll() is None
        program.send_signal(signal.SIGINT)
        output, _ = program.communicate(timeout=LIMIT_S)
    assert output.splitlines() == ["interrupted", "threads 1"]
    assert program.returncode == 0
    assert not is_running(server)
    sent = [m.get("method") for m in fake.received()]
    assert sent[-2:] == ["turn/start", "turn/interrupt"]


def test_a_forgotten_client_is_closed_when_the_program_ends(fake):
    command = [sys.executable, "-W", "error", "-c", PROGRAM, "forget", *fake.config.launch_args_override]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert not is_running(int(done.stdout.split()[1]))


def test_a_client_that_nobody_holds_any_more_is_closed(fake):
    codex = Codex(fake.config)
    pid = codex._codex._transport.pid
    del codex
    assert not is_running(pid)

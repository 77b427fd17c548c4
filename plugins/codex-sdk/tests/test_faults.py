"""Servers that are early, busy, odd, silent or dead. They are scripted, but their pipes are real."""

import logging
import os
import sys

import anyio
import attrs
import pytest

from codex_plugin_sdk.testing.model import call
from codex_sdk import (
    AsyncCodex,
    CodexConfig,
    CodexSdkError,
    ConnectError,
    DynamicTool,
    ElicitationAnswer,
    Handlers,
    InternalRpcError,
    InvalidParamsError,
    InvalidRequestError,
    JsonRpcError,
    MethodNotFoundError,
    ParseError,
    PermissionsGrant,
    RetryLimitExceededError,
    ServerBusyError,
    TransportClosedError,
    async_retry_on_overload,
    events,
    items,
)
from codex_sdk import router as routing

pytestmark = pytest.mark.anyio
LIMIT_S = 20

STARTED = {"note": ["turn/started", {"threadId": "t1", "turn": {"id": "u1", "status": "inProgress", "items": []}}]}
ANSWER = {"result": {"turn": {"id": "u1", "status": "inProgress", "items": []}}}
DONE = {"note": ["turn/completed", {"threadId": "t1", "turn": {"id": "u1", "status": "completed", "items": []}}]}


def message(text, turn="u1", thread="t1", id="m1"):
    item = {"type": "agentMessage", "id": id, "text": text}
    return {"note": ["item/completed", {"threadId": thread, "turnId": turn, "item": item}]}


def delta(text, turn="u1"):
    return {"note": ["item/agentMessage/delta", {"threadId": "t1", "turnId": turn, "itemId": "m1", "delta": text}]}


def asks(method, id=7, **params):
    return {"ask": [id, method, {"threadId": "t1", "turnId": "u1", "itemId": "c1", **params}]}


async def run(fake, handlers=None, **options):
    """A turn over the scripted server: its result and its events."""
    with anyio.fail_after(LIMIT_S):
        async with AsyncCodex(fake.config, handlers=handlers) as codex:
            turn = await (await codex.thread_start(**options)).turn("go")
            heard = [event async for event in turn.events()]
            return await turn.result(), heard


async def test_notifications_that_come_before_the_answer_are_delivered(fake):
    strange = message("of another turn", turn="u0", id="m0")
    fake.script(turn_start=[[STARTED, strange, message("early"), DONE, ANSWER]])
    result, heard = await run(fake)
    assert result.final_response == "early"
    assert [type(event) for event in heard] == [events.TurnStarted, events.ItemCompleted, events.TurnCompleted]


async def test_notifications_on_both_sides_of_the_answer_keep_their_order(fake):
    fake.script(turn_start=[[STARTED, delta("a"), ANSWER, delta("b"), message("ab"), DONE]])
    result, heard = await run(fake)
    assert "".join(event.delta for event in heard if isinstance(event, events.AgentMessageDelta)) == "ab"
    assert result.items == (items.AgentMessageItem(id="m1", text="ab"),)


async def test_a_turn_that_came_whole_before_its_server_died_is_not_lost(fake):
    fake.script(turn_start=[[ANSWER, message("last words"), DONE, {"exit": 3}]])
    result, heard = await run(fake)
    assert result.final_response == "last words"
    assert isinstance(heard[-1], events.TurnCompleted)


async def test_the_death_of_the_server_ends_all_that_waits(fake):
    fake.script(turn_start=[[ANSWER, STARTED]], model_list=[[]], account_read=[[{"stderr": "it hurts"}, {"exit": 7}]])
    ended = []

    async def expect(name, call, *args):
        with pytest.raises(TransportClosedError) as caught:
            await call(*args)
        ended.append(name)
        assert caught.value.exit_code == 7
        assert caught.value.stderr == "it hurts"
        assert "ended with exit code 7" in str(caught.value)

    with anyio.fail_after(LIMIT_S):
        async with AsyncCodex(fake.config) as codex:
            turn = await (await codex.thread_start()).turn("go")
            stream = turn.events()
            assert isinstance(await anext(stream), events.TurnStarted)
            async with codex.events() as everything, anyio.create_task_group() as tasks:
                tasks.start_soon(expect, "events", anext, stream)
                tasks.start_soon(expect, "everything", everything.take)
                tasks.start_soon(expect, "result", turn.result)
                tasks.start_soon(expect, "models", codex.models)
                tasks.start_soon(expect, "account", codex.account)
            await expect("afterwards", codex.models)
    assert sorted(ended) == ["account", "afterwards", "events", "everything", "models", "result"]


async def test_kill_of_our_server_in_mid_turn_is_told_and_the_thread_resumes(place):
    place.script([call("exec_command", "c1", cmd="sleep 60")])
    with anyio.fail_after(LIMIT_S):
        async with AsyncCodex(place.config) as codex:
            thread = await codex.thread_start(sandbox="workspace-write")
            turn = await thread.turn("go")
            async for event in turn.events():
                if isinstance(event, events.ItemStarted) and isinstance(event.item, items.CommandExecutionItem):
                    break
            os.kill(codex._transport.pid, 9)
            with pytest.raises(TransportClosedError, match="exit code -9"):
                await turn.result()
        async with AsyncCodex(place.config) as codex:
            assert (await codex.thread_resume(thread.id)).id == thread.id


async def test_garbage_does_no_harm(fake, caplog):
    garbage = [
        "not json\n",
        "\n\r\n",
        "\xff\xfe\x00\n",
        "[1, 2]\n",
        "{}\n",
        '{"id": 99, "result": {}}\n',
        '{"id": [1], "method": "x"}\n',
        '{"id": true}\n',
        '{"method": 5}\n',
        '{"method": "turn/completed", "params": ["u1"]}\n',
        '{"method": "turn/completed", "params": {"threadId": 5, "turn": "u1"}}\n',
        "[" * 100_000 + "\n",
    ]
    fake.script(turn_start=[[*({"raw": text} for text in garbage), ANSWER, message("fine"), DONE]])
    result, _ = await run(fake)
    assert result.final_response == "fine"
    assert "the server sent what is no message: b'not json'" in caplog.text


async def test_what_is_not_known_is_kept_as_it_is(fake):
    params = {"threadId": "t1", "turnId": "u1", "novel": [1]}
    odd = {"threadId": "t1", "turnId": "u1", "itemId": 5}
    item = {"type": "hologram", "id": "h1", "depth": 3}
    broken = {"type": "agentMessage", "id": "m9", "text": None}
    notes = [
        ["turn/danced", params],
        ["item/agentMessage/delta", odd],
        ["item/completed", {"threadId": "t1", "turnId": "u1", "item": item}],
        ["item/completed", {"threadId": "t1", "turnId": "u1", "item": broken}],
    ]
    fake.script(turn_start=[[ANSWER, *({"note": note} for note in notes), DONE]])
    result, heard = await run(fake)
    unknown = [(event.name, event.raw, event.turn_id) for event in heard if isinstance(event, events.UnknownEvent)]
    assert unknown == [("turn/danced", params, "u1"), ("item/agentMessage/delta", odd, "u1")]
    assert [(type(i), i.id, i.kind, i.raw) for i in result.items] == [
        (items.UnknownItem, "h1", "hologram", item),
        (items.UnknownItem, "m9", "agentMessage", broken),
    ]


async def test_what_nobody_reads_is_bounded_and_the_gap_is_told(fake, monkeypatch):
    monkeypatch.setattr(routing, "MAX_EVENTS", 4)
    deltas = [delta(str(number)) for number in range(10)]
    fake.script(turn_start=[[ANSWER, *deltas, message("whole"), DONE]])
    with anyio.fail_after(LIMIT_S):
        async with AsyncCodex(fake.config) as codex:
            turn = await (await codex.thread_start()).turn("go")
            result = await turn.result()
            heard = [event async for event in turn.events()]
    assert result.final_response == "whole"
    assert [getattr(event, "delta", None) for event in heard[:4]] == ["0", "1", "2", "3"]
    assert [event.count for event in heard if isinstance(event, events.EventsDropped)] == [6]
    assert [type(event) for event in heard[-2:]] == [events.ItemCompleted, events.TurnCompleted]


async def test_the_end_of_a_turn_is_never_dropped(fake, monkeypatch):
    monkeypatch.setattr(routing, "MAX_EVENTS", 4)
    fake.script(turn_start=[[ANSWER, *(message(str(n), id=f"m{n}") for n in range(40)), DONE]])
    with anyio.fail_after(LIMIT_S):
        async with AsyncCodex(fake.config) as codex:
            turn = await (await codex.thread_start()).turn("go")
            assert len((await turn.result()).items) == 40
            heard = [event async for event in turn.events()]
    assert isinstance(heard[-1], events.TurnCompleted)
    kept = [event for event in heard if not isinstance(event, events.EventsDropped)]
    dropped = sum(event.count for event in heard if isinstance(event, events.EventsDropped))
    assert len(heard) <= 10
    assert len(kept) + dropped == 41


BUSY = {"code": -32001, "message": "Server overloaded; retry later.", "data": {"retryAfterMs": 30}}


async def test_overload_is_tried_again_when_the_server_says(fake, monkeypatch):
    waits = []

    async def record(seconds):
        waits.append(seconds)

    fake.script(turn_start=[[{"error": BUSY}], [{"error": BUSY}], [ANSWER, message("at last"), DONE]])
    with anyio.fail_after(LIMIT_S):
        async with AsyncCodex(fake.config) as codex:
            thread = await codex.thread_start()
            with monkeypatch.context() as patched:
                patched.setattr("codex_sdk.retry.anyio.sleep", record)
                result = await async_retry_on_overload(lambda: thread.run("go"))
    assert result.final_response == "at last"
    assert len(waits) == 2
    assert all(0.03 <= wait <= 0.036 for wait in waits)


async def test_overload_that_stays_is_an_error_with_the_last_refusal_as_its_cause(fake):
    fake.script(turn_start=[[{"error": {"code": -32001, "message": "busy"}}]])
    with anyio.fail_after(LIMIT_S):
        async with AsyncCodex(fake.config) as codex:
            thread = await codex.thread_start()
            with pytest.raises(RetryLimitExceededError, match="still refused at the last attempt: busy") as caught:
                await async_retry_on_overload(lambda: thread.run("go"), max_attempts=3, initial_delay_s=0.001)
    assert type(caught.value.__cause__) is ServerBusyError
    assert len([m for m in fake.received() if m["method"] == "turn/start"]) == 3


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": -32700, "message": "m"}, ParseError),
        ({"code": -32600, "message": "m"}, InvalidRequestError),
        ({"code": -32601, "message": "m"}, MethodNotFoundError),
        ({"code": -32602, "message": "m", "data": {"a": 1}}, InvalidParamsError),
        ({"code": -32603, "message": "m"}, InternalRpcError),
        ({"code": -32001, "message": "m"}, ServerBusyError),
        ({"code": 5, "message": "m"}, JsonRpcError),
        ("odd", InternalRpcError),
        ({}, InternalRpcError),
    ],
)
async def test_errors_of_the_server_are_told_apart(fake, error, kind):
    fake.script(model_list=[[{"error": error}]])
    with anyio.fail_after(LIMIT_S):
        async with AsyncCodex(fake.config) as codex:
            with pytest.raises(kind) as caught:
                await codex.models()
    assert type(caught.value) is kind
    assert isinstance(caught.value, CodexSdkError)
    assert caught.value.method == "model/list"
    if isinstance(error, dict):
        assert caught.value.data == error.get("data")


@pytest.mark.parametrize("found", [None, 5, {}, {"thread": {}}, {"thread": {"id": 5}}])
async def test_an_answer_that_makes_no_sense_is_an_error_of_ours(fake, found):
    fake.script(**{"thread/start": [[{"result": found}]]})
    with anyio.fail_after(LIMIT_S):
        async with AsyncCodex(fake.config) as codex:
            with pytest.raises(CodexSdkError, match="an answer of the server"):
                await codex.thread_start()


# -- questions ---------------------------------------------------------------------------------------

QUESTIONS = {
    "questions": [{"id": "q1", "header": "H", "question": "Which?", "options": [{"label": "a", "description": "A"}]}]
}
PERMISSIONS = {"permissions": {"network": {"enabled": True}}, "cwd": "/x"}
TOOL = {"tool": "add", "callId": "k1", "arguments": {"a": 1, "b": 2}}
ELICITATION = {"mode": "form", "message": "Name?", "serverName": "s", "requestedSchema": {"type": "object"}}


def answers(fake):
    """The answers of the client to questions, by id."""
    return {m["id"]: m.get("result", m.get("error")) for m in fake.received() if "method" not in m}


async def test_all_kinds_of_questions_are_answered_by_their_handlers(fake):
    async def grant(request):
        return PermissionsGrant(permissions=request.permissions, scope="session")

    handlers = Handlers(
        permissions=grant,
        user_input=lambda request: {request.questions[0].id: request.questions[0].options[0].label},
        dynamic_tool=lambda request: str(request.arguments["a"] + request.arguments["b"]),
        elicitation=lambda request: ElicitationAnswer(action="accept", content={"name": request.message}),
        other=lambda method, params: {"method": method, "echo": params["threadId"]},
    )
    fake.script(
        turn_start=[[ANSWER, asks("item/permissions/requestApproval", 1, **PERMISSIONS)]],
        answer=[
            [asks("item/tool/requestUserInput", "two", **QUESTIONS)],
            [asks("item/tool/call", 3, **TOOL)],
            [asks("mcpServer/elicitation/request", 4, **ELICITATION)],
            [asks("currentTime/read", 0)],
            [DONE],
        ],
    )
    tool = DynamicTool(name="add", description="Add.", input_schema={"type": "object"})
    result, _ = await run(fake, handlers, dynamic_tools=[tool])
    assert answers(fake) == {
        1: {"permissions": {"network": {"enabled": True}}, "scope": "session"},
        "two": {"answers": {"q1": {"answers": ["a"]}}},
        3: {"contentItems": [{"type": "inputText", "text": "3"}], "success": True},
        4: {"action": "accept", "content": {"name": "Name?"}},
        0: {"method": "currentTime/read", "echo": "t1"},
    }
    (started,) = [m["params"] for m in fake.received() if m.get("method") == "thread/start"]
    assert started["dynamicTools"] == [
        {"type": "function", "name": "add", "description": "Add.", "inputSchema": {"type": "object"}}
    ]
    assert result.declined == ()


async def test_all_kinds_of_questions_are_declined_without_handlers(fake):
    fake.script(
        turn_start=[[asks("item/permissions/requestApproval", 1, **PERMISSIONS), ANSWER]],
        answer=[
            [asks("item/tool/requestUserInput", 2, **QUESTIONS)],
            [asks("item/tool/call", 3, **TOOL)],
            [asks("mcpServer/elicitation/request", 4, **ELICITATION)],
            [asks("currentTime/read", 5)],
            [asks("item/fileChange/requestApproval", 6)],
            [asks("item/commandExecution/requestApproval", 8, itemId=None)],
            [DONE],
        ],
    )
    result, _ = await run(fake)
    found = answers(fake)
    assert found[1] == {"permissions": {}, "scope": "turn"}
    assert found[2] == {"answers": {}}
    assert found[3]["success"] is False
    assert "Handlers(dynamic_tool=…)" in found[3]["contentItems"][0]["text"]
    assert found[4] == {"action": "decline", "content": None}
    assert found[5] == {"code": -32601, "message": "this client does not answer currentTime/read"}
    assert found[6] == found[8] == {"decision": "decline"}
    kinds = [type(declined.request).__name__ for declined in result.declined]
    assert kinds == [
        "PermissionsApproval",
        "UserInputRequest",
        "DynamicToolCall",
        "ElicitationRequest",
        "FileChangeApproval",
    ]


async def test_a_question_that_is_settled_elsewhere_ends_its_handler(fake):
    begun, cancelled = anyio.Event(), anyio.Event()

    async def never(request):
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    resolved = {"note": ["serverRequest/resolved", {"threadId": "t1", "requestId": 7}]}
    fake.script(
        turn_start=[[ANSWER, asks("item/commandExecution/requestApproval")]],
        model_list=[[resolved, {"result": {"data": []}}, DONE]],
    )
    with anyio.fail_after(LIMIT_S):
        async with AsyncCodex(fake.config, handlers=Handlers(command=never)) as codex:
            turn = await (await codex.thread_start()).turn("go")
            await begun.wait()
            await codex.models()
            await cancelled.wait()
            await turn.result()
    assert answers(fake) == {}


# -- cancelling and closing --------------------------------------------------------------------------


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_the_process_ends_when_the_task_is_cancelled(place):
    with anyio.fail_after(LIMIT_S), anyio.CancelScope() as scope:
        async with AsyncCodex(place.config) as codex:
            pid = codex._transport.pid
            assert is_running(pid)
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert not is_running(pid)


async def test_the_exception_of_the_block_leaves_it_as_it_is(fake):
    codex = AsyncCodex(fake.config)

    async def fail():
        async with codex:
            raise KeyError("mine")

    with anyio.fail_after(LIMIT_S), pytest.raises(KeyError, match="mine"):
        await fail()
    assert not is_running(codex._transport.pid)


async def test_a_server_that_does_not_want_to_end_is_killed(fake, monkeypatch):
    monkeypatch.setattr("codex_sdk.transport.EXIT_S", 0.2)
    code = (
        "import json, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "id = json.loads(sys.stdin.readline())['id']\n"
        "print(json.dumps({'id': id, 'result': {}}), flush=True)\n"
        "time.sleep(60)\n"
    )
    with anyio.fail_after(LIMIT_S):
        async with AsyncCodex(CodexConfig(launch_args_override=(sys.executable, "-c", code))) as codex:
            process = codex._transport._process
    assert process.returncode == -9


async def test_a_cancelled_run_interrupts_its_turn(fake):
    fake.script(turn_start=[[ANSWER, STARTED]], turn_interrupt=[[{"result": {}}]])
    with anyio.fail_after(LIMIT_S):
        async with AsyncCodex(fake.config) as codex:
            thread = await codex.thread_start()
            async with thread.events() as heard, anyio.create_task_group() as tasks:
                tasks.start_soon(thread.run, "go")
                await heard.take()
                tasks.cancel_scope.cancel()
    sent = [m["params"] for m in fake.received() if m.get("method") == "turn/interrupt"]
    assert sent == [{"threadId": "t1", "turnId": "u1"}]


async def test_a_caller_that_leaves_before_the_answer_waits_for_it_to_interrupt_its_turn(fake, tmp_path):
    os.mkfifo(tmp_path / "gate")
    fake.script(turn_start=[[STARTED, {"wait_for": str(tmp_path / "gate")}, ANSWER]], turn_interrupt=[[{"result": {}}]])
    with anyio.fail_after(LIMIT_S):
        async with AsyncCodex(fake.config) as codex:
            thread = await codex.thread_start()
            async with codex.events() as heard, anyio.create_task_group() as tasks:
                tasks.start_soon(thread.run, "go")
                await heard.take()
                tasks.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await anyio.Path(tmp_path / "gate").write_text("now")
            assert [m["method"] for m in fake.received()][-2:] == ["turn/start", "turn/interrupt"]
            assert codex._connection._pending == {}
            assert codex._watches == set()


async def test_an_answer_that_comes_when_its_caller_has_long_left_interrupts_the_turn(fake, monkeypatch):
    monkeypatch.setattr("codex_sdk.rpc.UNDO_S", 0.01)
    fake.script(
        turn_start=[[STARTED]],
        model_list=[[{"raw": '{"id": 3, "result": {"turn": {"id": "u1"}}}\n'}, {"result": {"data": []}}]],
        turn_interrupt=[[{"note": ["interrupted", {}]}]],
    )
    with anyio.fail_after(LIMIT_S):
        async with AsyncCodex(fake.config) as codex:
            thread = await codex.thread_start()
            async with codex.events() as heard:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(thread.turn, "go")
                    await heard.take()
                    tasks.cancel_scope.cancel()
                await codex.models()  # the late answer comes with it
                assert [event.name for event in await heard.take()] == ["interrupted"]
            assert codex._connection._pending == {}
            assert codex._watches == set()


async def test_close_ends_all_calls(fake):
    fake.script(model_list=[[]])
    with anyio.fail_after(LIMIT_S):
        async with AsyncCodex(fake.config) as codex, anyio.create_task_group() as tasks:

            async def ask():
                with pytest.raises(TransportClosedError, match="this client was closed"):
                    await codex.models()

            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            await codex.close()
        with pytest.raises(TransportClosedError):
            await codex.models()


async def test_a_server_that_cannot_be_had_is_told_plainly(tmp_path, fake):
    with pytest.raises(CodexSdkError, match="this client is not open"):
        await AsyncCodex().models()
    for config, text in {
        CodexConfig(codex_bin="no-such-codex"): "no program no-such-codex was found on PATH: pip install codex-agent",
        CodexConfig(codex_bin=tmp_path / "none"): "was found there, or it may not be run",
        CodexConfig(launch_args_override=()): "launch_args_override is empty",
        CodexConfig(launch_args_override=(str(tmp_path / "none"),)): "cannot start .*none: No such file",
        CodexConfig(
            address=f"unix://{tmp_path}/none.sock"
        ): "cannot connect to unix://.*No such file.*is a server running",
        CodexConfig(address="unix://"): "needs the path of a socket",
        CodexConfig(address="ws://127.0.0.1:1"): "cannot connect to ws://127.0.0.1:1",
        CodexConfig(address="wss://127.0.0.1:1"): "TLS is not spoken here",
        CodexConfig(address="http://127.0.0.1:1"): "is no address",
        CodexConfig(
            launch_args_override=(sys.executable, "-c", "import sys; sys.exit('no home')")
        ): "exit code 1\nno home",
        attrs.evolve(
            fake.config, launch_args_override=(sys.executable, "-c", "input(); input()"), start_timeout_s=0.3
        ): "handshake within 0.3 s",
    }.items():
        with anyio.fail_after(LIMIT_S), pytest.raises(ConnectError, match=text):
            async with AsyncCodex(config):
                raise AssertionError


async def test_a_token_is_never_shown(caplog):
    caplog.set_level(logging.DEBUG)
    assert "secret" not in repr(CodexConfig(token="secret"))

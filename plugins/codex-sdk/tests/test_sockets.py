"""A server that runs already, over Unix sockets and ports."""

import anyio
import pytest

from codex_plugin_sdk.testing.model import call, say
from codex_sdk import AsyncCodex, Codex, ConnectError, Handlers, TransportClosedError, events, items

pytestmark = pytest.mark.anyio
LIMIT_S = 30


@pytest.mark.parametrize("kind", ["unix", "ws"])
async def test_quick_start_over_a_socket(either, kind):
    if kind == "unix" and not either.is_ours:
        pytest.skip("it does not tell when its socket is there")
    either.script([call("exec_command", "c1", cmd="echo hi")], [say("three bullets", "m1")])
    url = f"unix://{either.root}/s.sock" if kind == "unix" else "ws://127.0.0.1:0"
    with anyio.fail_after(LIMIT_S):
        async with either.listen(url) as (address, _):
            async with AsyncCodex(address=address) as codex:
                thread = await codex.thread_start(cwd=either.work, sandbox="workspace-write")
                turn = await thread.turn("go")
                heard = [event async for event in turn.events()]
                result = await turn.result()
            assert isinstance(heard[-1], events.TurnCompleted)
            assert result.final_response == "three bullets"


async def test_plain_code_over_a_socket_with_messages_of_megabytes(place):
    text = "x" * 900_000
    place.model.play(place.model.huge_event(3_000_000))

    def work(address):
        with Codex(address=address) as codex:
            return codex.thread_start(cwd=str(place.work)).run(text)

    with anyio.fail_after(LIMIT_S):
        async with place.listen(f"unix://{place.root}/s.sock") as (address, _):
            result = await anyio.to_thread.run_sync(work, address)
    assert result.items[0].text == text
    assert len(result.final_response) == 3_000_000


async def test_a_token_is_asked_for_and_taken(either):
    either.script([say("hi", "m1")])
    file = either.root / "token"
    file.write_text("s3cret-of-enough-characters\n")
    with anyio.fail_after(LIMIT_S):
        async with either.listen("ws://127.0.0.1:0", "--ws-auth=capability-token", f"--ws-token-file={file}") as (
            address,
            _,
        ):
            with pytest.raises(ConnectError, match=r"refused the connection with 401.*give token=") as caught:
                async with AsyncCodex(address=address):
                    raise AssertionError
            with pytest.raises(ConnectError, match="401") as caught:
                async with AsyncCodex(address=address, token="wrong"):
                    raise AssertionError
            assert "wrong" not in str(caught.value)
            async with AsyncCodex(address=address, token="s3cret-of-enough-characters") as codex:
                assert (await (await codex.thread_start(cwd=either.work)).run("go")).final_response == "hi"


async def test_a_client_that_leaves_lets_the_turn_go_on_and_the_next_one_takes_it_up(place):
    place.script([call("exec_command", "c1", cmd="touch made")], [say("done", "m2")])
    asked, kept = anyio.Event(), []

    async def wait(request):
        asked.set()
        await anyio.sleep_forever()

    with anyio.fail_after(LIMIT_S):
        async with place.listen(f"unix://{place.root}/s.sock") as (address, _):
            async with AsyncCodex(address=address, handlers=Handlers(command=wait)) as one:
                thread = await one.thread_start(cwd=place.work, approval_mode="untrusted", sandbox="workspace-write")
                turn = await thread.turn("go")
                await asked.wait()
            with pytest.raises(TransportClosedError, match="this client was closed"):
                await turn.result()

            def accept(request):
                kept.append(request.turn_id)
                return "accept"

            async with AsyncCodex(address=address, handlers=Handlers(command=accept)) as two:
                async with two.events() as heard:
                    await two.thread_resume(thread.id)
                    async for event in heard:
                        if isinstance(event, events.TurnCompleted):
                            break
                assert event.turn.id == turn.id
                read = await (await two.thread_resume(thread.id)).read(include_turns=True)
    assert kept == [turn.id]
    assert [type(item) for item in read.turns[-1].items][-1] is items.AgentMessageItem


async def test_the_end_of_a_server_on_a_socket_ends_all_that_waits(place):
    place.script([call("exec_command", "c1", cmd="sleep 60")])
    with anyio.fail_after(LIMIT_S):
        async with place.listen("ws://127.0.0.1:0") as (address, process), AsyncCodex(address=address) as codex:
            thread = await codex.thread_start(cwd=place.work, sandbox="workspace-write")
            turn = await thread.turn("go")
            async for event in turn.events():
                if isinstance(event, events.ItemStarted) and isinstance(event.item, items.CommandExecutionItem):
                    break
            process.kill()
            with pytest.raises(TransportClosedError, match=r"the connection to ws://127\.0\.0\.1:.* ended"):
                await turn.result()


async def test_what_does_not_speak_web_sockets_is_told(tmp_path):
    async def answer(stream):
        async with stream:
            await stream.receive()
            await stream.send(b"SSH-2.0-nothing\r\n\r\n")

    with anyio.fail_after(LIMIT_S):
        listener = await anyio.create_unix_listener(tmp_path / "s.sock")
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, answer)
            with pytest.raises(ConnectError, match="does not speak web sockets"):
                async with AsyncCodex(address=f"unix://{tmp_path}/s.sock"):
                    raise AssertionError
            tasks.cancel_scope.cancel()

"""Playing: order, deltas, faults, fit, strict mode."""

from __future__ import annotations

import json

import anyio
import pytest

from codex_plugin_sdk import (
    AuthenticationFailed,
    ContentPart,
    ContextWindowExceeded,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    HistoryEntry,
    ModelRequest,
    OutputItemDone,
    OutputItemStarted,
    ProviderError,
    ProviderInfo,
    ProviderSetup,
    RateLimited,
    Reasoning,
    ReasoningTextDelta,
    ResponseCompleted,
    ResponseStarted,
    StreamClosed,
    TextDelta,
    TokenUsage,
    ToolInputTextDelta,
    UserError,
    text_message,
)
from codex_provider_replay import plugin
from codex_provider_replay.comparison import stable
from codex_provider_replay.provider import ReplayProvider, open_provider
from codex_provider_replay.script import Answer, Fault, Script

USAGE = TokenUsage(input_tokens=5, output_tokens=2, total_tokens=7)
CALL = FunctionCall(call_id="call_1", name="exec_command", arguments="{}")
SHELL_OUTPUT = (
    "Chunk ID: {id}\nWall time: {time} seconds\nProcess exited with code 0\nOriginal token count: 1\nOutput:\n{text}"
)


def request(*items, **changes):
    base = ModelRequest(
        model="m",
        instructions="i",
        input=tuple(HistoryEntry.of(item) for item in items),
        tools=(),
        thread_id="t",
        turn_id="u",
    )
    return base.replace(**changes)


def player(*answers, strict=False):
    return ReplayProvider(Script(path="/s.json", answers=answers), strict=strict)


def answer(*items, **fields):
    return Answer(where="responses[0]", items=items, **fields)


async def play(provider, given=None):
    return [event async for batch in provider.stream(given or request()) for event in batch]


@pytest.mark.anyio
async def test_items_are_streamed_and_then_complete():
    long = "x" * 30
    items = (
        Reasoning(summary=("so",), encrypted_content="e"),
        text_message("assistant", long),
        CustomToolCall(call_id="call_2", name="apply_patch", input="***", id="ctc"),
        CALL,
    )
    events = await play(player(answer(*items, usage=USAGE)))
    reasoning = items[0].replace(id="rs_replay_1_1")
    message = items[1].replace(id="msg_replay_1_2")
    assert events == [
        ResponseStarted(response_id="resp_replay_1"),
        OutputItemStarted(item=Reasoning(id="rs_replay_1_1")),
        ReasoningTextDelta(item_id="rs_replay_1_1", delta="so"),
        OutputItemDone(item=reasoning),
        OutputItemStarted(item=message.replace(content=())),
        TextDelta(item_id="msg_replay_1_2", delta="x" * 24),
        TextDelta(item_id="msg_replay_1_2", delta="x" * 6),
        OutputItemDone(item=message),
        OutputItemStarted(item=items[2].replace(input="")),
        ToolInputTextDelta(item_id="ctc", call_id="call_2", delta="***"),
        OutputItemDone(item=items[2]),
        OutputItemDone(item=CALL),
        ResponseCompleted(response_id="resp_replay_1", usage=USAGE),
    ]


@pytest.mark.anyio
@pytest.mark.parametrize("fields", [{"want_deltas": False}, {}])
async def test_deltas_are_left_out_when_unwanted_or_switched_off(fields):
    provider = player(answer(text_message("assistant", "hi", id="m"), deltas=bool(fields)))
    kinds = [type(event) for event in await play(provider, request(**fields))]
    assert kinds == [ResponseStarted, OutputItemDone, ResponseCompleted]


@pytest.mark.anyio
async def test_events_of_a_script_come_as_they_are_without_unwanted_deltas():
    events = (
        ResponseStarted(response_id="r"),
        TextDelta(item_id="m", delta="hi"),
        ResponseCompleted(response_id="r", usage=None),
    )
    assert await play(player(answer(events=events))) == list(events)
    assert await play(player(answer(events=events)), request(want_deltas=False)) == [events[0], events[2]]


@pytest.mark.anyio
async def test_two_players_say_the_same():
    script = (answer(text_message("assistant", "a")), answer(text_message("assistant", "b")))
    first, second = player(*script), player(*script)
    assert [await play(first), await play(first)] == [await play(second), await play(second)]


@pytest.mark.anyio
async def test_end_of_the_script_is_a_final_error_that_says_so():
    provider = player(answer(CALL))
    await play(provider)
    with pytest.raises(ProviderError, match=r"/s\.json is at its end: it holds 1 answers") as caught:
        await play(provider)
    assert not caught.value.retryable
    assert "strict" in caught.value.hint


@pytest.mark.anyio
@pytest.mark.parametrize(("asked", "offered"), [("compact", "turn"), ("turn", "compact")])
async def test_answer_of_another_kind_does_not_fit(asked, offered):
    with pytest.raises(ProviderError, match="does not fit") as caught:
        await play(player(answer(CALL, kind=offered)), request(kind=asked))
    assert "responses[0]" in caught.value.message


@pytest.mark.anyio
async def test_summary_is_played_for_a_summary():
    provider = player(answer(text_message("assistant", "so far"), kind="compact"))
    events = await play(provider, request(kind="compact", want_deltas=False))
    assert events[1].item.text == "so far"


@pytest.mark.anyio
async def test_cut_comes_after_the_items_and_a_retry_takes_the_next_answer():
    provider = player(answer(CALL, fault=Fault(kind="cut")), answer(CALL))
    stream = provider.stream(request())
    seen = [*await anext(stream), *await anext(stream)]
    with pytest.raises(StreamClosed) as caught:
        await anext(stream)
    assert caught.value.retryable
    assert seen == [ResponseStarted(response_id="resp_replay_1"), OutputItemDone(item=CALL)]
    assert (await play(provider))[-1] == ResponseCompleted(response_id="resp_replay_2", usage=None)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fault", "kind", "retryable"),
    [
        (Fault(kind="status", status=429, retry_after_s=2.0), RateLimited, True),
        (Fault(kind="status", status=401), AuthenticationFailed, False),
        (Fault(kind="status", status=403), AuthenticationFailed, False),
        (Fault(kind="status", status=500), ProviderError, True),
        (Fault(kind="status", status=408), ProviderError, True),
        (Fault(kind="status", status=400), ProviderError, False),
        (Fault(kind="failed"), ProviderError, False),
        (Fault(kind="context_window"), ContextWindowExceeded, False),
    ],
)
async def test_fault_is_the_error_that_a_server_would_cause(fault, kind, retryable):
    with pytest.raises(ProviderError) as caught:
        await play(player(answer(fault=fault)))
    assert type(caught.value) is kind
    assert (caught.value.retryable, caught.value.status) == (retryable, fault.status)
    assert caught.value.retry_after_s == fault.retry_after_s


@pytest.mark.anyio
async def test_fault_says_what_the_script_says():
    with pytest.raises(ProviderError, match="the bank is closed"):
        await play(player(answer(fault=Fault(kind="failed", message="the bank is closed"))))


@pytest.mark.anyio
async def test_stall_lasts_until_it_is_cancelled():
    provider = player(answer(fault=Fault(kind="stall")))
    stream = provider.stream(request())
    assert await anext(stream) == (ResponseStarted(response_id="resp_replay_1"),)
    with anyio.move_on_after(0.01) as scope:
        await anext(stream)
    assert scope.cancelled_caught
    await stream.aclose()


# -- strict mode -----------------------------------------------------------------------------------------


def shell(id, time, text="a.txt\n"):
    return SHELL_OUTPUT.format(id=id, time=time, text=text)


@pytest.mark.anyio
async def test_strict_mode_passes_over_chunk_id_and_wall_time():
    recorded = {"call_1": shell("ed7b70", "0.0001"), "call_2": "Wall time: 0.1 seconds\nOutput:\nok"}
    given = request(
        FunctionCallOutput(call_id="call_1", output=shell("000000", "12.5")),
        CustomToolCallOutput(call_id="call_2", output="Wall time: 3.0 seconds\nOutput:\nok"),
    )
    assert await play(player(answer(CALL, outputs=recorded), strict=True), given)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("now", "words"),
    [
        (shell("e", "1", "b.txt\n"), "line 6: recorded 'a.txt', now 'b.txt'"),
        (shell("e", "1", "a.txt\nb.txt\n"), "has 7 lines, recorded were 6"),
        (shell("e", "1").replace("code 0", "code 1"), "line 3"),
        (None, "no output of call call_1"),
        ((ContentPart(type="input_text", text="x"), ContentPart(type="input_image", image_url="u")), "line 1"),
    ],
)
async def test_strict_mode_reports_the_first_divergence(now, words):
    items = () if now is None else (FunctionCallOutput(call_id="call_1", output=now),)
    provider = player(answer(CALL, outputs={"call_1": shell("a", "0")}), strict=True)
    with pytest.raises(ProviderError, match="diverges before answer 1") as caught:
        await play(provider, request(*items))
    assert words in caught.value.message
    assert "responses[0]" in caught.value.message


@pytest.mark.anyio
async def test_without_strict_mode_other_outputs_are_fine():
    provider = player(answer(CALL, outputs={"call_1": "recorded"}))
    assert await play(provider, request(FunctionCallOutput(call_id="call_1", output="other")))


def test_words_of_the_command_itself_are_compared():
    assert stable(shell("a", "1", "Wall time: 2 seconds\n")) != stable(shell("a", "1", "Wall time: 3 seconds\n"))
    assert stable("Process running with session ID 7\nOutput:\n") == stable(
        "Process running with session ID 9\nOutput:\n"
    )


# -- set-up ----------------------------------------------------------------------------------------------


def setup(environ=None, options=None, **config):
    info = ProviderInfo(id="replay", options=options or {})
    return ProviderSetup(info=info, environ=environ or {}, thread_id="t", options=config)


def script_file(folder, **top):
    path = folder / "s.json"
    path.write_text(json.dumps({"version": 1, "responses": [{"items": [], "outputs": {"c": "x"}}], **top}))
    return path


@pytest.mark.anyio
@pytest.mark.parametrize("way", ["option", "variable", "home"])
async def test_script_is_found_by_option_variable_or_in_the_home(tmp_path, monkeypatch, way):
    path = script_file(tmp_path)
    monkeypatch.chdir("/")
    given = {
        "option": lambda: setup(options={"script": str(path)}),
        "variable": lambda: setup(environ={"CODEX_REPLAY_SCRIPT": str(path)}),
        "home": lambda: setup(options={"script": "s.json"}, codex_home=str(tmp_path)),
    }[way]()
    assert [type(event) for event in await play(open_provider(given))] == [ResponseStarted, ResponseCompleted]


@pytest.mark.anyio
async def test_variable_is_relative_to_the_working_folder(tmp_path, monkeypatch):
    script_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    given = setup(environ={"CODEX_REPLAY_SCRIPT": "s.json"}, codex_home="/nowhere")
    assert len(await play(open_provider(given))) == 2


def test_script_that_is_no_path_is_refused():
    with pytest.raises(UserError, match="script` of model provider `replay` must be a path, not 7"):
        open_provider(setup(options={"script": 7}, environ={"CODEX_REPLAY_SCRIPT": "s.json"}))


def test_nothing_to_play_is_told_with_both_cures():
    with pytest.raises(UserError, match="nothing to play") as caught:
        open_provider(setup())
    assert "CODEX_REPLAY_SCRIPT" in caught.value.hint
    assert "[model_providers.replay]" in caught.value.hint


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("environ", "options", "top"),
    [
        ({"CODEX_REPLAY_STRICT": "1"}, {}, {}),
        ({}, {"strict": True}, {}),
        ({}, {}, {"strict": True}),
    ],
)
async def test_strict_mode_can_be_asked_for_in_three_places(tmp_path, environ, options, top):
    path = script_file(tmp_path, **top)
    provider = open_provider(setup(environ=environ, options={"script": str(path), **options}))
    with pytest.raises(ProviderError, match="diverges"):
        await play(provider)


def test_strict_that_is_no_boolean_is_refused(tmp_path):
    with pytest.raises(UserError, match="strict` of model provider `replay` must be true or false"):
        open_provider(setup(options={"script": str(script_file(tmp_path)), "strict": "no"}))


def test_option_switches_strict_mode_of_a_script_off(tmp_path):
    path = script_file(tmp_path, strict=True)
    assert open_provider(setup(options={"script": str(path), "strict": False}))._strict is False


def test_plugin_offers_the_wire_api_and_the_built_in_provider():
    (spec,) = plugin.codex_model_providers()
    assert (spec.name, spec.wire_apis, spec.builtin_ids) == ("replay", ("replay",), ("replay",))
    assert spec.builtin("replay") == ProviderInfo(id="replay", name="Replay", wire_api="replay")


@pytest.mark.anyio
async def test_model_info_is_what_the_script_says(tmp_path):
    path = script_file(tmp_path, model_info={"context_window": 4000})
    (spec,) = plugin.codex_model_providers()
    provider = spec.factory(setup(options={"script": str(path)}))
    assert provider.model_info("any").context_window == 4000
    await provider.aclose()
    await provider.aclose()

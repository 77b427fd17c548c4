"""Rollouts become scripts: Codex's lines by hand, our own from a real thread."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from codex_plugin_sdk import (
    FunctionCall,
    ModelInfo,
    ModelProviderSpec,
    ProviderInfo,
    Reasoning,
    RolloutLine,
    StoreSpec,
    TokenUsage,
    ToolDefinition,
    ToolOutput,
    ToolSpec,
    TurnCompleted,
    TurnFailed,
    text_message,
)
from codex_plugin_sdk.testing.harness import open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, call, say, think
from codex_provider_replay.files import load
from codex_provider_replay.provider import ReplayProvider
from codex_provider_replay.script import Answer, Fault, ScriptError

USAGE = {"input_tokens": 100, "cached_input_tokens": 10, "output_tokens": 20, "total_tokens": 120}
COUNTED = TokenUsage(input_tokens=100, cached_input_tokens=10, output_tokens=20, total_tokens=120)
RECORDED = Path(__file__).parents[3] / ".." / "shared" / "protocol" / "rollout_lines.json"


def item(type, **body):
    return "response_item", {"type": type, **body}


def message(role, text, **body):
    kind = "output_text" if role == "assistant" else "input_text"
    return item("message", role=role, content=[{"type": kind, "text": text}], **body)


def shell(call_id):
    return item("function_call", name="exec_command", arguments="{}", call_id=call_id)


def output(call_id, text):
    return item("function_call_output", call_id=call_id, output=text)


def event(type, **body):
    return "event_msg", {"type": type, **body}


def count(usage=USAGE):
    return event("token_count", info={"total_token_usage": usage, "last_token_usage": usage})


def record(usage=USAGE):
    return "token_usage_record", {"response_id": "resp_1", "usage": usage}


STARTED = event("task_started", turn_id="t", model_context_window=258400)
META = ("session_meta", {"id": "x"})


def rollout(tmp_path, *entries):
    path = tmp_path / "rollout.jsonl"
    lines = [{"timestamp": "2026-11-21T02:54:55.638Z", "type": type, "payload": body} for type, body in entries]
    path.write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    return str(path)


def answers(tmp_path, *entries):
    return load(rollout(tmp_path, META, STARTED, *entries)).answers


def called(call_id, **extra):
    return FunctionCall(call_id=call_id, name="exec_command", arguments="{}", extra=extra)


def test_codex_session_is_grouped_by_usage_records(tmp_path):
    found = answers(
        tmp_path,
        message("developer", "rules"),
        message("user", "Change the file"),
        item("reasoning", id="rs_2", summary=[{"type": "summary_text", "text": "Look"}], content=None),
        message("assistant", "I will look.", id="msg_3", internal_chat_message_metadata_passthrough={"turn_id": "t"}),
        shell("call_1"),
        record(),
        event("item_completed", item={"type": "CommandExecution"}),
        output("call_1", "one"),
        count(),
        message("assistant", "Done.", id="msg_4"),
        record({**USAGE, "input_tokens": 7}),
        count({**USAGE, "input_tokens": 7}),
        event("task_complete", turn_id="t"),
    )
    assert found == (
        Answer(
            where="line 5",
            items=(
                Reasoning(id="rs_2", summary=("Look",)),
                text_message("assistant", "I will look.", id="msg_3"),
                called("call_1"),
            ),
            usage=COUNTED,
        ),
        Answer(
            where="line 12",
            items=(text_message("assistant", "Done.", id="msg_4"),),
            usage=COUNTED.replace(input_tokens=7),
            outputs={"call_1": "one"},
        ),
    )


def test_older_session_is_grouped_by_what_is_not_the_models(tmp_path):
    found = answers(
        tmp_path,
        message("user", "first"),
        shell("call_1"),
        shell("call_2"),
        output("call_1", "1"),
        output("call_2", "2"),
        count(),
        message("assistant", "Half."),
        message("user", "second"),
        message("assistant", "Whole."),
    )
    assert [(a.items, a.usage, a.outputs) for a in found] == [
        ((called("call_1"), called("call_2")), COUNTED, {}),
        ((text_message("assistant", "Half."),), None, {"call_1": "1", "call_2": "2"}),
        ((text_message("assistant", "Whole."),), None, {}),
    ]


def test_two_answers_without_calls_are_kept_apart_by_their_usage(tmp_path):
    found = answers(tmp_path, message("assistant", "a"), count(), message("assistant", "b"), count())
    assert [a.items[0].text for a in found] == ["a", "b"]


def test_summary_is_an_answer_of_its_own(tmp_path):
    found = answers(
        tmp_path,
        message("assistant", "a"),
        count(),
        count({**USAGE, "output_tokens": 55}),
        ("compacted", {"message": "so far", "replacement_history": []}),
        ("compacted", {"message": "", "replacement_history": []}),
        message("assistant", "b"),
    )
    assert [(a.kind, a.usage.output_tokens if a.usage else None) for a in found] == [
        ("turn", 20),
        ("compact", 55),
        ("compact", None),
        ("turn", None),
    ]
    assert found[1].items == (text_message("assistant", "so far"),)
    assert found[2].fault == Fault(kind="failed", message="the summary failed when this was recorded")


def test_inherited_history_of_a_fork_is_not_played(tmp_path):
    path = rollout(
        tmp_path, META, message("assistant", "old"), output("call_0", "x"), STARTED, message("assistant", "new")
    )
    assert [(a.items[0].text, a.outputs) for a in load(path).answers] == [("new", {})]


def test_context_window_is_that_of_the_recording(tmp_path):
    path = rollout(tmp_path, META, STARTED, message("assistant", "a"))
    assert load(path).model_info == ModelInfo(known=True, context_window=258400)


def test_context_window_of_a_recording_that_tells_none_is_wide(tmp_path):
    assert load(rollout(tmp_path, META, message("assistant", "a"))).model_info.context_window == 272_000


def test_members_of_a_line_may_come_in_any_order(tmp_path):
    path = tmp_path / "sorted.jsonl"
    lines = [META, message("assistant", "a" * 500)]
    rows = [json.dumps({"type": kind, "payload": payload}, sort_keys=True) + "\n" for kind, payload in lines]
    path.write_text("".join(rows))
    assert [a.items[0].text for a in load(str(path)).answers] == ["a" * 500]


def test_torn_and_foreign_lines_are_passed_over(tmp_path):
    path = rollout(tmp_path, META, STARTED, message("assistant", "a"), ("hologram", {"x": 1}))
    with open(path, "ab") as file:
        file.write(b'{"type":"response_item"}\n[1]\n{"timestamp":"x","type":"response_item","payload":{"ty')
    assert [a.items[0].text for a in load(path).answers] == ["a"]


def test_unknown_item_of_the_model_is_played(tmp_path):
    (found,) = answers(tmp_path, item("tool_search_call", call_id="c", execution="client"))
    assert found.items[0].raw == {"type": "tool_search_call", "call_id": "c", "execution": "client"}


def test_rollout_without_an_answer_is_refused(tmp_path):
    path = rollout(tmp_path, META, STARTED, message("user", "hello"))
    with pytest.raises(ScriptError, match="holds no answer"):
        load(path)


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded examples are not beside this checkout")
def test_recorded_lines_of_codex_are_read(tmp_path):
    path = tmp_path / "rollout.jsonl"
    lines = sorted(json.loads(RECORDED.read_bytes()).values(), key=lambda line: line["ordinal"])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    kinds = {type(entry).__name__ for answer in load(str(path)).answers for entry in answer.items}
    assert {"Message", "Reasoning", "FunctionCall", "CustomToolCall", "WebSearchCall"} <= kinds


# -- round trip: what a thread of ours records is what the replay says ------------------------------------


class MemoryStore:
    """A rollout store in memory: just what a new thread needs."""

    def __init__(self):
        self.lines: list[RolloutLine] = []
        self.path = "memory"

    def create(self, thread_id, created_at_ms):
        return self

    def append(self, lines):
        self.lines.extend(lines)

    def flush(self):
        pass

    close = flush

    def write_to(self, path):
        rows = [b'{"timestamp":"t","type":"%s","payload":%s}\n' % (x.type.encode(), x.payload) for x in self.lines]
        path.write_bytes(b"".join(rows))
        return str(path)


class Adder:
    """A tool whose output depends on its arguments."""

    definition = ToolDefinition(name="add", description="Adds.", parameters={"type": "object", "properties": {}})
    parallel_safe = True
    extra = ""

    async def run(self, call, ctx):
        return ToolOutput(output=f"{call.arguments['a'] + call.arguments['b']}{self.extra}")

    async def aclose(self):
        pass


async def session(tmp_path, model, store, tool=Adder, **config):
    parts = plugin(
        codex_tools=[ToolSpec(name="add", factory=lambda setup: tool())],
        codex_stores=[StoreSpec(name="memory", kind="rollout", factory=lambda setup: store)],
    )
    with anyio.fail_after(5):
        async with open_thread(model, parts, home=str(tmp_path), config=config) as thread:
            events = await thread.turn("add these")
            events += await thread.turn("and more")
            return [e.msg for e in events], thread.outputs()


def strict_player(path):
    """A model in the place of the scripted one; the harness asks it for its spec."""
    provider = ReplayProvider(load(path), strict=True)
    spec = ModelProviderSpec(
        name="scripted",
        factory=lambda setup: provider,
        builtin_ids=("scripted",),
        builtin=lambda id: ProviderInfo(id=id),
    )
    provider.spec = lambda: spec
    return provider


SCRIPT = (
    [think("sum"), say("Adding."), call("add", "call_1", a=1, b=2), call("add", "call_2", a=3, b=4)],
    [call("add", "call_3", a=5, b=6)],
    [say("Eleven.", "msg_2")],
    [say("No more.", "msg_3")],
)


@pytest.mark.anyio
async def test_recorded_thread_plays_back_alike_and_records_the_same(tmp_path):
    first, second = MemoryStore(), MemoryStore()
    before, outputs = await session(tmp_path, ScriptedModel(*SCRIPT), first)
    path = first.write_to(tmp_path / "rollout.jsonl")
    after, replayed = await session(tmp_path, strict_player(path), second)
    assert replayed == outputs == ["3", "7", "11"]
    assert [m.last_agent_message for m in after if isinstance(m, TurnCompleted)] == ["Eleven.", "No more."]
    assert [m.usage for m in after if isinstance(m, TurnCompleted)] == [
        m.usage for m in before if isinstance(m, TurnCompleted)
    ]
    assert load(second.write_to(tmp_path / "second.jsonl")).answers == load(path).answers


@pytest.mark.anyio
async def test_tool_that_answers_otherwise_ends_a_strict_replay(tmp_path):
    class Liar(Adder):
        extra = "?"

    store = MemoryStore()
    await session(tmp_path, ScriptedModel(*SCRIPT), store)
    path = store.write_to(tmp_path / "rollout.jsonl")
    messages, _ = await session(tmp_path, strict_player(path), MemoryStore(), Liar)
    failed = [m for m in messages if isinstance(m, TurnFailed)]
    assert "output of call call_1 differs in line 1: recorded '3', now '3?'" in failed[0].error.message

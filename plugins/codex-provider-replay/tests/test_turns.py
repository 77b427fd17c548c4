"""Whole turns through the engine: the plugin as it is installed, a table in the configuration, a real loop."""

from __future__ import annotations

import json

import anyio
import pytest

from codex_plugin_sdk import (
    AgentMessageDelta,
    StreamRetry,
    TokenCount,
    ToolDefinition,
    ToolOutput,
    ToolSpec,
    TurnCompleted,
    TurnFailed,
    TurnStarted,
    UserError,
)
from codex_plugin_sdk.testing.harness import open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel
from codex_provider_replay import plugin as replay

CALL = {"type": "function_call", "call_id": "call_1", "name": "echo", "arguments": '{"text": "hello"}'}
CONFIG = {"model_provider": "tape", "model_providers.tape.wire_api": "replay", "model_providers.tape.script": "s.json"}


class Echo:
    """Answers with its argument."""

    definition = ToolDefinition(name="echo", description="Echoes.", parameters={"type": "object", "properties": {}})
    parallel_safe = True

    async def run(self, call, ctx):
        return ToolOutput(output=call.arguments["text"])

    async def aclose(self):
        pass


def says(text):
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


async def played(home, *responses, config=None, **options):
    """The messages of one turn and the outputs of its calls."""
    (home / "s.json").write_text(json.dumps({"version": 1, "responses": list(responses)}))
    tools = plugin(codex_tools=[ToolSpec(name="echo", factory=lambda setup: Echo())])
    with anyio.fail_after(10):
        async with open_thread(
            ScriptedModel(), replay, tools, home=str(home), config={**CONFIG, **(config or {})}, **options
        ) as thread:
            events = await thread.turn("go")
            assert thread.model.requests == [], "another provider was asked"
            return [event.msg for event in events], thread.outputs()


@pytest.mark.anyio
async def test_script_drives_a_turn_with_a_tool(tmp_path):
    usage = {"input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 2}
    messages, outputs = await played(
        tmp_path, {"items": [CALL], "usage": usage}, {"items": [says("Done.")], "usage": usage}
    )
    assert outputs == ["hello"]
    assert [m.last_agent_message for m in messages if isinstance(m, TurnCompleted)] == ["Done."]
    total = [m for m in messages if isinstance(m, TokenCount)][-1].total
    assert (total.input_tokens, total.cached_input_tokens, total.output_tokens, total.total_tokens) == (20, 8, 4, 24)
    assert [m.context_window for m in messages if isinstance(m, TurnStarted)] == [272_000]


@pytest.mark.anyio
@pytest.mark.parametrize("wanted", [True, False])
async def test_text_streams_in_pieces_where_someone_watches(tmp_path, wanted):
    text = "A sentence that is longer than one piece of the stream."
    messages, _ = await played(tmp_path, {"items": [says(text)]}, want_deltas=wanted)
    pieces = [m.delta for m in messages if isinstance(m, AgentMessageDelta)]
    assert (len(pieces) > 1, "".join(pieces)) == ((True, text) if wanted else (False, ""))


@pytest.mark.anyio
@pytest.mark.parametrize(
    "fault", [{"fault": "cut", "items": [says("lost")]}, {"status": 500, "retry_after_s": 0, "message": "busy"}]
)
async def test_turn_survives_a_fault_that_passes(tmp_path, fault):
    messages, _ = await played(tmp_path, fault, {"items": [says("Done.")]})
    assert [m.attempt for m in messages if isinstance(m, StreamRetry)] == [1]
    assert [m.last_agent_message for m in messages if isinstance(m, TurnCompleted)] == ["Done."]


@pytest.mark.anyio
async def test_end_of_the_script_fails_the_turn_at_once(tmp_path):
    messages, outputs = await played(tmp_path, {"items": [CALL]})
    (failed,) = [m for m in messages if isinstance(m, TurnFailed)]
    assert "is at its end: it holds 1 answers" in failed.error.message
    assert [m for m in messages if isinstance(m, StreamRetry)] == []
    assert outputs == ["hello"]


@pytest.mark.anyio
@pytest.mark.parametrize(("strict", "ends_as"), [(True, TurnFailed), (False, TurnCompleted)])
async def test_strict_in_the_table_compares_the_outputs(tmp_path, strict, ends_as):
    last = {"items": [says("Done.")], "outputs": {"call_1": "good bye"}}
    messages, _ = await played(tmp_path, {"items": [CALL]}, last, config={"model_providers.tape.strict": strict})
    assert type(messages[-1]) is ends_as
    if strict:
        assert "output of call call_1 differs in line 1: recorded 'good bye'" in messages[-1].error.message


@pytest.mark.anyio
async def test_unusable_script_stops_before_the_turn_with_file_and_place(tmp_path):
    with pytest.raises(UserError, match=r"s\.json: responses\[0\]: an answer needs"):
        await played(tmp_path, {"usage": {}})

"""Observers and sandboxes: one can never hurt a turn, the other never be weaker than asked without a word."""

import os
import threading

import anyio
import pytest

from codex_kernel.protocol.events import AgentMessageDelta, Notice, ThreadStarted, TurnCompleted
from codex_kernel.telemetry import QUEUE_SIZE, TelemetryHub
from codex_plugin_sdk import (
    ContextSourceSpec,
    ExecRequest,
    RunIntent,
    TelemetrySinkSpec,
    ToolDefinition,
    ToolOutput,
    ToolSpec,
)
from codex_plugin_sdk.process.local import spawn_process
from codex_plugin_sdk.testing.harness import open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, call, say


class Sink:
    def __init__(self, fail=False):
        self.events = []
        self.fail = fail
        self.closed = threading.Event()

    def emit(self, event):
        if self.fail:
            raise RuntimeError("no collector")
        self.events.append(event)

    def close(self):
        self.closed.set()


def sinks(**made):
    return plugin(codex_telemetry_sinks=[TelemetrySinkSpec(name=n, factory=lambda s, x=x: x) for n, x in made.items()])


@pytest.mark.anyio
async def test_every_sink_gets_every_event_but_deltas_and_is_closed(tmp_path):
    good, bad = Sink(), Sink(fail=True)
    async with open_thread(
        ScriptedModel([say("hi")]), sinks(bad=bad, good=good), home=str(tmp_path), want_deltas=True
    ) as h:
        events = await h.turn()
    assert isinstance(events[-1].msg, TurnCompleted)
    assert good.closed.is_set()
    shown = [e for e in h.events if not isinstance(e.msg, AgentMessageDelta)]
    assert good.events[: len(shown)] == shown
    assert isinstance(good.events[0].msg, ThreadStarted)
    assert bad.events == []


@pytest.mark.anyio
async def test_a_sink_that_cannot_be_made_is_left_out(tmp_path):
    def broken(setup):
        raise ImportError("opentelemetry")

    made = plugin(codex_telemetry_sinks=[TelemetrySinkSpec(name="otel", factory=broken)])
    async with open_thread(ScriptedModel([say("hi")]), made, home=str(tmp_path)) as h:
        assert isinstance((await h.turn())[-1].msg, TurnCompleted)


def test_a_sink_that_hangs_costs_events_and_no_time():
    started, release = threading.Event(), threading.Event()

    class Hanging(Sink):
        def emit(self, event):
            started.set()
            release.wait(30)

    hub = TelemetryHub([("slow", Hanging())])
    hub.emit(object())
    assert started.wait(5)
    for _ in range(QUEUE_SIZE + 10):
        hub.emit(object())
    assert hub.dropped == 10
    release.set()
    hub.close()


class Run:
    definition = ToolDefinition(name="run", description="run")
    parallel_safe = True

    async def run(self, call, ctx):
        request = ExecRequest(argv=("true",), cwd=ctx.cwd, env=dict(os.environ))
        process = await ctx.exec(request, RunIntent(argv=("true",), cwd=ctx.cwd))
        code = await process.wait()
        await process.kill_tree()
        return ToolOutput(output=f"exit {code}")

    async def aclose(self):
        pass


@pytest.mark.anyio
async def test_the_spawned_process_of_a_backend_is_an_ordinary_one(tmp_path):
    with anyio.fail_after(10):
        process = await spawn_process(
            ExecRequest(argv=("sh", "-c", "echo hi"), cwd=str(tmp_path), env=dict(os.environ))
        )
        assert await process.read() == b"hi\n"
        assert await process.wait() == 0
        await process.kill_tree()


class Leaky(Run):
    """Starts a program and forgets it."""

    definition = ToolDefinition(name="leak", description="leak")
    pid = 0

    async def run(self, call, ctx):
        request = ExecRequest(argv=("sleep", "1000"), cwd=ctx.cwd, env=dict(os.environ))
        process = await ctx.exec(request, RunIntent(argv=("sleep",), cwd=ctx.cwd))
        Leaky.pid = process.pid
        return ToolOutput(output="started")


@pytest.mark.anyio
async def test_a_process_that_a_tool_forgot_ends_with_its_thread(tmp_path):
    made = plugin(codex_tools=[ToolSpec(name="leak", factory=lambda setup: Leaky())])
    model = ScriptedModel([call("leak", "c")], [say("x")])
    async with open_thread(model, made, home=str(tmp_path), config={"sandbox_mode": "danger-full-access"}) as h:
        await h.turn()
        assert os.path.exists(f"/proc/{Leaky.pid}")
    assert not os.path.exists(f"/proc/{Leaky.pid}")


@pytest.mark.anyio
async def test_a_context_source_that_cannot_be_made_is_left_out_and_said(tmp_path):
    def broken():
        raise ImportError("no module named poetry")

    source = plugin(codex_context_sources=[ContextSourceSpec(name="verse", factory=broken)])
    async with open_thread(ScriptedModel([say("ok")]), source, home=str(tmp_path)) as h:
        await h.turn()
    assert isinstance(h.events[-1].msg, TurnCompleted)
    assert any("verse" in notice.message and "poetry" in notice.message for notice in h.of(Notice))

"""Tools that are found while a thread runs: when they join, what happens to sources that fail, and how they end."""

import logging

import anyio
import pytest

from codex_kernel.turn_opening import Opening
from codex_plugin_sdk import (
    ErrorInfo,
    ExitCode,
    Interrupt,
    Notice,
    SandboxBackendSpec,
    TextInput,
    ThreadOptions,
    ToolDefinition,
    ToolFailed,
    ToolOutput,
    ToolSourceSpec,
    ToolSpec,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    UnconfinedBackend,
    UserError,
    UserTurn,
)
from codex_plugin_sdk.testing.harness import open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, call, say

pytestmark = pytest.mark.anyio


class Echo:
    """A tool that says who it is."""

    parallel_safe = True

    def __init__(self, name, text=""):
        self.definition = ToolDefinition(name=name, description=text, parameters={"type": "object", "properties": {}})
        self.text, self.closed = text or name, False

    async def run(self, call, ctx):
        return ToolOutput(output=self.text)

    async def aclose(self):
        self.closed = True


class Source:
    """Implements the `ToolSource` contract: does nothing until a test says so."""

    def __init__(self, *tools, run=None, ready=None):
        self.offered, self._run, self._ready = list(tools), run, ready
        self.running, self.over = anyio.Event(), anyio.Event()
        self.setup = None

    def spec(self, name="mcp"):
        def factory(setup):
            self.setup = setup
            return self

        return ToolSourceSpec(name=name, factory=factory)

    async def run(self):
        self.running.set()
        try:
            await (self._run or anyio.sleep_forever)()
        finally:
            self.over.set()

    async def ready(self):
        if self._ready is not None:
            await self._ready()

    def tools(self):
        return self.offered

    async def inquire(self, method, params):
        return method, params


def offers(*sources, tools=()):
    """A plugin with these sources, by number, and fixed tools."""
    specs = [source.spec(f"s{number}") for number, source in enumerate(sources)]
    fixed = [ToolSpec(name=tool.definition.name, factory=lambda _setup, tool=tool: tool) for tool in tools]
    return plugin(codex_tool_sources=specs, codex_tools=fixed)


def names(request):
    """What a request to the model offers."""
    return [tool.name for tool in request.tools]


def raising(error):
    """An async function that raises."""

    async def fail():
        raise error

    return fail


async def test_tools_join_from_the_next_request(tmp_path):
    source = Source()

    async def appear(request):
        source.offered.append(Echo("late", "here I am"))
        return [call("early", "c1")]

    model = ScriptedModel(appear, [call("late", "c2")], [say("done")])
    async with open_thread(model, offers(source, tools=[Echo("early")]), home=str(tmp_path)) as harness:
        await harness.turn()
        assert [names(request) for request in model.requests] == [["early"], ["early", "late"], ["early", "late"]]
        assert harness.outputs() == ["early", "here I am"]


async def test_tools_that_are_withdrawn_are_offered_no_more_and_cannot_be_called(tmp_path):
    source = Source(Echo("brief"))

    async def vanish(request):
        source.offered.clear()
        return [call("brief", "c1")]

    model = ScriptedModel(vanish, [call("brief", "c2")], [say("done")])
    async with open_thread(model, offers(source), home=str(tmp_path)) as harness:
        await harness.turn()
        assert [names(request) for request in model.requests] == [["brief"], [], []]
        assert harness.outputs()[0] == "brief", "what was offered with a request may be called in its answer"
        assert "unsupported call: brief" in harness.outputs()[1]


async def test_a_name_counts_once_and_the_fixed_tool_wins(tmp_path):
    first, second = (
        Source(Echo("same", "one"), Echo("own", "first")),
        Source(Echo("same", "two"), Echo("own", "second")),
    )
    model = ScriptedModel([call("same", "c1"), call("own", "c2")], [say("done")])
    plugins = offers(first, second, tools=[Echo("same", "fixed")])
    async with open_thread(model, plugins, home=str(tmp_path)) as harness:
        await harness.turn()
        assert names(model.requests[0]) == ["same", "own"]
        assert harness.outputs() == ["fixed", "first"]


@pytest.mark.parametrize("where", ["run", "ready", "tools"])
async def test_a_source_that_raises_is_dropped_with_a_notice_and_the_turn_goes_on(tmp_path, where, caplog):
    caplog.set_level(logging.CRITICAL)
    broken, sound = Source(Echo("lost")), Source(Echo("kept"))
    if where == "run":
        broken._run = raising(OSError("it broke"))
        sound._ready = broken.over.wait
    elif where == "ready":
        broken._ready = raising(OSError("it broke"))
    else:
        broken.tools = lambda: (_ for _ in ()).throw(OSError("it broke"))
    model = ScriptedModel([call("kept", "c1")], [say("done")])
    async with open_thread(model, offers(broken, sound), home=str(tmp_path)) as harness:
        with anyio.fail_after(5):
            ended = await harness.turn()
        assert isinstance(ended[-1].msg, TurnCompleted)
        assert names(model.requests[0]) == names(model.requests[1]) == ["kept"]
        told = [notice for notice in harness.of(Notice) if "s0" in notice.message]
        assert [(notice.level, notice.message) for notice in told] == [
            ("warning", "the tools of s0 are gone: OSError: it broke")
        ]
        assert "s0" not in harness.thread._state.sources


async def test_a_required_source_that_is_not_ready_fails_the_turn_in_its_words(tmp_path):
    source = Source(ready=raising(UserError("required MCP servers failed to initialize: a", hint="start it")))
    model = ScriptedModel([say("done")])
    async with open_thread(model, offers(source), home=str(tmp_path)) as harness:
        failed = (await harness.turn())[-1].msg
        assert isinstance(failed, TurnFailed)
        assert failed.error.replace(http_status=None) == ErrorInfo(
            message="required MCP servers failed to initialize: a",
            kind="UserError",
            hint="start it",
            exit_code=int(ExitCode.FAILED),
        )
        assert model.requests == []
        source._ready = None
        assert isinstance((await harness.turn())[-1].msg, TurnCompleted), "the next turn asks again"


async def test_waiting_for_a_source_ends_with_the_turn(tmp_path):
    waiting = anyio.Event()

    async def ready():
        waiting.set()
        await anyio.sleep_forever()

    model = ScriptedModel([say("done")])
    async with open_thread(model, offers(Source(ready=ready)), home=str(tmp_path)) as harness:
        with anyio.fail_after(5):
            await harness.thread.submit(UserTurn(input=(TextInput(text="go"),)))
            await waiting.wait()
            await harness.thread.submit(Interrupt())
            await harness.until(lambda msg: isinstance(msg, TurnInterrupted))


async def test_sources_wait_side_by_side(tmp_path):
    one, two = anyio.Event(), anyio.Event()

    async def first():
        one.set()
        await two.wait()

    async def second():
        two.set()
        await one.wait()

    model = ScriptedModel([say("done")])
    async with open_thread(model, offers(Source(ready=first), Source(ready=second)), home=str(tmp_path)) as harness:
        with anyio.fail_after(5):
            await harness.turn()


async def test_sources_run_beside_the_thread_and_are_cancelled_at_its_end(tmp_path):
    source = Source(Echo("late"))
    async with open_thread(ScriptedModel([say("done")]), offers(source), home=str(tmp_path)) as harness:
        with anyio.fail_after(5):
            await source.running.wait()
        await harness.turn()
        assert not source.over.is_set()
    assert source.over.is_set()
    assert not source.offered[0].closed, "its tools are the source's to close"


async def test_a_source_that_ends_by_itself_keeps_its_tools(tmp_path):
    async def at_once():
        pass

    source = Source(Echo("still"), run=at_once)
    model = ScriptedModel([say("done")])
    async with open_thread(model, offers(source), home=str(tmp_path)) as harness:
        await source.over.wait()
        await harness.turn()
        assert names(model.requests[0]) == ["still"]


async def test_a_factory_gets_what_a_source_needs_and_may_decline(tmp_path):
    source = Source()
    none = plugin(codex_tool_sources=[ToolSourceSpec(name="none", factory=lambda _setup: None)])
    config = {"mcp_servers.a.command": "x"}
    model = ScriptedModel([say("done")])
    opened = open_thread(model, offers(source), none, home=str(tmp_path), config=config, answers_questions=True)
    async with opened as harness:
        setup = source.setup
        assert setup.tools.config["mcp_servers"] == {"a": {"command": "x"}}
        assert (setup.cwd, setup.answers_questions, setup.servers) == (str(tmp_path), True, {})
        assert setup.tools.thread_id == harness.thread.id
        assert "none" not in harness.thread._state.sources
        await harness.turn()


async def test_a_factory_that_raises_leaves_its_tools_out_and_says_so(tmp_path):
    broken = plugin(codex_tool_sources=[ToolSourceSpec(name="odd", factory=raising_now(OSError("no")))])
    async with open_thread(ScriptedModel([say("done")]), broken, home=str(tmp_path)) as harness:
        assert isinstance((await harness.turn())[-1].msg, TurnCompleted)
        assert any("the tools of odd" in notice.message for notice in harness.of(Notice))
    for_the_user = plugin(codex_tool_sources=[ToolSourceSpec(name="odd", factory=raising_now(UserError("bad table")))])
    with pytest.raises(UserError, match="bad table"):
        async with open_thread(ScriptedModel(), for_the_user, home=str(tmp_path)):
            pass


def raising_now(error):
    """A factory that raises."""

    def factory(_setup):
        raise error

    return factory


@pytest.mark.parametrize("kind", ["none", "found", "forgotten", "immediate"])
async def test_a_turn_is_not_opened_early_where_tools_are_still_to_be_found(tmp_path, kind):
    from codex_plugin_sdk import ConfigSources, Engine, load_config
    from codex_plugin_sdk.testing.harness import manager

    model = ScriptedModel([say("done")])
    unconfined = SandboxBackendSpec(name="none", factory=lambda _: UnconfinedBackend(), confines=False)
    own = plugin(codex_model_providers=[model.spec()], codex_sandbox_backends=[unconfined])
    source = Source(Echo("late"))
    source.immediate = kind == "immediate"
    plugged = manager(own, *([] if kind == "none" else [offers(source)]))
    config = load_config(
        ConfigSources(codex_home=str(tmp_path), flags={"model_provider": "scripted", "model": "test-model"})
    )
    opened = Engine(config=config, plugins=plugged, environ={}).prepare(
        ThreadOptions(cwd=str(tmp_path), ephemeral=True)
    )
    if kind == "forgotten":
        opened.state.sources.forget()
    opened.begin(UserTurn(input=(TextInput(text="go"),)))
    assert isinstance(opened.opening, Opening)
    assert opened.opening.late is (kind == "found")
    async with opened.running() as thread:
        while not isinstance((await thread.next_event()).msg, TurnCompleted):
            pass
    assert names(model.requests[0]) == (["late"] if kind in {"found", "immediate"} else [])
    plugged.close()


async def test_what_a_tool_of_a_source_raises_is_read_by_the_model(tmp_path):
    class Fails(Echo):
        async def run(self, call, ctx):
            raise ToolFailed("the server is gone")

    model = ScriptedModel([call("fails", "c1")], [say("done")])
    async with open_thread(model, offers(Source(Fails("fails"))), home=str(tmp_path)) as harness:
        await harness.turn()
        assert harness.outputs() == ["the server is gone"]


async def test_a_source_works_without_a_thread_for_who_only_asks(tmp_path):
    from codex_plugin_sdk import ConfigSources, Engine, load_config
    from codex_plugin_sdk.testing.harness import manager

    source = Source()
    config = load_config(ConfigSources(codex_home=str(tmp_path)))
    plugged = manager(offers(source))
    engine = Engine(config=config, plugins=plugged, environ={})
    options = ThreadOptions(cwd=str(tmp_path))
    with anyio.fail_after(5):
        async with engine.tool_source("s0", options, lambda event: None) as found:
            await source.running.wait()
            assert await found.inquire("a", {}) == ("a", {})
        assert source.over.is_set()
        async with engine.tool_source("other", options, lambda event: None) as found:
            assert found is None
    plugged.close()

"""Conformance of tools, over a context that really runs programs and really writes files.

A tool's test file subclasses the kit and gives one fixture::

    class TestClock(ToolConformance):
        @pytest.fixture
        def tool_case(self, workspace):
            return ToolCase(open=ClockTool, good_calls=({"zone": "UTC"}, {}))

Calls are parsed as the kernel parses them. What good calls need (a file to look at, say) the fixture makes in
`workspace`, the working directory. To set a single test aside, override it with an `xfail` that says why.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import orjson
import pytest

from codex_kernel.tool_calls import parse_call
from codex_plugin_sdk import (
    ContentPart,
    CustomToolCall,
    FunctionCall,
    FunctionCallOutput,
    PolicyDenied,
    Tool,
    ToolDefinition,
    ToolFailed,
    ToolOutput,
    ToolSetup,
    Value,
    encode_item,
    field,
    new_thread_id,
    value,
)

from .fake_context import MARK_VARIABLE, FakeToolContext
from .tool_arguments import schema_faults, spoiled, spoiled_text, strictness_faults

Arguments = Mapping[str, Any] | str
"""The arguments of a function call, or the text of a freeform one."""

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
SPEAKS_WITHIN_S = 1.0
"""How long a hanging call gets to show output; one that shows none is cancelled then."""


@value
class ToolCase(Value):
    """A tool under test. `open` makes one for a thread.

    `good_calls` succeed when they come in this order, one after another, in a fresh workspace. `hanging_call`
    starts something and then waits (`echo up; sleep 600`, say); it is cancelled as soon as it has shown output,
    or after a second without. Where there is none the tests of cancellation are skipped. `patience_s` bounds
    every call, and what may pass between a cancellation and the end of the call and its processes. `answers` are
    the user's, by the ids of the tool's questions.
    """

    open: Callable[[ToolSetup], Tool]
    good_calls: tuple[Arguments, ...]
    hanging_call: Arguments | None = None
    patience_s: float = field(default=5.0)
    answers: Mapping[str, str] = field(factory=dict)


class Bench:
    """A tool and a context to call it with. Every call gets an id of its own."""

    def __init__(self, tool: Tool, ctx: FakeToolContext, patience_s: float) -> None:
        self.tool = tool
        self.ctx = ctx
        self.patience_s = patience_s
        self._numbers = itertools.count(1)

    async def call(self, arguments: Arguments) -> ToolOutput:
        """Call the tool as the kernel does. Raises what the tool raises, and `AssertionError` when it does not
        end in time."""
        with anyio.move_on_after(self.patience_s):
            return await self._run(arguments)
        raise AssertionError(f"the call did not end within {self.patience_s} s")

    async def _run(self, arguments: Arguments) -> ToolOutput:
        name, call_id = self.tool.definition.name, f"call_{next(self._numbers)}"
        raw = (
            CustomToolCall(call_id=call_id, name=name, input=arguments)
            if isinstance(arguments, str)
            else FunctionCall(call_id=call_id, name=name, arguments=orjson.dumps(arguments).decode())
        )
        return await self.tool.run(parse_call(raw, self.tool.definition), self.ctx)

    async def cancel(self, arguments: Arguments) -> float:
        """Call the tool, cancel the call once it waits, and give the seconds that it took to end then."""
        outcome: list[object] = []
        early = False
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._hang, arguments, outcome)
            with anyio.move_on_after(SPEAKS_WITHIN_S):
                await self.ctx.spoke.wait()
            await anyio.wait_all_tasks_blocked()
            early = bool(outcome)
            began = time.monotonic()
            tasks.cancel_scope.cancel()
        took = time.monotonic() - began
        assert not early, f"the hanging call ended by itself: {outcome[0]!r}"
        assert not outcome, f"cancellation must pass; the call went on to its end: {outcome[0]!r}"
        return took

    async def _hang(self, arguments: Arguments, outcome: list[object]) -> None:
        try:
            outcome.append(await self._run(arguments))
        except Exception as error:  # noqa: BLE001 - told by the caller, whatever it is
            outcome.append(error)

    async def gone(self) -> list[int]:
        """The processes of the context that still live when patience is at its end."""
        with anyio.move_on_after(self.patience_s):
            while self.ctx.living():  # noqa: ASYNC110 - the system tells of no stranger when it ends
                await anyio.sleep(0.01)
        return self.ctx.living()


@asynccontextmanager
async def open_bench(
    case: ToolCase, setup: ToolSetup, workspace: str, *, deny: PolicyDenied | None = None
) -> AsyncIterator[Bench]:
    """A tool of its own with a context of its own; both are closed."""
    async with FakeToolContext(workspace, deny=deny, answers=case.answers, thread_id=setup.thread_id) as ctx:
        tool = case.open(setup.replace(environ={**setup.environ, MARK_VARIABLE: ctx.mark}))
        try:
            yield Bench(tool, ctx, case.patience_s)
        finally:
            await tool.aclose()


@pytest.mark.anyio
class ToolConformance:
    """What every tool owes the kernel and the model. See the module for how to use it."""

    @pytest.fixture
    def tool_case(self) -> ToolCase:
        """The tool under test. A subclass overrides it."""
        raise NotImplementedError("give the fixture `tool_case`")

    @pytest.fixture
    def anyio_backend(self) -> str:
        """As the program runs."""
        return "asyncio"

    @pytest.fixture
    def workspace(self, tmp_path: Any) -> str:
        """The working directory of all calls; empty."""
        return _made(tmp_path, "workspace")

    @pytest.fixture
    def setup(self, tmp_path: Any) -> ToolSetup:
        """What the tool is made with. A subclass may override it to give a `config`."""
        home = _made(tmp_path, "home")
        return ToolSetup(
            thread_id=new_thread_id(),
            codex_home=home,
            spill_dir=os.path.join(home, "spill"),
            environ={"PATH": os.environ["PATH"], "HOME": home, "SHELL": "/bin/sh"},
        )

    # -- how the model sees it -------------------------------------------------------------------------

    def test_definition_can_be_sent(self, tool_case: ToolCase, setup: ToolSetup) -> None:
        """A name that servers take, a description, and a schema or a grammar that is one."""
        definition = tool_case.open(setup).definition
        assert NAME.fullmatch(definition.name), f"servers refuse the name {definition.name!r}: {NAME.pattern}"
        assert definition.description.strip(), "without a description the model cannot know when to call it"
        orjson.dumps([definition.parameters, definition.grammar])  # raises for what JSON cannot hold
        faults = _freeform_faults(definition) if definition.freeform else schema_faults(definition.parameters)
        if definition.strict:
            faults += strictness_faults(definition.parameters)
        assert not faults, "; ".join(faults)

    async def test_definition_is_constant(self, tool_case: ToolCase, setup: ToolSetup, workspace: str) -> None:
        """Servers cache a prompt by its beginning, where the tools stand; calls must not change them."""
        async with open_bench(tool_case, setup, workspace) as bench:
            before = _as_sent(bench.tool)
            for arguments in tool_case.good_calls:
                await bench.call(arguments)
            assert _as_sent(bench.tool) == before, "a call changed the definition"
        assert _as_sent(tool_case.open(setup)) == before, "two tools of one kind are defined differently"

    # -- good calls ------------------------------------------------------------------------------------

    async def test_good_calls_tell_the_model_something(
        self, tool_case: ToolCase, setup: ToolSetup, workspace: str
    ) -> None:
        """Text or parts that are not empty and can be sent."""
        assert tool_case.good_calls, "give at least one good call"
        async with open_bench(tool_case, setup, workspace) as bench:
            for arguments in tool_case.good_calls:
                output = await bench.call(arguments)
                _require_output(output)
                assert output.success, f"the good call {arguments!r} failed: {output.output!r}"

    async def test_items_that_begin_are_completed(self, tool_case: ToolCase, setup: ToolSetup, workspace: str) -> None:
        """Once each, under the id they began with. Plans are left to the kernel."""
        async with open_bench(tool_case, setup, workspace) as bench:
            for arguments in tool_case.good_calls:
                await bench.call(arguments)
                _require_closed(bench.ctx)

    async def test_nothing_is_printed(
        self, tool_case: ToolCase, setup: ToolSetup, workspace: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Stdout and stderr belong to the renderers."""
        async with open_bench(tool_case, setup, workspace) as bench:
            for arguments in (*tool_case.good_calls, next(_bad_calls(tool_case, bench.tool.definition))[1]):
                try:
                    await bench.call(arguments)
                except ToolFailed:
                    continue
        printed = capfd.readouterr()
        assert (printed.out, printed.err) == ("", ""), "the tool printed"

    # -- bad calls -------------------------------------------------------------------------------------

    async def test_bad_arguments_are_told_to_the_model(
        self, tool_case: ToolCase, setup: ToolSetup, workspace: str
    ) -> None:
        """`ToolFailed` or an output; any other exception is reported to the user as the plugin's fault."""
        wrong: list[str] = []
        async with open_bench(tool_case, setup, workspace) as bench:
            for what, arguments in _bad_calls(tool_case, bench.tool.definition):
                try:
                    _require_output(await bench.call(arguments))
                except ToolFailed as error:
                    if not str(error).strip():
                        wrong.append(f"{what}: ToolFailed without a word")
                except Exception as error:  # noqa: BLE001 - all of them are told together
                    wrong.append(f"{what}: {type(error).__name__}: {str(error)[:200]}")
                if bench.ctx.open_items():
                    wrong.append(f"{what}: an item stays open")
                    break
        shown = "\n  ".join(wrong[:10])
        assert not wrong, f"{len(wrong)} bad calls were not told to the model:\n  {shown}"

    async def test_denial_passes_through(self, tool_case: ToolCase, setup: ToolSetup, workspace: str) -> None:
        """What policy refuses is not done, `PolicyDenied` reaches the kernel, and no item stays open."""
        denial = PolicyDenied("not here", abort=True)
        async with open_bench(tool_case, setup, workspace, deny=denial) as bench:
            before = _files(workspace)
            for arguments in tool_case.good_calls:
                raised = None
                try:
                    await bench.call(arguments)
                except PolicyDenied as error:
                    raised = error
                except ToolFailed:
                    pass  # a later call may build on one that was refused
                if bench.ctx.intents or bench.ctx.questions:
                    assert raised is not None, f"the denial of {arguments!r} did not reach the kernel"
                    assert raised.abort, "the denial lost its `abort`"
                    assert _files(workspace) == before, "files changed although policy said no"
                _require_closed(bench.ctx)
                bench.ctx.intents.clear()
                bench.ctx.questions.clear()

    # -- endings ---------------------------------------------------------------------------------------

    async def test_cancelled_call_ends_promptly_with_all_it_started(
        self, tool_case: ToolCase, setup: ToolSetup, workspace: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who interrupts a turn means it: the call ends, and nothing of it runs on unseen."""
        hanging = _hanging(tool_case)
        async with open_bench(tool_case, setup, workspace) as bench:
            monkeypatch.setenv(MARK_VARIABLE, bench.ctx.mark)  # for what is started past the context
            took = await bench.cancel(hanging)
            assert took <= tool_case.patience_s, f"the call took {took:.1f} s to end after it was cancelled"
            left = await bench.gone()
            assert not left, f"processes {left} outlive the call that was cancelled"

    async def test_closes_after_a_cancelled_call(self, tool_case: ToolCase, setup: ToolSetup, workspace: str) -> None:
        """The next turn may call the tool again, and the thread may end."""
        hanging = _hanging(tool_case)
        async with open_bench(tool_case, setup, workspace) as bench:
            await bench.cancel(hanging)
            _require_output(await bench.call(tool_case.good_calls[0]))
            with anyio.fail_after(tool_case.patience_s):
                await bench.tool.aclose()

    async def test_closes_twice(self, tool_case: ToolCase, setup: ToolSetup, workspace: str) -> None:
        """With and without calls before."""
        for calls in ((), tool_case.good_calls):
            async with open_bench(tool_case, setup, workspace) as bench:
                for arguments in calls:
                    await bench.call(arguments)
                with anyio.fail_after(tool_case.patience_s):
                    await bench.tool.aclose()  # and once more when the bench closes

    async def test_closing_ends_what_outlived_its_call(
        self, tool_case: ToolCase, setup: ToolSetup, workspace: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A thread that has ended leaves no process."""
        async with open_bench(tool_case, setup, workspace) as bench:
            monkeypatch.setenv(MARK_VARIABLE, bench.ctx.mark)
            for arguments in tool_case.good_calls:
                await bench.call(arguments)
            await bench.tool.aclose()
            left = await bench.gone()
            assert not left, f"processes {left} outlive the tool"


def _made(folder: Any, name: str) -> str:
    path = os.path.join(str(folder), name)
    os.makedirs(path, exist_ok=True)
    return path


def _hanging(case: ToolCase) -> Arguments:
    if case.hanging_call is None:
        pytest.skip("the case has no hanging call: the tool never waits")
    return case.hanging_call


def _bad_calls(case: ToolCase, definition: ToolDefinition) -> Iterator[tuple[str, Arguments]]:
    for good in case.good_calls:
        yield from spoiled_text(good) if isinstance(good, str) else spoiled(good, definition.parameters)


def _as_sent(tool: Tool) -> bytes:
    d = tool.definition
    grammar = dict(d.grammar) if d.grammar is not None else None
    parts = [d.name, d.description, dict(d.parameters), d.freeform, grammar, d.strict, tool.parallel_safe]
    return orjson.dumps(parts)


def _freeform_faults(definition: ToolDefinition) -> list[str]:
    grammar = definition.grammar
    if grammar is None:
        return []
    faults = []
    if grammar.get("type") != "grammar" or grammar.get("syntax") not in ("lark", "regex"):
        faults.append("grammar: needs `type` 'grammar' and `syntax` 'lark' or 'regex'")
    if not isinstance(grammar.get("definition"), str) or not grammar["definition"].strip():
        faults.append("grammar: `definition` must be text")
    return faults


def _require_output(output: object) -> None:
    assert isinstance(output, ToolOutput), f"a tool gives a ToolOutput, not {type(output).__name__}"
    assert isinstance(output.success, bool), "`success` must be true or false"
    assert isinstance(output.output, str | tuple), f"`output` is text or a tuple, not {type(output.output).__name__}"
    assert output.output, "the model must be told something: the output is empty"
    if not isinstance(output.output, str):
        odd = [part for part in output.output if not isinstance(part, ContentPart)]
        assert not odd, f"these are no content parts: {odd!r}"
    # Raises for text that cannot be sent, such as half a character.
    encode_item(FunctionCallOutput(call_id="call", output=output.output))


def _require_closed(ctx: FakeToolContext) -> None:
    assert not ctx.open_items(), f"these items were begun and not completed: {ctx.open_items()!r}"
    started = {item.id: type(item) for item in ctx.started}
    assert len(started) == len(ctx.started), "two items began under one id"
    ended = [item.id for item in ctx.completed]
    assert len(set(ended)) == len(ended), "an item was completed twice"
    for item in (*ctx.updated, *ctx.completed):
        assert started.get(item.id) is type(item), f"this item did not begin under its id: {item!r}"
    in_progress = [item.id for item in ctx.completed if getattr(item, "status", None) == "in_progress"]
    assert not in_progress, f"completed, but still in progress: {in_progress}"


def _files(folder: str) -> dict[str, bytes]:
    """The files of a folder, by path."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    found[path] = file.read()
    return found

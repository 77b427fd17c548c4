"""The conformance kit of tools and its context: they pass on the references, and notice each planted fault."""

from __future__ import annotations

import inspect
import itertools
import os
import subprocess
import sys

import anyio
import pytest

from codex_plugin_sdk import (
    CommandExecutionItem,
    ContentPart,
    EditIntent,
    ExecRequest,
    FileEdit,
    ItemStatus,
    PolicyDenied,
    Question,
    RunIntent,
    TodoListItem,
    ToolDefinition,
    ToolFailed,
    ToolIntent,
    ToolOutput,
)
from codex_plugin_sdk.testing.fake_context import FakeToolContext
from codex_plugin_sdk.testing.tool_arguments import schema_faults, spoiled, strictness_faults
from codex_plugin_sdk.testing.tool_kit import ToolCase, ToolConformance

HANGS = "sleep 600 & echo up; sleep 601"

# -- references ---------------------------------------------------------------------------------------


class Runner:
    """Runs a shell command, and keeps its output in a file where asked to."""

    parallel_safe = False

    def __init__(self, setup) -> None:
        self.environ = setup.environ
        self.definition = ToolDefinition(
            name="run",
            description="Runs a command.",
            parameters={
                "type": "object",
                "properties": {"cmd": {"type": "string"}, "save_to": {"type": "string"}},
                "required": ["cmd"],
                "additionalProperties": False,
            },
        )
        self.left = []

    async def run(self, call, ctx) -> ToolOutput:
        cmd, save_to = self.parsed(call.arguments)
        return await self.act(call.call_id, cmd, save_to, ctx)

    def parsed(self, arguments):
        cmd, save_to = arguments["cmd"], arguments.get("save_to")
        if not isinstance(cmd, str) or "\0" in cmd or not (save_to is None or isinstance(save_to, str)):
            raise ToolFailed("`cmd` and `save_to` are text")
        return cmd, save_to

    async def act(self, call_id, cmd, save_to, ctx) -> ToolOutput:
        item = CommandExecutionItem(id=call_id, command=("sh", "-c", cmd), cwd=ctx.cwd, status=ItemStatus.IN_PROGRESS)
        await ctx.item_started(item)
        status = ItemStatus.FAILED
        try:
            output, code = await self.execute(item, ctx)
            if save_to:
                await ctx.edit_files([FileEdit(path=os.path.join(ctx.cwd, save_to), content=output)])
            status = ItemStatus.COMPLETED
        finally:
            await self.complete(ctx, item.replace(status=status))
        return self.told(output.decode(errors="replace"), code)

    async def execute(self, item, ctx):
        request = ExecRequest(argv=item.command, cwd=ctx.cwd, env=self.environ)
        process = await ctx.exec(request, RunIntent(argv=item.command, cwd=ctx.cwd))
        try:
            return await self.read(process, item.id, ctx), await process.wait()
        finally:
            await self.release(process)

    async def read(self, process, item_id, ctx) -> bytes:
        output = b""
        while chunk := await process.read():
            await ctx.output_delta(item_id, chunk)
            output += chunk
        return output

    async def release(self, process) -> None:
        await process.kill_tree()

    async def complete(self, ctx, item) -> None:
        await ctx.item_completed(item)

    def told(self, text: str, code: int) -> ToolOutput:
        return ToolOutput(output=f"exit code {code}\n{text}", success=code == 0)

    async def aclose(self) -> None:
        for process in self.left:
            await process.kill_tree()


class Shout:
    """Says a text in capital letters."""

    parallel_safe = True
    definition = ToolDefinition(
        name="shout",
        description="Shouts.",
        freeform=True,
        grammar={"type": "grammar", "syntax": "regex", "definition": ".+"},
    )

    def __init__(self, setup) -> None:
        del setup

    async def run(self, call, ctx) -> ToolOutput:
        if not call.input.strip():
            raise ToolFailed("nothing to shout")
        await ctx.authorize(ToolIntent(tool="shout"))
        return ToolOutput(output=(ContentPart(type="input_text", text=call.input.upper()),))

    async def aclose(self) -> None:
        """Nothing to end."""


class PlansOnly(Shout):
    """Begins a list and leaves its end to the kernel."""

    async def run(self, call, ctx) -> ToolOutput:
        await ctx.item_started(TodoListItem(id=call.call_id, items=()))
        return await super().run(call, ctx)


def runner_case(kind: type) -> ToolCase:
    return ToolCase(
        open=kind,
        good_calls=({"cmd": "echo one", "save_to": "one.txt"}, {"cmd": "cat one.txt"}),
        hanging_call={"cmd": HANGS},
        patience_s=getattr(kind, "patience_s", 5.0),
    )


class TestRunner(ToolConformance):
    @pytest.fixture
    def tool_case(self):
        return runner_case(Runner)


class TestShout(ToolConformance):
    @pytest.fixture
    def tool_case(self):
        return ToolCase(open=Shout, good_calls=("hello\nworld",))


class TestPlansOnly(ToolConformance):
    @pytest.fixture
    def tool_case(self):
        return ToolCase(open=PlansOnly, good_calls=("hello", "again"))


# -- planted faults: each says which tests of the kit must notice it ----------------------------------


class HasANameWithSpaces(Runner):
    notices = ("can_be_sent",)

    def __init__(self, setup) -> None:
        super().__init__(setup)
        self.definition = self.definition.replace(name="run it")


class DescribesNothing(Runner):
    notices = ("can_be_sent",)

    def __init__(self, setup) -> None:
        super().__init__(setup)
        self.definition = self.definition.replace(description=" ")


class RequiresWhatItLacks(Runner):
    notices = ("can_be_sent",)

    def __init__(self, setup) -> None:
        super().__init__(setup)
        self.definition = self.definition.replace(parameters={**self.definition.parameters, "required": ["command"]})


class CannotBeEncoded(Runner):
    notices = ("can_be_sent",)

    def __init__(self, setup) -> None:
        super().__init__(setup)
        self.definition = self.definition.replace(parameters={**self.definition.parameters, "examples": {1, 2}})


class LearnsItsDescription(Runner):
    notices = ("definition_is_constant",)

    async def run(self, call, ctx) -> ToolOutput:
        self.definition = self.definition.replace(description=f"{self.definition.description} Again.")
        return await super().run(call, ctx)


class CountsItsObjects(Runner):
    notices = ("definition_is_constant",)
    numbers = itertools.count()

    def __init__(self, setup) -> None:
        super().__init__(setup)
        self.definition = self.definition.replace(description=f"Tool number {next(self.numbers)}")


class SaysNothing(Runner):
    notices = ("tell_the_model", "bad_arguments")

    def told(self, text: str, code: int) -> ToolOutput:
        return ToolOutput(output="")


class GivesPlainText(Runner):
    notices = ("tell_the_model", "bad_arguments")

    def told(self, text: str, code: int):
        return text


class GivesListsOfParts(Runner):
    notices = ("tell_the_model",)

    def told(self, text: str, code: int) -> ToolOutput:
        return ToolOutput(output=[ContentPart(type="input_text", text=text)])


class GivesHalfCharacters(Runner):
    notices = ("tell_the_model",)

    def told(self, text: str, code: int) -> ToolOutput:
        return ToolOutput(output="\ud800")


class FailsGoodCalls(Runner):
    notices = ("tell_the_model",)

    def told(self, text: str, code: int) -> ToolOutput:
        return ToolOutput(output="no", success=False)


class NeverCompletes(Runner):
    notices = ("are_completed", "bad_arguments", "denial")

    async def complete(self, ctx, item) -> None:
        """Forgotten."""


class CompletesWhenAllIsWell(Runner):
    notices = ("denial",)

    async def complete(self, ctx, item) -> None:
        if item.status is ItemStatus.COMPLETED:
            await super().complete(ctx, item)


class CompletesUnderAnotherId(Runner):
    notices = ("are_completed",)

    async def complete(self, ctx, item) -> None:
        await super().complete(ctx, item.replace(id=f"{item.id}_done"))


class CompletesTwice(Runner):
    notices = ("are_completed",)

    async def complete(self, ctx, item) -> None:
        await super().complete(ctx, item)
        await super().complete(ctx, item)


class CompletesWhatStillRuns(Runner):
    notices = ("are_completed",)

    async def complete(self, ctx, item) -> None:
        await super().complete(ctx, item.replace(status=ItemStatus.IN_PROGRESS))


class Prints(Runner):
    notices = ("nothing_is_printed",)

    def parsed(self, arguments):
        print("running", arguments, file=sys.stderr)
        return super().parsed(arguments)


class LetsChildrenPrint(Runner):
    notices = ("nothing_is_printed",)

    def parsed(self, arguments):
        subprocess.run(["echo", "hello"], check=True)
        return super().parsed(arguments)


class TrustsTypes(Runner):
    notices = ("bad_arguments",)

    def parsed(self, arguments):
        return arguments["cmd"].strip("\0"), arguments.get("save_to")


class TrustsTextToHaveNoNul(Runner):
    notices = ("bad_arguments",)

    def parsed(self, arguments):
        super().parsed({name: str(given).strip("\0") for name, given in arguments.items()})
        return str(arguments["cmd"]), None


class FailsWithoutAWord(Runner):
    notices = ("bad_arguments",)

    def parsed(self, arguments):
        try:
            return super().parsed(arguments)
        except ToolFailed:
            raise ToolFailed("") from None


class WaitsForEver(Runner):
    notices = ("bad_arguments",)
    patience_s = 0.3

    async def run(self, call, ctx) -> ToolOutput:
        if call.arguments["cmd"] is None:
            await anyio.Event().wait()
        return await super().run(call, ctx)


class SwallowsDenials(Runner):
    notices = ("denial",)

    async def run(self, call, ctx) -> ToolOutput:
        try:
            return await super().run(call, ctx)
        except PolicyDenied as error:
            return ToolOutput(output=str(error), success=False)


class ForgetsToAbort(Runner):
    notices = ("denial",)

    async def run(self, call, ctx) -> ToolOutput:
        try:
            return await super().run(call, ctx)
        except PolicyDenied as error:
            raise PolicyDenied(f"refused: {error}") from error


class ActsBeforeItAsks(Runner):
    notices = ("denial",)

    async def run(self, call, ctx) -> ToolOutput:
        await anyio.Path(ctx.cwd, "log.txt").write_text("called")
        return await super().run(call, ctx)


class LeavesProcesses(Runner):
    notices = ("cancelled_call_ends", "closing_ends")
    patience_s = 0.3

    async def execute(self, item, ctx):
        request = ExecRequest(argv=("sleep", "602"), cwd=ctx.cwd, env=self.environ)
        await ctx.exec(request, RunIntent(argv=request.argv, cwd=ctx.cwd))
        return await super().execute(item, ctx)


class StartsPastTheContext(Runner):
    notices = ("cancelled_call_ends", "closing_ends")
    patience_s = 0.3

    async def execute(self, item, ctx):
        reader, writer = os.pipe()
        child = subprocess.Popen(["cat"], stdin=reader)
        LEFT.append((child, reader, writer))
        return await super().execute(item, ctx)


class KillsTheLeaderOnly(Runner):
    notices = ("cancelled_call_ends",)
    patience_s = 0.3

    async def release(self, process) -> None:
        if process.returncode is None:
            os.kill(process.pid, 9)


class SwallowsCancellation(Runner):
    notices = ("cancelled_call_ends", "closes_after")

    async def run(self, call, ctx) -> ToolOutput:
        try:
            return await super().run(call, ctx)
        except anyio.get_cancelled_exc_class():
            return ToolOutput(output="stopped", success=False)


class TakesItsTime(Runner):
    notices = ("cancelled_call_ends",)
    patience_s = 0.3

    async def release(self, process) -> None:
        with anyio.move_on_after(0.5 if process.returncode is None else 0, shield=True):
            await anyio.Event().wait()
        await super().release(process)


class EndsByItself(Runner):
    notices = ("cancelled_call_ends",)

    def parsed(self, arguments):
        cmd, save_to = super().parsed(arguments)
        return "true" if cmd == HANGS else cmd, save_to


class ClosesOnce(Runner):
    notices = ("closes_twice", "closes_after", "closing_ends")

    async def aclose(self) -> None:
        del self.left


class ClosesOnceAfterACall(Runner):
    notices = ("closes_twice",)
    used = False
    closed = False

    def parsed(self, arguments):
        self.used = True
        return super().parsed(arguments)

    async def aclose(self) -> None:
        if self.used and self.closed:
            raise RuntimeError("closed before")
        self.closed = True


class IsSpoiltByCancellation(Runner):
    notices = ("closes_after",)
    running = False

    async def act(self, call_id, cmd, save_to, ctx) -> ToolOutput:
        if self.running:
            raise RuntimeError("a call is running")
        self.running = True
        output = await super().act(call_id, cmd, save_to, ctx)
        self.running = False
        return output


LEFT: list[tuple[subprocess.Popen[bytes], int, int]] = []
"""What a fault started past its context: ended by the test."""

FAULTS = Runner.__subclasses__()


@pytest.fixture(autouse=True)
def leftovers():
    yield
    while LEFT:
        child, *ends = LEFT.pop()
        for end in ends:
            os.close(end)
        child.kill()
        child.wait()


def failed(kind: type, folder, capfd, parts=("",)) -> dict[str, str]:
    """The tests of the kit that fail on this tool, with their messages; of those whose names hold one of `parts`."""
    kit, found = ToolConformance(), {}
    for name, test in inspect.getmembers(kit, inspect.ismethod):
        if not name.startswith("test_") or not any(part in name for part in parts):
            continue
        workspace = kit.workspace.__wrapped__(kit, folder / name)
        with pytest.MonkeyPatch.context() as monkeypatch:
            fixtures = {
                "tool_case": runner_case(kind),
                "setup": ToolConformance.setup.__wrapped__(kit, folder / name),
                "workspace": workspace,
                "capfd": capfd,
                "monkeypatch": monkeypatch,
            }
            capfd.readouterr()
            wanted = [fixtures[parameter] for parameter in inspect.signature(test).parameters]
            try:
                anyio.run(test, *wanted) if inspect.iscoroutinefunction(test) else test(*wanted)
            except Exception as error:
                found[name] = f"{type(error).__name__}: {error}"
    return found


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
def test_planted_fault_is_noticed(kind: type, tmp_path, capfd) -> None:
    noticed = failed(kind, tmp_path, capfd, kind.notices)
    for part in kind.notices:
        assert any(part in name for name in noticed), f"{part} does not notice; these do: {noticed}"


def test_scaffold_of_the_faults_has_none_itself(tmp_path, capfd) -> None:
    assert failed(Runner, tmp_path, capfd) == {}


def test_every_test_of_the_kit_notices_some_fault() -> None:
    noticed = {part for kind in FAULTS for part in kind.notices}
    tests = [name for name, _ in inspect.getmembers(ToolConformance) if name.startswith("test_")]
    assert [name for name in tests if not any(part in name for part in noticed)] == []


def test_kit_without_its_fixture_says_so() -> None:
    with pytest.raises(NotImplementedError, match="tool_case"):
        ToolConformance.tool_case.__wrapped__(ToolConformance())


# -- schemas and arguments ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        ({}, "parameters: `type` must be 'object'"),
        ({"type": "array", "items": {}}, "parameters: `type` must be 'object'"),
        ({"type": "object", "properties": []}, "`properties` must be an object"),
        ({"type": "object", "properties": {}, "required": "a"}, "`required` must be a list"),
        ({"type": "object", "properties": {"a": {}}, "required": ["a", "a"]}, "twice"),
        ({"type": "object", "properties": {"a": {"type": "text"}}}, "parameters.a: 'text' is not a JSON type"),
        ({"type": "object", "properties": {"a": {"type": ["string", "nil"]}}}, "'nil' is not a JSON type"),
        ({"type": "object", "properties": {"a": {"type": "array"}}}, "parameters.a: an array needs `items`"),
        ({"type": "object", "properties": {"a": {"enum": []}}}, "parameters.a: `enum` must list"),
        ({"type": "object", "properties": {"a": {"description": 1}}}, "parameters.a: `description`"),
        ({"type": "object", "properties": {"a": "string"}}, "parameters.a: a schema must be an object"),
        ({"type": "object", "additionalProperties": "no"}, "`additionalProperties` must be"),
        ({"type": "object", "properties": {"a": {"items": {"required": ["b"]}}}}, "parameters.a[]: `required` names"),
        ({"type": "object", "properties": {"a": {"anyOf": [{"type": "?"}]}}}, "parameters.a/anyOf/0: '?'"),
    ],
)
def test_schema_that_is_none_is_noticed(schema, fault) -> None:
    assert any(fault in found for found in schema_faults(schema)), schema_faults(schema)


def test_good_schema_has_no_faults() -> None:
    entry = {
        "type": "object",
        "properties": {"b": {"type": ["string", "null"], "enum": ["x", None]}},
        "required": ["b"],
    }
    schema = {
        "type": "object",
        "properties": {"a": {"type": "array", "items": entry}, "c": {"anyOf": [{"type": "integer"}, {"$ref": "#/x"}]}},
        "required": ["a"],
        "additionalProperties": {"type": "string"},
    }
    assert schema_faults(schema) == []
    assert schema_faults({"type": "object", "properties": {}}) == []


def test_strict_schema_leaves_nothing_open() -> None:
    inner = {"type": "object", "properties": {"b": {}}}
    found = strictness_faults({"properties": {"a": inner}, "required": ["a"], "additionalProperties": False})
    assert found == [
        "parameters.a: strict, but `required` lacks ['b']",
        "parameters.a: strict, but `additionalProperties` is not false",
    ]


def test_every_place_of_good_arguments_is_spoiled() -> None:
    good = {"plan": [{"step": "a"}]}
    variations = dict(spoiled(good, {"properties": {"plan": {}, "why": {}}}))
    assert variations["plan.0.step = None"] == {"plan": [{"step": None}]}
    assert variations["plan.0 = 0.5"] == {"plan": [0.5]}
    assert variations["without plan.0.step"] == {"plan": [{}]}
    assert variations["without plan"] == {}
    assert variations["a stranger in plan.0"] == {"plan": [{"step": "a", "no_such_argument": 1}]}
    assert variations["a stranger in the arguments"] == {"plan": [{"step": "a"}], "no_such_argument": 1}
    assert variations["why = True"] == {"plan": [{"step": "a"}], "why": True}
    assert good == {"plan": [{"step": "a"}]}


# -- the context --------------------------------------------------------------------------------------


def request(*argv: str, cwd: str, **env: str) -> tuple[ExecRequest, RunIntent]:
    environ = {"PATH": os.environ["PATH"], **env}
    return ExecRequest(argv=argv, cwd=cwd, env=environ), RunIntent(argv=argv, cwd=cwd)


@pytest.mark.anyio
async def test_context_runs_programs_and_notes_them(tmp_path) -> None:
    async with FakeToolContext(str(tmp_path), environ={"A": "over"}) as ctx:
        asked, intent = request("sh", "-c", "echo $A $B", cwd=ctx.cwd, A="under", B="b")
        process = await ctx.exec(asked, intent)
        assert await process.read() == b"over b\n"
        assert await process.wait() == 0
        assert (ctx.requests, ctx.intents, ctx.processes) == ([asked], [intent], [process])
        with pytest.raises(ToolFailed, match="no such program or folder: /no/such"):
            await ctx.exec(*request("/no/such", cwd=ctx.cwd))


@pytest.mark.anyio
async def test_context_ends_what_still_runs_wherever_it_went(tmp_path) -> None:
    async with FakeToolContext(str(tmp_path)) as ctx:
        process = await ctx.exec(*request("sh", "-c", "sleep 600 & echo up; sleep 601; echo end", cwd=ctx.cwd))
        assert await process.read() == b"up\n"
        assert process.pid in ctx.living()
        if os.path.isdir("/proc/self"):
            assert len(ctx.living()) >= 2  # the shell and what it left in the background
    assert ctx.living() == []
    assert process.returncode is not None


@pytest.mark.anyio
async def test_context_writes_moves_and_removes_files(tmp_path) -> None:
    ctx = FakeToolContext(str(tmp_path))
    a, b = str(tmp_path / "a"), str(tmp_path / "deep" / "b")
    await ctx.edit_files([FileEdit(path=a, content=b"one")], summary="A a")
    await ctx.edit_files([FileEdit(path=b, content=b"two", move_from=a)])
    assert (os.path.exists(a), (tmp_path / "deep" / "b").read_bytes()) == (False, b"two")
    await ctx.edit_files([FileEdit(path=b, content=None)])
    assert os.listdir(tmp_path / "deep") == []
    assert ctx.intents == [
        EditIntent(paths=(a,), cwd=ctx.cwd, summary="A a"),
        EditIntent(paths=(b, a), cwd=ctx.cwd),
        EditIntent(paths=(b,), cwd=ctx.cwd),
    ]
    with pytest.raises(ToolFailed, match=f"Failed to write file {a}: No such file or directory; already written: {b}"):
        await ctx.edit_files([FileEdit(path=b, content=b""), FileEdit(path=a, content=None)])
    with pytest.raises(AssertionError, match="absolute"):
        await ctx.edit_files([FileEdit(path="a", content=b"")])


@pytest.mark.anyio
async def test_context_that_denies_does_nothing_and_notes_what_was_wanted(tmp_path) -> None:
    denial = PolicyDenied("no")
    ctx = FakeToolContext(str(tmp_path), deny=denial, answers={"q": "yes"})
    question = Question(id="q", header="Q", question="Really?")
    for attempt in (
        ctx.exec(*request("touch", "a", cwd=ctx.cwd)),
        ctx.edit_files([FileEdit(path=str(tmp_path / "a"), content=b"")]),
        ctx.authorize(ToolIntent(tool="t")),
        ctx.ask([question]),
    ):
        with pytest.raises(PolicyDenied) as raised:
            await attempt
        assert raised.value is denial
    assert [type(intent) for intent in ctx.intents] == [RunIntent, EditIntent, ToolIntent]
    assert ctx.questions == [question]
    assert (os.listdir(tmp_path), ctx.processes) == ([], [])


@pytest.mark.anyio
async def test_context_answers_the_questions_that_it_has_answers_for(tmp_path) -> None:
    ctx = FakeToolContext(str(tmp_path), answers={"a": "blue", "b": "red"})
    first, other = (Question(id=id, header="H", question="Which?") for id in ("a", "c"))
    assert await ctx.ask([first]) == {"a": ("blue",)}
    with pytest.raises(PolicyDenied, match="nobody is there to answer \\(c\\)"):
        await ctx.ask([first, other])


@pytest.mark.anyio
async def test_context_knows_which_items_are_open(tmp_path) -> None:
    ctx = FakeToolContext(str(tmp_path))
    item = CommandExecutionItem(id="1", command=("a",), cwd="/", status=ItemStatus.IN_PROGRESS)
    await ctx.item_started(item)
    await ctx.item_started(TodoListItem(id="2", items=()))
    await ctx.item_updated(item)
    await ctx.output_delta("1", b"x")
    assert (ctx.open_items(), ctx.updated, ctx.deltas) == ([item], [item], [("1", b"x")])
    assert ctx.spoke.is_set()
    await ctx.item_completed(item)
    assert (ctx.open_items(), ctx.completed) == ([], [item])

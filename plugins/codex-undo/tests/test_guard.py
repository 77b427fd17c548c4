"""The guard in a real thread, with a tool that changes files by commands and by edits."""

import os
import stat
import sys

import pytest

from codex_plugin_sdk import (
    ExecRequest,
    FileEdit,
    Notice,
    RunIntent,
    StoreSpec,
    ToolDefinition,
    ToolOutput,
    ToolSpec,
    TurnCompleted,
    TurnFailed,
)
from codex_plugin_sdk.testing.harness import open_thread, plugin
from codex_plugin_sdk.testing.memory_stores import InMemoryRolloutStore, InMemoryRolloutWriter, Rollout
from codex_plugin_sdk.testing.model import ScriptedModel, call, say
from codex_undo import plugin as undo_plugin
from codex_undo.journal import Journal

pytestmark = pytest.mark.anyio


class Hand:
    """Runs Python, or writes a file itself."""

    definition = ToolDefinition(name="hand", description="", parameters={"type": "object", "properties": {}})
    parallel_safe = False

    async def run(self, call, ctx):
        given = call.arguments
        if "edit" in given:
            await ctx.edit_files([FileEdit(path=os.path.join(ctx.cwd, given["edit"]), content=b"edited")])
        if "run" in given:
            argv = (sys.executable, "-I", "-S", "-c", given["run"])
            process = await ctx.exec(
                ExecRequest(argv=argv, cwd=ctx.cwd, env=dict(os.environ)), RunIntent(argv=argv, cwd=ctx.cwd)
            )
            await process.wait()
        return ToolOutput(output="done")

    async def aclose(self):
        """Nothing is held."""


class Writer(InMemoryRolloutWriter):
    """One that says where it writes: a thread without a rollout leaves no journal."""

    path = "/nowhere/rollout.jsonl"


class Store(InMemoryRolloutStore):
    def create(self, thread_id, created_at_ms):
        return Writer(Rollout(thread_id, created_at_ms), self.rollouts)


TOOLS = plugin(codex_tools=[ToolSpec(name="hand", factory=lambda _: Hand())])
STORES = plugin(codex_stores=[StoreSpec(name="memory", kind="rollout", factory=lambda _: Store())])


@pytest.fixture
def thread(tmp_path):
    """Opens a thread in a workspace, with a store, so that it is recorded."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()

    def open(model, *, mode="danger-full-access", **config):
        settings = {"sandbox_mode": mode, "undo.quarantine": False, **config}
        return open_thread(model, undo_plugin, TOOLS, STORES, home=str(home), cwd=str(work), config=settings)

    open.home, open.work = home, work
    return open


def kept(home):
    """What the journal says by name."""
    journal = Journal.open(str(home), make=False)
    if journal is None:
        return None
    try:
        return [
            {
                os.path.basename(path).decode(): (c.before and c.before.kind, c.after and c.after.kind)
                for path, c in journal.changes(entry).items()
            }
            for entry in journal.entries("1")
        ]
    finally:
        journal.close()


async def test_commands_and_edits_of_a_turn_are_one_entry(thread):
    (thread.work / "old").write_text("old")
    model = ScriptedModel(
        [call("hand", edit="new/a")],
        [call("hand", run="import os; os.unlink('old'); open('made', 'w')")],
        [say("done")],
    )
    async with thread(model) as harness:
        events = await harness.turn()
    assert isinstance(events[-1].msg, TurnCompleted)
    assert kept(thread.home) == [
        {"new": (None, "dir"), "a": (None, "file"), "old": ("file", None), "made": (None, "file")}
    ]
    folder = thread.home / "kernel/undo"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in folder.rglob("*"):
        assert stat.S_IMODE(file.stat().st_mode) == (0o700 if file.is_dir() else 0o600), file


async def test_a_turn_that_changes_nothing_leaves_no_entry(thread):
    model = ScriptedModel([call("hand", run="pass")], [say("done")])
    async with thread(model) as harness:
        await harness.turn()
    assert kept(thread.home) == []


async def test_a_turn_that_may_not_write_costs_nothing(thread):
    model = ScriptedModel([call("hand", run="pass")], [say("done")])
    async with thread(model, mode="read-only") as harness:
        await harness.turn()
    assert not (thread.home / "kernel").exists()


async def test_a_journal_that_cannot_be_written_refuses_the_change(thread):
    (thread.home / "kernel").mkdir()
    (thread.home / "kernel/undo").write_text("in the way")
    model = ScriptedModel([call("hand", run="open('made', 'w')")], [say("done")])
    async with thread(model) as harness:
        failed = (await harness.turn())[-1].msg
    assert isinstance(failed, TurnFailed)
    assert "could not open the undo journal" in failed.error.message
    assert "required = false" in failed.error.hint
    assert not (thread.work / "made").exists()


async def test_where_undo_is_not_required_the_turn_goes_on_and_says_so_once(thread):
    (thread.home / "kernel").mkdir()
    (thread.home / "kernel/undo").write_text("in the way")
    run = {"run": "open('made', 'w')"}
    model = ScriptedModel([call("hand", **run)], [call("hand", **run)], [say("done")])
    async with thread(model, **{"undo.required": False}) as harness:
        events = await harness.turn()
    assert isinstance(events[-1].msg, TurnCompleted)
    assert (thread.work / "made").exists()
    notes = [event.msg.message for event in events if isinstance(event.msg, Notice)]
    assert len(notes) == 1
    assert notes[0].startswith("undo is off for the rest of this session: could not open the undo journal")


async def test_what_cannot_be_undone_is_said_before_the_command_and_once(thread):
    (thread.work / "big").write_bytes(b"x" * (3 << 20))
    run = {"run": "pass"}
    model = ScriptedModel([call("hand", **run)], [call("hand", **run)], [say("done")])
    async with thread(model, **{"undo.max_file_mb": 2}) as harness:
        events = await harness.turn()
    notes = [event.msg.message for event in events if isinstance(event.msg, Notice)]
    assert notes == [f"what this turn does to {thread.work}/big (larger than 2 MB) cannot be undone"]


@pytest.mark.parametrize(("key", "given"), [("enabled", "yes"), ("max_files", -1), ("exclude", ["a/b"])])
async def test_a_value_that_cannot_be_used_is_named(thread, key, given):
    with pytest.raises(Exception, match=f"undo.{key}"):
        async with thread(ScriptedModel([say("done")]), **{f"undo.{key}": given}) as harness:
            await harness.turn()

"""Commands for the work itself: diff, review, undo, plan, goal, compaction."""

import anyio
import pytest

from codex_plugin_sdk.testing.model import call, freeform, say
from codex_plugin_sdk.testing.servers import stalled
from codex_tui.commands.diff import _read
from codex_tui.commands.git import Output
from codex_tui.session.cells import PlanCell, UserCell
from codex_tui.session.controller import Draft

from .commands_kit import git, option

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings():
    return {"approvalPolicy": "never", "sandbox": "workspace-write"}


def begin(work):
    """A repository with a commit."""
    git(work, "init", "-q", "-b", "main")
    (work / "a.py").write_text("one\n")
    git(work, "add", ".")
    git(work, "commit", "-qm", "first words")


def patch(body, call_id="c1"):
    return freeform("apply_patch", f"*** Begin Patch\n{body}\n*** End Patch\n", call_id)


# -- diff ----------------------------------------------------------------------------------------------


async def test_a_diff_shows_staged_unstaged_and_untracked_files_binary_ones_too(place):
    assert "not in a git repository" in await place.fails("/diff")
    git(place.work, "init", "-q", "-b", "main")
    (place.work / "early.txt").write_text("before any commit\n")
    git(place.work, "add", ".")
    await place.run("/diff")
    assert "+before any commit" in place.ui.diffs[-1]
    git(place.work, "commit", "-qm", "first")
    await place.run("/diff")
    assert "nothing has changed" in place.ui.last()
    (place.work / "early.txt").write_text("after\n")
    (place.work / "staged.txt").write_text("staged\n")
    git(place.work, "add", "staged.txt")
    (place.work / "new name's.txt").write_text("untracked\n")
    (place.work / "binary").write_bytes(bytes(range(256)))
    (place.work / ".gitignore").write_text("ignored\n")
    (place.work / "ignored").write_text("secret\n")
    await place.run("/diff")
    text = place.ui.diffs[-1]
    for line in ("-before any commit", "+after", "+staged", "+untracked", "+ignored"):
        assert f"\n{line}\n" in text
    assert "b/new name's.txt" in text
    assert "Binary files /dev/null and b/binary differ" in text
    assert "secret" not in text


async def test_a_diff_runs_nothing_that_a_repository_names(place):
    begin(place.work)
    marker = place.work / "ran"
    for key in ("diff.external", "core.fsmonitor", "diff.x.textconv"):
        git(place.work, "config", key, f"touch {marker}; cat")
    (place.work / ".git/info/attributes").write_text("*.py diff=x\n")
    (place.work / "a.py").write_text("two\n")
    await place.run("/diff")
    assert "+two" in place.ui.diffs[-1]
    assert not marker.exists()


async def test_a_long_diff_is_cut_between_files_and_says_so(place):
    begin(place.work)
    for number in range(210):
        (place.work / f"new{number:03}").write_text(f"{number}\n")
    (place.work / "zz").write_text("a rather long line of text, many times over\n" * 26_000)
    (place.work / "a.py").write_text("a rather long line of text, many times over\n" * 26_000)
    await place.run("/diff")
    assert len(place.ui.diffs[-1]) < 3 * 1024 * 1024
    said = [text for level, text, _ in place.ui.said if level == "warning"]
    assert said == ["there is more than is shown", "11 untracked files more are not shown"]


@pytest.mark.parametrize(
    ("listed", "paths"),
    [("", []), ("a\0b c\0", ["a", "b c"]), ("a\0b", ["a"]), ("a", [])],
    ids=["none", "two", "cut", "cut in the first"],
)
def test_the_list_of_untracked_files_is_read_however_it_ends(listed, paths):
    found = Output(code=0, text=f"/top\0{listed}\0\0diff --git a b", cut=False)
    assert _read(found) == ("/top", paths, Output(code=0, text="diff --git a b", cut=False))


# -- review --------------------------------------------------------------------------------------------


async def test_a_review_of_what_is_named_or_picked_begins(place):
    begin(place.work)
    git(place.work, "checkout", "-qb", "feature")
    (place.work / "a.py").write_text("two\n")
    git(place.work, "commit", "-qam", "second words")

    async def reviewed(line):
        place.script([say('{"findings": []}')])
        await place.ending(place.run, line)
        return place.sent()["input"][-1]["content"][0]["text"]

    assert "base BRANCH, commit SHA" in await place.fails("/review uncommitted")
    (place.work / "a.py").write_text("three\n")
    place.ui.answers.append(option("Uncommitted changes"))
    assert await reviewed("/review") == await reviewed("/review uncommitted")
    place.ui.answers.extend([option("Against a branch"), option("main")])
    assert "main" in await reviewed("/review")
    assert "main" in await reviewed("/review base main")
    place.ui.answers.extend([option("A commit"), lambda options: options[1].value])
    sha = git(place.work, "rev-parse", "main")
    assert sha[:7] in await reviewed("/review")
    assert sha in await reviewed(f"/review commit {sha}")
    assert "look at the names" in await reviewed("/review look at the names")
    assert "which one?" in await place.fails("/review base")
    place.ui.answers.append(None)
    await place.run("/review")
    place.ui.interactive = False
    assert "commit SHA" in await place.fails("/review")
    assert (place.session.busy, place.session.status.phase) == (False, "idle")


# -- undo ----------------------------------------------------------------------------------------------


async def test_undo_shows_what_it_would_do_asks_and_redo_brings_it_back(place):
    place.script([patch("*** Add File: made.txt\n+made")], [say("done", "m2")])
    await place.turn("make it")
    made = place.work / "made.txt"
    place.ui.answers.append(False)
    await place.run("/undo")
    title, rows, _ = place.ui.cards[-1]
    assert title == "What undo would do"
    assert rows[0][1] == str(made)
    assert place.ui.asked[-1][0] == "Take back 1 file of 1 turn?"
    assert made.read_text() == "made\n"
    place.ui.answers.append(True)
    await place.run("/undo")
    assert not made.exists()
    await place.run("/redo yes")
    assert made.read_text() == "made\n"
    assert len([cell for cell in place.session.transcript if isinstance(cell, UserCell)]) == 1


async def test_what_was_chosen_holds_after_an_undo(place):
    await place.run("/model gpt-5.6-sol high")
    place.script([patch("*** Add File: made.txt\n+made")], [say("done", "m2")])
    await place.turn("make it")
    await place.run("/undo --conversation yes")
    place.script([patch("*** Add File: made.txt\n+made")], [say("done", "m2")])
    await place.turn("make it again")
    assert place.sent()["model"] == "gpt-5.6-sol"
    await place.run("/undo yes")
    await place.turn("go on", say("yes", "m3"))
    assert place.sent()["model"] == "gpt-5.6-sol"


async def test_undo_changes_nothing_while_a_file_was_changed_since(place):
    place.script([patch("*** Add File: a.txt\n+a\n*** Add File: b.txt\n+b")], [say("done", "m2")])
    await place.turn("make them")
    (place.work / "a.txt").write_text("mine\n")
    assert "nothing was changed: 1 file" in await place.fails("/undo yes")
    assert "conflict" in place.ui.rows()
    assert (place.work / "b.txt").exists()
    await place.run("/undo --partial yes")
    assert (place.work / "a.txt").read_text() == "mine\n"
    assert not (place.work / "b.txt").exists()
    assert "exclude each other" in await place.fails("/undo --partial --conversation")
    assert "cannot stand there" in await place.fails("/undo everything")


async def test_undo_takes_the_conversation_back_too(place):
    await place.turn("first", say("hi"))
    place.script([patch("*** Add File: made.txt\n+made")], [say("done", "m2")])
    await place.turn("second")
    await place.run("/undo --conversation yes")
    assert not (place.work / "made.txt").exists()
    assert [cell.text for cell in place.session.transcript if isinstance(cell, UserCell)] == ["first"]
    page = await place.ask("thread/turns/list", threadId=place.session.thread_id)
    assert len(page["data"]) == 1
    await place.turn("third", say("on", "m3"))
    assert "second" not in str(place.sent()["input"])


# -- turns ---------------------------------------------------------------------------------------------


async def test_a_plan_is_shown_or_asked_for(place):
    await place.run("/plan")
    assert "no plan yet" in place.ui.last()
    plan = [{"step": "look", "status": "completed"}, {"step": "do", "status": "in_progress"}]
    place.script([call("update_plan", "c1", plan=plan)], [say("I would", "m2")])
    await place.ending(place.run, "/plan tidy up")
    text = str(place.model.requests[0].json["input"][-1])
    assert "tidy up" in text
    assert "change no file" in text
    assert any(isinstance(cell, PlanCell) for cell in place.session.transcript)
    await place.run("/plan")
    assert place.ui.cards[-1][2] == "- [x] look\n- [>] do"


async def test_a_goal_is_set_shown_paused_and_cleared(place):
    await place.run("/goal")
    assert "no goal" in place.ui.last()
    await place.run("/goal all tests pass")
    assert (await place.ask("thread/goal/get", threadId=place.session.thread_id))["goal"][
        "objective"
    ] == "all tests pass"
    await place.run("/goal pause")
    assert place.ui.rows() == {"goal": "all tests pass", "status": "paused", "spent": "0 tokens, 0 s"}
    await place.run("/goal clear")
    assert (await place.ask("thread/goal/get", threadId=place.session.thread_id))["goal"] is None


async def test_the_history_is_compacted(place):
    await place.turn("hello", say("hi"))
    place.script([say("in short: hello")])
    await place.ending(place.run, "/compact")
    assert any(type(cell).__name__ == "CompactionCell" for cell in place.session.transcript)


async def test_agents_md_is_asked_for_and_improved_only_if_wanted(place):
    place.script([say("done")])
    await place.ending(place.run, "/init name the linter")
    asked = place.sent()["input"][-1]["content"][0]["text"]
    assert asked.startswith("Write a file AGENTS.md")
    assert asked.endswith("name the linter")
    (place.work / "AGENTS.md").write_text("mine\n")
    place.ui.answers.append(False)
    await place.run("/init")
    assert not place.session.busy
    place.ui.answers.append(True)
    place.script([say("done", "m2")])
    await place.ending(place.run, "/init")
    assert "correct what is wrong" in place.sent()["input"][-1]["content"][0]["text"]


async def test_what_runs_is_listed_and_stopped_and_other_commands_wait(place):
    await place.run("/ps")
    assert "no command runs" in place.ui.last()
    await place.run("/stop")
    assert "nothing runs" in place.ui.last()
    place.script([call("exec_command", "c1", cmd="sleep 60", yield_time_ms=60_000)])

    async def until_it_runs():
        await place.until("item/started", lambda params: params["item"]["id"] == "c1")
        await place.run("/ps")
        assert "sleep 60" in str(place.ui.cards[-1])
        refused = await place.fails("/review uncommitted")
        assert "does not work while a turn runs" in refused
        assert "/stop" in refused
        await place.run("/status")
        await place.run("/model gpt-5.6-sol")
        assert "from the next turn on" in place.ui.last()
        await place.run("/stop")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(until_it_runs)
        await place.turn("sleep")
    assert not place.session.busy


async def test_a_slow_answer_can_be_stopped(place):
    reply, stall = stalled(place.model.answer(say("never")))
    place.model.play(reply)
    try:
        await place.session.submit(Draft(text="go"))
        await place.ending(place.run, "/stop")
    finally:
        stall.release()
    assert not place.session.busy

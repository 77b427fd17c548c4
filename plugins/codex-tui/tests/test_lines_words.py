"""Cells in words, in their order, once each."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import get_args

import pytest

from codex_tui.lines.feed import EARLIER, Feed
from codex_tui.lines.words import _WORDS, in_words, seconds
from codex_tui.render import load_theme
from codex_tui.session.cells import (
    AgentCell,
    AgentsCell,
    AnyCell,
    CardCell,
    Cell,
    CommandCell,
    CompactionCell,
    DecisionCell,
    DiffCell,
    FileDiff,
    HeaderCell,
    ImageCell,
    NoticeCell,
    PatchCell,
    PlanCell,
    ReasoningCell,
    ReviewCell,
    SearchCell,
    ToolCell,
    TurnEndCell,
    UserCell,
)
from codex_tui.session.transcript import Transcript

THEME = load_theme("none", environ={})


def command(output: str = "", **given) -> CommandCell:
    cell = CommandCell(key="c", done=True, **{"command": "make", "status": "completed", "exit_code": 0, **given})
    cell.output.add(output)
    return cell


def tool(**given) -> ToolCell:
    return ToolCell(key="t", tool="close", done=True, **given)


UPDATE = FileDiff(path="a.py", kind="update", diff="--- a\n+++ b\n@@ -1,2 +1,4 @@\n-x\n+y\n+z\n+w\n k\n")


@pytest.mark.parametrize(
    ("cell", "lines"),
    [
        (UserCell(key="u", text="hi\nthere", images=("/p.png",)), ["", "You: hi", "  there", "  with an image: /p.png"]),
        (AgentCell(key="a", text="# One\n\ntwo", done=True), ["", "Codex:", "One", "", "two"]),
        (ReasoningCell(key="r", summary=["**Looking**\n\nat it", "**Done**"]), ["Thought: Looking; Done"]),
        (ReasoningCell(key="r"), []),
        (command("ok\n"), ["Command: make", "  ok", "Command finished, exit code 0"]),
        (
            command("".join(f"{n}\n" for n in range(20)), exit_code=2, elapsed_s=65.0, by_user=True),
            ["Your command: make", "  (15 lines before these left out)", *(f"  {n}" for n in range(15, 20)),
             "Command finished, exit code 2, 1 minute 5 seconds"],
        ),
        (command("\x1b[31mred\x1b[0m\x07\n"), ["Command: make", "  red", "Command finished, exit code 0"]),
        (command(status="declined", exit_code=None), ["Command: make", "Command not run: it was refused"]),
        (command(status="failed", exit_code=None), ["Command: make", "Command failed"]),
        (
            command(actions=({"type": "read", "path": "a.py"}, {"type": "search", "query": "x", "path": "src"})),
            ["Read file: a.py", "Searched for: x in src"],
        ),
        (PatchCell(key="p", changes=(UPDATE,), status="completed"), ["File changed: a.py, 3 lines added, 1 removed"]),
        (
            PatchCell(key="p", changes=(FileDiff(path="n", kind="add", diff="1\n"), FileDiff(path="o", kind="delete", diff="")),
                      status="failed", output="no room\n"),
            ["Not done, it failed. File added: n, 1 line", "Not done, it failed. File deleted: o", "  no room"],
        ),
        (DiffCell(key="d", title="Changes", diff="+a\n-b\n"), ["Changes", "+a", "-b"]),
        (
            PlanCell(key="p", explanation="why", steps=(("completed", "a"), ("inProgress", "b"), ("pending", "c"))),
            ["Plan: 1 of 3 done", "why", "  done: a", "  now: b", "  to do: c"],
        ),
        (tool(server="s", status="completed", result="fine"), ["Tool s.close finished", "  fine"]),
        (tool(status="failed", error="broken"), ["Tool close failed", "  error: broken"]),
        (SearchCell(key="s", query="q"), ["Searched the web: q"]),
        (ImageCell(key="i", path="p.png"), ["Looked at image: p.png"]),
        (
            AgentsCell(key="g", tool="spawnAgent", prompt="do it", status="completed", agents=(("thread-12", "running", ""),)),
            ["Started a sub-agent: do it", "  hread-12: running"],
        ),
        (ReviewCell(key="v", entered=False, text="*fine*"), ["Review ended", "fine"]),
        (CompactionCell(key="k"), ["The history was shortened to make room"]),
        (NoticeCell(key="n", level="warning", text="mind", hint="try"), ["Warning: mind", "  Hint: try"]),
        (NoticeCell(key="n", level="error", text="lost", retrying=True), ["Error: lost (trying again)"]),
        (NoticeCell(key="n", level="info", text="said"), ["said"]),
        (DecisionCell(key="d", text="Allowed: make", approved=True), ["Allowed: make"]),
        (TurnEndCell(key="e", status="interrupted", elapsed_s=3.0), ["Interrupted, 3 seconds"]),
        (CardCell(key="c", title="T", rows=(("", "Part"), ("name", "value")), text="**b**"), ["T", "Part", "  name: value", "b"]),
        (HeaderCell(key="h", title="codex", rows=(("model", "m"),)), ["codex", "model: m"]),
    ],
)  # fmt: skip
def test_a_cell_is_told_in_words(cell, lines):
    assert in_words(cell, 80, THEME) == lines


def test_every_kind_of_cell_has_words():
    assert set(_WORDS) == set(get_args(AnyCell))


def test_a_cell_of_a_sub_agent_says_so():
    cell = NoticeCell(key="n", level="info", text="said", sub_agent="thread-123456789")
    assert in_words(cell, 80, THEME) == ["Sub-agent 23456789: said"]


def test_times_are_words():
    assert [seconds(value) for value in (0, 1, 59.4, 60, 125)] == [
        "0 seconds", "1 second", "59 seconds", "1 minute", "2 minutes 5 seconds",
    ]  # fmt: skip


def test_nothing_of_it_loads_textual():
    code = (
        "import sys, codex_tui.run, codex_tui.starting, codex_tui.lines.app, codex_tui.lines.actions,"
        "codex_tui.first_run, codex_tui.lines.sessions; assert 'textual' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# -- the order -----------------------------------------------------------------------------------------


class Told:
    """A transcript, and all that a feed gave."""

    def __init__(self) -> None:
        self.transcript = Transcript()
        self.feed = Feed(self.transcript, THEME)
        self.lines: list[str] = []

    def take(self) -> list[str]:
        new = self.feed.take(80)
        self.lines += new
        return new

    def add(self, cell: Cell) -> Cell:
        self.transcript.add(cell)
        return cell


def test_what_the_agent_says_comes_line_by_line_and_nothing_comes_between():
    told = Told()
    cell = told.add(AgentCell(key="a"))
    assert told.take() == []
    cell.add("one *and")
    assert told.take() == []
    cell.add("* two\n\nthree")
    assert told.take() == ["", "Codex:", "one and two"]
    told.add(NoticeCell(key="n", level="info", text="meanwhile"))
    assert told.take() == []
    cell.add(" four\n")
    cell.done = True
    assert told.take() == ["", "three four", "meanwhile"]
    assert told.take() == []


def test_what_is_done_is_told_once_and_what_is_not_waits():
    told = Told()
    slow = told.add(command("x\n", status="inProgress"))
    slow.done = False
    told.add(NoticeCell(key="n", level="info", text="first"))
    assert told.take() == ["first"]
    slow.done, slow.status = True, "completed"
    assert told.take()[0] == "Command: make"
    told.transcript.touch(slow)
    assert told.take() == []


def test_after_a_rewind_an_item_of_a_known_name_is_told_but_after_a_new_connection_it_is_not():
    told = Told()
    for key in ("a", "b"):
        told.add(NoticeCell(key=key, level="info", text=key))
    told.take()
    told.transcript.cut(1)
    assert told.take() == []
    told.add(NoticeCell(key="b", level="info", text="another b"))
    assert told.take() == ["another b"]
    told.transcript.clear()
    for key in ("a", "b", "c"):
        told.add(NoticeCell(key=key, level="info", text=key))
    assert told.take() == ["c"]


def test_what_was_typed_is_not_repeated_but_what_was_not_is():
    told = Told()
    told.feed.typed("mine")
    told.add(UserCell(key="1", text="mine", turn_id="t1", done=True))
    assert told.take() == []
    told.add(UserCell(key="2", text="mine", turn_id="t2", done=True))
    assert told.take() == ["", "You: mine"]
    told.feed.typed("queued")
    told.feed.forget("queued")
    told.add(UserCell(key="3", text="queued", turn_id="t3", done=True))
    assert told.take() == ["", "You: queued"]


def test_of_a_recorded_session_the_last_turn_is_told_and_all_on_demand():
    told = Told()
    told.add(NoticeCell(key="n", level="info", text="before"))
    assert told.take() == ["before"]
    told.transcript.clear()
    for number in range(3):
        told.add(UserCell(key=f"u{number}", text=f"question {number}", turn_id=f"t{number}", done=True))
        told.add(AgentCell(key=f"a{number}", text=f"answer {number}", turn_id=f"t{number}", done=True))
    assert told.take() == [EARLIER, "", "You: question 2", "", "Codex:", "answer 2"]
    assert told.take() == []
    assert "answer 0" in told.feed.all(80)
    told.add(UserCell(key="u9", text="new", turn_id="t9", done=True))
    assert told.take() == ["", "You: new"]


def test_a_cell_that_cannot_be_told_does_no_more_harm_than_that():
    told = Told()
    told.add(CardCell(key="c", title="T", rows=((1, 2),)))
    told.add(NoticeCell(key="n", level="info", text="after"))
    first, last = told.take()
    assert first.startswith("Error: CardCell cannot be told: ")
    assert last == "after"


def test_thousands_of_pieces_of_an_answer_cost_next_to_nothing():
    told = Told()
    cell = told.add(AgentCell(key="a"))
    before = time.process_time()
    for number in range(5_000):
        cell.add(f"w{number}" + ("\n\n" if number % 12 == 0 else " "))
        if number % 4 == 0:
            told.take()
    cell.done = True
    told.take()
    assert time.process_time() - before < 2
    assert " ".join(told.lines).split()[1:] == [f"w{number}" for number in range(5_000)]

"""Each kind of cell as rows: snapshots, folding, tails, the cache."""

import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from codex_tui.measures import duration, short_count
from codex_tui.render import RenderCache, joins, load_theme, render_cell, render_tail, room, stable_rows
from codex_tui.render.commands import script_of
from codex_tui.render.diffs import counts, lines_of, split_diff
from codex_tui.session import cells as kinds
from codex_tui.session.cells import (
    COMPLETED,
    DECLINED,
    FAILED,
    AgentCell,
    AgentsCell,
    CardCell,
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
from codex_tui.session.output import Output

_spec = importlib.util.spec_from_file_location("codex_tui_snapshots", Path(__file__).with_name("snapshots.py"))
snapshots = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(snapshots)

DARK = load_theme("dark", environ={})
NONE = load_theme("none", environ={})

UPDATE = """\
--- a/src/a.py
+++ b/src/a.py
@@ -1,4 +1,4 @@ import os
 import os
-value = compute(1, "one")
+value = compute(2, "one")
 print(value)
@@ -40,3 +40,5 @@ def main():
     run()
+    if value:
+        stop()
     return 0
"""
GIT = """\
diff --git a/x.txt b/x.txt
index 1..2 100644
--- a/x.txt
+++ b/x.txt
@@ -1 +1 @@
--- not a header
+++ nor this
diff --git a/new.txt b/new.txt
new file mode 100644
--- /dev/null
+++ b/new.txt
@@ -0,0 +1 @@
+hello
diff --git a/old.txt b/renamed.txt
similarity index 100%
rename from old.txt
rename to renamed.txt
"""


def numbered(count):
    return "".join(f"line {number}\n" for number in range(1, count + 1))


def command(command, output="", **more):
    return CommandCell(key="c", command=command, output=Output(head=output), **more)


READ = {"type": "read", "name": "a.py", "path": "src/a.py", "command": "cat src/a.py"}
ANSWER = """# What I found

The **cause** is in `parse()`: see [the docs](https://example.org/parse).

1. First
   - nested *item*
2. Second

```python
def parse(text: str) -> int:
    return int(text)  # why
```

| name | value |
|------|------:|
| a    |   1.5 |
| long name | 20 |

> A quote
- [x] done
- [ ] open

---
End."""

SAMPLES = {
    "header": HeaderCell(key="h", title="Codex 0.1.0", rows=(("model", "gpt-5 high"), ("folder", "~/src/project"))),
    "user": UserCell(key="u", text="Please fix the\nparser, it is very slow with long lines of text", images=("/tmp/shot.png",), mentions=("src/a.py",)),
    "user-steered": UserCell(key="u", text="and the tests", steered=True),
    "agent": AgentCell(key="a", text=ANSWER, done=True),
    "reasoning": ReasoningCell(key="r", summary=["**Planning the fix**\n\nI look at `a.py`.", "**Reading**"], elapsed_s=12.4, done=True),
    "reasoning-running": ReasoningCell(key="r"),
    "command": command("bash -lc 'pytest -q && echo \"done\"'", numbered(30), status=COMPLETED, exit_code=0, elapsed_s=3.21),
    "command-failed": command("make all", "\x1b[31merror:\x1b[0m no rule\n", status=FAILED, exit_code=2, elapsed_s=0.2),
    "command-running": command("tail -f log", numbered(12), typed=["q\n"]),
    "command-long": command("cat <<'E' > file\n" + numbered(6) + "E", status=COMPLETED, exit_code=0),
    "command-declined": command("rm -rf build", status=DECLINED),
    "command-by-user": command("git status", "On branch main\n", status=COMPLETED, exit_code=0, by_user=True),
    "explored": command("x", "no matter", status=COMPLETED, exit_code=0, actions=(READ, {**READ, "name": "b.py"}, {"type": "search", "query": "foo", "path": "src"}, {"type": "listFiles", "path": "tests"})),
    "patch": PatchCell(key="p", changes=(FileDiff(path="src/a.py", kind="update", diff=UPDATE),), status=COMPLETED),
    "patch-several": PatchCell(
        key="p",
        changes=(
            FileDiff(path="src/a.py", kind="update", diff=UPDATE, move_path="src/b.py"),
            FileDiff(path="new.txt", kind="add", diff="one\ntwo\n"),
            FileDiff(path="old.txt", kind="delete", diff="gone\n"),
        ),
        status=COMPLETED,
    ),
    "patch-declined": PatchCell(key="p", changes=(FileDiff(path="a", kind="add", diff="x\n"),), status=DECLINED),
    "patch-long": PatchCell(key="p", changes=(FileDiff(path="big.txt", kind="add", diff=numbered(500)),), status=COMPLETED),
    "diff": DiffCell(key="d", title="Changes", diff=GIT),
    "plan": PlanCell(key="pl", explanation="The parser first.", steps=(("completed", "Read the code"), ("inProgress", "Fix the parser so that long lines are fast"), ("pending", "Run the tests"))),
    "tool": ToolCell(key="t", server="docs", tool="search", arguments={"query": "parse", "limit": 3}, status=COMPLETED, result="found\n" + numbered(9), elapsed_s=1.5),
    "tool-failed": ToolCell(key="t", tool="lookup", arguments="x", status=FAILED, error="no such thing"),
    "tool-running": ToolCell(key="t", server="docs", tool="index", progress="12 of 40"),
    "search": SearchCell(key="s", query="python parse int", done=True),
    "search-several": SearchCell(key="s", queries=("one", "two")),
    "image": ImageCell(key="i", path="/tmp/shot.png"),
    "agents": AgentsCell(key="ag", tool="spawnAgent", status=COMPLETED, prompt="Look at the tests\nand fix them\nall of them\nsoon", agents=(("019a-77778888", "running", ""), ("019a-99990000", "errored", "lost its server"))),
    "review": ReviewCell(key="rv", entered=True, text="the changes since main"),
    "review-ended": ReviewCell(key="rv", entered=False, text="**One finding**\n\n- `a.py:3` is wrong"),
    "compaction": CompactionCell(key="co", done=True),
    "notice": NoticeCell(key="n", level="info", text="A new version is there"),
    "warning": NoticeCell(key="n", level="warning", text="The context is nearly full", hint="try /compact"),
    "error": NoticeCell(key="n", level="error", text="The server refused: 401", hint="codex login"),
    "retrying": NoticeCell(key="n", level="error", text="Stream lost, 2 of 5", retrying=True),
    "decision": DecisionCell(key="de", text="You allowed pytest -q for this session", approved=True),
    "decision-no": DecisionCell(key="de", text="You declined rm -rf build", approved=False),
    "turn-end": TurnEndCell(key="e", status="completed", elapsed_s=72.2, tokens=12_345),
    "turn-interrupted": TurnEndCell(key="e", status="interrupted", elapsed_s=5),
    "card": CardCell(key="ca", title="/status", rows=(("model", "gpt-5"), ("folder", "/srv/code/a/rather/long/path/of/a/project")), text="More in **docs**."),
    "sub-agent": command("ls", "a\nb\n", status=COMPLETED, exit_code=0, sub_agent="019a"),
    "wide": UserCell(key="u", text="日本語のとても長い文章は途中で折り返されます。한국어 텍스트도 있습니다 👨‍👩‍👧 👍🏽 🇩🇪 ❤️ שלום עולם مرحبا بالعالم ü é"),
    "wide-table": AgentCell(key="a", text="| 名前 | 値 |\n|---|--:|\n| 日本 | 1 |\n| 👍🏽 ok | 22 |", done=True),
    "hostile": AgentCell(key="a", text="\x1b]0;owned\x07 \u202etxt.exe\u202c `rm\u200b -rf` [click](javascript:alert) &#27;[2J\n\n```sh\necho \x1b[2J\n```", done=True),
    "hostile-command": command("echo \x1b[2J\u202e; rm -rf /", "\x1b]8;;http://evil\x07link\x1b]8;;\x07 10%\r100%\x1b[5A\n", status=COMPLETED, exit_code=0),
}  # fmt: skip


def test_every_kind_of_cell_has_a_sample():
    known = {kind for _, kind in inspect.getmembers(kinds, inspect.isclass) if issubclass(kind, kinds.Cell)}
    assert {type(cell) for cell in SAMPLES.values()} == known - {kinds.Cell}


@pytest.mark.parametrize("name", SAMPLES)
def test_cells_look_as_in_their_snapshot(name):
    rows = []
    for width, theme, unfolded in ((100, DARK, False), (40, DARK, False), (40, NONE, True)):
        rows.append(f"=== {width} {theme.name}{' unfolded' if unfolded else ''}")
        made = render_cell(SAMPLES[name], width, theme, unfolded=unfolded)
        rows += [row.plain for row in made] if width == 40 and theme is DARK else snapshots.styled(made)
    snapshots.check(f"cells/{name}", rows)


@pytest.mark.parametrize("width", [10, 11, 17, 40, 100])
@pytest.mark.parametrize("name", SAMPLES)
def test_no_row_is_too_wide_and_themes_do_not_move_anything(name, width):
    for unfolded in (False, True):
        rows = render_cell(SAMPLES[name], width, DARK, unfolded=unfolded)
        assert rows
        assert all(room(row.plain) <= width and "\n" not in row.plain for row in rows)
        assert rows[0].plain.strip()
        assert rows[-1].plain.strip()
        plain = render_cell(SAMPLES[name], width, NONE, unfolded=unfolded)
        assert [row.plain for row in plain] == [row.plain for row in rows]
        assert not any(span.style.color or span.style.bgcolor for row in plain for span in row.spans)


def texts(rows):
    return [row.plain for row in rows]


def test_a_flood_of_output_is_folded_and_unfolded():
    cell = command("make", numbered(200), status=COMPLETED, exit_code=0)
    assert texts(render_cell(cell, 60, DARK))[1:] == [
        "  └ line 1", "    line 2", "    … +195 lines (ctrl+t)", "    line 198", "    line 199", "    line 200",
    ]  # fmt: skip
    assert len(render_cell(cell, 60, DARK, unfolded=True)) == 201


def test_one_endless_line_costs_no_more_than_what_is_shown():
    cell = command("make", "x" * 100_000, status=COMPLETED, exit_code=0)
    assert len(render_cell(cell, 60, DARK)) < 10


def test_the_tail_of_a_running_command_is_its_last_rows():
    cell = command("make", "")
    cell.output.add(numbered(100_000))
    assert texts(render_tail(cell, 60, DARK, 3)) == ["• Running make", "  └ line 99999", "    line 100000"]
    assert texts(render_tail(cell, 60, DARK, 4))[-1] == "    line 100000"
    assert texts(render_tail(cell, 60, DARK, 0)) == []


def test_the_tail_of_an_answer_goes_on_from_where_it_was():
    cell = AgentCell(key="a", text="")
    for number in range(200):
        cell.text += f"paragraph {number}\n\n"
        cell.touch()
        tail = texts(render_tail(cell, 40, DARK, 3))
    assert tail == ["  paragraph 198", "", "  paragraph 199"]
    assert stable_rows(cell, 40, DARK) == 399
    before = texts(render_cell(cell, 40, DARK))
    cell.done = True
    assert texts(render_cell(cell, 40, DARK)) == before
    assert before[0] == "• paragraph 0"


def test_exploring_goes_on_below_without_a_title():
    one = command("x", status=COMPLETED, exit_code=0, actions=(READ,))
    other = command("y", status=COMPLETED, exit_code=0, actions=({**READ, "name": "b.py"},))
    assert joins(one, other)
    assert not joins(command("z"), other)
    assert texts(render_cell(other, 40, DARK, joined=True)) == ["    Read b.py"]


@pytest.mark.parametrize(
    ("command", "script"),
    [
        ("bash -lc 'a && b'", "a && b"),
        ("/bin/zsh -c ls", "ls"),
        ("ls -l", "ls -l"),
        ("bash -lc 'unclosed", "bash -lc 'unclosed"),
        ("bash -lc a b", "bash -lc a b"),
    ],
)
def test_the_shell_around_a_command_is_left_out(command, script):
    assert script_of(command) == script


def test_lines_of_a_change_have_numbers_and_marks():
    found = lines_of(FileDiff(path="a", kind="update", diff=UPDATE))
    assert [(line.sign, line.number) for line in found] == [
        (" ", 1), ("-", 2), ("+", 2), (" ", 3), ("@", 0), (" ", 40), ("+", 41), ("+", 42), (" ", 43),
    ]  # fmt: skip
    assert [line.text[slice(*line.marked)] for line in found if line.marked] == ["1", "2"]
    assert counts(found) == (3, 1)


def test_a_diff_of_git_is_split_by_files():
    files = split_diff(GIT)
    assert [(file.path, file.kind, file.move_path) for file in files] == [
        ("x.txt", "update", None), ("new.txt", "add", None), ("old.txt", "update", "renamed.txt"),
    ]  # fmt: skip
    assert [(line.sign, line.text) for line in lines_of(files[0])] == [("-", "-- not a header"), ("+", "++ nor this")]


def test_a_plain_diff_is_split_by_files():
    plain = "--- a/one\n+++ b/one\n@@ -1 +1 @@\n-a\n+b\n--- two\n+++ two\n@@ -1 +1 @@\n-c\n+d\n"
    assert [file.path for file in split_diff(plain)] == ["one", "two"]
    assert split_diff("") == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.44, "0.4s"), (9.96, "10s"), (59.4, "59s"), (72, "1m 12s"), (7500, "2h 05m")]
)
def test_durations_are_short(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("number", "text"), [(950, "950"), (12_345, "12.3k"), (999_960, "1.0M"), (1_250_000, "1.2M")])
def test_counts_are_short(number, text):
    assert short_count(number) == text


def test_the_cache_gives_rows_again_until_something_changes():
    cache = RenderCache()
    cell = attrs.evolve(SAMPLES["notice"])
    rows = cache.rows(cell, 40, DARK)
    assert cache.rows(cell, 40, DARK) is rows
    assert cache.rows(cell, 41, DARK) is not rows
    assert cache.rows(cell, 40, NONE) is not rows
    cell.text = "other"
    cell.touch()
    assert texts(cache.rows(cell, 40, DARK)) == ["• other"]
    cache.forget()
    assert (len(cache), cache.rows_kept) == (0, 0)


def test_the_cache_keeps_one_version_of_a_cell_and_knows_cells_apart():
    cache = RenderCache()
    cell = AgentCell(key="a")
    for number in range(50):
        cell.text += f"paragraph {number}\n\n"
        cell.touch()
        cache.rows(cell, 40, DARK)
    assert len(cache) == 1
    assert texts(cache.rows(AgentCell(key="a", text="other", version=cell.version), 40, DARK)) == ["• other"]
    assert cache.rows_kept == 2


def test_the_cache_is_bounded_by_rows():
    cache = RenderCache(max_rows=100)
    for number in range(500):
        cache.rows(NoticeCell(key=str(number), level="info", text="x"), 40, DARK)
    assert cache.rows_kept <= 100
    huge = command("make", numbered(1000), status=COMPLETED, exit_code=0)
    assert len(cache.rows(huge, 40, DARK, unfolded=True)) == 1001
    assert len(cache) == 1


def test_importing_render_brings_neither_textual_nor_the_parsers():
    code = "import sys, codex_tui.render; print([m for m in ('textual', 'markdown_it', 'pygments', 'tomllib', 'rich.console') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"

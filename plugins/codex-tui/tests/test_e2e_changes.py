"""Changes of files in a real terminal: hunk by hunk, and taken back with the conversation or without."""

from __future__ import annotations

import sys

from codex_plugin_sdk.testing.model import freeform, say

from .e2e_kit import READY, World, composer, has, times

LINES = "".join(f"line {number}\n" for number in range(1, 31))
PATCH = """*** Begin Patch
*** Update File: a.txt
@@
-line 2
+line two
@@
-line 14
+line fourteen
@@
-line 27
+line twenty-seven
*** End Patch
"""
EDITOR = """import sys
path = sys.argv[1]
text = open(path).read()
assert "+line twenty-seven" in text, text
open(path, "w").write(text.replace("twenty-seven", "XXVII"))
"""


def test_single_hunks_are_taken_refused_and_edited_and_a_rewind_brings_back_files(tui: World) -> None:
    editor = tui.home / "editor.py"
    editor.write_text(EDITOR)
    target = tui.work / "a.txt"
    target.write_text(LINES)
    tui.configure('sandbox_mode = "workspace-write"\napproval_policy = "untrusted"')
    with tui.start(rows=40, env={"EDITOR": f"{sys.executable} {editor}"}) as terminal:
        terminal.until(READY)
        tui.answers([say("let us see")])
        tui.enter(terminal, "first words")
        terminal.until("let us see")

        tui.answers([freeform("apply_patch", PATCH, "p1")], [say("as you like")])
        tui.enter(terminal, "write numbers out")
        terminal.until(has("Change this file?", "e hunk by hunk"))
        tui.answer(terminal, "e")
        terminal.until("0 of 3 decided")
        terminal.press("y")
        terminal.until("1 of 3 decided")
        terminal.press("n")
        terminal.until("2 of 3 decided")
        terminal.press("e")  # in the user's own editor, which has the terminal meanwhile
        terminal.until(has("3 of 3 decided", "XXVII"))
        assert target.read_text() == LINES
        terminal.press("enter")
        terminal.until(has("as you like", "Took 2 of 3 parts of the patch"))
        wanted = LINES.replace("line 2\n", "line two\n").replace("line 27\n", "line XXVII\n")
        assert target.read_text() == wanted
        told = tui.outputs()[-1]
        assert "fourteen" in told
        assert "XXVII" in told

        # Back to before it, with the files; then to the beginning, without.
        tui.until_idle(terminal)
        terminal.press("esc", "esc")
        terminal.until(has("Back to before which message?", "first words"))
        terminal.press("enter")
        terminal.until("What is to be taken back?")
        terminal.press("down", "enter")
        terminal.until("back to before “write numbers out”")
        assert target.read_text() == LINES
        terminal.until(lambda it: "write numbers out" in composer(it))  # to be sent once more, or changed
        terminal.press("ctrl+u")
        tui.answers([say("I have forgotten it")])
        tui.enter(terminal, "what was it?")
        terminal.until("I have forgotten it")
        assert tui.said() == ["first words", "what was it?"]
        assert not tui.outputs()

        target.write_text("mine\n")
        tui.until_idle(terminal)
        terminal.press("esc", "esc")
        terminal.until("Back to before which message?")
        terminal.press("down", "enter")
        terminal.until("What is to be taken back?")
        terminal.press("enter")
        terminal.until("back to before “first words”")
        terminal.press("ctrl+u")
        tui.answers([say("hello again")])
        tui.enter(terminal, "from the start")
        terminal.until("hello again")
        assert tui.said() == ["from the start"]
        assert target.read_text() == "mine\n"
        tui.leave(terminal)
        assert times(terminal, "I have forgotten it") == 1
    assert len(tui.rollouts()) == 1

"""A patch as it is shown while a model writes it."""

from __future__ import annotations

import pytest

from codex_plugin_sdk import FileChange
from codex_tool_apply_patch.following import FollowedPatch
from codex_tool_apply_patch.tool import ApplyPatchTool

PATCH = """*** Begin Patch
*** Update File: m.py
*** Move to: n.py
@@ def f():
-x
+y
@@
 z
*** End of File
*** Delete File: old.txt
*** Add File: a.txt
+one
+two
*** End Patch
"""
CHANGES = (
    FileChange(path="a.txt", kind="add", content="one\ntwo\n"),
    FileChange(
        path="m.py", kind="update", unified_diff="@@ def f():\n-x\n+y\n@@\n z\n*** End of File\n", move_path="n.py"
    ),
    FileChange(path="old.txt", kind="delete"),
)


def test_changes_grow_line_by_line_and_end_whole() -> None:
    followed, seen = FollowedPatch(), []
    for line in PATCH.splitlines(keepends=True):
        followed.feed(line)
        seen.append(followed.changes())
    assert seen[0] == ()
    assert seen[1] == (FileChange(path="m.py", kind="update"),)
    assert seen[4] == (FileChange(path="m.py", kind="update", unified_diff="@@ def f():\n-x\n", move_path="n.py"),)
    assert seen[-3][0] == FileChange(path="a.txt", kind="add", content="one\n")
    assert seen[-1] == CHANGES


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_changes_are_the_same_however_the_patch_is_cut(size: int) -> None:
    followed = FollowedPatch()
    for at in range(0, len(PATCH), size):
        followed.feed(PATCH[at : at + size])
        followed.changes()
    assert followed.changes() == CHANGES


@pytest.mark.parametrize("text", ["", "SELECT 1;\n", "*** Begin Patch\n", "*** Begin Patch\nwhat is this\n"])
def test_what_is_no_patch_has_no_changes(text: str) -> None:
    followed = FollowedPatch()
    followed.feed(text)
    assert followed.changes() == ()


def test_input_is_followed_only_where_that_is_wanted() -> None:
    assert ApplyPatchTool().follow_input() is None
    assert isinstance(ApplyPatchTool(followed=True).follow_input(), FollowedPatch)

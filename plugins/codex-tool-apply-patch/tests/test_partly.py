"""A patch of which whoever approved it took a part, or which they changed."""

from __future__ import annotations

import pytest

from codex_plugin_sdk import FileEdit, ItemStatus, ToolCall
from codex_tool_apply_patch.tool import ApplyPatchTool

pytestmark = pytest.mark.anyio


class Changing:
    """Writes nothing, and says that `change(edits)` was written."""

    def __init__(self, cwd, change):
        self.cwd, self.change, self.done = str(cwd), change, None

    async def item_started(self, item):
        self.started = item

    async def item_completed(self, item):
        self.done = item

    async def edit_files(self, edits, *, summary=""):
        return self.change(list(edits))


async def run(ctx, *lines):
    text = "\n".join(("*** Begin Patch", *lines, "*** End Patch"))
    return await ApplyPatchTool().run(ToolCall(call_id="c", name="apply_patch", input=text, freeform=True), ctx)


UPDATE = ("*** Update File: a.txt", "@@", "-one", "+ONE")
ADD = ("*** Add File: b.txt", "+new")


async def test_only_what_was_written_is_reported_and_shown(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    ctx = Changing(tmp_path, lambda edits: edits[1:])
    output = await run(ctx, *UPDATE, *ADD)
    assert output.output.endswith("Success. Updated the following files:\nA b.txt\n")
    assert [change.path for change in ctx.started.changes] == [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]
    assert [(change.path, change.content) for change in ctx.done.changes] == [(str(tmp_path / "b.txt"), "new\n")]
    assert ctx.done.status is ItemStatus.COMPLETED


async def test_a_file_that_was_written_in_another_way_is_shown_as_it_is_now(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\nthree\n")
    ctx = Changing(tmp_path, lambda edits: [FileEdit(path=edits[0].path, content=b"one\ntwo\n3\n"), edits[1]])
    await run(ctx, *UPDATE, *ADD)
    changed, added = ctx.done.changes
    assert changed.unified_diff == "@@ -2,2 +2,2 @@\n two\n-three\n+3\n"
    assert added.content == "new\n"


async def test_a_new_file_that_was_written_in_another_way_is_shown_as_it_is_now(tmp_path):
    ctx = Changing(tmp_path, lambda edits: [FileEdit(path=edits[0].path, content=b"newer\n")])
    await run(ctx, *ADD)
    assert [change.content for change in ctx.done.changes] == ["newer\n"]

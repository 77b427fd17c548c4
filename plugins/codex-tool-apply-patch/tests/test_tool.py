"""The tool: verification before the first write, items, words for the model."""

import os
import re

import pytest

from codex_plugin_sdk import (
    FileChange,
    FileChangeItem,
    FileEdit,
    ItemCompleted,
    ItemStarted,
    ItemStatus,
    PolicyDenied,
    ToolCall,
    ToolFailed,
    ToolSpec,
)
from codex_plugin_sdk.testing.harness import open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, freeform, say
from codex_tool_apply_patch.definition import DESCRIPTION, GRAMMAR
from codex_tool_apply_patch.parser import parse
from codex_tool_apply_patch.tool import ApplyPatchTool

pytestmark = pytest.mark.anyio


class FakeContext:
    """The part of a `ToolContext` that the tool uses; `refusal` is raised instead of writing."""

    def __init__(self, cwd, refusal=None):
        self.cwd = str(cwd)
        self.refusal = refusal
        self.log = []

    async def item_started(self, item):
        self.log.append(("started", item))

    async def item_completed(self, item):
        self.log.append(("completed", item))

    async def edit_files(self, edits, *, summary=""):
        self.log.append(("edit", list(edits), summary))
        if self.refusal is not None:
            raise self.refusal
        return edits


def patch(*lines):
    return "\n".join(("*** Begin Patch", *lines, "*** End Patch"))


async def run(ctx, text, **fields):
    given = {"call_id": "call_1", "name": "apply_patch", "input": text, "freeform": True, **fields}
    return await ApplyPatchTool().run(ToolCall(**given), ctx)


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "a.txt").write_text("one\n")
    (tmp_path / "d.txt").write_text("x\n")
    (tmp_path / "m.txt").write_text("1\n2\n")
    return tmp_path


EVERYTHING = patch(
    "*** Add File: new.txt",
    "+hello",
    "*** Update File: a.txt",
    "@@",
    "-one",
    "+two",
    "*** Delete File: d.txt",
    "*** Update File: m.txt",
    "*** Move to: sub/n.txt",
    "@@",
    " 1",
    "-2",
    "+3",
)
SUMMARY = "A new.txt\nM a.txt\nM sub/n.txt\nD d.txt"
REPORT = re.compile(r"Exit code: (\d)\nWall time: \d+\.\d seconds\nOutput:\n(.*)", re.DOTALL)


def report(output):
    code, text = REPORT.fullmatch(output.output).groups()
    return int(code), text


async def test_patch_is_shown_written_and_reported(workspace):
    ctx = FakeContext(workspace)
    output = await run(ctx, EVERYTHING)
    item = FileChangeItem(
        id="call_1",
        status=ItemStatus.IN_PROGRESS,
        changes=(
            FileChange(path=f"{workspace}/a.txt", kind="update", unified_diff="@@ -1 +1 @@\n-one\n+two\n"),
            FileChange(path=f"{workspace}/d.txt", kind="delete", content="x\n"),
            FileChange(
                path=f"{workspace}/m.txt",
                kind="update",
                unified_diff="@@ -1,2 +1,2 @@\n 1\n-2\n+3\n",
                move_path=f"{workspace}/sub/n.txt",
            ),
            FileChange(path=f"{workspace}/new.txt", kind="add", content="hello\n"),
        ),
    )
    success = f"Success. Updated the following files:\n{SUMMARY}\n"
    assert ctx.log == [
        ("started", item),
        (
            "edit",
            [
                FileEdit(path=f"{workspace}/new.txt", content=b"hello\n"),
                FileEdit(path=f"{workspace}/a.txt", content=b"two\n"),
                FileEdit(path=f"{workspace}/d.txt", content=None),
                FileEdit(path=f"{workspace}/sub/n.txt", content=b"1\n3\n", move_from=f"{workspace}/m.txt"),
            ],
            SUMMARY,
        ),
        ("completed", item.replace(status=ItemStatus.COMPLETED, stdout=success)),
    ]
    assert output.success
    assert report(output) == (0, success)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["nonsense"], "invalid hunk at line 2, 'nonsense' is not a valid hunk header. Valid hunk headers: '*** Add File: {path}', '*** Delete File: {path}', '*** Update File: {path}'"),
        (["*** Add File: n", "+", "*** Update File: a.txt", "@@", "-no", "-such"], "Failed to find expected lines in $W/a.txt:\nno\nsuch"),
        (["*** Update File: a.txt", "-one", "", ""], "Failed to find expected lines in $W/a.txt:\none"),
        (["*** Update File: no", "-one"], "Failed to read file to update $W/no: No such file or directory (os error 2)"),
        (["*** Delete File: no"], "Failed to read $W/no: No such file or directory (os error 2)"),
        (["*** Delete File: ."], "Failed to read $W: path `$W` is not a file"),
        (["*** Delete File: a.txt", "*** Add File: a.txt"], "invalid patch: multiple operations target $W/a.txt"),
        (["*** Add File: n", "+\ud800"], "invalid patch: the text holds half a character at position 33"),
    ],
)  # fmt: skip
async def test_patch_that_does_not_fit_shows_and_changes_nothing(workspace, lines, reason):
    ctx = FakeContext(workspace)
    output = await run(ctx, patch(*lines))
    assert not output.success
    assert output.output.replace(str(workspace), "$W") == f"apply_patch verification failed: {reason}"
    assert ctx.log == []


async def test_text_that_is_no_patch_is_told_so(workspace):
    output = await run(FakeContext(workspace), "hello")
    reason = "invalid patch: The first line of the patch must be '*** Begin Patch'"
    assert output.output == f"apply_patch verification failed: {reason}"


async def test_empty_patch_and_environments_are_refused(workspace):
    ctx = FakeContext(workspace)
    output = await run(ctx, patch())
    assert (output.output, output.success) == ("patch rejected: empty patch", False)
    output = await run(ctx, patch("*** Environment ID: x", "*** Delete File: a.txt"))
    assert output.output == "apply_patch environment selection is unavailable for this turn"
    assert ctx.log == []


async def test_denied_patch_completes_its_item_as_declined(workspace):
    ctx = FakeContext(workspace, PolicyDenied("outside the writable roots"))
    with pytest.raises(PolicyDenied):
        await run(ctx, EVERYTHING)
    assert [name for name, *_ in ctx.log] == ["started", "edit", "completed"]
    assert ctx.log[-1][1].status is ItemStatus.DECLINED
    assert ctx.log[-1][1].stderr == "outside the writable roots\n"


async def test_failed_write_completes_its_item_as_failed(workspace):
    ctx = FakeContext(workspace, ToolFailed("Failed to write file /w/new.txt: disk full"))
    output = await run(ctx, EVERYTHING)
    assert not output.success
    assert report(output) == (1, "Failed to write file /w/new.txt: disk full\n")
    item = ctx.log[-1][1]
    assert (item.status, item.stdout, item.stderr) == (
        ItemStatus.FAILED,
        "",
        "Failed to write file /w/new.txt: disk full\n",
    )


async def test_function_form_of_the_call_works_too(workspace):
    ctx = FakeContext(workspace)
    text = patch("*** Add File: n", "+")
    output = await run(ctx, '{"input": …}', freeform=False, arguments={"input": text})
    assert report(output)[0] == 0


async def test_working_directory_of_the_call_counts(workspace):
    ctx = FakeContext(workspace)
    await run(ctx, patch("*** Add File: n", "+"), arguments={"workdir": "sub/x"})
    assert ctx.log[1][1] == [FileEdit(path=f"{workspace}/sub/x/n", content=b"\n")]


async def test_definition_is_freeform_and_its_example_is_a_patch():
    definition = ApplyPatchTool().definition
    assert (definition.name, definition.freeform) == ("apply_patch", True)
    assert definition.grammar == {"type": "grammar", "syntax": "lark", "definition": GRAMMAR.lstrip("\n")}
    example = DESCRIPTION[DESCRIPTION.rindex("*** Begin Patch") : DESCRIPTION.rindex("*** End Patch")]
    assert len(parse(f"{example}*** End Patch").hunks) == 3
    assert not ApplyPatchTool().parallel_safe


# -- in a session ---------------------------------------------------------------------------------------

CONFINED = {
    "sandbox_mode": "workspace-write",
    "approval_policy": "never",
    "sandbox_workspace_write.exclude_slash_tmp": True,
    "sandbox_workspace_write.exclude_tmpdir_env_var": True,
}


async def in_session(tmp_path, *patches):
    """Let a model send these patches in a confined session; gives outputs and file-change items."""
    calls = [[freeform("apply_patch", text, f"call_{number}")] for number, text in enumerate(patches)]
    model = ScriptedModel(*calls, [say("done")])
    tools = plugin(codex_tools=[ToolSpec(name="apply_patch", factory=lambda setup: ApplyPatchTool())])
    home = tmp_path / "home"
    home.mkdir()
    async with open_thread(model, tools, home=str(home), cwd=str(tmp_path / "ws"), config=CONFINED) as thread:
        await thread.turn()
        items = [
            msg.item for kind in (ItemStarted, ItemCompleted) for msg in thread.of(kind)
            if isinstance(msg.item, FileChangeItem)
        ]  # fmt: skip
        return thread.outputs(), items


async def test_session_writes_the_files_and_shows_the_change(tmp_path):
    workspace = tmp_path / "ws"
    workspace.mkdir()
    (workspace / "a.txt").write_bytes(b"one\r\n")
    (workspace / "a.txt").chmod(0o755)
    text = patch("*** Add File: sub/n", "+x", "*** Update File: a.txt", "*** Move to: b.txt", "-one", "+two")
    outputs, items = await in_session(tmp_path, text, patch("*** Delete File: sub/n"))
    assert [REPORT.fullmatch(output)[2] for output in outputs] == [
        "Success. Updated the following files:\nA sub/n\nM b.txt\n",
        "Success. Updated the following files:\nD sub/n\n",
    ]
    assert [path.name for path in workspace.rglob("*") if path.is_file()] == ["b.txt"]
    assert (workspace / "b.txt").read_bytes() == b"two\r\n"
    assert [(item.id, item.status) for item in items] == [
        ("call_0", ItemStatus.IN_PROGRESS),
        ("call_1", ItemStatus.IN_PROGRESS),
        ("call_0", ItemStatus.COMPLETED),
        ("call_1", ItemStatus.COMPLETED),
    ]


@pytest.mark.parametrize(
    "lines",
    [
        ["*** Add File: ../outside/new", "+x"],
        ["*** Add File: link/new", "+x"],
        ["*** Update File: file-link", "-secret", "+x"],
        ["*** Delete File: link/file"],
        ["*** Update File: ok", "*** Move to: link/ok", "-1", "+2"],
        ["*** Add File: .git/hooks/pre-commit", "+x"],
        ["*** Add File: git-link/config", "+x"],
    ],
)
async def test_session_refuses_whole_patches_that_leave_the_workspace(tmp_path, lines):
    workspace, outside = tmp_path / "ws", tmp_path / "outside"
    (workspace / ".git").mkdir(parents=True)
    outside.mkdir()
    (outside / "file").write_text("secret\n")
    (workspace / "ok").write_text("1\n")
    (workspace / "link").symlink_to(outside)
    (workspace / "file-link").symlink_to(outside / "file")
    (workspace / "git-link").symlink_to(".git")
    before = sorted(tmp_path.rglob("*"))
    outputs, items = await in_session(tmp_path, patch("*** Add File: fine", "+x", *lines))
    assert "outside the writable roots" in outputs[0]
    assert [item.status for item in items] == [ItemStatus.IN_PROGRESS, ItemStatus.DECLINED]
    assert [path for path in sorted(tmp_path.rglob("*")) if "home" not in path.parts] == before
    assert (outside / "file").read_text() == "secret\n"
    assert os.listdir(outside) == ["file"]

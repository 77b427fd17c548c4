"""Plans for whole patches: the edits, what the user is shown, and what is refused."""

import os

import pytest

from codex_plugin_sdk import FileChange, FileEdit
from codex_tool_apply_patch.hunks import AddFile, Chunk, DeleteFile, InvalidPatch, Patch, PatchError, UpdateFile
from codex_tool_apply_patch.plan import plan
from codex_tool_apply_patch.reading import Unreadable


def planned(files, *hunks, cwd="/w"):
    def read(path):
        if path not in files:
            raise Unreadable("no such file")
        return files[path]

    return plan(Patch(hunks=hunks), cwd, read)


def change(path, *lines, move_to=None):
    return UpdateFile(path=path, chunks=(Chunk(lines=lines),), move_to=move_to)


def test_plan_holds_edits_and_what_the_user_is_shown():
    changes = planned(
        {"/w/d": "gone\n", "/w/u": "1\n", "/w/m": "2\n"},
        AddFile(path="sub/a", content="é\n"),
        DeleteFile(path="d"),
        change("./u", "-1", "+x"),
        change("m", "-2", "+y", move_to="sub/../n"),
    )
    assert [one.edit for one in changes] == [
        FileEdit(path="/w/sub/a", content="é\n".encode()),
        FileEdit(path="/w/d", content=None),
        FileEdit(path="/w/u", content=b"x\n"),
        FileEdit(path="/w/n", content=b"y\n", move_from="/w/m"),
    ]
    assert [one.shown for one in changes] == [
        FileChange(path="/w/sub/a", kind="add", content="é\n"),
        FileChange(path="/w/d", kind="delete", content="gone\n"),
        FileChange(path="/w/u", kind="update", unified_diff="@@ -1 +1 @@\n-1\n+x\n"),
        FileChange(path="/w/m", kind="update", unified_diff="@@ -1 +1 @@\n-2\n+y\n", move_path="/w/n"),
    ]


def test_file_moved_onto_itself_is_not_removed():
    (one,) = planned({"/w/a": "1\n"}, change("a", "-1", "+x", move_to="./a"))
    assert one.edit == FileEdit(path="/w/a", content=b"x\n")


def test_file_moved_onto_a_symlink_to_itself_is_not_removed(tmp_path):
    (tmp_path / "a").write_text("1\n")
    (tmp_path / "link").symlink_to("a")
    root = str(tmp_path)
    (one,) = planned({f"{root}/a": "1\n"}, change("a", "-1", "+x", move_to="link"), cwd=root)
    assert one.edit == FileEdit(path=f"{root}/link", content=b"x\n")


@pytest.mark.parametrize(
    "hunks",
    [
        (change("a", "-1", "+x"), change("./a", "-1", "+y")),
        (AddFile(path="a", content=""), change("a", "-1", "+y")),
        (DeleteFile(path="a"), AddFile(path="/w/a", content="")),
        (change("b", "-1", "+x", move_to="a"), change("a", "-1", "+y")),
        (change("a", "-1", "+x"), change("b", "-1", "+y", move_to="a")),
    ],
)
def test_two_hunks_about_one_file_are_refused(hunks):
    with pytest.raises(InvalidPatch) as caught:
        planned({"/w/a": "1\n", "/w/b": "1\n"}, *hunks)
    assert caught.value.for_model == "invalid patch: multiple operations target /w/a"


def test_name_of_a_deleted_file_may_be_moved_to_once():
    files = {"/w/a": "1\n", "/w/b": "1\n", "/w/c": "1\n"}
    hunks = [DeleteFile(path="a"), change("b", "-1", "+x", move_to="a")]
    assert len(planned(files, *hunks)) == 2
    with pytest.raises(InvalidPatch):
        planned(files, *hunks, change("c", "-1", "+y", move_to="a"))


def test_one_file_by_two_names_is_refused(tmp_path):
    (tmp_path / "a").write_text("1\n")
    (tmp_path / "link").symlink_to("a")
    os.link(tmp_path / "a", tmp_path / "hard")
    root = str(tmp_path)
    files = {f"{root}/{name}": "1\n" for name in ("a", "link", "hard")}
    with pytest.raises(InvalidPatch):
        planned(files, change("a", "-1", "+x"), change("link", "-1", "+y"), cwd=root)
    assert len(planned(files, change("a", "-1", "+x"), change("hard", "-1", "+y"), cwd=root)) == 2


def test_files_that_cannot_be_read_are_named():
    with pytest.raises(PatchError, match="Failed to read file to update /w/a: no such file"):
        planned({}, change("a", "-1", "+x"))
    with pytest.raises(PatchError, match="Failed to read /w/a: no such file"):
        planned({}, DeleteFile(path="a"))


def test_file_that_is_not_text_may_be_deleted():
    def read(path):
        raise Unreadable("not text", exists=True)

    (one,) = plan(Patch(hunks=(DeleteFile(path="a"),)), "/w", read)
    assert one.edit == FileEdit(path="/w/a", content=None)
    assert one.shown.content == ""

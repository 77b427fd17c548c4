"""The command: what it writes, prints and returns."""

import io
import os
import stat

import pytest

from codex_tool_apply_patch.command import USAGE, main

HEADERS = "Valid hunk headers: '*** Add File: {path}', '*** Delete File: {path}', '*** Update File: {path}'"
SUCCESS = "Success. Updated the following files:\n"


def patch(*lines):
    return "\n".join(("*** Begin Patch", *lines, "*** End Patch"))


class Folder:
    """A folder to run the command in."""

    def __init__(self, path):
        self.path = path

    def run(self, *argv, stdin=b""):
        stdout, stderr = io.BytesIO(), io.BytesIO()
        code = main(argv, io.BytesIO(stdin), stdout, stderr, str(self.path))
        return code, *(out.getvalue().decode().replace(str(self.path), "$W") for out in (stdout, stderr))

    def apply(self, *lines):
        return self.run(patch(*lines))

    def write(self, name, content, mode=0o644):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
        path.chmod(mode)
        return path

    def read(self, name):
        return (self.path / name).read_bytes().decode()

    def names(self):
        found = [path for path in self.path.rglob("*") if path.is_symlink() or not path.is_dir()]
        return sorted(str(path.relative_to(self.path)) for path in found)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def update(name, old="1", new="x", move_to=None):
    return (f"*** Update File: {name}", *([f"*** Move to: {move_to}"] if move_to else []), "@@", f"-{old}", f"+{new}")


# -- how it is called -----------------------------------------------------------------------------------


def test_patch_is_taken_from_the_argument_or_from_stdin(folder):
    text = patch("*** Add File: a", "+x")
    assert folder.run(text, stdin=b"ignored") == (0, f"{SUCCESS}A a\n", "")
    assert folder.run(stdin=text.replace("File: a", "File: b").encode()) == (0, f"{SUCCESS}A b\n", "")
    assert folder.names() == ["a", "b"]


def test_misuse_is_told_with_exit_code_2(folder):
    assert folder.run() == (2, "", USAGE)
    assert folder.run("one", "two") == (2, "", "Error: apply_patch accepts exactly one argument.\n")


def test_help_is_no_patch(folder):
    assert folder.run("--help") == (0, USAGE, "")


def test_patch_must_be_text(folder):
    assert folder.run("*** \udcff") == (1, "", "Error: apply_patch requires a UTF-8 PATCH argument.\n")
    reason = "Error: Failed to read PATCH from stdin.\nstream did not contain valid UTF-8\n"
    assert folder.run(stdin=b"\xff") == (1, "", reason)


# -- what it prints -------------------------------------------------------------------------------------


def test_summary_groups_files_and_names_them_as_the_patch_does(folder):
    for name in ("d", "u", "m"):
        folder.write(name, "1\n")
    lines = ("*** Delete File: d", *update("./u"), "*** Add File: z//z", "+", *update("m", move_to="n"))
    assert folder.apply(*lines, "*** Add File: é", "+") == (0, f"{SUCCESS}A z//z\nA é\nM ./u\nM n\nD d\n", "")


@pytest.mark.parametrize(
    ("lines", "stderr"),
    [
        ([], "No files were modified.\n"),
        (["*** Environment ID: x"], "No files were modified.\n"),
        (
            ["nonsense"],
            f"Invalid patch hunk on line 2: 'nonsense' is not a valid hunk header. {HEADERS}\n",
        ),
        (update("a", "q"), "Failed to find expected lines in $W/a:\nq\n"),
        (["*** Update File: a", "@@ q", "-1"], "Failed to find context 'q' in $W/a\n"),
        (update("s/../b"), "Failed to read file to update $W/b: No such file or directory (os error 2)\n"),
        (update("dir"), "Failed to read file to update $W/dir: path `$W/dir` is not a file\n"),
        (update("pipe"), "Failed to read file to update $W/pipe: path `$W/pipe` is not a file\n"),
        (update("a/b"), "Failed to read file to update $W/a/b: Not a directory (os error 20)\n"),
        (update("bin"), "Failed to read file to update $W/bin: invalid utf-8 sequence of 1 bytes from index 2\n"),
        (update("cut"), "Failed to read file to update $W/cut: incomplete utf-8 byte sequence from index 1\n"),
        (update("nul\0"), "Failed to read file to update $W/nul\0: not a possible path\n"),
        (["*** Delete File: missing"], "Failed to delete file $W/missing\n"),
        (["*** Delete File: dir"], "Failed to delete file $W/dir\n"),
        (["*** Delete File: nul\0"], "Failed to delete file $W/nul\0\n"),
        (["*** Add File: a/b", "+"], "Failed to write file $W/a/b\n"),
        (["*** Add File: dir", "+"], "Failed to write file $W/dir\n"),
        (["*** Add File: nul\0", "+"], "Failed to write file $W/nul\0\n"),
        (["*** Add File: " + "x" * 300, "+"], f"Failed to write file $W/{'x' * 300}\n"),
        (update("a", move_to="dir"), "Failed to write file $W/dir\n"),
    ],
)
def test_failure_is_told_on_stderr_and_changes_nothing(folder, lines, stderr):
    folder.write("a", "1\n")
    folder.write("dir/in", "1\n")
    (folder.path / "bin").write_bytes(b"1\n\xff\n")
    (folder.path / "cut").write_bytes(b"1\xe2\x82")
    os.mkfifo(folder.path / "pipe")
    assert folder.run(stdin=patch(*lines).encode()) == (1, "", stderr)
    assert folder.names() == ["a", "bin", "cut", "dir/in", "pipe"]
    assert folder.read("a") == "1\n"


def test_failure_keeps_and_reports_what_was_written_before_it(folder):
    folder.write("gone", "1\n")
    code, stdout, stderr = folder.apply(
        "*** Add File: a", "+x", "*** Delete File: gone", *update("missing"), "*** Add File: b", "+"
    )
    assert code == 1
    assert stdout == "Updated the following files before the failure:\nA a\nD gone\n"
    assert stderr == "Failed to read file to update $W/missing: No such file or directory (os error 2)\n"
    assert folder.names() == ["a"]


def test_file_with_a_failing_chunk_is_untouched(folder):
    folder.write("a", "1\n2\n")
    assert folder.apply(*update("a"), "@@", "-q")[0] == 1
    assert folder.read("a") == "1\n2\n"


# -- what it writes -------------------------------------------------------------------------------------


def test_each_hunk_sees_what_the_ones_before_it_wrote(folder):
    lines = ("*** Add File: a", "+1", *update("a"), *update("a", "x", "y", move_to="b"), *update("b", "y", "z"))
    assert folder.apply(*lines, "*** Add File: c", "+", "*** Delete File: c")[0] == 0
    assert folder.names() == ["b"]
    assert folder.read("b") == "z\n"


def test_add_replaces_a_file_and_makes_folders(folder):
    folder.write("a", "old", 0o755)
    assert folder.apply("*** Add File: a", "+new", "*** Add File: deep/er/b", "+x", "*** Add File: e")[0] == 0
    assert (folder.read("a"), folder.read("deep/er/b"), folder.read("e")) == ("new\n", "x\n", "")
    assert stat.S_IMODE((folder.path / "a").stat().st_mode) == 0o755


def test_update_keeps_the_mode_and_crlf(folder):
    path = folder.write("a", "1\r\n2", 0o750)
    assert folder.apply(*update("a"))[0] == 0
    assert folder.read("a") == "x\r\n2\r\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o750


def test_move_takes_the_mode_along_but_not_over_another_file(folder):
    folder.write("a", "1\n", 0o755)
    folder.write("b", "1\n", 0o755)
    folder.write("taken", "", 0o600)
    assert folder.apply(*update("a", move_to="new/a"), *update("b", move_to="taken"))[0] == 0
    assert folder.names() == ["new/a", "taken"]
    modes = [stat.S_IMODE((folder.path / name).stat().st_mode) for name in ("new/a", "taken")]
    assert modes == [0o755, 0o600]


@pytest.mark.parametrize("target", ["a", "./a", "sub/../a", "link"])
def test_move_onto_itself_loses_nothing(folder, target):
    folder.write("a", "1\n")
    (folder.path / "link").symlink_to("a")
    assert folder.apply(*update("a", move_to=target)) == (0, f"{SUCCESS}M {target}\n", "")
    assert folder.read("a") == "x\n"


def test_move_onto_another_hard_link_removes_the_old_name(folder):
    folder.write("a", "1\n")
    os.link(folder.path / "a", folder.path / "b")
    assert folder.apply(*update("a", move_to="b"))[0] == 0
    assert folder.names() == ["b"]
    assert folder.read("b") == "x\n"


def test_update_and_add_follow_a_symlink(folder):
    folder.write("real", "1\n")
    (folder.path / "link").symlink_to("real")
    assert folder.apply(*update("link"))[0] == 0
    assert folder.read("real") == "x\n"
    assert folder.apply("*** Add File: link", "+y")[0] == 0
    assert folder.read("real") == "y\n"
    assert (folder.path / "link").is_symlink()


def test_add_through_a_dangling_symlink_makes_its_target(folder):
    (folder.path / "link").symlink_to("new")
    (folder.path / "far").symlink_to("no/such/folder")
    assert folder.apply("*** Add File: link", "+y")[0] == 0
    assert folder.read("new") == "y\n"
    assert folder.apply("*** Add File: far", "+y") == (1, "", "Failed to write file $W/far\n")


def test_delete_removes_a_symlink_and_not_its_target(folder):
    folder.write("real", "1\n")
    (folder.path / "link").symlink_to("real")
    assert folder.apply("*** Delete File: link")[0] == 0
    assert folder.names() == ["real"]


def test_delete_refuses_symlinks_to_folders_and_to_nothing(folder):
    folder.write("dir/in", "1\n")
    (folder.path / "link").symlink_to("dir")
    (folder.path / "dangling").symlink_to("nothing")
    assert folder.apply("*** Delete File: link") == (1, "", "Failed to delete file $W/link\n")
    assert folder.apply("*** Delete File: dangling") == (1, "", "Failed to delete file $W/dangling\n")
    assert folder.names() == ["dangling", "dir/in", "link"]


def test_paths_may_leave_the_folder(folder):
    inner = Folder(folder.path / "inner")
    inner.path.mkdir()
    assert inner.apply("*** Add File: ../up", "+x", f"*** Add File: {folder.path}/abs", "+y")[0] == 0
    assert folder.names() == ["abs", "up"]


def test_original_that_cannot_be_removed_after_a_move_is_named(folder, monkeypatch):
    def refuse(path):
        raise PermissionError(1, "no", path)

    monkeypatch.setattr("codex_tool_apply_patch.command.remove_file", refuse)
    folder.write("a", "1\n")
    assert folder.apply(*update("a", move_to="b")) == (1, "", "Failed to remove original $W/a\n")
    assert folder.names() == ["a", "b"]

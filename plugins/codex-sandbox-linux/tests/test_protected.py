import os

import pytest

from codex_sandbox_linux.protected import Watched, survey


@pytest.fixture
def root(tmp_path):
    made = tmp_path / "root"
    made.mkdir()
    return made


def test_what_is_missing_is_watched_and_what_exists_is_kept(root):
    (root / ".git").mkdir()
    (root / ".codex").write_text("a file")
    found = survey([str(root)], str(root))
    assert found.read_only == (str(root / ".git"), str(root / ".codex"))
    assert found.watched == (Watched(path=str(root / ".agents")),)


def test_folders_above_the_working_directory_count_as_far_as_they_are_writable(root):
    inner = root / "a/b"
    inner.mkdir(parents=True)
    found = survey([str(root)], str(inner))
    assert [entry.path for entry in found.watched if entry.path.endswith(".git")] == [
        str(root / ".git"),
        str(inner / ".git"),
        str(root / "a/.git"),
    ]


def test_a_submodule_s_repository_is_kept(root):
    modules = root / ".git/modules/sub"
    modules.mkdir(parents=True)
    sub = root / "sub"
    sub.mkdir()
    (sub / ".git").write_text("gitdir: ../.git/modules/sub\n")
    found = survey([str(sub), str(root)], str(sub))
    assert {str(sub / ".git"), str(modules), str(root / ".git")} == set(found.read_only)


def test_linked_hooks_and_configuration_are_kept_with_their_targets(root):
    (root / ".git").mkdir()
    (root / "hooks").mkdir()
    (root / ".git/hooks").symlink_to("../hooks")
    found = survey([str(root)], str(root))
    assert str(root / "hooks") in found.read_only


def test_a_link_that_leads_nowhere_is_watched_at_both_ends(root):
    (root / ".git").symlink_to("later")
    watched = {entry.path: entry.target for entry in survey([str(root)], str(root)).watched}
    assert watched[str(root / ".git")] == "later"
    assert watched[str(root / "later")] is None


def test_a_pointer_to_the_root_itself_does_not_take_the_root_away(root):
    (root / ".git").write_text("gitdir: .\n")
    assert survey([str(root)], str(root)).read_only == (str(root / ".git"),)


def test_a_git_file_that_is_no_pointer_or_a_pipe_holds_nobody_up(root):
    os.mkfifo(root / ".git")
    assert survey([str(root)], str(root)).read_only == (str(root / ".git"),)


def test_a_root_that_is_a_file_has_no_entries(root):
    (root / "file").write_text("")
    assert survey([str(root / "file")], "/").watched == ()

"""What a command sees of the disk, planned: roots, protected entries, hidden files, and the arguments for it."""

import os

import pytest

from codex_plugin_sdk import NetworkMode, SandboxMode, SandboxPolicy, SandboxUnavailable
from codex_sandbox_linux import globs
from codex_sandbox_linux.arguments import arguments
from codex_sandbox_linux.layout import MAX_DENIED, git_folders, plan

WRITE = SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE, exclude_slash_tmp=True)


@pytest.fixture
def ws(tmp_path):
    folder = tmp_path / "ws"
    folder.mkdir()
    return folder


def planned(ws, policy=WRITE, tmpdir=None):
    return plan(policy, str(ws), tmpdir)


def paths(*found):
    return tuple(map(str, found))


def test_roots_are_real_folders_outer_ones_first_and_missing_ones_are_left_out(tmp_path, ws):
    (ws / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(ws / "deep")
    policy = WRITE.replace(writable_roots=paths(ws / "deep" / "er", tmp_path / "link", tmp_path / "gone", ws))
    assert planned(ws, policy).writable == paths(ws, ws / "deep", ws / "deep" / "er")


def test_folders_between_an_outer_and_an_inner_root_are_pinned(tmp_path, ws):
    inner = ws / "a" / "b" / "c"
    inner.mkdir(parents=True)
    layout = planned(ws, WRITE.replace(writable_roots=paths(inner)))
    assert set(layout.pinned) == set(paths(ws / "a" / "b", ws / "a"))


def test_protected_entries_are_kept_absent_or_links(ws):
    (ws / ".git").mkdir()
    (ws / "real").mkdir()
    (ws / ".agents").symlink_to("real")
    layout = planned(ws)
    assert layout.kept == paths(ws / ".git", ws / "real")
    assert layout.absent == paths(ws / ".codex")
    assert layout.links == ((str(ws / ".agents"), "real"),)


def test_every_root_is_protected_and_one_that_names_a_protected_entry_opens_it(tmp_path, ws):
    other = tmp_path / "other"
    for root in (ws, other):
        (root / ".git").mkdir(parents=True)
    layout = planned(ws, WRITE.replace(writable_roots=paths(other, ws / ".git")))
    assert layout.kept == paths(other / ".git")


def test_a_worktrees_repository_is_kept_with_the_one_that_it_shares(tmp_path, ws):
    gitdir = ws / "main" / ".git" / "worktrees" / "w"
    gitdir.mkdir(parents=True)
    (gitdir / "commondir").write_text("../..\n")
    (ws / ".git").write_text(f"gitdir: {gitdir}\n")
    assert git_folders(str(ws / ".git")) == [str(gitdir), str(ws / "main" / ".git")]
    assert set(planned(ws).kept) >= set(paths(ws / ".git", gitdir, ws / "main" / ".git"))


@pytest.mark.parametrize("content", [b"", b"gitdir:", b"gitdir: /nowhere\n", b"\xff\xfe", b"x" * 100_000])
def test_a_git_file_that_leads_nowhere_is_kept_all_the_same(ws, content):
    (ws / ".git").write_bytes(content)
    assert str(ws / ".git") in planned(ws).kept


def test_denied_reads_hide_what_exists_and_nothing_twice(ws):
    (ws / "keys" / "deep").mkdir(parents=True)
    for name in ("a.env", "keys/b.env", "keys/deep/c.env", "plain"):
        (ws / name).write_text("")
    policy = WRITE.replace(denied_reads=paths(ws / "*.env", ws / "keys", "/nowhere/*"))
    assert planned(ws, policy).hidden == ((str(ws / "a.env"), False), (str(ws / "keys"), True))


def test_a_denied_read_through_a_link_hides_what_it_leads_to(tmp_path, ws):
    (tmp_path / "secret").write_text("")
    (ws / "link").symlink_to(tmp_path / "secret")
    assert planned(ws, WRITE.replace(denied_reads=paths(ws / "link"))).hidden == ((str(tmp_path / "secret"), False),)


def test_too_many_or_too_deep_denied_reads_are_refused_rather_than_forgotten(ws, monkeypatch):
    for number in range(MAX_DENIED + 1):
        (ws / f"{number}.env").write_text("")
    with pytest.raises(SandboxUnavailable, match="more than"):
        planned(ws, WRITE.replace(denied_reads=paths(ws / "*.env")))
    monkeypatch.setattr(globs, "MAX_ENTRIES", 10)
    with pytest.raises(SandboxUnavailable, match="too large a tree"):
        planned(ws, WRITE.replace(denied_reads=paths(ws / "*.none")))


def test_patterns_without_a_star_do_not_search_below_their_depth(ws):
    (ws / "a" / "b").mkdir(parents=True)
    (ws / "a" / "x1").write_text("")
    (ws / "a" / "b" / "x2").write_text("")
    assert list(globs.matches(f"{ws}/?/x?")) == [str(ws / "a" / "x1")]
    assert set(globs.matches(f"{ws}/*x?")) == {str(ws / "a" / "x1"), str(ws / "a" / "b" / "x2")}


def test_a_private_temporary_folder_where_the_policy_gives_none(ws):
    assert planned(ws).private_tmp
    assert not planned(ws, WRITE.replace(exclude_slash_tmp=False)).private_tmp
    assert not planned(ws, WRITE, tmpdir=str(ws)).private_tmp
    assert planned(ws, SandboxPolicy(), tmpdir=str(ws)).private_tmp


def words(layout, network=NetworkMode.OFF, fresh_proc=True):
    return arguments(layout, network, "/ws", fresh_proc=fresh_proc, unreadable="/unreadable")


def has(given, *wanted):
    return any(tuple(given[index : index + len(wanted)]) == wanted for index in range(len(given)))


def test_the_arguments_lay_read_only_over_writable_over_read_only(ws):
    (ws / ".git").mkdir()
    (ws / "secret").write_text("")
    given = words(planned(ws, WRITE.replace(denied_reads=paths(ws / "secret"))))
    order = [given.index(word) for word in ("/", str(ws), str(ws / ".git"), str(ws / "secret"))]
    assert order == sorted(order)
    assert has(given, "--ro-bind", "/", "/")
    assert has(given, "--bind", str(ws), str(ws))
    assert has(given, "--ro-bind", str(ws / ".git"), str(ws / ".git"))
    assert has(given, "--ro-bind", "/unreadable", str(ws / "secret"))
    assert has(given, "--ro-bind", "/proc/sys", "/proc/sys")
    assert has(given, "--cap-drop", "ALL")
    assert "--die-with-parent" in given


def test_the_network_is_private_unless_it_is_on(ws):
    assert "--unshare-net" in words(planned(ws))
    assert "--unshare-net" in words(planned(ws), NetworkMode.PROXIED)
    assert "--unshare-net" not in words(planned(ws), NetworkMode.ON)


def test_without_all_readable_only_the_system_and_what_is_named_is_there(ws):
    given = words(planned(ws, WRITE.replace(readable_roots=("/usr/share",))))
    assert not has(given, "--ro-bind", "/", "/")
    assert has(given, "--ro-bind", "/usr/share", "/usr/share")
    assert given[given.index("--remount-ro") + 1] == "/"
    assert not any(word.startswith("/home") for word in given)


def test_a_tree_that_cannot_be_listed_hides_nothing_and_breaks_nothing(ws):
    if os.getuid() == 0:
        pytest.skip("root lists everything")
    (ws / "closed").mkdir(mode=0o000)
    assert planned(ws, WRITE.replace(denied_reads=paths(ws / "closed" / "*"))).hidden == ()

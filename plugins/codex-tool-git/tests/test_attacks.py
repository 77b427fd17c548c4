"""What a confined command can plant is not run outside the sandbox.

Each test first lets plain git fall into the trap, so that the trap is known to work.
"""

from __future__ import annotations

import os
import shutil

import pytest

pytestmark = pytest.mark.anyio


def nested(desk, *settings: tuple[str, str]):
    """A repository inside the work tree, with a commit and a configuration of its own."""
    sub = desk.work / "sub"
    sub.mkdir()
    desk.git("init", "-q", cwd=sub)
    (sub / "inner.txt").write_text("x\n")
    desk.git("add", ".", cwd=sub)
    desk.git("commit", "-q", "-m", "inner", cwd=sub)
    for key, text in settings:
        desk.git("config", key, text, cwd=sub)
    return sub


async def test_hooks_are_off(desk):
    hook = desk.work / ".git" / "hooks" / "pre-commit"
    shutil.copy(desk.trap(), hook)
    for name in ("post-commit", "prepare-commit-msg", "commit-msg", "reference-transaction", "post-index-change"):
        shutil.copy(hook, hook.parent / name)
    desk.git("commit", "--allow-empty", "-m", "x")
    assert desk.fired()
    await desk.broker("git add -A && git commit --allow-empty -m y && git branch z && git switch -c w && git reset")
    assert not desk.fired()
    assert desk.git("log", "-1", "--format=%s") == "y\n"


async def test_configured_monitor_is_off(desk):
    desk.git("config", "core.fsmonitor", str(desk.trap()))
    desk.git("status")
    assert desk.fired()
    await desk.broker("git add -A && git status && git commit --allow-empty -m y")
    assert not desk.fired()


@pytest.mark.parametrize(
    "cmd", ["git add -A", "git commit -m x", "git reset", "git rm --cached sub", "git add -u && git status"]
)
async def test_nested_repository_of_the_index_is_not_entered(desk, cmd):
    sub = nested(desk)
    desk.git("add", "sub")
    desk.git("commit", "-q", "-m", "with sub")
    (sub / ".gitattributes").write_text("* filter=evil\n")
    desk.git("config", "filter.evil.clean", str(desk.trap()), cwd=sub)
    (sub / "inner.txt").write_text("y\n")
    desk.git("add", "-A")
    assert desk.fired()
    desk.git("commit", "-m", "x")
    assert desk.fired()
    text = await desk.broker(cmd)
    assert not desk.fired()
    assert "holds other repositories" in text
    assert "exited with code 128" in text


async def test_settings_alone_would_not_keep_git_out_of_a_nested_repository(desk):
    """Why the broker looks at the index: a planted `.gitmodules` outweighs the setting."""
    sub = nested(desk)
    desk.git("add", "sub")
    desk.git("commit", "-q", "-m", "with sub")
    (sub / ".gitattributes").write_text("* filter=evil\n")
    desk.git("config", "filter.evil.clean", str(desk.trap()), cwd=sub)
    (sub / "inner.txt").write_text("y\n")
    (desk.work / ".gitmodules").write_text('[submodule "s"]\n\tpath = sub\n\turl = x\n\tignore = none\n')
    desk.git("-c", "diff.ignoreSubmodules=all", "-c", "submodule.recurse=false", "status")
    assert desk.fired()
    await desk.broker("git branch x && git status")
    assert not desk.fired()


async def test_nested_repository_that_is_added_is_not_entered_later_in_the_chain(desk):
    sub = nested(desk)
    (sub / ".gitattributes").write_text("* filter=evil\n")
    desk.git("config", "filter.evil.clean", str(desk.trap()), cwd=sub)
    (sub / "inner.txt").write_text("y\n")
    text = await desk.broker("git add -A && git add -A && git commit -m x")
    assert not desk.fired()
    assert "adding embedded git repository: sub" in text
    assert "holds other repositories" in text
    desk.git("add", "-A")
    assert desk.fired()


@pytest.mark.parametrize(
    "cmd",
    [
        "git reset HEAD~1",
        "git reset --soft HEAD~1",
        "git reset HEAD~1 -- sub",
        "git restore --staged sub",
        "git reset HEAD~1 && git status",
        "git reset HEAD~1 && git commit -am x",
        "git switch -c topic && git reset HEAD~1 && git add -u",
    ],
)
async def test_nested_repository_that_comes_back_from_history_is_not_entered(desk, cmd):
    sub = nested(desk)
    desk.git("add", "sub")
    desk.git("commit", "-q", "-m", "with sub")
    desk.git("rm", "-q", "--cached", "sub")
    if "restore" not in cmd:
        desk.git("commit", "-q", "-m", "without sub")
    (sub / ".gitattributes").write_text("* filter=evil\n")
    desk.git("config", "filter.evil.clean", str(desk.trap()), cwd=sub)
    desk.git("config", "core.fsmonitor", str(desk.trap()), cwd=sub)
    (sub / "inner.txt").write_text("y\n")
    await desk.broker(cmd)
    assert not desk.fired()
    if "--soft" not in cmd:
        assert "160000" in desk.git("ls-files", "--stage")
        desk.git("status")
        assert desk.fired()


async def test_monitor_of_a_nested_repository_is_not_run_when_it_is_added(desk):
    trap = str(desk.trap())
    sub = nested(
        desk, ("core.fsmonitor", trap), ("core.sshCommand", trap), ("gpg.program", trap), ("commit.gpgSign", "true")
    )
    desk.git("status", cwd=sub)
    assert desk.fired()
    await desk.broker("git add -A")
    assert not desk.fired()


async def test_planted_bare_repository_is_not_taken_for_the_own_one(desk):
    planted = desk.work / "assets"
    desk.git("init", "-q", "--bare", str(planted))
    desk.git("config", "core.bare", "false", cwd=planted)
    desk.git("config", "core.worktree", str(desk.work), cwd=planted)
    desk.git("config", "core.fsmonitor", str(desk.trap()), cwd=planted)
    desk.git("status", cwd=planted)
    assert desk.fired()
    await desk.broker("git add HEAD && git status", workdir="assets")
    assert not desk.fired()
    assert "assets/HEAD" in desk.git("ls-files")


async def test_commands_in_a_nested_repository_are_not_brokered(desk):
    nested(desk)
    desk.git("worktree", "add", "-q", "tree")
    desk.open()
    for cmd in ("git -C {} add -A", "cd {} && git add -A"):
        assert desk.claim(cmd.format(".")) is not None
        assert desk.claim(cmd.format("sub")) is None
        assert desk.claim(cmd.format("tree")) is None
    assert desk.claim("git add -A", workdir="sub") is None
    assert desk.claim("cd sub && cd .. && git add -A") is None  # a repository is passed on the way


async def test_link_that_leads_out_is_not_followed(desk):
    (desk.work / "link").symlink_to(desk.home)
    assert desk.claim("cd link && git add -A") is None
    assert desk.claim("cd .. && git add -A") is None


async def test_git_from_a_folder_that_commands_can_write_is_not_run(desk):
    folder = desk.work / "bin"
    folder.mkdir()
    for name in ("git", "grep", "sh", "gpg"):
        shutil.copy(desk.trap(), folder / name)
    (desk.folder / "linked").symlink_to(folder)
    for place in (folder, desk.folder / "linked"):
        desk.environ["PATH"] = f"{place}:bin:.:{os.environ['PATH']}"
        desk.git("status", environ={"PATH": desk.environ["PATH"]})
        assert desk.fired()
        desk.tool = None
        await desk.broker("git commit --allow-empty -m x")
        assert not desk.fired()
        assert desk.ctx.requests[-1].env["PATH"] == os.environ["PATH"]


async def test_program_that_links_into_the_workspace_is_not_run(desk):
    (desk.folder / "tools").mkdir()
    shutil.copy(desk.trap(), desk.work / "git")
    (desk.folder / "tools" / "git").symlink_to(desk.work / "git")
    desk.environ["PATH"] = f"{desk.folder / 'tools'}:{os.environ['PATH']}"
    assert desk.claim("git add -A") is None


async def test_variables_do_not_steer_git(desk):
    trap = str(desk.trap())
    steering = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "filter.evil.clean",
        "GIT_CONFIG_VALUE_0": trap,
        "GIT_EXTERNAL_DIFF": trap,
        "GIT_TRACE": str(desk.marker),
    }
    (desk.work / ".gitattributes").write_text("* filter=evil\n")
    desk.git("add", "-A", environ=steering)
    assert desk.fired()
    desk.environ |= {**steering, "SECRET": "x", "BASH_ENV": trap, "ENV": trap}
    await desk.broker("git add -A && git diff")
    assert not desk.fired()
    given = desk.ctx.requests[-1].env
    assert not given.keys() & {*steering, "SECRET", "BASH_ENV", "ENV"}


async def test_user_is_who_the_environment_says(desk):
    desk.environ["GIT_AUTHOR_NAME"] = "Grace"
    await desk.broker("git commit --allow-empty -m x")
    assert desk.git("log", "-1", "--format=%an") == "Grace\n"


async def test_repository_that_came_after_the_thread_began_is_not_brokered(desk):
    shutil.move(desk.work / ".git", desk.folder / "aside")
    desk.open()
    assert desk.claim("git add -A") is None
    shutil.move(desk.folder / "aside", desk.work / ".git")
    assert desk.claim("git add -A") is None


async def test_repository_that_was_put_in_place_of_the_own_one_is_not_brokered(desk):
    desk.open()
    assert desk.claim("git add -A") is not None
    taken = desk.claim("git add -A")
    shutil.move(desk.work / ".git", desk.folder / "aside")
    shutil.copytree(desk.folder / "aside", desk.work / ".git")
    assert desk.claim("git add -A") is None
    with pytest.raises(Exception, match="no git command"):
        await desk.tool.run(taken, desk.ctx)


async def test_repository_made_before_the_first_call_but_after_the_thread_began_is_not_brokered(desk, monkeypatch):
    monkeypatch.setattr("time.time", lambda: os.stat(desk.work / ".git" / "config").st_ctime - 1)
    assert desk.claim("git add -A") is None


async def test_planted_pointer_to_another_configuration_is_noticed(desk):
    desk.open()
    (desk.work / ".git" / "commondir").write_text("../sub/.git")
    nested(desk)
    assert desk.claim("git add -A") is None


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("", True),
        ('[filter "lfs"]\n\tclean = git-lfs clean -- %f\n\tprocess = git-lfs filter-process\n', True),
        ('[filter "lfs"]\n\tclean = git-lfs clean; ./evil\n', False),
        ('[filter "x"]\n\tclean = python -m strip\n', False),
        ('[FILTER "a]b"] CLEAN = x\n', False),
        ("[filter.x]\nsmudge = x\n", False),
        ('[lfs "extension.x"]\n\tclean = x\n', False),
        ("[gpg]\n\tprogram = gpg2\n", True),
        ('[gpg "ssh"]\n\tprogram = /usr/bin/ssh-keygen\n', True),
        ("[gpg]\n\tprogram = ./evil\n", False),
        ("[gpg]\n\tprogram = {work}/evil\n", False),
        ('[gpg]\n\tprogram = /"{work}/evil"\n', False),
        ('[gpg "ssh"]\n\tdefaultKeyCommand = ssh-add -L\n', True),
        ('[gpg "ssh"]\n\tdefaultKeyCommand = sh evil\n', False),
        ("[include]\n\tpath = {work}/more\n", False),
        ("[include]\n\tpath = more\n", True),
        ('[includeIf "gitdir:/x"]\n\tpath = "~/../work/more"\n', False),
        ("[include]\n\tpath = ~ada/more\n", False),
        ('[hook "x"]\n\tcommand = evil\n', False),
        ("[core]\n\tworktree = /srv\n", False),
        ("[core]\n\tsparseCheckout = true\n", False),
        ("[alias]\n\tadd = !evil\n\tx = !evil\n[core]\n\teditor = vi\n", True),
    ],
)
async def test_configuration_that_runs_what_commands_could_have_written_is_refused(desk, text, safe):
    desk.open()
    assert desk.claim("git add -A") is not None
    with (desk.home / ".gitconfig").open("a") as file:
        file.write(text.replace("{work}", str(desk.work)))
    assert (desk.claim("git add -A") is not None) is safe


async def test_included_files_are_looked_through(desk):
    (desk.home / ".gitconfig").write_text("[include]\n\tpath = more\n")
    (desk.home / "more").write_text("[include]\n\tpath = more\n\tpath = most\n")
    assert desk.claim("git add -A") is not None
    (desk.home / "most").write_text('[filter "x"]\n\tclean = x\n')
    assert desk.claim("git add -A") is None


async def test_commits_are_signed_as_the_user_has_set_it_up(desk):
    with (desk.home / ".gitconfig").open("a") as file:
        file.write(f"[commit]\n\tgpgSign = true\n[gpg]\n\tprogram = {desk.trap('signer')}\n")
    text = await desk.broker("git commit --allow-empty -m x")
    assert desk.fired()  # it signs nothing, so that git refuses
    assert "failed to sign" in text
    assert "exited with code 0" in await desk.broker("git commit --allow-empty --no-gpg-sign -m x")
    assert not desk.fired()


@pytest.mark.parametrize("name", ["XDG_CONFIG_HOME", "GNUPGHOME", "HOME"])
async def test_configuration_that_commands_can_write_is_refused_even_where_it_is_missing(desk, name):
    desk.environ[name] = str(desk.work / "config")
    assert desk.claim("git add -A") is None


async def test_configuration_that_cannot_be_read_is_refused(desk):
    desk.open()
    (desk.home / ".gitconfig").unlink()
    (desk.home / ".gitconfig").mkdir()
    assert desk.claim("git add -A") is None


async def test_network_is_not_reached_for_missing_objects(desk):
    trap = desk.folder / "transport"
    trap.write_text(f"#!/bin/sh\ntouch '{desk.marker}'\n")
    trap.chmod(0o755)
    desk.git("config", "extensions.partialClone", "origin")
    desk.git("config", "core.repositoryFormatVersion", "1")
    desk.git("config", "remote.origin.promisor", "true")
    desk.git("config", "remote.origin.url", f"ext::{trap}")
    desk.git("config", "protocol.ext.allow", "always")
    missing = "1" * 40
    desk.git("cat-file", "-e", missing)
    assert desk.fired()
    text = await desk.broker(f"git tag x {missing} && git status")
    assert "exited with code 128" in text
    assert not desk.fired()

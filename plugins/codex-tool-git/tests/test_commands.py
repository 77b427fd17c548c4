"""Which commands are brokered."""

from __future__ import annotations

import shlex

import pytest

from codex_tool_git.commands import Kind, read_command


def kind(text: str) -> Kind | None:
    found = read_command(shlex.split(text))
    return found and found.kind


@pytest.mark.parametrize(
    "text",
    [
        "git add -A",
        "git add .",
        "git add -u",
        "git add -- -odd-name",
        "git add --chmod=+x run.sh",
        "git -C sub add file",
        "git --no-pager commit -m x",
        "git commit -m x -m y",
        "git commit -am x",
        "git commit -mx",
        "git commit --message=x --author 'A <a@b.c>'",
        "git commit --amend --no-edit",
        "git commit --allow-empty -m x",
        "git commit -m x file.txt",
        "git rm --cached -r folder",
        "git restore --staged .",
        "git reset",
        "git reset --soft HEAD~1",
        "git reset HEAD file.txt",
        "git branch topic",
        "git branch -D topic",
        "git branch -m old new",
        "git tag v1",
        "git tag -a v1 -m text",
        "git tag -d v1",
        "git switch -c topic",
        "git checkout -b topic",
    ],
)
def test_commands_that_write_the_repository_alone_are_brokered(text):
    assert kind(text) is Kind.WRITES


@pytest.mark.parametrize(
    "text",
    [
        "git",
        "git add",
        "git add -p",
        "git add -i",
        "git add -e",
        "git add --all=x x",
        "git commit",
        "git commit --amend",
        "git commit -m x -e",
        "git commit -m x -p",
        "git commit -m",
        "git commit -F message",
        "git commit -t template -m x",
        "git commit -S -m x",
        "git commit --trailer=x -m x",
        "git commit -v -m x",
        "git rm file",
        "git restore file",
        "git restore --staged --worktree file",
        "git reset --hard",
        "git reset --merge",
        "git reset -p",
        "git branch",
        "git branch -a",
        "git branch --edit-description x",
        "git tag",
        "git tag -a v1",
        "git tag -s v1 -m x",
        "git switch main",
        "git switch -c topic other",
        "git checkout main",
        "git checkout -b topic other",
        "git checkout -- file",
        "git stash",
        "git merge topic",
        "git rebase -x true main",
        "git cherry-pick abc",
        "git push",
        "git fetch",
        "git clone x",
        "git init",
        "git config user.name x",
        "git submodule add x",
        "git -c core.fsmonitor=./x add .",
        "git --git-dir=x add .",
        "git --work-tree=x add .",
        "git --exec-path=x add .",
        "git -C a -C b add .",
        "/usr/bin/git add .",
        "env git add .",
        "GIT_DIR=x git add .",
        "cd",
        "cd -",
        "cd a b",
        "git log -p",
        "git log --output=x",
        "git diff --ext-diff",
        "git diff --output=x",
        "git rev-parse main",
    ],
)
def test_all_other_commands_are_left_to_the_sandbox(text):
    assert kind(text) is None


@pytest.mark.parametrize(
    "text", ["git status -sb", "git status --porcelain=v1", "git log --oneline -3", "git diff --stat"]
)
def test_looking_commands_are_taken_along(text):
    assert kind(text) is Kind.LOOKS

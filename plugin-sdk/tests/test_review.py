"""Reviews: what is asked of the reviewer, what is made of its reply, and git that runs nothing of the repository's."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_kernel.errors import UserError
from codex_kernel.protocol.policy import SandboxMode, SandboxPolicy
from codex_plugin_sdk.review.items import entered_item, exited_item, review_item_text
from codex_plugin_sdk.review.output import (
    NO_RESPONSE,
    ReviewFinding,
    ReviewOutput,
    parse_review,
    render_review,
    review_dict,
    review_from,
)
from codex_plugin_sdk.review.prompt import review_prompt
from codex_plugin_sdk.review.target import BaseBranch, Commit, CustomReview, UncommittedChanges, hint
from codex_plugin_sdk.review.turn import _reading

ONE = ReviewFinding(
    title="[P1] Keep it open",
    body="It closes.\n\nTwice.",
    priority=1,
    confidence_score=0.9,
    path="/w/a.py",
    start=3,
    end=4,
)
TWO = ReviewFinding(title="Name it", body="", priority=3, confidence_score=0.5, path="/w/b.py", start=1, end=1)
WHOLE = ReviewOutput(
    findings=(ONE, TWO),
    overall_correctness="patch is incorrect",
    overall_explanation="It breaks.",
    overall_confidence_score=0.8,
)
PLAIN = json.dumps(review_dict(WHOLE))


# -- the reply -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        PLAIN,
        json.dumps(review_dict(WHOLE), indent=2),
        f"```json\n{PLAIN}\n```",
        f"Here is {{what}} I found:\n{PLAIN}\nGood luck {{}}",
        f'{{"note": "first"}} {PLAIN}',
    ],
)
def test_a_review_is_found_wherever_it_stands_in_the_reply(reply):
    assert parse_review(reply, "/elsewhere") == WHOLE


@pytest.mark.parametrize("reply", ["Looks good.", '{"findings": [', '{"other": 1}', "{}", "{" * 10_000, "[1, 2]"])
def test_what_is_no_review_is_the_explanation(reply):
    assert parse_review(f" {reply}\n", "/w") == ReviewOutput(overall_explanation=reply)


def test_what_a_model_leaves_out_or_gets_wrong_is_mended():
    found = parse_review(
        json.dumps(
            {
                "findings": [
                    {
                        "title": "[P0]  Stop\n it",
                        "code_location": {"path": "src/../a.py", "line_range": {"start": "7"}},
                    },
                    {"title": "b", "priority": "P9", "confidence_score": 7, "body": 4},
                    {"title": "c", "priority": True, "confidence_score": "nan", "code_location": "a.py:3"},
                    {"title": "d", "code_location": {"path": "a.py", "line_range": {"start": 9, "end": 2}}},
                    {"title": " ", "body": ""},
                    "e",
                ],
                "overall_confidence_score": None,
            }
        ),
        "/w",
    )
    assert found.findings == (
        ReviewFinding(title="[P0] Stop it", body="", priority=0, path="/w/a.py", start=7, end=7),
        ReviewFinding(title="b", body="", priority=3, confidence_score=1.0),
        ReviewFinding(title="c", body="", priority=2),
        ReviewFinding(title="d", body="", path="/w/a.py", start=9, end=9),
    )
    assert (found.overall_correctness, found.overall_explanation, found.overall_confidence_score) == ("", "", 0.0)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists))
def test_no_value_of_a_member_is_too_odd(odd):
    names = ("title", "body", "priority", "confidence_score", "code_location")
    finding = {"title": "t", **dict.fromkeys(names[1:], odd)}
    tops = dict.fromkeys(("overall_correctness", "overall_explanation", "overall_confidence_score"), odd)
    located = {"title": "t", "code_location": {"absolute_file_path": odd, "line_range": {"start": odd, "end": odd}}}
    for found in (review_from({"findings": [finding, located], **tops}), review_from({"findings": odd, **tops})):
        assert 0 <= found.overall_confidence_score <= 1
        assert all(entry.priority in range(4) and 0 <= entry.start <= entry.end for entry in found.findings)
        assert review_from(review_dict(found)) == found
        json.dumps(review_dict(found), allow_nan=False)


def test_a_review_is_shown_as_codex_shows_it():
    assert render_review(WHOLE) == (
        "It breaks.\n\nFull review comments:\n\n"
        "- [P1] Keep it open — /w/a.py:3-4\n  It closes.\n\n  Twice.\n\n"
        "- [P3] Name it — /w/b.py:1-1"
    )
    assert (
        render_review(WHOLE.replace(findings=(TWO,))) == "It breaks.\n\nReview comment:\n\n- [P3] Name it — /w/b.py:1-1"
    )
    assert render_review(WHOLE.replace(findings=())) == "It breaks."
    assert render_review(ReviewOutput()) == NO_RESPONSE


def test_items_of_ours_and_of_codex_are_shown_alike():
    entered, exited = entered_item(Commit(sha="0123456789", title="T")), exited_item(WHOLE)
    assert review_item_text(entered.tag, entered.raw) == "commit 0123456: T"
    assert review_item_text(exited.tag, exited.raw) == render_review(WHOLE)
    assert review_item_text(exited.tag, exited_item(None).raw) == NO_RESPONSE
    assert review_item_text(entered.tag, {"review": "older"}) == "older"
    assert review_item_text("Other", {}) is None


# -- the target ----------------------------------------------------------------------------------------


class Repository:
    """A repository whose configuration runs a trap wherever git would run something."""

    def __init__(self, root: Path) -> None:
        self.work, self.sprung = root / "work", root / "sprung"
        self.work.mkdir()
        self.env = {"PATH": os.environ["PATH"], "HOME": str(root), "LC_ALL": "C"}
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "a")
        self.git("config", "user.email", "a@example.com")

    def git(self, *args: str) -> str:
        done = subprocess.run(["git", *args], cwd=self.work, env=self.env, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, text: str, name: str = "a.txt") -> str:
        (self.work / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", text)
        return self.git("rev-parse", "HEAD")

    def prompt(self, target, **env: str) -> str:
        return review_prompt(target, str(self.work), {**self.env, **env})

    def trap(self) -> None:
        """From now on, no `git` of ours that is not careful."""
        program = self.work / ".git" / "trap"
        program.write_text(f'#!/bin/sh\necho "$0 $*" >> {self.sprung}\ncat\n')
        program.chmod(0o755)
        for key in ("core.fsmonitor", "diff.external", "filter.x.clean", "filter.x.process", "diff.x.textconv"):
            self.git("config", key, str(program))
        self.git("config", "core.hooksPath", str(self.work / ".git"))
        for hook in ("post-index-change", "reference-transaction", "pre-auto-gc"):
            (self.work / ".git" / hook).write_bytes(program.read_bytes())
            (self.work / ".git" / hook).chmod(0o755)
        (self.work / ".git" / "info" / "attributes").write_text("* filter=x diff=x\n")
        self.sprung.unlink(missing_ok=True)


@pytest.fixture
def repo(tmp_path):
    return Repository(tmp_path)


def test_uncommitted_changes_are_staged_unstaged_or_untracked_ones(repo):
    repo.commit("one")
    with pytest.raises(UserError, match="no uncommitted changes"):
        repo.prompt(UncommittedChanges())
    (repo.work / "new.txt").write_text("")
    assert "uncommitted" in repo.prompt(UncommittedChanges())
    repo.git("add", ".")
    assert "uncommitted" in repo.prompt(UncommittedChanges())
    repo.git("commit", "-qm", "new")
    (repo.work / "a.txt").write_text("two")
    assert "diff --no-ext-diff --no-textconv HEAD" in repo.prompt(UncommittedChanges())


def test_a_repository_without_a_commit_can_be_reviewed(repo):
    with pytest.raises(UserError, match="nothing to review"):
        repo.prompt(UncommittedChanges())
    with pytest.raises(UserError, match="no commit yet"):
        repo.prompt(BaseBranch(branch="main"))
    (repo.work / "a.txt").write_text("one")
    repo.git("add", ".")
    assert "--cached" in repo.prompt(UncommittedChanges())


def test_untracked_files_are_seen_from_a_folder_below(repo):
    repo.commit("one")
    (repo.work / "sub").mkdir()
    (repo.work / "new.txt").write_text("new")
    assert "uncommitted" in review_prompt(UncommittedChanges(), str(repo.work / "sub"), repo.env)


def test_a_base_is_where_the_branches_parted(repo):
    parted = repo.commit("one")
    repo.git("switch", "-qc", "feature")
    with pytest.raises(UserError, match="no change against 'main'"):
        repo.prompt(BaseBranch(branch="main"))
    repo.commit("two")
    repo.git("switch", "-q", "main")
    repo.commit("three", "b.txt")
    repo.git("switch", "-q", "feature")
    assert parted in repo.prompt(BaseBranch(branch="main"))
    repo.git("switch", "-q", "--orphan", "other")
    repo.commit("four")
    with pytest.raises(UserError, match="share no commit"):
        repo.prompt(BaseBranch(branch="main"))


def test_a_base_that_is_behind_its_upstream_is_taken_from_there(repo, tmp_path):
    repo.commit("one")
    repo.git("clone", "-q", "--bare", ".", str(tmp_path / "remote"))
    repo.git("remote", "add", "origin", str(tmp_path / "remote"))
    repo.git("fetch", "-q", "origin")
    repo.git("branch", "-q", "-u", "origin/main")
    merged = repo.commit("two")
    repo.git("push", "-q", "origin", "main")
    repo.git("switch", "-qc", "feature")
    repo.commit("three")
    repo.git("branch", "-f", "main", "main~1")
    assert merged in repo.prompt(BaseBranch(branch="main"))


def test_a_commit_is_named_in_full_with_its_title(repo):
    sha = repo.commit("one")
    said = repo.prompt(Commit(sha="HEAD", title="First of all"))
    assert f"git show --no-ext-diff --no-textconv {sha}" in said
    assert "First of all" in said
    repo.commit("one")
    with pytest.raises(UserError, match="changes no file"):
        repo.prompt(Commit(sha="HEAD"))


@pytest.mark.parametrize("name", ["nowhere", "--all", "-h", "main..HEAD", "HEAD:a.txt", "a b", "@{-1}", "$(id)"])
@pytest.mark.parametrize("kind", ["branch", "commit"])
def test_a_name_that_means_no_commit_is_refused_and_is_no_option(repo, kind, name):
    repo.commit("one")
    target = BaseBranch(branch=name) if kind == "branch" else Commit(sha=name)
    with pytest.raises(UserError, match=f"no {kind} "):
        repo.prompt(target)


@pytest.mark.parametrize("target", [UncommittedChanges(), BaseBranch(branch="main"), Commit(sha="HEAD")])
def test_outside_a_repository_there_is_nothing_to_review(tmp_path, target):
    with pytest.raises(UserError, match="not inside a Git repository"):
        review_prompt(target, str(tmp_path), {"PATH": os.environ["PATH"]})


def test_own_words_need_no_repository_and_no_git(tmp_path):
    assert review_prompt(CustomReview(instructions=" look at a.py\n"), str(tmp_path), {}) == "look at a.py"
    with pytest.raises(UserError, match="instructions must not be empty"):
        review_prompt(CustomReview(instructions=" \n"), str(tmp_path), {})


def test_git_runs_nothing_that_the_repository_names(repo):
    repo.commit("one")
    repo.git("switch", "-qc", "feature")
    repo.commit("two")
    (repo.work / "a.txt").write_text("three")
    (repo.work / "new.txt").write_text("new")
    repo.trap()
    repo.git("diff", "HEAD")
    assert repo.sprung.exists(), "the trap works"
    repo.sprung.unlink()
    for target in (UncommittedChanges(), BaseBranch(branch="main"), Commit(sha="HEAD")):
        assert repo.prompt(target)
    assert not repo.sprung.exists()


def test_a_git_in_the_repository_is_not_run(repo):
    repo.commit("one")
    own = repo.work / "bin" / "git"
    own.parent.mkdir()
    own.write_text(f"#!/bin/sh\ntouch {repo.sprung}\n")
    own.chmod(0o755)
    assert repo.prompt(UncommittedChanges(), PATH=f"{own.parent}:bin:{os.environ['PATH']}")
    assert not repo.sprung.exists()
    with pytest.raises(UserError, match="git is not installed"):
        repo.prompt(UncommittedChanges(), PATH=f"{own.parent}:bin")


def test_a_broken_repository_is_one_clear_error(repo):
    repo.commit("one")
    (repo.work / ".git" / "HEAD").write_text("nonsense\n")
    with pytest.raises(UserError, match="git cannot use"):
        repo.prompt(UncommittedChanges())


def test_hints_are_those_that_clients_know():
    assert [hint(t) for t in (UncommittedChanges(), BaseBranch(branch="b"), Commit(sha="0123456789"))] == [
        "current changes",
        "changes against 'b'",
        "commit 0123456",
    ]


# -- what the reviewer may do --------------------------------------------------------------------------


def test_a_reviewer_writes_nowhere_and_reaches_no_network():
    wide = SandboxPolicy(
        mode=SandboxMode.WORKSPACE_WRITE, writable_roots=("/x",), network_access=True, denied_reads=("**/.env",)
    )
    narrow = _reading(wide, "/w", {})
    assert (narrow.mode, narrow.roots("/w", None), narrow.network_access) == (SandboxMode.READ_ONLY, (), False)
    assert narrow.denied_reads == ("**/.env",)
    full = SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS)
    assert _reading(full, "/w", {}) == full


def test_what_a_thread_could_write_its_reviewer_can_still_read():
    wide = SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE, writable_roots=("/x",), readable_roots=("/lib",))
    assert set(_reading(wide, "/w", {"TMPDIR": "/t"}).readable_roots) == {"/lib", "/w", "/x", "/tmp", "/t"}

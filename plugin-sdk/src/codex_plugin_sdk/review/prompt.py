"""From a target to what the reviewer is told."""

from __future__ import annotations

from collections.abc import Mapping

from codex_kernel.errors import UserError

from .git import Git
from .target import BaseBranch, Commit, CustomReview, ReviewTarget, UncommittedChanges

_PLAIN = "--no-ext-diff --no-textconv"
_END = "Report what you find, the most serious first."


def review_prompt(target: ReviewTarget, cwd: str, environ: Mapping[str, str]) -> str:
    """The reviewer's task. Raises `UserError` for an empty target, outside a repository, for a branch or commit that is
    not there, and where nothing has changed. Runs git, so it may take a moment."""
    match target:
        case UncommittedChanges():
            return _uncommitted(Git(cwd, environ))
        case BaseBranch(branch=branch):
            return _base(Git(cwd, environ), _given(branch, "branch"))
        case Commit(sha=sha, title=title):
            return _commit(Git(cwd, environ), _given(sha, "sha"), title)
        case CustomReview(instructions=text):
            return _given(text, "instructions")


def _uncommitted(git: Git) -> str:
    head = git.commit("HEAD")
    changed = git.has_staged() if head is None else git.changed_since(head)
    if not changed and not git.has_untracked():
        hint = "--base BRANCH reviews what is committed, --commit SHA one commit"
        raise UserError("nothing to review: there are no uncommitted changes", hint=hint)
    against = f"`git diff {_PLAIN} HEAD`" if head else f"`git diff {_PLAIN} --cached`"
    return (
        "Review the uncommitted changes of this repository: what is staged, what is not, and the untracked files."
        f" {against} shows the tracked ones; `git status --short` lists the untracked files, which have to be read"
        f" whole. {_END}"
    )


def _base(git: Git, branch: str) -> str:
    base, head = git.commit(branch), git.commit("HEAD")
    if head is None:
        raise UserError("nothing to review: there is no commit yet", hint="--uncommitted reviews what is there")
    if base is None:
        raise UserError(f"no branch {branch!r} in this repository", hint="git branch --all lists them; fetch it first?")
    upstream = git.upstream(branch)
    # The local branch may be behind the one that the changes will be merged into.
    ahead = upstream is not None and upstream != base and git.is_ancestor(base, upstream)
    parted = git.merge_base(head, upstream if ahead and upstream else base)
    if parted is None:
        raise UserError(f"HEAD and {branch!r} share no commit, so there is no difference to review")
    if not git.changed_since(parted):
        raise UserError(f"nothing to review: there is no change against {branch!r}", hint="--base takes another branch")
    return (
        f"Review what would be merged into the branch '{branch}'. The two parted at commit {parted}:"
        f" `git diff {_PLAIN} {parted}` shows the changes since, `git log {parted}..HEAD` the commits. {_END}"
    )


def _commit(git: Git, sha: str, title: str | None) -> str:
    found = git.commit(sha)
    if found is None:
        raise UserError(f"no commit {sha!r} in this repository", hint="git log lists them; fetch it first?")
    if not git.changes_in(found):
        raise UserError(f"nothing to review: commit {sha} changes no file", hint="--commit takes another commit")
    named = f' ("{title}")' if title else ""
    return f"Review commit {found}{named}. `git show {_PLAIN} {found}` shows what it changes. {_END}"


def _given(text: str, what: str) -> str:
    if not text.strip():
        raise UserError(f"{what} must not be empty")
    return text.strip()

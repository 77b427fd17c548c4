"""What is to be reviewed."""

from __future__ import annotations

from typing import Any

from codex_kernel.protocol.value import Value, value

_SHORT_SHA = 7


@value
class UncommittedChanges(Value):
    """Staged, unstaged and untracked changes."""


@value
class BaseBranch(Value):
    """What HEAD and the work tree have beyond a branch."""

    branch: str


@value
class Commit(Value):
    """What one commit changes; `sha` is any name of it, `title` is shown beside it."""

    sha: str
    title: str | None = None


@value
class CustomReview(Value):
    """Whatever these instructions say."""

    instructions: str


ReviewTarget = UncommittedChanges | BaseBranch | Commit | CustomReview


def hint(target: ReviewTarget) -> str:
    """The target in a few words, as clients show it."""
    match target:
        case UncommittedChanges():
            return "current changes"
        case BaseBranch(branch=branch):
            return f"changes against '{branch}'"
        case Commit(sha=sha, title=title):
            return f"commit {sha[:_SHORT_SHA]}" + (f": {title}" if title else "")
        case CustomReview(instructions=text):
            return text.strip()


def target_dict(target: ReviewTarget) -> dict[str, Any]:
    """The target as plain data, in the shape that rollouts and clients have."""
    match target:
        case UncommittedChanges():
            return {"type": "uncommittedChanges"}
        case BaseBranch(branch=branch):
            return {"type": "baseBranch", "branch": branch}
        case Commit(sha=sha, title=title):
            return {"type": "commit", "sha": sha, "title": title}
        case CustomReview(instructions=text):
            return {"type": "custom", "instructions": text}

"""/review: have changes reviewed, in this thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ProtocolError, UserError

from .asking import need_thread, needed, request, short
from .git import git
from .ui import Option

if TYPE_CHECKING:
    from .ui import Ui

MOST = 100
USAGE = ("uncommitted", "base BRANCH", "commit SHA", "INSTRUCTIONS")


async def review(ui: Ui, arguments: str) -> None:
    """Begin a review of what the arguments name, or of what is picked."""
    thread_id = need_thread(ui)
    target = _target(arguments) if arguments else await _pick(ui)
    if target is None:
        return
    try:
        started = await request(ui, "review/start", threadId=thread_id, target=target, delivery="inline")
    except ProtocolError as error:
        words, options, _ = str(error).partition(" (--")
        if not options:
            raise
        raise UserError(words, hint=f"/review takes: {', '.join(USAGE)}") from error  # it named those of `codex review`
    status = ui.session.status
    if status.turn_id is None:  # not heard of yet: what the user writes now must not begin a turn
        status.turn_id, status.turn_started_at = started["turn"]["id"], time.monotonic()
        status.phase = "reviewing"
        ui.session.on_change()


def _target(arguments: str) -> dict[str, Any]:
    word, _, rest = arguments.partition(" ")
    rest = rest.strip()
    match word:
        case "uncommitted" if not rest:
            return {"type": "uncommittedChanges"}
        case "base" if rest and " " not in rest:
            return {"type": "baseBranch", "branch": rest}
        case "commit" if rest:
            sha, _, title = rest.partition(" ")
            return {"type": "commit", "sha": sha, **({"title": title.strip()} if title.strip() else {})}
        case "base" | "commit" if not rest:
            raise UserError(f"/review {word}: which one?", hint=f"one of: {', '.join(USAGE)}")
        case _:
            return {"type": "custom", "instructions": arguments}


async def _pick(ui: Ui) -> dict[str, Any] | None:
    if not ui.interactive:
        raise needed("say what to review", USAGE)
    options = [
        Option(value="uncommitted", label="Uncommitted changes", detail="staged, unstaged and untracked"),
        Option(value="base", label="Against a branch", detail="what a merge into it would bring"),
        Option(value="commit", label="A commit", detail="what it changed"),
        Option(value="custom", label="In your own words", detail="what to look at, and for what"),
    ]
    match await ui.pick("What is to be reviewed?", options):
        case "uncommitted":
            return {"type": "uncommittedChanges"}
        case "base":
            return await _pick_branch(ui)
        case "commit":
            return await _pick_commit(ui)
        case "custom":
            text = await ui.ask_text("What is to be reviewed, and for what?")
            return {"type": "custom", "instructions": text} if text and text.strip() else None
        case _:
            return None


async def _pick_branch(ui: Ui) -> dict[str, Any] | None:
    form = "--format=%(HEAD)%00%(refname:short)%00%(committerdate:relative)"
    found = await git(ui, "for-each-ref", "--sort=-committerdate", form, "refs/heads", "refs/remotes")
    rows = [line.split("\0") for line in found.text.splitlines() if line.count("\0") == 2]
    here = next((name for mark, name, _ in rows if mark == "*"), "this commit")
    options = [
        Option(value=name, label=name, detail=age)
        for mark, name, age in rows[:MOST]
        if mark != "*" and not name.endswith("/HEAD")
    ]
    if not options:
        raise UserError("there is no other branch to compare with", hint="/review commit SHA reviews a commit")
    branch = await ui.pick(f"Compare {here} with", options)
    return None if branch is None else {"type": "baseBranch", "branch": branch}


async def _pick_commit(ui: Ui) -> dict[str, Any] | None:
    found = await git(ui, "log", f"-n{MOST}", "--format=%H%x00%s%x00%an, %cr")
    if found.code:
        raise UserError("there is no commit yet", hint="/review uncommitted reviews what is not committed")
    rows = [line.split("\0") for line in found.text.splitlines() if line.count("\0") == 2]
    options = [Option(value=(sha, title), label=f"{sha[:9]} {short(title)}", detail=by) for sha, title, by in rows]
    picked = await ui.pick("Review which commit?", options)
    return None if picked is None else {"type": "commit", "sha": picked[0], "title": picked[1]}

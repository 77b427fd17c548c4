"""Reviews: a turn in which a reviewer, not the agent, looks at changes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import ThreadOptions

from .methods import method
from .scopes import THREAD
from .server import Reply
from .shapes import STRING, enum, record, tagged
from .translate import TurnRecord
from .wire import RpcError

if TYPE_CHECKING:
    from codex_plugin_sdk.review.target import ReviewTarget
    from codex_plugin_sdk.review.turn import ReviewTurn

    from .client import Client
    from .loaded import LoadedThread
    from .server import Server

TARGET = tagged(
    uncommittedChanges=record(),
    baseBranch=record({"branch": STRING}),
    commit=record({"sha": STRING}, title=STRING),
    custom=record({"instructions": STRING}),
)
DELIVERY = enum("inline", "detached")
START = record({"threadId": STRING, "target": TARGET}, delivery=DELIVERY)
SOURCE = "vscode"


@method("review/start", START, scope=THREAD)
async def start(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """A review in this thread (inline), or in one of its own (detached) that begins with what this one knows."""
    from codex_plugin_sdk.review.prompt import review_prompt

    asked = server.loaded(params["threadId"])
    target = _target(params["target"])
    detached = params.get("delivery") == "detached"
    if not detached and asked.active_turn is not None:
        raise RpcError(f"turn {asked.active_turn} is still running: review when it is over")
    look = partial(review_prompt, target, asked.state.cwd, server.invocation.environ)
    prompt = await anyio.to_thread.run_sync(look, abandon_on_cancel=True)
    loaded = _apart(server, asked) if detached else asked
    try:
        turn = _review(loaded, target, prompt)
    except BaseException:
        if detached:
            loaded.close()
        raise

    async def then() -> None:
        if detached:
            client.notify("thread/started", {"thread": loaded.wire()})
        loaded.subscribe(client)
        server.start(partial(_run, loaded, turn))

    return Reply({"turn": _opening(turn), "reviewThreadId": loaded.id}, then)


def _target(given: Mapping[str, Any]) -> ReviewTarget:
    """What to review. Raises `RpcError` for an empty text."""
    from codex_plugin_sdk.review.target import BaseBranch, Commit, CustomReview, UncommittedChanges

    for name in ("branch", "sha", "instructions"):
        if name in given and not given[name].strip():
            raise RpcError(f"{name} must not be empty")
    match given["type"]:
        case "baseBranch":
            return BaseBranch(branch=given["branch"].strip())
        case "commit":
            return Commit(sha=given["sha"].strip(), title=(given.get("title") or "").strip() or None)
        case "custom":
            return CustomReview(instructions=given["instructions"])
        case _:
            return UncommittedChanges()


def _apart(server: Server, asked: LoadedThread) -> LoadedThread:
    """A thread for the review alone: a fork, where there is something recorded to fork."""
    path = asked.state.recorder.path
    options = ThreadOptions(
        cwd=asked.state.cwd,
        fork=asked.id if path is not None and os.path.isfile(path) else None,
        ephemeral=asked.ephemeral,
        source=SOURCE,
        originator=asked.state.originator,
        want_deltas=True,
    )
    loaded = server.open(asked.engine, options)
    loaded.forked_from = options.fork
    loaded.preview = asked.preview
    return loaded


def _review(loaded: LoadedThread, target: ReviewTarget, prompt: str) -> ReviewTurn:
    """The review, made; from now on its turn is the thread's active one. Raises `CodexError`."""
    from codex_plugin_sdk.review.turn import open_review

    turn = open_review(loaded.engine, loaded.state, target, prompt)
    loaded.reviewing = True
    loaded.own_turn = (str(turn.turn_id), turn.scope)
    return turn


async def _run(loaded: LoadedThread, turn: ReviewTurn) -> None:
    try:
        await turn.run()
    finally:
        loaded.own_turn, loaded.reviewing = None, False


def _opening(turn: ReviewTurn) -> dict[str, Any]:
    """The turn as the answer has it: what is reviewed stands in it as if the user had said so."""
    said = {"type": "text", "text": turn.hint, "text_elements": []}
    item = {"type": "userMessage", "id": str(turn.turn_id), "clientId": None, "content": [said]}
    return {**TurnRecord(str(turn.turn_id), 0).wire("notLoaded"), "startedAt": None, "items": [item]}

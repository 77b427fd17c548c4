"""A recorded thread as replay and tree need it: turns, the model's replies, outputs, and what the trace adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codex_plugin_sdk import UserInput, Value, field, value

COMPACT = "compact"
Body = Mapping[str, Any]


@value
class RecordedRequest(Value):
    """A request as the trace holds it: the first `keep` entries of the one before it, then those whose bodies are named
    by `added`; `instructions` and `tools` are names as well. `at_ms` is Unix time."""

    number: int
    turn_id: str
    kind: str
    model: str
    settings: Body
    instructions: str
    tools: str
    added: tuple[str, ...]
    keep: int
    at_ms: int = 0


@value
class Reply(Value):
    """An answer of the model: items as the Responses API has them. `error` is why it failed, empty for a good one;
    `request` is what it answers, known from a trace alone; `took_ms` likewise."""

    items: tuple[Body, ...] = ()
    kind: str = "turn"
    usage: Body | None = None
    error: str = ""
    request: RecordedRequest | None = None
    took_ms: int | None = None


class RecordedTurn:
    """A turn. `input` is None for one that only shortened the history; `steers` are further inputs, by the number of
    replies before them; `inherited` says that a fork took it over."""

    def __init__(self, turn_id: str, *, inherited: bool = False) -> None:
        self.turn_id = turn_id
        self.inherited = inherited
        self.input: tuple[UserInput, ...] | None = None
        self.steers: dict[int, list[tuple[UserInput, ...]]] = {}
        self.replies: list[Reply] = []
        self.outputs: dict[str, Body] = {}
        self.context: Body = {}
        self.state = "open"
        self.error = ""


@value
class TracedCall(Value):
    """What the trace says of a call. `decisions` are its judgements in order, `mode` the sandbox mode of the command
    that it ran, empty where it ran none."""

    tool: str = ""
    ok: bool | None = None
    took_ms: int | None = None
    decisions: tuple[Body, ...] = ()
    mode: str = ""
    edits: tuple[Body, ...] = ()


@value
class Trace(Value):
    """What a trace holds. `facts` is its first line; `bodies` gives a body by its name, decoded, or None."""

    facts: Body
    config: Body
    requests: tuple[RecordedRequest, ...]
    answers: Mapping[int, Body]
    calls: Mapping[str, TracedCall]
    images: tuple[Body, ...]
    bodies: Any = field(repr=False)
    began_ms: int = 0
    is_full: bool = False


class Recording:
    """A thread. `meta` is the payload of `session_meta`, `trace` None where there is none, `path` the rollout's."""

    def __init__(self, path: str, meta: Body) -> None:
        self.path = path
        self.meta = meta
        self.turns: list[RecordedTurn] = []
        self.trace: Trace | None = None
        self.damaged = 0

    @property
    def thread_id(self) -> str:
        """The thread's id."""
        return str(self.meta.get("id") or self.meta.get("session_id") or "")

    @property
    def cwd(self) -> str:
        """The folder that it began in."""
        return str(self.meta.get("cwd") or "")

    @property
    def commit(self) -> tuple[str, str] | None:
        """Commit and branch at its beginning, the branch perhaps empty."""
        git = self.meta.get("git")
        if isinstance(git, Mapping) and isinstance(git.get("commit_hash"), str):
            return git["commit_hash"], str(git.get("branch") or "")
        return None

    def use(self, trace: Trace) -> None:
        """Take the replies of the turns that a trace knows from it: it tells the answers apart, and what each was
        asked. Attempts that failed and were tried again are left out."""
        self.trace = trace
        by_turn: dict[str, list[Reply]] = {}
        for request in trace.requests:
            reply = _reply(trace, request)
            if reply is not None:
                by_turn.setdefault(request.turn_id, []).append(reply)
        for turn in self.turns:
            found = by_turn.get(turn.turn_id)
            if found is not None and not turn.inherited and _is_whole(found, turn):
                last = found[-1]
                kept = [reply for reply in found if not reply.error or (reply is last and turn.state == "failed")]
                turn.replies = kept


def _is_whole(found: list[Reply], turn: RecordedTurn) -> bool:
    """Whether the trace holds all of the calls that the rollout does: it may have ended before."""
    known = {str(item.get("call_id")) for reply in found for item in reply.items}
    wanted = (str(item.get("call_id")) for reply in turn.replies for item in reply.items if "call_id" in item)
    return known.issuperset(wanted)


def _reply(trace: Trace, request: RecordedRequest) -> Reply | None:
    answer = trace.answers.get(request.number)
    if answer is None or request.kind not in ("turn", COMPACT):
        return None
    items = [trace.bodies(name) for name in answer.get("items", ())]
    if not all(isinstance(item, dict) for item in items):
        return None
    took = answer.get("ms")
    return Reply(
        items=tuple(items),
        kind=request.kind,
        usage=answer.get("usage"),
        error=str(answer.get("error") or ""),
        request=request,
        took_ms=took if isinstance(took, int) else None,
    )

"""The provider of a replay: it compares each request with the recorded one, then plays the recorded reply."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from codex_plugin_sdk import (
    HistoryEntry,
    ModelEvent,
    ModelRequest,
    OutputItemDone,
    ProviderError,
    ResponseCompleted,
    ResponseStarted,
    TokenUsage,
    decode_item,
    item_to_dict,
)

from .comparing import ORDER, REQUEST, Comparer, Divergence, kind_of, text_diff
from .normal import Paths, bare_item, mapped
from .plain import encoded
from .recording import COMPACT, Body, RecordedRequest, RecordedTurn, Recording, Reply

if TYPE_CHECKING:
    from codex_plugin_sdk import ModelProvider
    from codex_plugin_sdk.redact import Redactor

_CALLS = frozenset({"function_call", "custom_tool_call"})


class Finished(ProviderError):
    """The replay goes no further: it diverged, or was to end here."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False)


class Player:
    """A `ModelProvider` over a recording. `begin` tells which turn comes; `divergence` is the first one found,
    `notes` what differs and does not count. `tools_in_order` is false where some tools were put in at the end."""

    def __init__(
        self,
        recording: Recording,
        wrapped: ModelProvider,
        *,
        paths: Paths,
        redactor: Redactor,
        until: int | None = None,
        elsewhere: bool = False,
        loose: bool = False,
    ) -> None:
        self.divergence: Divergence | None = None
        self.notes: list[str] = []
        self.steps = self.requests_compared = self.outputs_compared = 0
        self.tools_in_order = True
        self.steer: Callable[[Any], Awaitable[None]] | None = None
        self.interrupt: Callable[[], Awaitable[None]] | None = None
        self.model_info = wrapped.model_info
        self.aclose = wrapped.aclose
        self._recording = recording
        self._paths = paths
        self._redact = redactor.redact_bytes
        self._until = until
        self._elsewhere = elsewhere
        self._loose = loose
        self._compare = Comparer(paths, loose=loose)
        self._turn: RecordedTurn | None = None
        self._number = self._next = 0
        self._compared = 0
        self._constant: tuple[object, ...] = ()
        self._held: object = None  # so that no other list of tools gets its id
        self._tools = {str(i.get("call_id")): tool_of(i) for t in recording.turns for r in t.replies for i in r.items}

    def begin(self, turn: RecordedTurn, number: int) -> None:
        """A turn begins; its replies come from now on."""
        self._turn, self._number, self._next = turn, number, 0

    def end(self, state: str) -> None:
        """The turn is over: it should have ended as it did then, with all of its replies played."""
        turn = self._turn
        if turn is None or self.divergence is not None or turn.inherited:
            return
        left = len(turn.replies) - self._next
        if left > 0 and turn.state != "failed":
            self._diverge(ORDER, f"the turn ended, and {left} more replies of the model were recorded")
        elif turn.state not in (state, "open"):
            self._diverge(ORDER, f"the turn ended {state}, and was recorded as {turn.state}")

    @property
    def reached_end(self) -> bool:
        """Whether the replay was to end here."""
        return self._until is not None and self.steps >= self._until

    async def stream(self, request: ModelRequest) -> AsyncIterator[tuple[ModelEvent, ...]]:
        """Compare, then play. Raises `Finished` at the end of the replay, and the recorded error."""
        turn = self._turn
        assert turn is not None
        if request.kind not in ("turn", COMPACT):
            raise ProviderError(f"a replay asks no model for a {request.kind}", retryable=False)
        reply = turn.replies[self._next] if self._next < len(turn.replies) else None
        if turn.inherited:
            self._compared = len(request.input)
        else:
            self._check(request, reply, turn)
        if reply is None:
            await self._beyond(turn)
        assert reply is not None
        if self.reached_end:
            raise Finished("the replay ends here, as asked")
        self._next += 1
        self.steps += 1
        if reply.error:
            await self._fail(reply, turn)
        for steer in turn.steers.get(self._next, ()):
            if self.steer is not None:
                await self.steer(steer)
        yield self._events(reply)

    def _events(self, reply: Reply) -> tuple[ModelEvent, ...]:
        id = f"resp_replay_{self.steps}"
        items = [decode_item(self._here(item)) for item in reply.items]
        done = [OutputItemDone(item=item) for item in items]
        return (ResponseStarted(response_id=id), *done, ResponseCompleted(response_id=id, usage=_usage(reply.usage)))

    def _here(self, item: Body) -> dict[str, Any]:
        """An item of the model with its paths in the scratch copy. Only calls act: words stay as they were."""
        changed = mapped(item, self._paths.to_scratch) if item.get("type") in _CALLS else item
        return dict(changed)

    async def _beyond(self, turn: RecordedTurn) -> None:
        """There is no further reply: the turn was interrupted while the model was asked, or it takes another way."""
        if turn.state == "interrupted" and self.interrupt is not None:
            import anyio

            await self.interrupt()
            await anyio.sleep_forever()
        if turn.state in ("failed", "open"):
            raise Finished(turn.error or "the recording ends here")
        self._diverge(ORDER, "the model is asked once more than was recorded")
        raise Finished("the replay diverged")

    async def _fail(self, reply: Reply, turn: RecordedTurn) -> None:
        if reply.error == "cancelled" and turn.state == "interrupted" and self.interrupt is not None:
            import anyio

            await self.interrupt()
            await anyio.sleep_forever()
        raise ProviderError(reply.error, retryable=False)

    # -- comparing ---------------------------------------------------------------------------------------

    def _check(self, request: ModelRequest, reply: Reply | None, turn: RecordedTurn) -> None:
        """Raises `Finished` where the request is another one than was recorded."""
        if reply is not None and (request.kind == COMPACT) != (reply.kind == COMPACT):
            self._diverge(ORDER, f"the model is asked for a {request.kind}, and was for a {reply.kind}")
        elif reply is not None and reply.request is not None:
            self.requests_compared += 1
            self._check_request(request, reply.request)
        elif request.kind != COMPACT:
            self._check_outputs(request.input, turn)
        if self.divergence is not None:
            raise Finished("the replay diverged")

    def _check_request(self, request: ModelRequest, recorded: RecordedRequest) -> None:
        trace = self._recording.trace
        assert trace is not None
        if request.model != recorded.model:
            self._differs(f"the model is {request.model}, and was {recorded.model}", "")
        constant = (recorded.instructions, recorded.tools, request.instructions, id(request.tools))
        if constant != self._constant:  # else they were compared a request ago
            self._constant, self._held = constant, request.tools
            present = trace.bodies(recorded.instructions)
            if not self._compare.same_text(present, self._clean_text(request.instructions)):
                diff = self._compare.diff(present, self._compare.own(request.instructions))
                self._differs("the instructions differ", diff)
            self._check_tools(request, trace.bodies(recorded.tools))
        if self.divergence is None:
            self._check_entries(request.input, [trace.bodies(name) for name in recorded.added], recorded.keep)

    def _check_tools(self, request: ModelRequest, recorded: Any) -> None:
        if not isinstance(recorded, list):
            return
        present = orjson.loads(self._redact(encoded(request.tools)))
        if self._compare.form({"tools": present}) == self._compare.form({"tools": recorded}):
            return
        before, now = ({str(tool.get("name")): tool for tool in tools} for tools in (recorded, present))
        changed = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
        if not changed:
            if self.tools_in_order:
                self._differs("the tools are offered in another order", text_diff("\n".join(before), "\n".join(now)))
            return
        lines = ["\n".join(f"{name} {orjson.dumps(t[name]).decode()}" for name in t) for t in (before, now)]
        self._differs(f"the tools that are offered differ: {', '.join(changed)}", text_diff(*lines))

    def _check_entries(self, entries: Sequence[HistoryEntry], added: list[Any], keep: int) -> None:
        present = [self._item(entry) for entry in entries[keep:]]  # those before were compared a request ago
        self._compared = len(entries)
        if self._elsewhere or self._loose:
            added, present = self._without_context(added, present)
        for recorded, found in zip(added, present, strict=False):
            if not isinstance(recorded, dict):
                self._note("a part of the trace is missing and not compared")
            elif not self._compare.same(recorded, found):
                self._item_differs(recorded, found)
                return
            elif bare_item(told := self._in_rollout(recorded)) != bare_item(recorded) and not self._compare.same(
                told, found
            ):
                self._item_differs(dict(told), found)
                return
            elif str(found.get("type", "")).endswith("_output"):
                self.outputs_compared += 1
        if len(added) != len(present):
            more = [item for item in (added[len(present) :] or present[len(added) :]) if isinstance(item, dict)]
            words = ", ".join(str(item.get("type")) for item in more[:3])
            who = "was recorded" if len(added) > len(present) else "is there now"
            self._diverge(ORDER, f"the history has another length: {words} {who} besides")

    def _in_rollout(self, item: Mapping[str, Any]) -> Body:
        """What the rollout says of an entry of the trace: an output stands in both."""
        turn = self._turn
        if turn is None or not str(item.get("type", "")).endswith("_output"):
            return item
        return turn.outputs.get(str(item.get("call_id")), item)

    def _without_context(self, added: list[Any], present: list[dict[str, Any]]) -> tuple[list[Any], list[Any]]:
        """Both without what tells the context: another machine, or hooks that are not run, make it another one."""
        before, now = ([i for i in items if not _is_context(i)] for items in (added, present))
        told = [self._compare.form(i) for i in present if _is_context(i)]
        if [self._compare.form(i) for i in added if _is_context(i)] != told:
            self._note("the context that the model is told differs (instructions of the user, environment, hooks)")
        return before, now

    def _item_differs(self, recorded: dict[str, Any], present: dict[str, Any]) -> None:
        call_id = str(recorded.get("call_id") or "")
        tool = self._tools.get(call_id, "")
        kind = kind_of(recorded, present, tool)
        named = f"the output of {tool or 'a tool'} ({call_id})" if call_id else f"a {recorded.get('type')}"
        what = (
            f"{named} is not what was recorded" if kind != ORDER else f"{named} was recorded, and something else came"
        )
        self._diverge(kind, what, self._compare.item_diff(recorded, present), call_id, tool)

    def _check_outputs(self, entries: Sequence[HistoryEntry], turn: RecordedTurn) -> None:
        """Without a trace: the outputs since the last reply, in their order."""
        start = self._compared if len(entries) >= self._compared else 0
        self._compared = len(entries)
        outputs = [item for item in map(self._item, entries[start:]) if str(item.get("type", "")).endswith("_output")]
        for found in outputs:
            recorded = turn.outputs.get(str(found.get("call_id")))
            if recorded is None:
                continue
            self.outputs_compared += 1
            if not self._compare.same(recorded, found):
                self._item_differs(dict(recorded), found)
                return

    def _item(self, entry: HistoryEntry) -> dict[str, Any]:
        clean = self._redact(entry.encoded)
        found = orjson.loads(clean) if clean is not entry.encoded else item_to_dict(entry.item)
        return dict(found)

    def _clean_text(self, text: str) -> str:
        return str(orjson.loads(self._redact(encoded(text))))

    def _differs(self, what: str, diff: str) -> None:
        """Something of a request differs that another machine or version may make differ."""
        if self._elsewhere:
            self._note(what)
        elif self.divergence is None:
            self._diverge(REQUEST, what, diff)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _diverge(self, kind: str, what: str, diff: str = "", call_id: str = "", tool: str = "") -> None:
        self.divergence = Divergence(
            step=self.steps + 1,
            turn=self._number,
            turn_id=self._turn.turn_id if self._turn is not None else "",
            kind=kind,
            what=what,
            diff=diff,
            call_id=call_id,
            tool=tool,
        )


def _is_context(item: Any) -> bool:
    if not isinstance(item, dict) or item.get("type") != "message" or item.get("role") == "assistant":
        return False
    parts = item.get("content")
    text = parts[0].get("text") if isinstance(parts, list) and parts and isinstance(parts[0], dict) else ""
    return item.get("role") == "developer" or (isinstance(text, str) and text.lstrip().startswith(("<", "# AGENTS")))


def tool_of(item: Body) -> str:
    """The name of the tool that an item calls; empty for other items."""
    space = item.get("namespace")
    return f"{space or ''}{item.get('name') or ''}"


def _usage(raw: Mapping[str, Any] | None) -> TokenUsage | None:
    if raw is None:
        return None
    known = {name: raw[name] for name in TokenUsage.field_names() if isinstance(raw.get(name), int)}
    return TokenUsage(**known)

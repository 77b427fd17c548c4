"""What the server asks, and who answers. Without a handler the answer is no, and the result of the turn says so."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any, Generic, TypeVar

import anyio
import attrs

from ._decode import Unreadable, decode, raw_field
from .rpc import MAX_QUESTIONS, Unsupported

log = logging.getLogger("codex_sdk")
R = TypeVar("R")
A = TypeVar("A")


class Decision(StrEnum):
    """An answer to an approval request."""

    accept = "accept"
    accept_for_session = "acceptForSession"
    decline = "decline"
    """Not this; the model reads so, and the turn goes on."""
    cancel = "cancel"
    """Not this, and the turn ends as interrupted."""


@attrs.frozen
class AcceptWithRule:
    """Run the command, and no more ask for those that begin with these words. A command approval proposes them as
    `proposed_execpolicy_amendment`."""

    prefix: tuple[str, ...]


@attrs.frozen(kw_only=True)
class ServerRequest:
    """A question of the server; `raw` holds the params as they came."""

    thread_id: str = ""
    turn_id: str = ""
    raw: Mapping[str, Any] = raw_field()


@attrs.frozen(kw_only=True)
class CommandApproval(ServerRequest):
    """May this command run without the sandbox, or this host be reached (`network_approval_context`)?"""

    item_id: str
    command: str | None = None
    cwd: str | None = None
    reason: str | None = None
    available_decisions: tuple[Any, ...] = ()
    proposed_execpolicy_amendment: tuple[str, ...] | None = None
    network_approval_context: Mapping[str, Any] | None = None


@attrs.frozen(kw_only=True)
class FileChangeApproval(ServerRequest):
    """May these edits be made? The item of this id, told before, holds them."""

    item_id: str
    reason: str | None = None
    grant_root: str | None = None


@attrs.frozen(kw_only=True)
class PermissionsApproval(ServerRequest):
    """May the turn have these permissions beside its own?"""

    item_id: str
    permissions: Mapping[str, Any]
    cwd: str | None = None
    reason: str | None = None


@attrs.frozen(kw_only=True)
class PermissionsGrant:
    """What is granted, in the form of the request's `permissions`; {} is nothing. `scope`: turn or session."""

    permissions: Mapping[str, Any]
    scope: str = "turn"


@attrs.frozen(kw_only=True)
class QuestionOption:
    """One of the answers that are proposed."""

    label: str
    description: str = ""


@attrs.frozen(kw_only=True)
class Question:
    """One question to the user; without `options` the answer is free text."""

    id: str
    question: str
    header: str = ""
    options: tuple[QuestionOption, ...] | None = None
    is_other: bool = False
    is_secret: bool = False


@attrs.frozen(kw_only=True)
class UserInputRequest(ServerRequest):
    """Questions of the model to the user."""

    item_id: str
    questions: tuple[Question, ...]


@attrs.frozen(kw_only=True)
class ElicitationRequest(ServerRequest):
    """A question of an MCP server: `mode` form (with `requested_schema`) or url."""

    message: str = ""
    mode: str = "form"
    server_name: str | None = None
    requested_schema: Any = None
    url: str | None = None


@attrs.frozen(kw_only=True)
class ElicitationAnswer:
    """`action`: accept, decline or cancel; `content` fits the schema."""

    action: str
    content: Any = None


@attrs.frozen(kw_only=True)
class DynamicToolCall(ServerRequest):
    """The model calls a tool that was given to `thread_start(dynamic_tools=…)`."""

    call_id: str
    tool: str
    arguments: Any = None
    namespace: str | None = None


@attrs.frozen(kw_only=True)
class DynamicToolResult:
    """What the model reads: a text, or content items as the protocol has them."""

    content: str | tuple[Mapping[str, Any], ...]
    success: bool = True


@attrs.frozen(kw_only=True)
class Declined:
    """A question that was declined without anybody having said so, and why."""

    request: ServerRequest
    reason: str


Command = Decision | AcceptWithRule | str
UserAnswers = Mapping[str, str | list[str]]


@attrs.frozen(kw_only=True)
class Handlers:
    """Your answers: functions of the request, plain or async. Plain ones run in a thread and may block; one whose
    question is settled elsewhere is cancelled, or its answer dropped. One that raises counts as no, and is logged.

    `user_input` answers with texts (or lists of them) by the id of the question. `other` is given the method and the
    params of whatever else the server asks, and returns the result.
    """

    command: Callable[[CommandApproval], Command | Awaitable[Command]] | None = None
    file_change: Callable[[FileChangeApproval], Decision | str | Awaitable[Decision | str]] | None = None
    permissions: (
        Callable[[PermissionsApproval], PermissionsGrant | Awaitable[PermissionsGrant | None] | None] | None
    ) = None
    user_input: Callable[[UserInputRequest], UserAnswers | Awaitable[UserAnswers]] | None = None
    elicitation: Callable[[ElicitationRequest], ElicitationAnswer | Awaitable[ElicitationAnswer]] | None = None
    dynamic_tool: Callable[[DynamicToolCall], DynamicToolResult | str | Awaitable[DynamicToolResult | str]] | None = (
        None
    )
    other: Callable[[str, Mapping[str, Any]], Mapping[str, Any] | Awaitable[Mapping[str, Any]]] | None = None


@attrs.frozen
class _Kind(Generic[R, A]):
    """How one method is read, answered, and declined."""

    name: str
    request: type[R]
    wire: Callable[[A], dict[str, Any]]
    decline: Callable[[str], dict[str, Any]]


def _decision(answer: Decision | str) -> dict[str, Any]:
    return {"decision": Decision(answer).value}


def _command(answer: Command) -> dict[str, Any]:
    if isinstance(answer, AcceptWithRule):
        return {"decision": {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": list(answer.prefix)}}}
    return _decision(answer)


def _grant(answer: PermissionsGrant | None) -> dict[str, Any]:
    if answer is None:
        return {"permissions": {}, "scope": "turn"}
    return {"permissions": dict(answer.permissions), "scope": answer.scope}


def _answers(answer: UserAnswers) -> dict[str, Any]:
    found = {id: [text] if isinstance(text, str) else list(text) for id, text in answer.items()}
    return {"answers": {id: {"answers": texts} for id, texts in found.items()}}


def _elicited(answer: ElicitationAnswer) -> dict[str, Any]:
    return {"action": answer.action, "content": answer.content}


def _tool_result(answer: DynamicToolResult | str) -> dict[str, Any]:
    found = DynamicToolResult(content=answer) if isinstance(answer, str) else answer
    content = found.content
    items = [{"type": "inputText", "text": content}] if isinstance(content, str) else [dict(item) for item in content]
    return {"contentItems": items, "success": found.success}


_NO = {"decision": Decision.decline.value}
_KINDS: dict[str, _Kind[Any, Any]] = {
    "item/commandExecution/requestApproval": _Kind("command", CommandApproval, _command, lambda _: _NO),
    "item/fileChange/requestApproval": _Kind("file_change", FileChangeApproval, _decision, lambda _: _NO),
    "item/permissions/requestApproval": _Kind("permissions", PermissionsApproval, _grant, lambda _: _grant(None)),
    "item/tool/requestUserInput": _Kind("user_input", UserInputRequest, _answers, lambda _: _answers({})),
    "mcpServer/elicitation/request": _Kind(
        "elicitation", ElicitationRequest, _elicited, lambda _: _elicited(ElicitationAnswer(action="decline"))
    ),
    "item/tool/call": _Kind(
        "dynamic_tool",
        DynamicToolCall,
        _tool_result,
        lambda why: _tool_result(DynamicToolResult(content=f"the tool did not run: {why}", success=False)),
    ),
}


class Answerer:
    """Answers the questions of one connection. `declined` is told of what was declined for want of an answer."""

    def __init__(self, handlers: Handlers, declined: Callable[[Declined], None]) -> None:
        self._handlers, self._declined = handlers, declined
        self._threads = anyio.CapacityLimiter(MAX_QUESTIONS)

    async def ask(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """The result for a question. Raises `Unsupported`."""
        kind = _KINDS.get(method)
        if kind is None:
            if self._handlers.other is None:
                raise Unsupported
            result: Mapping[str, Any] = await self._call(self._handlers.other, method, params)
            return result
        try:
            request = decode(kind.request, params)
        except Unreadable as error:
            return self._decline(kind, ServerRequest(raw=params), f"the question cannot be read: {error}")
        handler = getattr(self._handlers, kind.name)
        if handler is None:
            return self._decline(kind, request, f"there is no handler: Handlers({kind.name}=…)")
        try:
            found: Mapping[str, Any] = kind.wire(await self._call(handler, request))
            return found
        except Exception as error:  # whatever a handler does, the server must not wait for ever
            log.exception("the handler `%s` failed", kind.name)
            return self._decline(kind, request, f"the handler `{kind.name}` failed: {error!r:.300}")

    def _decline(self, kind: _Kind[Any, Any], request: ServerRequest, reason: str) -> Mapping[str, Any]:
        log.warning("declined: %s of turn %s; %s", kind.request.__name__, request.turn_id, reason)
        self._declined(Declined(request=request, reason=reason))
        return kind.decline(reason)

    async def _call(self, handler: Callable[..., Any], *args: Any) -> Any:
        if inspect.iscoroutinefunction(handler):
            return await handler(*args)
        found = await anyio.to_thread.run_sync(handler, *args, abandon_on_cancel=True, limiter=self._threads)
        return await found if inspect.isawaitable(found) else found

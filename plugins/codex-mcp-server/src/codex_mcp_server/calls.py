"""One tool call: follow a turn, tell the client of it, put its questions to the client's user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import anyio
import mcp_types as types
from mcp.shared.exceptions import MCPError  # noqa: TID253 - see serve.py
from mcp.shared.message import ServerMessageMetadata  # noqa: TID253 - see serve.py
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ConfigDict, ValidationError  # noqa: TID253 - see serve.py

from codex_plugin_sdk import (
    ApprovalResolved,
    Event,
    OpRejected,
    TurnCompleted,
    TurnFailed,
    UserError,
)

from .events import progress_of
from .questions import Asked, elicitation, read_answer, refused
from .sessions import ASKS, Session, Sessions

if TYPE_CHECKING:
    from anyio.abc import TaskGroup
    from mcp.server.context import ServerRequestContext

    Context = ServerRequestContext[Any, Any]

CANNOT_ASK = "the MCP client has no elicitation capability, so its user cannot be asked"


class CodexEvent(types.Notification[dict[str, Any], Literal["codex/event"]]):
    """What Codex tells of a session while a call runs."""

    method: Literal["codex/event"] = "codex/event"


class Elicit(types.Request[dict[str, Any], Literal["elicitation/create"]]):
    """An elicitation with Codex's fields, for which the library's own type has no place."""

    method: Literal["elicitation/create"] = "elicitation/create"


class Answer(types.Result):
    """Whatever a client answers."""

    model_config = ConfigDict(extra="allow")


class Client:
    """The other end of one request."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._session = context.session
        self._progress = 0
        self.request_id = "" if context.request_id is None else str(context.request_id)
        capabilities = context.session.client_capabilities
        self.modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS
        """Questions are not sent to it: the call returns with them and comes back with the answers."""
        can_elicit = capabilities is not None and capabilities.elicitation is not None
        self.can_ask = can_elicit and (self.modern or context.session.can_send_request)
        self.closing_cancels = self.modern and context.request is not None
        """Over HTTP, a client of the newer protocol cancels by closing the connection."""

    async def tell(self, session: Session, event: Event) -> None:
        """What happened, as Codex's event and as progress."""
        meta = {"requestId": self._context.request_id, "threadId": session.id}
        for msg in session.words.of(event):
            params = {"_meta": meta, "msg": msg, "id": str(event.turn_id or "")}
            # The request's own stream, not the connection's: `related_request_id` says so.
            notification: Any = CodexEvent(params=params)
            await self._session.send_notification(notification, self._context.request_id)
        if (text := progress_of(event)) is not None:
            self._progress += 1
            await self._session.report_progress(self._progress, message=text)

    async def ask(self, params: dict[str, Any]) -> Mapping[str, Any]:
        """The client's answer to an elicitation. Raises `MCPError` if it gives none."""
        request: Any = Elicit(params=params)
        metadata = ServerMessageMetadata(related_request_id=self._context.request_id)
        try:
            answer = await self._session.send_request(request, Answer, metadata=metadata)
        except ValidationError as error:
            # Clients of Codex answer with a `decision` alone, which is no answer to an elicitation: take it as it came.
            found = [each["input"] for each in error.errors() if each["type"] == "missing"]
            return found[0] if found and isinstance(found[0], Mapping) else {}
        return answer.model_dump(by_alias=True, exclude_none=True)


class Follower:
    """Follows the turn of a session for one request."""

    def __init__(self, sessions: Sessions, session: Session, client: Client) -> None:
        self._sessions, self._session, self._client = sessions, session, client
        self._scopes: dict[str, anyio.CancelScope] = {}

    async def follow(self) -> dict[str, Any]:
        """The result: of the turn, or that answers are needed first. When cancelled, the turn is left to `Sessions`."""
        session = self._session
        session.followed = True
        try:
            async with anyio.create_task_group() as tasks:
                found = await self._until_end(tasks)
                tasks.cancel_scope.cancel()
        except anyio.get_cancelled_exc_class():
            session.followed = False
            self._sessions.abandon(session, interrupt=self._client.closing_cancels or not self._sessions.finish)
            raise
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            session.followed = False
        return found

    async def _until_end(self, tasks: TaskGroup) -> dict[str, Any]:
        session = self._session
        while True:
            if self._client.modern and self._client.can_ask and session.open:
                return self._come_back()
            event = await session.next_event()
            await self._client.tell(session, event)
            match event.msg:
                case ApprovalResolved(approval_id=id):
                    session.open.pop(id, None)
                    if scope := self._scopes.pop(id, None):
                        scope.cancel()
                case OpRejected(op="UserTurn", message=why):
                    session.end_turn()
                    return failure(why, session.id)
                case asked if isinstance(asked, ASKS):
                    if not self._client.can_ask:
                        await session.submit(refused(asked, CANNOT_ASK))
                    elif not self._client.modern:
                        tasks.start_soon(self._ask, asked)
            if session.ends_turn(event):
                session.end_turn()
                return _outcome(session.id, event)

    async def _ask(self, asked: Asked) -> None:
        with anyio.CancelScope() as scope:
            self._scopes[asked.approval_id] = scope
            try:
                answer = read_answer(asked, await self._client.ask(self._params(asked)))
            except MCPError as error:
                answer = refused(asked, f"the client did not answer: {error}")
            await self._session.submit(answer)

    def _params(self, asked: Asked) -> dict[str, Any]:
        turn_id = "" if self._session.turn is None else str(self._session.turn.turn_id)
        return elicitation(asked, thread_id=self._session.id, turn_id=turn_id, call=self._client.request_id)

    def _come_back(self) -> dict[str, Any]:
        asked = {id: self._params(each) for id, each in self._session.open.items()}
        requests = {id: {"method": "elicitation/create", "params": params} for id, params in asked.items()}
        state = self._sessions.wait_for_client(self._session)
        return {"resultType": "input_required", "inputRequests": requests, "requestState": state}


async def take_answers(session: Session, answers: object) -> None:
    """Hand in what a client came back with; what it does not answer it is asked again."""
    found = answers if isinstance(answers, Mapping) else {}
    for id, asked in list(session.open.items()):
        if id in found:
            del session.open[id]
            await session.submit(read_answer(asked, found[id]))


def _outcome(thread_id: str, event: Event) -> dict[str, Any]:
    match event.msg:
        case TurnCompleted(last_agent_message=text):
            return result(text or "", thread_id)
        case TurnFailed(error=error):
            return failure(f"{error.message}\n{error.hint}" if error.hint else error.message, thread_id)
        case _:
            return failure("the turn was interrupted", thread_id)


def result(text: str, thread_id: str) -> dict[str, Any]:
    """What a tool call gives."""
    content = [{"type": "text", "text": text}]
    return {"resultType": "complete", "content": content, "structuredContent": {"threadId": thread_id, "content": text}}


def failure(text: str, thread_id: str | None = None) -> dict[str, Any]:
    """What a tool call gives when it fails; without a thread there is nothing to continue."""
    if thread_id is None:
        return {"resultType": "complete", "content": [{"type": "text", "text": text}], "isError": True}
    return {**result(text, thread_id), "isError": True}


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, Exception) else UserError(str(error))

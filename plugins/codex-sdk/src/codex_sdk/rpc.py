"""One connection: requests and their answers, notifications, and the questions of the server."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import anyio
from anyio.abc import TaskGroup

from .errors import CodexSdkError, TransportClosedError, rpc_error
from .router import Notice, Router
from .transport import GONE, Transport, closed_by_us

log = logging.getLogger("codex_sdk")

OUTBOX = 64
"""So many messages may wait to be sent; who sends more waits too."""
MAX_QUESTIONS = 256
"""So many questions of the server are worked on at once; more are refused."""
LAST_WORDS_S = 2.0
UNDO_S = 2.0
"""How long a caller that is cancelled waits for what it has begun to be taken back."""
METHOD_NOT_FOUND, INTERNAL_ERROR, OVERLOADED = -32601, -32603, -32001

RequestId = str | int
Undo = Callable[[Any], tuple[str, Mapping[str, Any]] | None]
"""From the result of a request to the method and the params of one that takes it back; None if nothing has to be."""
Ask = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


class Unsupported(Exception):
    """The server asks something that nobody here answers."""


class _Pending:
    def __init__(self, method: str, at_answer: Callable[[Any], None] | None) -> None:
        self.method, self.at_answer = method, at_answer
        self.settled = anyio.Event()
        self.result: Any = None
        self.error: CodexSdkError | None = None
        self.undo: Undo | None = None
        """Set when the caller has left: what to send when the answer comes after all."""


class Connection:
    """The conversation over a transport. `ask` answers the questions of the server; one that raises `Unsupported` is
    refused as an unknown method. `run` is started once, in a task group, and ends with the transport."""

    def __init__(self, transport: Transport, ask: Ask) -> None:
        self.router = Router()
        self._transport, self._ask = transport, ask
        self._numbers = itertools.count(1)
        self._pending: dict[RequestId, _Pending] = {}
        self._questions: dict[RequestId, anyio.CancelScope] = {}
        self._outgoing, self._outbox = anyio.create_memory_object_stream[bytes](OUTBOX)
        self._error: CodexSdkError | None = None
        self._all_read = anyio.Event()

    # -- to the server ---------------------------------------------------------------------------

    async def request(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        undo: Undo | None = None,
        at_answer: Callable[[Any], None] | None = None,
    ) -> Any:
        """The result of a request. Raises `JsonRpcError` and `TransportClosedError`. When the caller is cancelled, the
        answer is ignored, or `undo` names the request that takes back what it tells of. `at_answer` is given the result
        before anything that comes after it is looked at."""
        self._check()
        id = next(self._numbers)
        pending = self._pending[id] = _Pending(method, at_answer)
        try:
            await self._send(_request(id, method, params))
            try:
                await pending.settled.wait()
            except anyio.get_cancelled_exc_class():
                if undo is not None:
                    await self._take_back(pending, undo)
                raise
        finally:
            if pending.undo is None:
                self._pending.pop(id, None)
        if pending.error is not None:
            raise pending.error
        return pending.result

    async def _take_back(self, pending: _Pending, undo: Undo) -> None:
        """Wait a moment for the answer, so that what it tells of ends before the caller goes on; or else later."""
        with anyio.move_on_after(UNDO_S, shield=True):
            await pending.settled.wait()
            counter = undo(pending.result)
            if counter is not None:
                with suppress(CodexSdkError):  # it has ended already
                    await self.request(*counter)
        if not pending.settled.is_set():
            pending.undo = undo

    def _request_unheard(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a request whose answer does not matter, if there is room."""
        try:
            self._outgoing.send_nowait(_encode(_request(next(self._numbers), method, params)))
        except (anyio.WouldBlock, *GONE):
            log.warning("%s was not sent: the server does not read", method)

    async def notify(self, method: str) -> None:
        """Send a notification without params."""
        self._check()
        await self._send({"method": method})

    async def _send(self, message: Mapping[str, Any]) -> None:
        try:
            await self._outgoing.send(_encode(message))
        except GONE:
            raise self._error or closed_by_us() from None

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    # -- from the server -------------------------------------------------------------------------

    async def run(self) -> None:
        """Converse until the transport ends or `close` is called."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._transport.watch)
            tasks.start_soon(self._write)
            try:
                while (data := await self._transport.receive()) is not None:
                    self._take(data, tasks)
            except GONE as error:
                log.debug("reading ended: %r", error)
            self._all_read.set()
            self._end(await self._transport.ended())
            tasks.cancel_scope.cancel()

    def close(self) -> None:
        """End all calls, as closed by this client."""
        self._end(closed_by_us())

    async def _write(self) -> None:
        """One writer: a caller that is cancelled cannot leave half a message."""
        try:
            async with self._outbox:
                async for data in self._outbox:
                    await self._transport.send(data)
        except GONE as error:
            log.debug("writing ended: %r", error)
            reason = await self._transport.ended()
            with anyio.move_on_after(LAST_WORDS_S):  # what it said before is still delivered
                await self._all_read.wait()
            self._end(reason)

    def _end(self, error: CodexSdkError) -> None:
        if self._error is not None:
            return
        self._error = error
        self._outgoing.close()
        self._outbox.close()
        pending, self._pending = self._pending, {}
        for one in pending.values():
            one.error = error
            one.settled.set()
        self.router.end(error)

    def _take(self, data: bytes, tasks: TaskGroup) -> None:
        """Whatever comes: what is no message does no harm."""
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            log.warning("the server sent what is no message: %.200r", data)
            return
        id, method, params = found.get("id"), found.get("method"), found.get("params")
        given = params if isinstance(params, dict) else {}
        if isinstance(method, str):
            if id is None:
                self._heard(Notice(method, given, len(data)))
            elif isinstance(id, str | int):
                self._asked(id, method, given, tasks)
        elif isinstance(id, str | int) and ("result" in found or "error" in found):
            self._answered(id, found)

    def _answered(self, id: RequestId, found: Mapping[str, Any]) -> None:
        pending = self._pending.pop(id, None)
        if pending is None:
            return  # the caller has gone
        if "error" in found and found["error"] is not None:
            pending.error = rpc_error(found["error"], pending.method)
        else:
            pending.result = found.get("result")
            if pending.at_answer is not None:
                pending.at_answer(pending.result)
            counter = pending.undo(pending.result) if pending.undo is not None else None
            if counter is not None:
                self._request_unheard(*counter)
        pending.settled.set()

    def _heard(self, notice: Notice) -> None:
        if notice.method == "serverRequest/resolved":
            id = notice.params.get("requestId")
            scope = self._questions.get(id) if isinstance(id, str | int) else None
            if scope is not None:
                scope.cancel()  # somebody else has answered, or the turn has ended
        self.router.route(notice)

    def _asked(self, id: RequestId, method: str, params: Mapping[str, Any], tasks: TaskGroup) -> None:
        if len(self._questions) >= MAX_QUESTIONS or id in self._questions:
            tasks.start_soon(self._refuse, id, OVERLOADED, "too many questions at once")
            return
        scope = self._questions[id] = anyio.CancelScope()
        tasks.start_soon(self._reply, id, method, params, scope)

    async def _reply(self, id: RequestId, method: str, params: Mapping[str, Any], scope: anyio.CancelScope) -> None:
        try:
            with scope:
                try:
                    answer: dict[str, Any] = {"result": dict(await self._ask(method, params))}
                except Unsupported:
                    answer = _error(METHOD_NOT_FOUND, f"this client does not answer {method}")
                except Exception as error:  # a fault of one question must not end the others
                    log.exception("%s could not be answered", method)
                    answer = _error(INTERNAL_ERROR, f"the client failed: {error!r:.500}")
                await self._send_answer({"id": id, **answer})
        finally:
            self._questions.pop(id, None)

    async def _refuse(self, id: RequestId, code: int, text: str) -> None:
        await self._send_answer({"id": id, **_error(code, text)})

    async def _send_answer(self, message: Mapping[str, Any]) -> None:
        try:
            await self._send(message)
        except TransportClosedError:
            log.debug("an answer came too late: the connection has ended")


def _error(code: int, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def _request(id: RequestId, method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"id": id, "method": method} if params is None else {"id": id, "method": method, "params": params}


def _encode(message: Mapping[str, Any]) -> bytes:
    """Half of a surrogate pair, as file names may hold, is replaced: it has no place in JSON on the wire."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")

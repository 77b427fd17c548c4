"""The turn guards of one thread, asked one after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from .errors import CodexError, PluginError
from .log import logger
from .protocol.events import Notice

if TYPE_CHECKING:
    from .contracts.guard import TurnFacts, TurnGuard
    from .contracts.model import ModelRequest
    from .contracts.sandbox import ExecRequest
    from .contracts.tool import FileEdit, ToolCall, ToolOutput
    from .protocol.events import EventMsg
    from .protocol.ids import TurnId
    from .protocol.policy import Intent, SandboxPolicy, Verdict
    from .protocol.response_items import ResponseItem
    from .protocol.usage import TokenUsage


class Guards:
    """Asks all; false where there are none. One that only observes is dropped when it fails, once told; of the others
    whatever goes wrong ends the turn."""

    def __init__(self, made: Sequence[tuple[str, bool, TurnGuard]], tell: Callable[[EventMsg], None]) -> None:
        self._made = list(made)
        self._tell = tell
        self._admitted: ModelRequest | None = None

    def __bool__(self) -> bool:
        return bool(self._made)

    def turn_begins(self, turn: TurnFacts) -> None:
        """See `TurnGuard`, as for all of these."""
        self._each(lambda guard: guard.turn_begins(turn))

    def request_begins(self, request: ModelRequest, *, early: bool = False) -> None:
        """One that was asked about `early`, before there was a loop, is not asked about again."""
        if request is not self._admitted:
            self._each(lambda guard: guard.request_begins(request))
        self._admitted = request if early else None

    def request_ends(
        self,
        request: ModelRequest,
        items: Sequence[ResponseItem],
        usage: TokenUsage | None,
        error: BaseException | None = None,
    ) -> None:
        self._each(lambda guard: guard.request_ends(request, items, usage, error))

    async def call_begins(self, call: ToolCall) -> None:
        await self._await_each(lambda guard: guard.call_begins(call))

    def call_ends(self, call: ToolCall, output: ToolOutput) -> None:
        self._each(lambda guard: guard.call_ends(call, output))

    async def exec_begins(self, call_id: str, request: ExecRequest, policy: SandboxPolicy) -> ExecRequest:
        async def ask(guard: TurnGuard) -> None:
            nonlocal request
            request = await guard.exec_begins(call_id, request, policy)

        await self._await_each(ask)
        return request

    async def edits_begin(self, call_id: str, edits: Sequence[FileEdit]) -> None:
        await self._await_each(lambda guard: guard.edits_begin(call_id, edits))

    def judged(self, call_id: str, intent: Intent, verdict: Verdict | None, refusal: str = "") -> None:
        self._each(lambda guard: guard.judged(call_id, intent, verdict, refusal))

    async def turn_ends(self, turn_id: TurnId, state: str) -> None:
        await self._await_each(lambda guard: guard.turn_ends(turn_id, state))

    async def aclose(self) -> None:
        for _, _, guard in self._made:
            await guard.aclose()

    def _each(self, ask: Callable[[TurnGuard], None]) -> None:
        for entry in list(self._made):
            try:
                ask(entry[2])
            except Exception as error:  # noqa: BLE001 - sorted out by `_failed`
                self._failed(entry, error)

    async def _await_each(self, ask: Callable[[TurnGuard], Awaitable[Any]]) -> None:
        for entry in list(self._made):
            try:
                await ask(entry[2])
            except Exception as error:  # noqa: BLE001 - as above
                self._failed(entry, error)

    def _failed(self, entry: tuple[str, bool, TurnGuard], error: Exception) -> None:
        name, observes, _ = entry
        if observes:
            self._made.remove(entry)
            logger().error("a guard that only observes failed", guard=name, exc_info=error)
            self._tell(Notice(level="warning", message=f"{name} stopped: {type(error).__name__}: {error}"))
            return
        if isinstance(error, CodexError):
            raise error
        text = f"guard {name} failed: {type(error).__name__}: {error}"
        raise PluginError(text, plugin=name, hint=f"start without it: --no-plugin {name}") from error

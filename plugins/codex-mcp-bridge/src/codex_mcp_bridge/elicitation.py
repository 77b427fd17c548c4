"""What a server asks the user while it carries out a call.

Five steps decide, the first that speaks: nobody can be asked (declined); everything is free and nothing is to be filled
in (accepted); a policy forbids it (declined); the reviewer says no (declined), or yes to something with nothing to fill
in; the user answers. Meanwhile the time-out of the call stands still.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ApprovalPolicy, PolicyDenied

from .approval import McpIntent, asks_nobody, authorize
from .forms import BadForm, checked_address, checked_form, needs_nothing
from .safe_text import shown, shown_data
from .schemas import ArgumentCheck

if TYPE_CHECKING:
    import mcp.types

    from codex_plugin_sdk import ElicitationAnswer, ToolSourceSetup

    from .running import RunningCall, RunningCalls

MAX_MESSAGE_CHARS = 4_000
MAX_QUESTIONS = 20
MAX_TRIES = 3


class Elicitor:
    """Answers elicitations of one server."""

    def __init__(self, server: str, setup: ToolSourceSetup, running: RunningCalls) -> None:
        self._server, self._setup, self._running = server, setup, running

    async def elicit(self, params: mcp.types.ElicitRequestParams) -> mcp.types.ElicitResult:
        """The answer; cancel when the call ends before there is one."""
        from mcp.types import ElicitResult

        call = self._running.latest()
        if call is None or call.asked >= MAX_QUESTIONS:
            return ElicitResult(action="decline")
        call.asked += 1
        answer = ElicitResult(action="cancel")
        with call.attached():
            async with self._running.turn:
                answer = await self._decided(call, params)
        return answer

    async def _decided(self, call: RunningCall, params: mcp.types.ElicitRequestParams) -> mcp.types.ElicitResult:
        from mcp.types import ElicitResult

        declined = ElicitResult(action="decline")
        try:
            url = checked_address(params.url) if params.mode == "url" else None
            form = None if params.mode == "url" else checked_form(params.requested_schema)
        except BadForm as error:
            self._warn(f"{self._server} asked for something that was refused: {error}")
            return declined
        agreed = form is not None and needs_nothing(form)
        if agreed and asks_nobody(call.ctx.approval_policy, call.ctx.sandbox_policy.mode):
            return ElicitResult(action="accept", content={})
        if call.ctx.approval_policy is ApprovalPolicy.NEVER or not self._setup.answers_questions:
            return declined
        message = shown(params.message, MAX_MESSAGE_CHARS)
        try:
            if await self._reviewed(call, message, url, form) and agreed:
                return ElicitResult(action="accept", content={})
            return await self._answered(call, params, message, url, form)
        except PolicyDenied:
            return declined

    async def _reviewed(self, call: RunningCall, message: str, url: str | None, form: Mapping[str, Any] | None) -> bool:
        """Ask policies, and the reviewer where one is set: whether one has consented. Raises `PolicyDenied`."""
        reviewer = self._setup.tools.config.get("approvals_reviewer") or "user"
        fields = list((form or {}).get("properties", ()))
        intent = McpIntent(
            tool=f"mcp__{self._server}__elicitation",
            arguments={"message": message, **({"url": url} if url else {"fields": fields})},
            summary=f"{self._server} asks the user",
            read_only=True,
            must_ask="" if reviewer == "user" else f"the MCP server {self._server} asks the user: {message}",
        )
        await authorize(call.ctx, intent)
        return bool(intent.must_ask)

    async def _answered(
        self,
        call: RunningCall,
        params: mcp.types.ElicitRequestParams,
        message: str,
        url: str | None,
        form: Mapping[str, Any] | None,
    ) -> mcp.types.ElicitResult:
        """The user's answer; asked again while it does not fit the form. Raises `PolicyDenied`."""
        from mcp.types import ElicitResult

        raw = shown_data(params.model_dump(mode="json", by_alias=True, exclude_none=True))
        if form is not None:
            raw["requestedSchema"] = dict(form)
        asked = message if url is None else f"{message}\n\nIt wants you to open {url}"
        for _ in range(MAX_TRIES):
            answer = await call.ctx.elicit(self._server, asked, schema=form, url=url, raw=raw)
            if answer.action != "accept" or form is None:
                return ElicitResult(action=_action(answer))
            content = dict(answer.content or {})
            problem = _problem(form, content)
            if not problem:
                return ElicitResult(action="accept", content=content)
            asked = f"{message}\n\n(The last answer did not fit: {problem})"
        return ElicitResult(action="cancel")

    def _warn(self, text: str) -> None:
        from codex_plugin_sdk import Notice

        self._setup.tell(Notice(level="warning", message=text, source="mcp"))


def _action(answer: ElicitationAnswer) -> Any:
    return answer.action if answer.action in ("accept", "decline") else "cancel"


def _problem(form: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    return ArgumentCheck({**form, "additionalProperties": False}).problem(content)

"""A review as a turn of a thread.

The reviewer is a thread of its own, with its own instructions and nothing in its history, that is recorded nowhere:
what it does is told, and recorded, as a turn of the thread that asked for it, in whose history the review then stands.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from codex_kernel.engine import Engine, ThreadOptions
from codex_kernel.errors import CodexError, StoreError
from codex_kernel.opened import OpenedThread
from codex_kernel.protocol.events import (
    AgentMessageDelta,
    ApprovalRequested,
    ApprovalResolved,
    ErrorInfo,
    EventMsg,
    ItemCompleted,
    Notice,
    OpRejected,
    OutputDelta,
    ReasoningDelta,
    ThreadClosed,
    ThreadStarted,
    TokenCount,
    ToolInputDelta,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    TurnStarted,
    TurnStateChanged,
)
from codex_kernel.protocol.ids import TurnId, new_item_id, new_turn_id
from codex_kernel.protocol.ops import TextInput, TurnOverrides, UserTurn
from codex_kernel.protocol.policy import ApprovalPolicy, SandboxMode, SandboxPolicy
from codex_kernel.protocol.response_items import text_message
from codex_kernel.protocol.thread_items import AgentMessageItem

from .instructions import REVIEW_INSTRUCTIONS
from .items import entered_item, exited_item
from .output import NO_RESPONSE, ReviewOutput, parse_review, render_review
from .target import ReviewTarget, hint

if TYPE_CHECKING:
    import anyio

    from codex_kernel.settings import Settings
    from codex_kernel.thread import Thread
    from codex_kernel.thread_state import ThreadState

TOOLS = frozenset({"exec_command", "write_stdin", "view_image", "update_plan"})
"""What a reviewer works with: tools that read, and none that edits, asks, or leaves the sandbox."""
_PRIVATE = (
    AgentMessageDelta,
    ApprovalRequested,
    ApprovalResolved,
    ThreadClosed,
    ThreadStarted,
    TokenCount,
    TurnStarted,
    TurnStateChanged,
)
"""What the reviewer's thread tells of itself and nobody needs to hear: the review says it."""
_ENDINGS = (TurnCompleted, TurnFailed, TurnInterrupted)
_DELTAS = (OutputDelta, ReasoningDelta, ToolInputDelta)
INTERRUPTED = "The review was interrupted before it was complete; start it again to get one."


def open_review(
    engine: Engine, state: ThreadState, target: ReviewTarget, prompt: str, *, early: bool = False
) -> ReviewTurn:
    """A review for the thread with this state and engine; nothing runs yet, unless `early`: then the first request is
    under way. `prompt` is from `review_prompt`. Raises `CodexError` for what stands in the way."""
    settings = review_settings(engine, state.settings, state.cwd)
    reviewing = Engine(config=engine.config, plugins=engine.plugins, environ=engine.environ)
    reviewing.settings = settings
    options = ThreadOptions(
        cwd=state.cwd,
        ephemeral=True,
        originator=state.originator,
        want_deltas=state.want_deltas,
        source="review",
        children=False,
    )
    # Said in the op as well, so that it outweighs a configuration that changes meanwhile.
    overrides = TurnOverrides(
        model=settings.model, approval_policy=settings.approval_policy, sandbox_policy=settings.sandbox_policy
    )
    op = UserTurn(input=(TextInput(text=prompt),), overrides=overrides)
    opened = reviewing.prepare(options)
    if early:
        opened.begin(op)
    return ReviewTurn(state, opened, op, target, frozenset(engine.config.notices))


def review_settings(engine: Engine, before: Settings, cwd: str) -> Settings:
    """Settings as a reviewer has them. Raises `ConfigError` where requirements do not permit them."""
    config = engine.config
    settings = before.replace(
        model=config.get("review_model", str) or before.model,
        instructions=REVIEW_INSTRUCTIONS,
        approval_policy=ApprovalPolicy.NEVER,
        granular=None,
        approvals_reviewer=None,
        sandbox_policy=_reading(before.sandbox_policy, cwd, engine.environ),
        disabled_tools=before.disabled_tools | (frozenset(engine.plugins.tools()) - TOOLS),
    )
    config.requirements.check_turn(settings)
    return settings


def _reading(policy: SandboxPolicy, cwd: str, environ: Mapping[str, str]) -> SandboxPolicy:
    """The policy without anything to write and without network. Where the user has said that nothing is to be confined,
    which is how it runs where no sandbox can, it stays so."""
    if policy.mode is SandboxMode.DANGER_FULL_ACCESS:
        return policy
    readable = policy.readable_roots
    if "/" not in readable:  # what could be written could be read
        readable = tuple(dict.fromkeys((*readable, *policy.roots(cwd, environ.get("TMPDIR")))))
    return policy.replace(
        mode=SandboxMode.READ_ONLY,
        writable_roots=(),
        readable_roots=readable,
        network_access=False,
        network_rules=None,
    )


class ReviewTurn:
    """One review. `run` is its life; `interrupt` may be called at any time. Made by `open_review`."""

    def __init__(
        self,
        state: ThreadState,
        opened: OpenedThread,
        op: UserTurn,
        target: ReviewTarget,
        known: frozenset[str] = frozenset(),
    ) -> None:
        self.turn_id: TurnId = new_turn_id()
        self.hint = hint(target)
        self._state = state
        self._opened = opened
        self._op = op
        self._target = target
        self._known = known
        self._began = time.monotonic()
        self._over = False
        self._scope: anyio.CancelScope | None = None

    @property
    def scope(self) -> anyio.CancelScope:
        """Cancelling it interrupts the review; the turn then ends as interrupted."""
        if self._scope is None:
            import anyio

            self._scope = anyio.CancelScope()
        return self._scope

    def interrupt(self) -> None:
        """Stop the reviewer and what it started."""
        self.scope.cancel()

    async def run(self) -> None:
        """Tell of the turn from its start to its end, on the thread's own recorder."""
        recorder = self._state.recorder
        before, recorder.turn_id = recorder.turn_id, self.turn_id
        try:
            await self._carry_out()
        except CodexError as error:
            self._end(self._failed(error))
        except Exception as error:  # noqa: BLE001 - a bug ends the turn with its name, never whoever runs it
            self._end(self._failed(CodexError(f"internal error: {type(error).__name__}: {error}")))
        except BaseException:
            self._end(self._interrupted())
            raise
        finally:
            recorder.turn_id = before

    def _end(self, ending: EventMsg) -> None:
        """End the turn, unless it has ended; where it cannot be recorded, tell it all the same."""
        recorder = self._state.recorder
        if self._over:
            return
        self._over = True
        try:
            recorder.emit_nowait(ItemCompleted(item=exited_item(None)), ending)
        except StoreError:
            recorder.show_nowait(ending)

    async def _carry_out(self) -> None:
        recorder, reviewer = self._state.recorder, self._opened.state
        await recorder.emit(
            TurnStarted(model=reviewer.settings.model, context_window=reviewer.model_info.context_window),
            ItemCompleted(item=entered_item(self._target)),
        )
        ending: EventMsg | None = None
        with self.scope:
            async with self._opened.running() as thread:
                if self._opened.opening is None:
                    await thread.submit(self._op)
                ending = await self._follow(thread)
        self._state.total = self._state.total + reviewer.total
        self._finish(ending or self._interrupted())

    async def _follow(self, thread: Thread) -> EventMsg:
        """Pass on what the reviewer does; how its turn ended."""
        recorder = self._state.recorder
        while True:
            msg = (await thread.next_event()).msg
            item = getattr(msg, "item", None)
            if isinstance(msg, _ENDINGS):
                return msg
            if isinstance(msg, OpRejected):
                return self._failed(CodexError(msg.message))
            if isinstance(msg, _PRIVATE) or isinstance(item, AgentMessageItem):
                continue
            if isinstance(msg, Notice) and msg.message in self._known:
                continue
            if isinstance(msg, _DELTAS):
                await recorder.stream(msg)
            else:
                await recorder.emit(msg)

    def _finish(self, ending: EventMsg) -> None:
        """The review, or why there is none, then the end. Not to be cancelled, so nothing waits."""
        match ending:
            case TurnCompleted():
                output = parse_review(ending.last_agent_message or "", self._opened.state.cwd)
                text = render_review(output)
                self._say(output if text != NO_RESPONSE else None, text)
                ending = ending.replace(last_agent_message=text, duration_ms=self._took_ms())
                self._state.recorder.emit_nowait(ending)
                self._over = True
            case TurnInterrupted():
                self._say(None, INTERRUPTED)
                self._state.recorder.emit_nowait(self._interrupted())
                self._over = True
            case _:
                self._end(ending)

    def _say(self, output: ReviewOutput | None, text: str) -> None:
        """Put the review into the history (what was done, and the answer that the user sees), then show it."""
        told = f"<user_action>\n<action>review</action>\n<subject>\n{self.hint}\n</subject>\n</user_action>"
        self._state.recorder.remember([text_message("user", told), text_message("assistant", text)])
        message = AgentMessageItem(id=new_item_id("msg"), text=text)
        self._state.recorder.emit_nowait(ItemCompleted(item=exited_item(output)), ItemCompleted(item=message))

    def _interrupted(self) -> TurnInterrupted:
        usage = self._opened.state.total
        return TurnInterrupted(reason="interrupted", usage=usage, duration_ms=self._took_ms())

    def _failed(self, error: CodexError) -> TurnFailed:
        info = ErrorInfo(message=error.message, kind=type(error).__name__, hint=error.hint, exit_code=error.exit_code)
        return TurnFailed(error=info, usage=self._opened.state.total, duration_ms=self._took_ms())

    def _took_ms(self) -> int:
        return int((time.monotonic() - self._began) * 1000)

"""The opening of a turn: everything up to the first request, without an event loop.

A frontend that starts with a prompt in its hands (`codex exec`) opens the turn before it imports the event
loop, and a provider that can sends the request at once; the loop is then loaded while the server thinks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .context import context_config
from .contracts.context import ContextRequest
from .contracts.model import ModelRequest
from .protocol.events import ItemCompleted, Notice, TurnStarted, TurnState, TurnStateChanged
from .protocol.ids import TurnId, new_item_id
from .protocol.ops import Steer, TextInput, UserInput, UserTurn
from .protocol.policy import Category
from .protocol.thread_items import UserMessageItem
from .rollout_lines import line
from .settings import Settings
from .thread_state import ThreadState
from .user_input import user_message


class Opening:
    """A turn that has begun, unless it is `late`. `request` is the first request where it is already known,
    `error` what went wrong; the turn raises it when it runs."""

    def __init__(self, op: UserTurn, *, late: bool = False) -> None:
        self.op = op
        self.late = late
        self.request: ModelRequest | None = None
        self.error: Exception | None = None


def open_early(state: ThreadState, op: UserTurn) -> Opening:
    """Open a turn and let the provider send its first request, if it has a `head_start`."""
    opening = Opening(op)
    state.recorder.turn_id = op.turn_id
    try:
        state.apply(op.overrides)
        open_turn(state, op)
        if not compaction_due(state):
            opening.request = model_request(state, op.turn_id, op.overrides.output_schema)
            state.guards.request_begins(opening.request, early=True)
            head_start = getattr(state.provider, "head_start", None)
            if head_start is not None:
                head_start(opening.request)
    except Exception as error:  # noqa: BLE001 - told by the turn when it runs
        opening.error = error
    return opening


def open_turn(state: ThreadState, op: UserTurn) -> None:
    """Tell that the turn begins, tell the model its context, take the user's input."""
    begin(state)
    tell_context(state, op.turn_id, prompt_text(op.input))
    take_input(state, op)


async def open_handled(state: ThreadState, op: UserTurn) -> None:
    """As `open_turn`, where lifecycle handlers are to be told. Raises `UserError` when they block it."""
    begin(state)
    context = await state.lifecycle.begin_turn(prompt_text(op.input))
    tell_context(state, op.turn_id, prompt_text(op.input))
    state.lifecycle.remember(context)
    take_input(state, op)


def prompt_text(given: Sequence[UserInput]) -> str:
    """What the user wrote, without images."""
    return "\n".join(part.text for part in given if isinstance(part, TextInput))


def begin(state: ThreadState) -> None:
    """Move to the first state and say so."""
    previous = state.machine.move(TurnState.BUILDING_CONTEXT)
    state.recorder.emit_nowait(
        TurnStateChanged(previous=previous, state=TurnState.BUILDING_CONTEXT),
        TurnStarted(model=state.settings.model, context_window=state.model_info.context_window),
    )
    if state.guards:
        _tell_guards(state)


def _tell_guards(state: ThreadState) -> None:
    from .contracts.guard import TurnFacts

    assert state.recorder.turn_id is not None
    policy = state.settings.sandbox_policy.anchored(state.cwd)
    facts = TurnFacts(turn_id=state.recorder.turn_id, cwd=state.cwd, model=state.settings.model, sandbox_policy=policy)
    state.guards.turn_begins(facts)


def tell_context(state: ThreadState, turn_id: TurnId, user_text: str = "") -> None:
    """Add what is new in the context to the history, and the turn's settings to the rollout."""
    settings = state.settings
    request = ContextRequest(
        cwd=state.cwd,
        codex_home=state.codex_home,
        approval_policy=settings.approval_policy,
        sandbox_policy=settings.sandbox_policy,
        model=settings.model,
        environ=state.environ,
        config=context_config(state.config),
        user_text=user_text,
    )
    messages, notices = state.context.news(request)
    state.recorder.remember(messages)
    state.recorder.write(line("turn_context", _turn_context(state, turn_id)))
    for text in notices:
        state.recorder.emit_nowait(Notice(level="warning", message=text))


def take_input(state: ThreadState, op: UserTurn | Steer) -> None:
    """Add the user's input to the history and show it. Raises `UserError` for a bad image."""
    state.recorder.remember([user_message(op.input)])
    item = UserMessageItem(id=new_item_id(), content=tuple(op.input), client_id=op.client_id)
    state.recorder.emit_nowait(ItemCompleted(item=item))


def compaction_due(state: ThreadState) -> bool:
    """Whether the history has to be shortened before the next request."""
    limit = state.compact_limit
    return limit is not None and state.last_total_tokens >= limit


def model_request(state: ThreadState, turn_id: TurnId, output_schema: Mapping[str, Any] | None) -> ModelRequest:
    """The request for the history as it stands."""
    settings, info = state.settings, state.model_info
    return ModelRequest(
        model=settings.model,
        instructions=state.instructions,
        input=state.recorder.history.entries(),
        tools=state.definitions,
        thread_id=state.recorder.thread_id,
        turn_id=turn_id,
        effort=settings.effort or info.default_effort,
        summary=settings.summary,
        verbosity=settings.verbosity or info.default_verbosity,
        service_tier=settings.service_tier,
        output_schema=output_schema,
        want_deltas=state.want_deltas,
    )


def _approval(settings: Settings) -> str | dict[str, object]:
    if settings.granular is None:
        return settings.approval_policy.value
    return {"granular": {category.value: settings.granular.asks(category) for category in Category}}


def _turn_context(state: ThreadState, turn_id: TurnId) -> dict[str, Any]:
    settings = state.settings
    return {
        "turn_id": turn_id,
        "cwd": state.cwd,
        "approval_policy": _approval(settings),
        "sandbox_policy": settings.sandbox_policy.as_dict(),
        "model": settings.model,
        "effort": settings.effort,
        "summary": settings.summary or "none",
        **({"service_tier": settings.service_tier} if settings.service_tier else {}),
    }

"""Lifecycle events: told to the user's handlers, and what these answer, folded to the strictest."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .contracts.lifecycle import LifecycleEvent, LifecycleHooks, LifecycleOutcome
from .errors import UserError
from .log import logger
from .protocol.events import Notice
from .protocol.ids import new_item_id
from .protocol.policy import Decision, Intent
from .protocol.response_items import text_message

if TYPE_CHECKING:
    from .recorder import Recorder

SESSION_END_TIMEOUT_S = 10.0


class Lifecycle:
    """The handlers of one thread. `hooks` are (plugin name, handlers)."""

    def __init__(self, hooks: Sequence[tuple[str, LifecycleHooks]], recorder: Recorder, *, resumed: bool) -> None:
        self._hooks = hooks
        self._recorder = recorder
        self._source = "resume" if resumed else "startup"
        self.begun = False

    def wants(self, *names: str) -> bool:
        """Whether any of these events has a handler."""
        return any(name in hooks.wants for _, hooks in self._hooks for name in names)

    async def fire(
        self, name: str, subject: str = "", *, intent: Intent | None = None, **payload: Any
    ) -> LifecycleOutcome:
        """Tell an event and wait for the answers. Handlers that fail block."""
        if not self.wants(name):
            return LifecycleOutcome()
        event = LifecycleEvent(
            name=name, subject=subject, payload=payload, turn_id=self._recorder.turn_id, intent=intent
        )
        outcomes = []
        for plugin, hooks in self._hooks:
            if name in hooks.wants:
                try:
                    outcomes.append(await hooks.handle(event))
                except Exception as error:  # noqa: BLE001 - a broken guard is a closed gate
                    logger().error("lifecycle hooks failed", plugin=plugin, hook=name, exc_info=error)
                    text = f"{name} hooks of {plugin} failed: {type(error).__name__}: {error}"
                    outcomes.append(LifecycleOutcome(block=text, messages=(text,)))
        found = _folded(outcomes)
        for text in found.messages:
            self._recorder.emit_nowait(Notice(level="warning", message=text, source=f"hook {name}"))
        return found

    async def begin_turn(self, prompt: str) -> list[str]:
        """Tell that a session starts, once, and what the user wrote; context for the model. Raises `UserError`
        when the prompt is not to be sent."""
        context: list[str] = []
        if not self.begun:
            self.begun = True
            found = await self.fire("SessionStart", self._source, source=self._source)
            context += found.context
            _refuse(found, "the session")
        found = await self.fire("UserPromptSubmit", prompt=prompt)
        _refuse(found, "the prompt")
        return [*context, *found.context]

    def remember(self, texts: Sequence[str]) -> None:
        """Give the model the context that handlers added."""
        if texts:
            message = text_message("developer", "\n\n".join(texts), id=new_item_id("msg"))
            self._recorder.remember([message])

    async def end(self, reason: str = "exit") -> None:
        """Tell that the session ends, if it began."""
        if self.begun:
            import anyio

            with anyio.move_on_after(SESSION_END_TIMEOUT_S):
                await self.fire("SessionEnd", reason, reason=reason)
        for _, hooks in self._hooks:
            with contextlib.suppress(AttributeError):
                await hooks.aclose()  # type: ignore[attr-defined]


def _refuse(found: LifecycleOutcome, what: str) -> None:
    if reason := found.block or found.stop:
        raise UserError(f"a hook blocked {what}: {reason}", hint="hooks are set in [hooks] of config.toml")


def _folded(outcomes: Sequence[LifecycleOutcome]) -> LifecycleOutcome:
    """The strictest of several answers: what one blocks, no other allows."""
    if len(outcomes) == 1:
        return outcomes[0]
    decisions = [found.decision for found in outcomes if found.decision is not None]
    inputs = [found.updated_input for found in outcomes if found.updated_input is not None]
    return LifecycleOutcome(
        block=next((found.block for found in outcomes if found.block), ""),
        stop=next((found.stop for found in outcomes if found.stop), ""),
        decision=Decision.FORBIDDEN if Decision.FORBIDDEN in decisions else decisions[0] if decisions else None,
        updated_input=inputs[-1] if inputs else None,
        context=tuple(text for found in outcomes for text in found.context),
        messages=tuple(text for found in outcomes for text in found.messages),
    )

"""The handlers of one thread: each event goes to the commands that match it, one after the other."""

from __future__ import annotations

import re
import time
from typing import Any

import orjson

from codex_plugin_sdk import Decision, HookRun, LifecycleEvent, LifecycleOutcome, LifecycleSetup
from codex_plugin_sdk.hooks.handlers import Handler, read_configured
from codex_plugin_sdk.hooks.matching import names_of

from .answers import HookFailed, answer, said
from .notify import Notifier
from .payloads import hook_input, tool_input


class CommandHooks:
    """Implements the `LifecycleHooks` contract for the commands in `[hooks]` and the program in `notify`. Making
    one raises `ConfigError`."""

    def __init__(self, setup: LifecycleSetup) -> None:
        configured = read_configured(setup.config, setup.origin)
        self._setup = setup
        self._handlers = configured.handlers
        self._notices = configured.notices
        self._notifier = Notifier(configured.notify, setup) if configured.notify else None
        wants = {handler.event for handler in self._handlers}
        if self._notifier is not None:
            wants.add("Notification")
        if self._notices:
            wants.add("SessionStart")  # where the user is told
        self.wants = frozenset(wants)

    async def handle(self, event: LifecycleEvent) -> LifecycleOutcome:
        """Run the commands for an event in the order of the configuration, and fold what they say: what one
        blocks, no other allows. Each is told the arguments as the one before left them."""
        outcome = LifecycleOutcome(messages=self._notices)
        self._notices = ()
        names = names_of(event)
        for handler in self._handlers:
            if handler.event == event.name and handler.matcher.matches(names):
                outcome = _both(outcome, await self._shown(handler, event))
                event = _with_input(event, outcome)
        if self._notifier is not None and event.subject == "agent-turn-complete":
            outcome = outcome.replace(messages=(*outcome.messages, *await self._notifier.tell(event)))
        return outcome

    async def aclose(self) -> None:
        """End a `notify` program that still runs."""
        if self._notifier is not None:
            await self._notifier.aclose()

    async def _shown(self, handler: Handler, event: LifecycleEvent) -> LifecycleOutcome:
        """Run one, shown as it begins and as it ends."""
        run, began = self._run_of(handler, event), time.monotonic()
        self._setup.tell(run)
        outcome, failure = LifecycleOutcome(), "it was stopped"
        try:
            outcome, failure = await self._run(handler, event)
        finally:
            duration_ms = int((time.monotonic() - began) * 1000)
            status, entries = said(outcome, failure)
            self._setup.tell(run.replace(status=status, entries=entries, duration_ms=duration_ms))
        return outcome

    def _run_of(self, handler: Handler, event: LifecycleEvent) -> HookRun:
        path, number = handler.path, self._handlers.index(handler)
        words = re.sub(r"(?<!^)(?=[A-Z])", "-", event.name).lower()
        call_id = event.payload.get("tool_use_id", "")
        return HookRun(
            id=f"{words}:{number}:{path}" + (f":{call_id}" if call_id else ""),
            event=event.name,
            key=f"{path}:{number}",
            source=handler.source(self._setup.codex_home),
            message=handler.status_message,
        )

    async def _run(self, handler: Handler, event: LifecycleEvent) -> tuple[LifecycleOutcome, str]:
        """What a handler said, and why it failed (empty if it did not)."""
        from .running import run_hook

        def updated(given: Any) -> Any:
            payload = event.payload
            return tool_input(payload["tool_name"], payload["tool_input"], given)

        data = orjson.dumps(hook_input(event, self._setup), default=str) + b"\n"
        try:
            finished = await run_hook(handler, data, self._setup)
            return answer(event.name, finished, updated), ""
        except HookFailed as error:
            return _failed(handler, event, str(error)), str(error)


def _failed(handler: Handler, event: LifecycleEvent, why: str) -> LifecycleOutcome:
    text = f"{event.name} hook {handler.label} failed: {why}"
    # After Stop a block is the model's next task: it gets this one once, or a broken hook would go on for ever.
    if not handler.blocks or event.payload.get("stop_hook_active"):
        return LifecycleOutcome(messages=(text,))
    decision = Decision.FORBIDDEN if event.name == "PermissionRequest" else None
    return LifecycleOutcome(block=text, decision=decision, messages=(f"{text}; on_failure is block",))


def _with_input(event: LifecycleEvent, outcome: LifecycleOutcome) -> LifecycleEvent:
    if outcome.updated_input is None:
        return event
    return event.replace(payload={**event.payload, "tool_input": outcome.updated_input})


def _both(one: LifecycleOutcome, two: LifecycleOutcome) -> LifecycleOutcome:
    decisions = [found.decision for found in (one, two) if found.decision is not None]
    return LifecycleOutcome(
        block="\n".join(filter(None, (one.block, two.block))),
        stop=one.stop or two.stop,
        decision=Decision.FORBIDDEN if Decision.FORBIDDEN in decisions else decisions[0] if decisions else None,
        updated_input=two.updated_input if two.updated_input is not None else one.updated_input,
        context=(*one.context, *two.context),
        messages=(*one.messages, *two.messages),
    )

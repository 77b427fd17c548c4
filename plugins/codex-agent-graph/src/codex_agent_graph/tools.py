"""The tools, each a few lines on top of `Agents`; every call is shown as an item."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import CollabAgentToolCallItem, ItemStatus, ToolFailed, ToolOutput

from .definitions import DEFAULT_WAIT_MS, MAX_WAIT_MS

if TYPE_CHECKING:
    from codex_plugin_sdk import ToolCall, ToolContext, ToolDefinition

    from .source import Agents
    from .status import Status

MIN_WAIT_MS = 10_000
"""A shorter wait would only be repeated, each time with the whole context."""

Act = Callable[["Agents", "Shown", Mapping[str, Any]], Awaitable[Any]]


class Shown:
    """The item of one call, from its beginning to its end."""

    def __init__(self, agents: Agents, ctx: ToolContext, call: ToolCall, tool: str) -> None:
        self._agents = agents
        self._ctx = ctx
        self._begun = False
        self._before: dict[str, Status] = {}
        self._item = CollabAgentToolCallItem(
            id=call.call_id, tool=tool, status=ItemStatus.IN_PROGRESS, sender_thread_id=agents.id
        )

    async def begin(self, ids: Sequence[str] = (), **facts: Any) -> None:
        """Show that the call is understood, and to whom it goes."""
        self._item = self._item.replace(receiver_thread_ids=tuple(ids), **facts)
        self._begun = True
        await self._ctx.item_started(self._item)

    def reached(self, ids: Sequence[str]) -> None:
        """To whom it went, where that is known only now."""
        self._item = self._item.replace(receiver_thread_ids=tuple(ids))

    def stood(self, id: str, status: Status) -> None:
        """How it stood with an agent before, which is what is to be shown."""
        self._before[id] = status

    async def end(self, *, failed: bool = False) -> None:
        """Show the end and how it stands with the agents; nothing, if the call was not understood."""
        if not self._begun:
            return
        agents, states = self._agents, {}
        for id in self._item.receiver_thread_ids:
            known = agents.known.get(id)
            states[id] = self._before.get(id, agents.status(id)).shown(known.nickname if known else None)
            failed = failed or known is None
        status = ItemStatus.FAILED if failed else ItemStatus.COMPLETED
        await self._ctx.item_completed(self._item.replace(status=status, agents=states))


class AgentTool:
    """One of them. Implements the kernel's `Tool`."""

    parallel_safe = True

    def __init__(self, definition: ToolDefinition, agents: Agents) -> None:
        self.definition = definition
        self._agents = agents
        self._word, self._act = _ACTS[definition.name]

    async def run(self, call: ToolCall, ctx: ToolContext) -> ToolOutput:
        """Do it; the output is JSON. Raises `ToolFailed` in words for the model."""
        import orjson

        shown = Shown(self._agents, ctx, call, self._word)
        try:
            output = await self._act(self._agents, shown, call.arguments)
        except Exception:
            await shown.end(failed=True)
            raise
        await shown.end()
        return ToolOutput(output=orjson.dumps(output).decode())

    async def aclose(self) -> None:
        """Agents end with their source."""


async def _spawn(agents: Agents, shown: Shown, given: Mapping[str, Any]) -> Any:
    from .source import read_input

    task = read_input(given)
    model, effort = _text(given, "model"), _text(given, "reasoning_effort")
    options = agents.options(fork=given.get("fork_context") is True, model=model, effort=effort)
    await shown.begin(prompt=_shown_prompt(given), model=options.model, effort=options.effort)
    agent = await agents.spawn(options)
    shown.reached([agent.id])
    try:
        await agent.send(task)
    except BaseException:
        agent.closing.set()  # nobody knows of it
        raise
    return {"agent_id": agent.id, "nickname": agent.nickname}


async def _send(agents: Agents, shown: Shown, given: Mapping[str, Any]) -> Any:
    from .source import read_input

    task, id = read_input(given), _id(given, "target")
    await shown.begin([id], prompt=_shown_prompt(given))
    return {"submission_id": await agents.find(id).send(task, interrupt=given.get("interrupt") is True)}


async def _wait(agents: Agents, shown: Shown, given: Mapping[str, Any]) -> Any:
    ids = given.get("targets")
    if not isinstance(ids, list) or not ids or not all(isinstance(id, str) for id in ids):
        raise ToolFailed("agent ids must be non-empty")
    await shown.begin(ids)
    done = await agents.first_done(ids, _wait_ms(given) / 1000)
    shown.reached(done)
    return {"status": {id: agents.status(id).spoken() for id in done}, "timed_out": not done}


async def _list(agents: Agents, shown: Shown, given: Mapping[str, Any]) -> Any:
    await shown.begin(list(agents.known))
    found = agents.known.items()
    return {
        "agents": [{"agent_id": id, "nickname": a.nickname, "status": agents.status(id).spoken()} for id, a in found]
    }


async def _interrupt(agents: Agents, shown: Shown, given: Mapping[str, Any]) -> Any:
    id = _id(given, "target")
    await shown.begin([id])
    previous = agents.status(id)
    await agents.find(id).interrupt()
    return {"previous_status": previous.spoken()}


async def _close(agents: Agents, shown: Shown, given: Mapping[str, Any]) -> Any:
    id = _id(given, "target")
    await shown.begin([id])
    previous = agents.status(id)
    shown.stood(id, previous)
    await agents.close(agents.find(id))
    return {"previous_status": previous.spoken()}


async def _resume(agents: Agents, shown: Shown, given: Mapping[str, Any]) -> Any:
    id = _id(given, "id")
    await shown.begin([id])
    known = agents.known.get(id)
    if known is None:
        raise ToolFailed(f"agent with id {id} not found")
    if not known.open:
        known = await agents.spawn(known.options.replace(resume=id, fork=False), known.nickname)
    return {"status": known.status.spoken()}


_ACTS: dict[str, tuple[str, Act]] = {
    "spawn_agent": ("spawnAgent", _spawn),
    "send_input": ("sendInput", _send),
    "wait_agent": ("wait", _wait),
    "list_agents": ("listAgents", _list),
    "interrupt_agent": ("interruptAgent", _interrupt),
    "close_agent": ("closeAgent", _close),
    "resume_agent": ("resumeAgent", _resume),
}


def _id(given: Mapping[str, Any], name: str) -> str:
    found = given.get(name)
    if not isinstance(found, str):
        raise ToolFailed(f"{name} must be the id of an agent")
    return found


def _text(given: Mapping[str, Any], name: str) -> str | None:
    found = given.get(name)
    if found is not None and not isinstance(found, str):
        raise ToolFailed(f"{name} must be a string")
    return found or None


def _shown_prompt(given: Mapping[str, Any]) -> str:
    from codex_plugin_sdk import TextInput

    from .source import read_input

    return "\n".join(part.text for part in read_input(given) if isinstance(part, TextInput))


def _wait_ms(given: Mapping[str, Any]) -> float:
    found = given.get("timeout_ms", DEFAULT_WAIT_MS)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ToolFailed("timeout_ms must be a number")
    return min(max(found, MIN_WAIT_MS), MAX_WAIT_MS)

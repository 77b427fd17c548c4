"""The sub-agents of one thread. Implements the kernel's `ToolSource`.

Made on the way to the first request, before there is an event loop: what needs one is imported when an agent starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import CodexError, ToolFailed, UserError

from .definitions import DEFINITIONS
from .status import NOT_FOUND, Status
from .tools import AgentTool
from .tree import ABOVE, Tree

if TYPE_CHECKING:
    import anyio
    from anyio.abc import TaskGroup

    from codex_plugin_sdk import ChildOptions, Tool, ToolSourceSetup, UserInput

    from .agent import Agent
    from .limits import Limits

NO_PLACE = (
    "There are {count} agents open already, below you and beside you, and no more may be (agents.max_threads). "
    "Close one that is done, or do it yourself."
)


class Agents:
    """Starts agents, knows all of them by id, and ends them with the thread. Agents live in the task group of `run`, so
    that nothing outlives it; the end of a turn leaves them alone."""

    immediate = True
    """The tools are known from the start: the first request need not wait for an event loop."""

    def __init__(self, setup: ToolSourceSetup, limits: Limits) -> None:
        self._setup = setup
        self._limits = limits
        self.id = str(setup.tools.thread_id)
        self.tree = ABOVE.get() or Tree(self.id, limits.max_threads)
        self.known: dict[str, Agent] = {}
        self._living: set[Agent] = set()
        self._tools = tuple(AgentTool(definition, self) for definition in DEFINITIONS)
        self._group: TaskGroup | None = None
        self._running: anyio.Event | None = None
        self._change: anyio.Event | None = None

    # -- the contract --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Hold the agents; when cancelled, close all of them and wait until they are gone."""
        import anyio

        async with anyio.create_task_group() as group:
            self._group = group
            self._started().set()
            try:
                await anyio.sleep_forever()
            finally:
                self._group = None
                for agent in self._living:
                    agent.closing.set()

    async def ready(self) -> None:
        """Note to the thread which agents came to an end that it has not been told of."""
        from codex_plugin_sdk import new_item_id, text_message

        done = [agent for agent in self.known.values() if agent.unread]
        if done and self._setup.remember is not None:
            self._setup.remember([text_message("user", _notification(a), id=new_item_id("msg")) for a in done])
            for agent in done:
                agent.unread = False

    def tools(self) -> Sequence[Tool]:
        """All of them, always: what changes in them would have the model read its whole context anew."""
        return self._tools

    async def inquire(self, method: str, params: Mapping[str, Any]) -> Any:
        """Nothing is asked of it. Raises `UserError`."""
        raise UserError(f"agents do not answer {method}")

    # -- for the tools -------------------------------------------------------------------------------

    def options(self, *, fork: bool, model: str | None, effort: str | None) -> ChildOptions:
        """How to open an agent with these settings."""
        from codex_plugin_sdk import ChildOptions

        model, effort = model or self._limits.model, effort or self._limits.effort
        return ChildOptions(fork=fork, model=model, effort=effort)

    async def spawn(self, options: ChildOptions, nickname: str = "") -> Agent:
        """A new agent, open and idle; or one that was closed, open again with its `nickname`. Raises `ToolFailed`."""
        from .agent import Agent

        await self._started().wait()
        if self._group is None:
            raise ToolFailed("The thread ends.")
        if not self.tree.take():
            raise ToolFailed(NO_PLACE.format(count=self.tree.limit))
        nickname = nickname or self.tree.name()
        agent = Agent(nickname, options.replace(meta=self._head(nickname)), self._changed)
        self._living.add(agent)
        self._group.start_soon(self._live, agent)
        try:
            await agent.opened.wait()
        except BaseException:
            agent.closing.set()
            raise
        if not agent.open:
            raise ToolFailed(f"The agent could not be started: {agent.status.message}")
        self.known[agent.id] = agent
        return agent

    def find(self, id: str) -> Agent:
        """An agent by its id, open. Raises `ToolFailed`."""
        agent = self.known.get(id)
        if agent is None or not agent.open:
            raise ToolFailed(f"agent with id {id} not found" if agent is None else f"agent {id} is closed")
        return agent

    def status(self, id: str) -> Status:
        """How it stands with an agent."""
        agent = self.known.get(id)
        return Status(word=NOT_FOUND) if agent is None else agent.status

    async def close(self, agent: Agent) -> None:
        """End an agent and wait until it is gone."""
        agent.unread = False
        agent.closing.set()
        await agent.gone.wait()
        agent.unread = False

    async def first_done(self, ids: Sequence[str], timeout_s: float) -> list[str]:
        """Those of the agents that are done, as soon as there is one; none when the time is over before."""
        import anyio

        with anyio.move_on_after(timeout_s):
            while True:
                if self._change is None or self._change.is_set():
                    self._change = anyio.Event()
                if done := [id for id in ids if self.status(id).final]:
                    for id in done:
                        if id in self.known:
                            self.known[id].unread = False
                    return done
                await self._change.wait()
        return []

    # -- the life of an agent ------------------------------------------------------------------------

    async def _live(self, agent: Agent) -> None:
        import anyio

        error = ""
        ABOVE.set(self.tree)  # this task's own context, and that of what it starts
        assert self._setup.open_child is not None
        try:
            # Ended by `closing`, which the end of `run` sets: an agent is closed in order, not cut off.
            with anyio.CancelScope(shield=True):
                async with self._setup.open_child(agent.options) as thread:
                    await agent.follow(thread)
        except Exception as problem:  # noqa: BLE001 - an agent that breaks is told to the model; the others go on
            error = str(problem) if isinstance(problem, CodexError) else f"{type(problem).__name__}: {problem}"
        finally:
            self.tree.give_back()
            self._living.discard(agent)
            agent.ended(error)

    def _head(self, nickname: str) -> dict[str, Any]:
        """What the rollout of an agent says of it, as Codex writes it."""
        spawn = {
            "parent_thread_id": self.id,
            "depth": self._setup.depth + 1,
            "agent_path": None,
            "agent_nickname": nickname,
            "agent_role": None,
        }
        return {
            "session_id": self.tree.root_id,
            "parent_thread_id": self.id,
            "source": {"subagent": {"thread_spawn": spawn}},
            "thread_source": "subagent",
            "agent_nickname": nickname,
            "multi_agent_version": "v1",
        }

    def _changed(self) -> None:
        if self._change is not None:
            self._change.set()

    def _started(self) -> anyio.Event:
        import anyio

        if self._running is None:
            self._running = anyio.Event()
        return self._running


def _notification(agent: Agent) -> str:
    import orjson

    body = orjson.dumps({"agent_path": agent.id, "status": agent.status.spoken()}).decode()
    return f"<subagent_notification>\n{body}\n</subagent_notification>"


def read_input(arguments: Mapping[str, Any]) -> tuple[UserInput, ...]:
    """What a call says to an agent. Raises `ToolFailed`."""
    from codex_plugin_sdk import ImageInput, TextInput

    message, items = arguments.get("message"), arguments.get("items")
    if message is not None and items is not None:
        raise ToolFailed("Give either message or items, not both")
    if items is None:
        if not isinstance(message, str) or not message.strip():
            raise ToolFailed("Empty message can't be sent to an agent")
        return (TextInput(text=message),)
    if not isinstance(items, list) or not items or not all(isinstance(item, Mapping) for item in items):
        raise ToolFailed("items must be a list of parts of input")
    found: list[UserInput] = []
    for item in items:
        if isinstance(url := item.get("image_url"), str):
            found.append(ImageInput(url=url))
        else:
            named = f"[{item.get('type', 'mention')}: {item.get('name', '')} {item.get('path', '')}]"
            text = item.get("text")
            found.append(TextInput(text=text if isinstance(text, str) else named))
    return tuple(found)

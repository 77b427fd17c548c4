"""Threads with sub-agents in a test: a model that answers by what it reads, so that the order of threads is free."""

import json

import anyio

from codex_agent_graph import plugin as agents_plugin
from codex_plugin_sdk import CollabAgentToolCallItem, FunctionCallOutput, ItemCompleted, Message
from codex_plugin_sdk.testing.harness import open_thread
from codex_plugin_sdk.testing.model import ScriptedModel, say

DEADLINE_S = 30


class Minds(ScriptedModel):
    """The root thread, whose first words are `go`, plays `steps`; any other thread plays the function of `agents` that
    its first words begin with, or `forked`, which is given the request and how many times the thread was asked."""

    def __init__(self, *steps, **agents):
        super().__init__(*steps)
        self.agents = agents
        self.asked = {}
        self.forked = None
        self.by_thread = {}

    async def stream(self, request):
        thread = request.thread_id
        count = self.asked[thread] = self.asked.get(thread, 0) + 1
        self.by_thread.setdefault(thread, []).append(request)
        first = users(request)[0]
        mind = next((mind for name, mind in self.agents.items() if first.startswith(name)), None)
        if thread != next(iter(self.by_thread)):
            mind = mind or self.forked
        if mind is not None:
            self.steps.insert(0, await mind(request, count))
        async for part in super().stream(request):
            yield part


def users(request):
    """What the user said in a request, without context messages."""
    texts = [e.item.text for e in request.input if isinstance(e.item, Message) and e.item.role == "user"]
    return [text for text in texts if not text.startswith("<environment_context>")]


def outputs(request):
    """The outputs of calls, parsed where they are JSON."""
    found = []
    for entry in request.input:
        if isinstance(entry.item, FunctionCallOutput):
            try:
                found.append(json.loads(entry.item.output))
            except ValueError:
                found.append(entry.item.output)
    return found


def spawned(request):
    """The ids of the agents that were started, in order."""
    return [found["agent_id"] for found in outputs(request) if isinstance(found, dict) and "agent_id" in found]


def then(make):
    """A step that is made from the request."""

    async def step(request):
        found = make(request)
        return found if isinstance(found, list) else [found]

    return step


def answering(text):
    """An agent that says this."""

    async def mind(request, count):
        return [say(text)]

    return mind


def hanging():
    """An agent that never answers, and the event that it has begun."""
    begun = anyio.Event()

    async def mind(request, count):
        begun.set()
        await anyio.sleep_forever()

    return mind, begun


def thread(model, tmp_path, *plugins, config=None, **options):
    """A thread with the tools of sub-agents."""
    return open_thread(model, agents_plugin, *plugins, home=str(tmp_path), config=config, **options)


def shown(harness):
    """The items of calls that ended: tool, status and the states of agents."""
    items = [msg.item for msg in harness.of(ItemCompleted) if isinstance(msg.item, CollabAgentToolCallItem)]
    return [(item.tool, item.status.value, [state["status"] for state in item.agents.values()]) for item in items]

"""What is recorded of sub-agents, what lifecycle handlers are told, and agents that are forked or opened again."""

import anyio
import pytest

from codex_plugin_sdk import LifecycleOutcome, LifecycleSpec, StoreSpec
from codex_plugin_sdk.testing.harness import plugin
from codex_plugin_sdk.testing.memory_stores import InMemoryRolloutStore
from codex_plugin_sdk.testing.model import call, say

from .conftest import DEADLINE_S, Minds, answering, outputs, spawned, then, thread, users

pytestmark = pytest.mark.anyio


class Handlers:
    """Implements `LifecycleHooks`."""

    wants = frozenset({"SubagentStart", "SubagentStop"})

    def __init__(self):
        self.told = []

    async def handle(self, event):
        await anyio.lowlevel.checkpoint()  # one that is cut off does not get further
        self.told.append((event.name, event.subject, event.payload["agent_id"]))
        return LifecycleOutcome()


async def played(tmp_path, model, *plugins, **options):
    """A turn over a store; the outputs of the root's last request and the rollouts by thread."""
    rollouts = {}
    spec = StoreSpec(name="memory", kind="rollout", factory=lambda _: InMemoryRolloutStore(rollouts))
    async with thread(model, tmp_path, plugin(codex_stores=[spec]), *plugins, **options) as harness:
        with anyio.fail_after(DEADLINE_S):
            await harness.turn()
        root = harness.thread.id
    return root, model.by_thread[root][-1], rollouts


def items(rollout):
    found = [line["item"] for line in rollout.payloads("event_msg") if line["type"] == "item_completed"]
    return [item for item in found if item["type"] == "CollabAgentToolCall"]


async def test_rollouts_say_of_agents_what_those_of_codex_say(tmp_path):
    model = Minds(
        [call("spawn_agent", "s", message="look")],
        then(lambda request: call("wait_agent", "w", targets=spawned(request))),
        [say("done")],
        look=answering("found"),
    )
    root, last, rollouts = await played(tmp_path, model)
    (agent,) = spawned(last)
    (head,) = rollouts[agent].payloads("session_meta")
    spawn = head["source"]["subagent"]["thread_spawn"]
    name = outputs(last)[0]["nickname"]
    expected = {"parent_thread_id": root, "depth": 1, "agent_path": None, "agent_nickname": name, "agent_role": None}
    assert spawn == expected
    names = ("id", "session_id", "parent_thread_id", "thread_source", "agent_nickname")
    assert [head[key] for key in names] == [agent, root, root, "subagent", name]
    started, waited = items(rollouts[root])
    assert started == {
        "type": "CollabAgentToolCall",
        "id": "s",
        "tool": "spawn_agent",
        "status": "completed",
        "sender_thread_id": root,
        "receiver_thread_ids": [agent],
        "receiver_agents": [{"thread_id": agent, "agent_nickname": name}],
        "prompt": "look",
        "agents_states": {agent: "pending_init"},
    }
    assert (waited["tool"], waited["agents_states"]) == ("wait", {agent: {"completed": "found"}})


async def test_handlers_are_told_of_the_beginning_and_the_end_of_each_agent_also_at_the_end_of_the_thread(tmp_path):
    handlers = Handlers()
    model = Minds(
        [call("spawn_agent", "a", message="look"), call("spawn_agent", "b", message="look")],
        then(lambda request: call("close_agent", "x", target=spawned(request)[0])),
        [say("done")],
        look=answering("found"),
    )
    hooks = plugin(codex_lifecycle_hooks=[LifecycleSpec(name="handlers", factory=lambda _: handlers)])
    _, last, _ = await played(tmp_path, model, hooks, config={"hooks.Stop": []})
    one, other = spawned(last)
    assert sorted(handlers.told[:2]) == sorted(("SubagentStart", "default", id) for id in (one, other))
    assert handlers.told[2:] == [("SubagentStop", "default", one), ("SubagentStop", "default", other)]


async def test_an_agent_can_begin_with_a_copy_of_the_conversation(tmp_path):
    model = Minds([call("spawn_agent", "s", message="look", fork_context=True)], wait_for_one, [say("done")])

    async def copy(request, count):
        return [say(f"I know {users(request)}")]

    model.forked = copy
    _, last, rollouts = await played(tmp_path, model)
    (agent,) = spawned(last)
    assert outputs(last)[1]["status"][agent] == {"completed": "I know ['go', 'look']"}
    assert rollouts[agent].payloads("session_meta")[0]["forked_from_id"] == last.thread_id


async def wait_for_one(request):
    return [call("wait_agent", "w", targets=spawned(request))]


async def test_a_closed_agent_is_opened_again_with_what_it_knew(tmp_path):
    async def look(request, count):
        return [say(f"I know {users(request)}")]

    def target(name, key, **more):
        return then(lambda request: call(name, f"{name}-{len(request.input)}", **{key: spawned(request)[0]}, **more))

    model = Minds(
        [call("spawn_agent", "s", message="look")],
        wait_for_one,
        target("close_agent", "target"),
        target("send_input", "target", message="more"),
        target("resume_agent", "id"),
        target("send_input", "target", message="more"),
        wait_for_one,
        [say("done")],
        look=look,
    )
    _, last, _ = await played(tmp_path, model)
    (agent,) = spawned(last)
    found = outputs(last)
    assert found[2] == {"previous_status": {"completed": "I know ['look']"}}
    assert found[3] == f"agent {agent} is closed"
    assert found[4] == {"status": "pending_init"}
    assert found[6]["status"][agent] == {"completed": "I know ['look', 'more']"}

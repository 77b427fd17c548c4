"""What the quick starts of the official Python SDK do, one scene a run: `openai_python.py SCENE`."""

import asyncio
import json
import os
import sys

from openai_codex import ApprovalMode, AsyncCodex, Codex, CodexConfig, LocalImageInput, Sandbox, TextInput
from openai_codex.client import CodexClient

CONFIG = CodexConfig(codex_bin=os.environ["CODEX_BIN"], cwd=os.environ["WORK"])


def tell(name, value):
    print(json.dumps([name, value]), flush=True)


def told(result):
    return {
        "status": result.status.value,
        "final": result.final_response,
        "items": [item.root.type for item in result.items],
        "total_tokens": result.usage.total.total_tokens if result.usage else None,
    }


def run():
    with Codex(CONFIG) as codex:
        tell("server", [codex.metadata.serverInfo.name, codex.metadata.serverInfo.version])
        tell("models", [model.id for model in codex.models().data])
        thread = codex.thread_start(sandbox=Sandbox.workspace_write, cwd=os.environ["WORK"])
        tell("thread", thread.id)
        tell("first", told(thread.run("Describe this project.")))
        picture = LocalImageInput(path=os.environ["PICTURE"])
        schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
        tell("second", told(thread.run([TextInput(text="And now?"), picture], output_schema=schema)))
        thread.set_name("a good name")
        found = thread.read(include_turns=True).thread
        tell("read", [found.name, [[item.root.type for item in turn.items] for turn in found.turns]])


def stream():
    with Codex(CONFIG) as codex:
        turn = codex.thread_start().turn("Say hello.")
        heard = list(turn.stream())
        tell("methods", [event.method for event in heard])
        tell("unknown", [event.method for event in heard if type(event.payload).__name__ == "UnknownNotification"])
        tell("text", "".join(event.payload.delta for event in heard if event.method == "item/agentMessage/delta"))


def keep():
    """A thread that another server goes on with, forks and lists."""
    with Codex(CONFIG) as codex:
        thread = codex.thread_start()
        thread.run("Remember 41.")
    with Codex(CONFIG) as codex:
        tell("listed", [[one.id, one.preview] for one in codex.thread_list(limit=5).data])
        again = codex.thread_resume(thread.id)
        tell("same", again.id == thread.id)
        tell("resumed", told(again.run("What was it?")))
        fork = codex.thread_fork(thread.id)
        tell("other", fork.id != thread.id)
        tell("forked", told(fork.run("Add one.")))
        tell("both", sorted(one.preview for one in codex.thread_list().data))
        codex.thread_archive(fork.id)
        tell("left", [one.id == thread.id for one in codex.thread_list().data])
        tell("archived", [one.id == fork.id for one in codex.thread_list(archived=True).data])
        codex.thread_unarchive(fork.id)
        tell("back", len(codex.thread_list().data))


def approvals():
    """Each decision, in a thread of its own, by the handler of the client below `Codex`."""
    decisions, asked, statuses = iter(sys.argv[2:]), [], []

    def decide(method, params):
        asked.append([method, params["itemId"]])
        return {"decision": next(decisions)}

    with CodexClient(CONFIG, approval_handler=decide) as client:
        client.initialize()
        params = {"approvalPolicy": "untrusted", "sandbox": "workspace-write", "cwd": os.environ["WORK"]}
        for _ in sys.argv[2:]:
            thread = client.thread_start(params).thread.id
            turn = client.turn_start(thread, "Make it.").turn.id
            statuses.append(client.wait_for_turn_completed(turn).turn.status.value)
    tell("status", statuses)
    tell("asked", asked)


def deny():
    with Codex(CONFIG) as codex:
        thread = codex.thread_start(approval_mode=ApprovalMode.deny_all, sandbox=Sandbox.read_only)
        tell("turn", told(thread.run("Make it.")))


def steer():
    with Codex(CONFIG) as codex:
        turn = codex.thread_start().turn("Begin.")
        events = turn.stream()
        for event in events:
            if event.method == "item/agentMessage/delta":
                break
        turn.steer("Turn left.")
        tell("steered", None)
        heard = [event.method for event in events]
        tell("last", heard[-1])
        tell("messages", heard.count("item/completed"))


async def _interrupt():
    async with AsyncCodex(CONFIG) as codex:
        thread = await codex.thread_start()
        turn = await thread.turn("Begin.")
        async for event in turn.stream():
            if event.method == "item/agentMessage/delta":
                await turn.interrupt()
            if event.method == "turn/completed":
                tell("status", event.payload.turn.status.value)
        tell("next", told(await thread.run("Go on.")))


def interrupt():
    asyncio.run(_interrupt())


SCENES = [run, stream, keep, approvals, deny, steer, interrupt]

if __name__ == "__main__":
    {scene.__name__: scene for scene in SCENES}[sys.argv[1]]()

"""One scene for each client of the app server that others publish: two turns, a command, an approval.

`others.py CLIENT` is run by an interpreter that has the client, and tells the same of each.
"""

import asyncio
import json
import os
import sys

CODEX, WORK = os.environ["CODEX_BIN"], os.environ["WORK"]
ASK = "item/commandExecution/requestApproval"


def tell(name, value):
    print(json.dumps([name, value]), flush=True)


async def codex_app_server_client():
    from codex_app_server_client import CodexAppServer
    from codex_app_server_client.types.events import AgentMessageDeltaEvent
    from codex_app_server_client.types.threads import ThreadStartParams

    async def approve(method, params):
        tell("asked", params["itemId"])
        return {"decision": "accept"}

    async with CodexAppServer(codex_bin=CODEX) as codex:
        codex.low_level.on_server_request(ASK, approve)
        params = ThreadStartParams(cwd=WORK, approval_policy="untrusted", sandbox="workspace-write")
        thread = await codex.start_thread(params)
        first = await thread.run("Make it.")
        tell("first", [first.status, first.final_response, [item["type"] for item in first.items]])
        tell("tokens", first.usage.total.total_tokens)
        second = [event async for event in thread.run_streamed("And then?")]
        tell("second", "".join(event.delta for event in second if isinstance(event, AgentMessageDeltaEvent)))


async def codex_python_sdk():
    from codex_python_sdk import create_async_client

    async def approve(params):
        tell("asked", params["itemId"])
        return {"decision": "accept"}

    thread = {"cwd": WORK, "approvalPolicy": "untrusted", "sandbox": "workspace-write"}
    options = {"automatic_approval_review": False, "enable_web_search": False, "on_command_approval": approve}
    async with create_async_client(codex_command=CODEX, default_thread_params=thread, **options) as client:
        first = await client.responses_create(prompt="Make it.", include_events=True)
        (ended,) = [event.phase for event in first.events if event.type == "turn/completed"]
        done = [event.raw["params"]["item"]["type"] for event in first.events if event.type == "item/completed"]
        tell("first", [ended, first.text, done])
        totals = [event.token_usage for event in first.events if event.token_usage]
        tell("tokens", totals[-1]["total"]["totalTokens"])
        texts = [piece async for piece in client.responses_stream_text(prompt="And then?", thread_id=first.thread_id)]
        tell("second", "".join(texts))


async def codex_python_sdk_unofficial():
    from codex_agent_sdk import AgentTextDeltaEvent, AppServerConfig, CodexOptions, CodexSDKClient

    # It cannot be asked about commands: it takes their text for a list, which the protocol never sends.
    options = CodexOptions(cwd=WORK, approval_policy="never", sandbox_mode="workspace-write")
    async with CodexSDKClient(options=options, app_server=AppServerConfig(codex_bin=CODEX, cwd=WORK)) as client:
        turn = await client.query("Make it.")
        events = [event async for event in turn]
        first = await turn.wait()
        done = [event.item.root.type for event in events if type(event).__name__ == "ItemCompletedEvent"]
        tell("first", [first.status, first.assistant_text, done])
        tell("tokens", first.token_usage.total.total_tokens)
        turn = await client.query("And then?")
        tell("second", "".join([event.text_delta async for event in turn if isinstance(event, AgentTextDeltaEvent)]))


async def codex_agent_sdk():
    from codex_agent_sdk import Agent

    agent = Agent(model="gpt-5.5", cwd=WORK, codex_path=CODEX, approval_policy="untrusted")

    @agent.on_command_approval
    async def approve(command):
        tell("asked", command.raw["itemId"])
        return "accept"

    async with agent.conversation() as talk:
        first = await talk.send("Make it.", sandboxPolicy={"type": "workspaceWrite"})
        done = [event.raw["params"]["item"]["type"] for event in first.events if event.method == "item/completed"]
        tell("first", [first.turn.status, first.text, done])
        second = await talk.send("And then?")
        tell("second", second.text)


if __name__ == "__main__":
    asyncio.run(globals()[sys.argv[1].replace("-", "_")]())

"""An editor, as the Agent Client Protocol has it: `acp.py ADAPTER…` runs an adapter and lets it complete a turn."""

import json
import os
import subprocess
import sys

adapter = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
texts, kinds = [], []


def tell(name, value):
    print(json.dumps([name, value]), flush=True)


def send(**message):
    adapter.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    adapter.stdin.flush()


def allowed(params):
    """The first way to say yes once."""
    (option, *_) = [one for one in params["options"] if one["kind"] == "allow_once"]
    tell("asked", params["toolCall"]["toolCallId"])
    return {"outcome": {"outcome": "selected", "optionId": option["optionId"]}}


def note(update):
    kinds.append(update["sessionUpdate"])
    if update["sessionUpdate"] == "agent_message_chunk":
        texts.append(update["content"]["text"])


def call(id, method, **params):
    send(id=id, method=method, params=params)
    for line in adapter.stdout:
        message = json.loads(line)
        if message.get("method") == "session/request_permission":
            send(id=message["id"], result=allowed(message["params"]))
        elif message.get("method") == "session/update":
            note(message["params"]["update"])
        elif message.get("id") == id and "method" not in message:
            if "error" in message:
                raise SystemExit(f"{method}: {message['error']}")
            return message["result"]
    raise SystemExit(f"{method}: the adapter ended")


call(1, "initialize", protocolVersion=1, clientCapabilities={})
session = call(2, "session/new", cwd=os.environ["WORK"], mcpServers=[])["sessionId"]
done = call(3, "session/prompt", sessionId=session, prompt=[{"type": "text", "text": "Make it."}])
tell("stop", done["stopReason"])
tell("text", "".join(texts))
tell("kinds", sorted(set(kinds)))
adapter.stdin.close()
adapter.wait()

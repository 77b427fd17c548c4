"""A well-behaved stdio server without any library, which starts in a few milliseconds: the tools of the official ones.

Run as `python plain_server.py NAME [LOG]`; into LOG go a line for each sum, and when a wait begins and is cancelled.
"""

import json
import os
import sys

NAME, LOG = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else os.devnull
FORM = {"type": "object", "properties": {"name": {"type": "string", "title": "Name"}}, "required": ["name"]}
READS = {"readOnlyHint": True}
waiting = {}  # what was asked of the client -> how the call goes on with its answer


def tool(name, description, annotations=None, **properties):
    schema = {"type": "object", "properties": {key: {"type": kind} for key, kind in properties.items()}}
    made = {"name": name, "description": description, "inputSchema": schema}
    if properties:
        schema["required"] = list(properties)
    return made | ({"annotations": annotations} if annotations else {})


TOOLS = [
    tool("add", "Adds.", READS if NAME == "demo" else None, a="integer", b="integer"),
    tool("remove", "Removes something.", path="string"),
    tool("who", "Asks who it is.", READS if NAME == "demo" else None),
    tool("where", "Asks for the roots.", READS),
    tool("wait", "Waits until it is cancelled."),
]


def note(text):
    with open(LOG, "a") as file:
        file.write(f"{NAME} {text}\n")


def send(**message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def done(number, found):
    send(id=number, result={"content": [{"type": "text", "text": str(found)}], "structuredContent": {"result": found}})


def ask(number, method, params, then):
    waiting[f"ask-{number}"] = lambda answer: done(number, then(answer))
    send(id=f"ask-{number}", method=method, params=params)


def named(answer):
    return f"{answer['action']} {(answer.get('content') or {}).get('name', '')}".strip()


def call(number, params):
    name, given = params["name"], params.get("arguments") or {}
    if name == "add":
        note(f"add {given['a']} {given['b']}")
        done(number, given["a"] + given["b"])
    elif name == "remove":
        done(number, f"removed {given['path']}")
    elif name == "who":
        ask(number, "elicitation/create", {"message": "Who are you?", "requestedSchema": FORM}, named)
    elif name == "where":
        ask(number, "roots/list", {}, lambda answer: answer["roots"][0]["uri"])
    elif name == "wait":
        note("waits")
        token = params["_meta"]["progressToken"]
        told = {"progressToken": token, "progress": 1, "total": 2, "message": "half"}
        send(method="notifications/progress", params=told)


def greet(number, params):
    capabilities, info = {"tools": {}}, {"name": NAME, "version": "1"}
    version = params["protocolVersion"]
    send(id=number, result={"protocolVersion": version, "capabilities": capabilities, "serverInfo": info})


def main():
    for line in sys.stdin:
        message = json.loads(line)
        method, number, params = message.get("method"), message.get("id"), message.get("params") or {}
        if method is None:
            waiting.pop(number)(message["result"])
        elif method == "notifications/cancelled":
            note("cancelled")
        elif method == "initialize":
            greet(number, params)
        elif method == "tools/list":
            send(id=number, result={"tools": TOOLS})
        elif method == "tools/call":
            call(number, params)
        elif number is not None:
            send(id=number, error={"code": -32601, "message": f"no method {method}"})


if __name__ == "__main__":
    main()

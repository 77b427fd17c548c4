"""A stdio server without any library, which starts in a few milliseconds and misbehaves as its first argument says.

The second argument, if given, is a file to which it appends a line for each start and each notification.
"""

import json
import os
import subprocess
import sys

MODE = sys.argv[1] if len(sys.argv) > 1 else "ok"
LOG = sys.argv[2] if len(sys.argv) > 2 else os.devnull
TOOLS = ["echo", "pid", "environ", "crash", "huge", "bomb", "sleep", "family", "grow", "broken", "chat", "silent_half"]


def log(text):
    with open(LOG, "a") as file:
        file.write(text + "\n")


def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def text(words, **more):
    return {"content": [{"type": "text", "text": words}], **more}


def tool(name):
    return {"name": name, "description": f"The tool {name}.", "inputSchema": {"type": "object"}}


def flood(number, unit, times):
    """An answer of any size, without holding it."""
    sys.stdout.write(f'{{"jsonrpc":"2.0","id":{number},"result":{{"structuredContent":{{"x":[')
    for _ in range(times):
        sys.stdout.write(unit)
    sys.stdout.write('0]},"content":[]}}\n')
    sys.stdout.flush()


def call(number, name, arguments):
    if name == "crash":
        sys.stderr.write("out of luck\n")
        sys.stderr.flush()
        os._exit(3)
    if name == "huge":
        return flood(number, '"' + "x" * 1048576 + '",', arguments.get("mib", 200))
    if name == "bomb":
        return flood(number, "[]," * 1000000, 8)
    if name == "sleep":
        return None
    if name == "broken":
        sys.stdout.write(f'{{"jsonrpc":"2.0","id":{number},"result":{{"content":[}}}}\n')
        return sys.stdout.flush()
    if name == "family":  # a grandchild that leaves the group, the session and its parent
        child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        return send({"id": number, "result": text(f"{os.getpid()} {child.pid}")})
    if name == "grow":
        TOOLS.append("grown")
        for _ in range(100):
            send({"method": "notifications/tools/list_changed"})
    if name == "chat":
        send({"method": "notifications/acme/unheard_of", "params": {"a": 1}})
        send({"method": "notifications/progress", "params": {"progressToken": 99, "progress": 1}})
        send({"id": 4711, "result": {}})
    if name == "flood":
        words = json.dumps({"method": "notifications/message", "params": {"level": "info", "data": "busy"}})
        sys.stdout.write((words + "\n") * arguments["times"])
    words = {"pid": str(os.getpid()), "environ": json.dumps(dict(os.environ))}.get(name, json.dumps(arguments))
    return send({"id": number, "result": text(words)})


def initialized(number, params):
    if MODE == "late":
        import time

        time.sleep(float(sys.argv[3]))
    if MODE == "gated":
        import time

        while not os.path.exists(sys.argv[3]):
            time.sleep(0.01)
    if MODE == "refuses":
        send({"id": number, "error": {"code": -32603, "message": "not today"}})
    if MODE == "nonsense":
        send({"id": number, "result": {"what": "ever"}})
    if MODE == "chatty":
        print("starting up ... [ok]")
        print('{"level": "info", "message": "a log line in JSON"}')
        print("\x1b[31mred\x1b[0m \u2028 line")
    if MODE == "early":
        for id_, method in enumerate(
            ("elicitation/create", "sampling/createMessage", "roots/list", "ping", "who/knows")
        ):
            params_ = {
                "elicitation/create": {"message": "?", "requestedSchema": {"type": "object", "properties": {}}},
                "sampling/createMessage": {"messages": [], "maxTokens": 1},
            }.get(method, {})
            send({"id": f"s{id_}", "method": method, "params": params_})
    if MODE not in ("quiet", "refuses", "nonsense"):
        send(
            {
                "id": number,
                "result": {
                    "protocolVersion": params["protocolVersion"],
                    "capabilities": {"tools": {"listChanged": True}, **({"prompts": {}} if MODE == "prompts" else {})},
                    "serverInfo": {"name": "raw", "version": "1"},
                    "instructions": "Handle with care.",
                },
            }
        )


def main():
    log(f"started {os.getpid()}")
    if MODE == "dies":
        sys.stderr.write("no licence found\n")
        sys.exit(7)
    for line in sys.stdin:
        message = json.loads(line)
        method, number, params = message.get("method"), message.get("id"), message.get("params", {})
        if method is None:
            log("answer " + json.dumps(message, sort_keys=True))
        elif number is None:
            log(method)
        elif method == "initialize":
            initialized(number, params)
        elif method == "tools/list":
            page = int(params.get("cursor", 0))
            if MODE == "odd":
                odd = [{"name": "typeless", "inputSchema": {}}, {"name": "list", "inputSchema": {"type": "array"}}]
                odd += [
                    {"name": "no\x1bschema"},
                    "no tool",
                    {"name": "words", "inputSchema": {"type": "object", "required": "x"}},
                ]
                send({"id": number, "result": {"tools": [tool("echo"), *odd]}})
                continue
            if MODE == "endless":
                send({"id": number, "result": {"tools": [tool(f"t{page}")], "nextCursor": str(page + 1)}})
            else:
                half = len(TOOLS) // 2
                part, more = (TOOLS[half:], {}) if page else (TOOLS[:half], {"nextCursor": "1"})
                send({"id": number, "result": {"tools": list(map(tool, part)), **more}})
        elif method == "prompts/list" and MODE == "prompts":
            wanted = [{"name": "page", "description": "The page.", "required": True}]
            send({"id": number, "result": {"prompts": [{"name": "sum_up", "title": "Sum up", "arguments": wanted}]}})
        elif method == "prompts/get" and MODE == "prompts":
            words = f"Sum up {params['arguments']['page']}."
            messages = [{"role": "user", "content": {"type": "text", "text": words}}]
            send({"id": number, "result": {"messages": messages}})
        elif method == "tools/call":
            call(number, params["name"], params.get("arguments", {}))
        else:
            send({"id": number, "error": {"code": -32601, "message": "no such method"}})
    if MODE == "stays":  # its input has ended, it does not care
        import time

        time.sleep(1000)


main()

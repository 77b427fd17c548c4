"""A server over a real pipe that does what a script says: `python fake_server.py SCRIPT.json RECEIVED.jsonl`.

The script maps a method to what is done at its first, second, … request; the last repeats. "answer" stands for an
answer of the client. Each is a list of acts: {"result": …}, {"error": …}, {"note": [method, params]},
{"ask": [id, method, params]}, {"raw": text}, {"stderr": text}, {"exit": code}, {"wait_for": fifo}, {"close_stdout": true}.
"""

import json
import os
import sys


def perform(act, message):
    match act:
        case {"result": result}:
            say({"id": message["id"], "result": result})
        case {"error": error}:
            say({"id": message["id"], "error": error})
        case {"note": [method, params]}:
            say({"method": method, "params": params})
        case {"ask": [id, method, params]}:
            say({"id": id, "method": method, "params": params})
        case {"raw": text}:
            sys.stdout.buffer.write(text.encode("latin-1"))
            sys.stdout.buffer.flush()
        case {"stderr": text}:
            print(text, file=sys.stderr, flush=True)
        case {"exit": code}:
            os._exit(code)
        case {"wait_for": fifo}:
            with open(fifo) as gate:
                gate.read()
        case {"close_stdout": _}:
            os.close(1)


def say(message):
    sys.stdout.buffer.write(json.dumps(message).encode() + b"\n")
    sys.stdout.buffer.flush()


def main(script_file, received_file):
    with open(script_file) as file:
        script = {"initialize": [[{"result": {"userAgent": "fake/1.0"}}]], **json.load(file)}
    with open(received_file, "a") as received:
        for line in sys.stdin:
            message = json.loads(line)
            print(json.dumps(message), file=received, flush=True)
            steps = script.get(message.get("method", "answer"))
            if steps:
                for act in steps[0]:
                    perform(act, message)
                if len(steps) > 1:
                    del steps[0]


if __name__ == "__main__":
    main(*sys.argv[1:])

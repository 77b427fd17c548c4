"""What the figures of the app server need: a client, a quick model server in a process of its own, stored threads."""

from __future__ import annotations

import itertools
import json
import os
import re
import select
import subprocess
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from .harness import CONFIG, Program

LIMIT_S = 240.0
OVERLOADED = -32001
CALLS = 10
"""Tool calls in one turn."""
CALL_TEXT = "run ten commands"
"""What a user says to get a turn of tool calls; anything else is answered with text."""
MODEL = r"""
import asyncio, sys
from codex_plugin_sdk import FunctionCall, text_message
from codex_plugin_sdk.testing.sse_wire import responses_events

def answer(*items, **more):
    return b"".join(responses_events(items, **more))

CALL = answer(FunctionCall(call_id="call_NUMBER", name="exec_command", arguments='{"cmd":"true"}', id="fc_NUMBER"))
SAY = answer(text_message("assistant", "all said and done", id="msg_NUMBER"))
MANY = answer(text_message("assistant", "word abc" * int(sys.argv[2]), id="msg_1"), delta_chars=8)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n"

class Connection(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.data = transport, bytearray()

    def data_received(self, data):
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.data[:end]).lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15:].split(b"\r\n")[0]) if at >= 0 else 0
            if len(self.data) < end + 4 + size:
                return
            body = bytes(self.data[end + 4:end + 4 + size])
            del self.data[:end + 4 + size]
            if head.startswith(b"post"):
                found = self.reply(body)
                self.transport.write(HEAD % len(found) + found)
            else:
                self.transport.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")

    def reply(self, body):
        if b"stream many deltas" in body:
            return MANY
        calls, said = body.count(b'"function_call_output"'), body.count(b"all said and done")
        number = b"%d" % (calls + said)
        wanted = b"run ten commands" in body and calls - said * CALLS < CALLS
        return (CALL if wanted else SAY).replace(b"NUMBER", number)

async def main():
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

CALLS = int(sys.argv[1])
asyncio.run(main())
"""


class Model:
    """A model server that costs little: whole answers, made beforehand. A context manager."""

    def __init__(self, deltas: int = 1) -> None:
        self._argv = [sys.executable, "-c", MODEL, str(CALLS), str(deltas)]

    def __enter__(self) -> Model:
        self._process = subprocess.Popen(self._argv, stdout=subprocess.PIPE)
        self.base_url = f"http://127.0.0.1:{int(self._process.stdout.readline())}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


class App:
    """One app server and its only client; a context manager. `cpu_s` is known once it has ended."""

    def __init__(self, program: Program, base_url: str = "http://127.0.0.1:9/v1", more: str = "") -> None:
        (program.home / "config.toml").write_text(CONFIG.format(url=base_url) + more)
        self.program = program
        self.refused = 0
        self.cpu_s = 0.0
        self.on: dict[str, Callable[[dict[str, Any]], None]] = {}
        self._number = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._parts: list[bytes] = []
        self._argv = [*program.argv, "app-server"]
        self._to_send: deque[bytes] = deque()

    def __enter__(self) -> App:
        self._errors = open(self.program.home / "stderr.txt", "wb")
        self.process = subprocess.Popen(
            self._argv,
            cwd=self.program.work,
            env=self.program.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
        )
        capabilities = {"experimentalApi": True}
        self.call("initialize", {"clientInfo": {"name": "bench", "version": "1"}, "capabilities": capabilities})
        self.send({"method": "initialized"})
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu_s = self.cpu_now_s()
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self._errors.close()

    # -- messages --------------------------------------------------------------------------------

    def send(self, message: dict[str, Any]) -> None:
        """Queue one message."""
        self._to_send.append(orjson.dumps(message) + b"\n")

    def begin(self, method: str, params: dict[str, Any]) -> int:
        """Send a request; returns its number."""
        self._number += 1
        self.send({"id": self._number, "method": method, "params": params})
        return self._number

    def call(self, method: str, params: dict[str, Any]) -> Any:
        """The result of a request."""
        return self.result(self.begin(method, params))

    def result(self, number: int) -> Any:
        """The answer to a request."""
        self.pump(lambda: number in self._answers)
        answer = self._answers.pop(number)
        assert "result" in answer, answer
        return answer["result"]

    def pump(self, until: Callable[[], bool]) -> None:
        """Send and receive until this holds."""
        deadline = time.monotonic() + LIMIT_S
        output, inlet = self.process.stdout.fileno(), self.process.stdin.fileno()
        while not until():
            assert time.monotonic() < deadline, f"{self.program.name} is silent"
            readable, writable, _ = select.select([output], [inlet] if self._to_send else [], [], 1.0)
            if writable:
                os.write(inlet, self._to_send.popleft())
            if readable:
                data = os.read(output, 1 << 20)
                assert data, f"{self.program.name} has ended"
                self._take(data)

    def _take(self, data: bytes) -> None:
        self._parts.append(data)
        if b"\n" not in data:
            return  # joined once it is whole: a copy for each part of a large answer would be the figure
        *lines, rest = b"".join(self._parts).split(b"\n")
        self._parts = [rest] if rest else []
        for line in lines:
            if b'/delta"' in line[:60]:
                self.deltas = getattr(self, "deltas", 0) + 1
                continue
            message = orjson.loads(line)
            if "method" not in message:
                self._answers[message["id"]] = message
            elif (hear := self.on.get(message["method"])) is not None:
                hear(message["params"])

    def raw_answers(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Answers that nobody waits for by `result`, taken out."""
        while self._answers:
            yield self._answers.popitem()

    # -- figures ---------------------------------------------------------------------------------

    def memory_mb(self, name: str = "Rss") -> float:
        """Memory of the server process: `Rss` or `Pss`."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)[1]) / 1024

    def peak_mb(self) -> float:
        """The most memory it ever had."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+)", text, re.MULTILINE)[1]) / 1024

    def cpu_now_s(self) -> float:
        """CPU time of the server and of what it has started and waited for."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    # -- threads ---------------------------------------------------------------------------------

    def start_thread(self) -> str:
        """The id of a new thread in which commands run without a sandbox and without questions."""
        return self.call("thread/start", self.settings())["thread"]["id"]

    def settings(self) -> dict[str, Any]:
        """Params of thread/start."""
        return {"cwd": str(self.program.work), "sandbox": "danger-full-access", "approvalPolicy": "never"}

    def turns(self, ids: Sequence[str], each: int, text: str = CALL_TEXT) -> list[float]:
        """Let every thread have so many turns, one after another; returns the time of each turn. What is refused as
        overload is asked again, and counted."""
        times: list[float] = []
        began: dict[str, float] = {}
        left = dict.fromkeys(ids, each)
        asked: dict[int, str] = {}

        def ask(id: str) -> None:
            began.setdefault(id, time.monotonic())
            asked[self.begin("turn/start", {"threadId": id, "input": [{"type": "text", "text": text}]})] = id

        def completed(params: dict[str, Any]) -> None:
            id = params["threadId"]
            assert params["turn"]["status"] == "completed", params
            times.append(time.monotonic() - began.pop(id))
            left[id] -= 1
            if left[id]:
                ask(id)

        def over() -> bool:
            for number, answer in self.raw_answers():
                if "error" in answer:
                    assert answer["error"]["code"] == OVERLOADED, answer
                    self.refused += 1
                    ask(asked[number])
            return len(times) == len(ids) * each

        self.on["turn/completed"] = completed
        for id in ids:
            ask(id)
        self.pump(over)
        return times


# -- stored threads --------------------------------------------------------------------------------


def recorded(program: Program, text: str = CALL_TEXT) -> list[bytes]:
    """The lines of a rollout that a program writes for one turn."""
    with Model() as model, App(program, model.base_url) as app:
        id = app.start_thread()
        app.turns([id], 1, text)
        for _ in range(3):  # what comes behind the last notification is on the disk with the next answer
            app.call("thread/loaded/list", {})
    (path,) = (program.home / "sessions").rglob("*.jsonl")
    lines = path.read_bytes().splitlines()
    path.unlink()
    return lines


def write_copies(home: Path, lines: Sequence[bytes], count: int) -> None:
    """Many threads like this one, one a minute."""
    old = json.loads(lines[0])["payload"]["id"].encode()
    body = b"\n".join(lines) + b"\n"
    for number in range(count):
        stamp = time.gmtime(1_760_000_000 + number * 60)
        id = str(uuid.UUID(int=(0x019A << 112) | (7 << 76) | (2 << 62) | number))
        folder = home / "sessions" / time.strftime("%Y/%m/%d", stamp)
        folder.mkdir(parents=True, exist_ok=True)
        name = f"rollout-{time.strftime('%Y-%m-%dT%H-%M-%S', stamp)}-{id}.jsonl"
        (folder / name).write_bytes(body.replace(old, id.encode()))


def write_long(home: Path, lines: Sequence[bytes], size_bytes: int) -> str:
    """One thread whose turn is repeated until its rollout is so large, each with outputs of 2 kB; returns its id."""
    head = json.loads(lines[0])["payload"]
    begin = next(at for at, line in enumerate(lines) if b'"task_started"' in line[:200])
    turn = b"\n".join(lines[begin:]) + b"\n"
    old_turn = json.loads(lines[begin])["payload"]["turn_id"].encode()
    turn = turn.replace(b'"aggregated_output":""', b'"aggregated_output":"%b"' % (b"out " * 500))
    turn = turn.replace(b"Output:\\n", b"Output:\\n%b" % (b"out " * 500))
    stamp = time.gmtime(1_790_000_000)
    folder = home / "sessions" / time.strftime("%Y/%m/%d", stamp)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"rollout-{time.strftime('%Y-%m-%dT%H-%M-%S', stamp)}-{head['id']}.jsonl"
    with path.open("wb") as file:
        file.write(b"\n".join(lines[:begin]) + b"\n")
        number = written = 0
        ordinals = itertools.count(begin)
        while written < size_bytes:
            number += 1
            id = str(uuid.UUID(int=(0x019B << 112) | (7 << 76) | (2 << 62) | number)).encode()
            # Ids go on with a digit; `call_id` and `item_completed` are no ids.
            text = re.sub(rb'"(call|msg|fc|rs|item|fco)_(?=\d)', rb'"\1_%d_' % number, turn.replace(old_turn, id))
            written += file.write(re.sub(rb'"ordinal":\d+', lambda _: b'"ordinal":%d' % next(ordinals), text))
    return str(head["id"])

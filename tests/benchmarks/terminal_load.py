"""What the figures of the terminal UI need: a program in a pseudo-terminal, a model server that streams at a pace."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

from .harness import CONFIG, Program

LIMIT_S = 120.0
COLUMNS, ROWS = 100, 30
PROMPT = "\u203a"
"""What both programs write in front of the place for input."""
END = "\u03a9"
"""The last letter of an answer."""
TRUSTED = '\n[projects."{work}"]\ntrust_level = "trusted"\n'
QUERIES = (
    (b"\x1b[6n", b"\x1b[1;1R"),
    (b"\x1b[c", b"\x1b[?62;22c"),
    (b"\x1b[?u", b"\x1b[?0u"),
    (b"\x1b]10;?", b"\x1b]10;rgb:ffff/ffff/ffff\x1b\\"),
    (b"\x1b]11;?", b"\x1b]11;rgb:0000/0000/0000\x1b\\"),
    (b"\x1b[?2026$p", b"\x1b[?2026;2$y"),
)
"""What a terminal is asked, and says."""
MODEL = r"""
import asyncio, json, sys
from codex_plugin_sdk import FunctionCall, text_message
from codex_plugin_sdk.testing.sse_wire import responses_events

PARAGRAPH = (
    "The quick change goes through `parse_line` and **never** touches the cache, so nothing else has to know about "
    "it; see [the notes](https://example.org/notes) for why.\n\n"
)
LIST = "- first the lexer\n- then the *parser*, with its table\n- last the writer\n\n"
CODE = "```python\ndef parse(line: str) -> int:\n    # a comment\n    return len(line) + 1\n```\n\n"
TEXT = "## A heading\n\n" + PARAGRAPH * 3 + LIST + CODE
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"

def text_of(deltas):
    whole = (TEXT * (deltas * 8 // len(TEXT) + 1))[: deltas * 8 - 8]
    return whole + "\n\nend \u03a9"

def call(number):
    command = ["true", "seq 40", "ls -la /", "echo some text"][number % 4]
    arguments = json.dumps({"cmd": command})
    return [FunctionCall(call_id=f"call_{number}", name="exec_command", arguments=arguments, id=f"fc_{number}")]

def items_of(body):
    # "stream N deltas at R", "run N commands": an answer as it was asked for
    said = [str(item.get("content")) for item in body["input"] if item.get("role") == "user"]
    found = said[-1].partition("please ")[2].split()
    if found[:1] == ["stream"]:
        return [text_message("assistant", text_of(int(found[1])), id="msg_1")], int(found[4].rstrip("'}]"))
    if found[:1] == ["run"]:
        after = max(i for i, item in enumerate(body["input"]) if item.get("role") == "user")
        calls = sum(item.get("type") == "function_call_output" for item in body["input"][after:])
        if calls < int(found[1]):
            return call(len(body["input"])), 0
        return [text_message("assistant", TEXT + "end \u03a9", id="msg_1")], 0
    return [text_message("assistant", "all said \u03a9", id="msg_1")], 0

async def serve(reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"POST"):
        writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()
        return
    size = int(head.lower().partition(b"content-length:")[2].split()[0])
    items, rate = items_of(json.loads(await reader.readexactly(size)))
    print("asked", flush=True)
    events = responses_events(items)
    writer.write(HEAD)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for number in range(0, len(events), step := max(1, rate // 500) if rate else len(events)):
        writer.write(b"".join(events[number : number + step]))
        await writer.drain()
        if rate and (wait := begun + (number + step) / rate - loop.time()) > 0:
            await asyncio.sleep(wait)
    writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 26)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


def config(program: Program, base_url: str) -> str:
    """A trusted folder, and a model that nobody is asked to exchange for a newer one."""
    text = CONFIG.format(url=base_url).replace('"gpt-5.5"', '"bench"')
    return text + TRUSTED.format(work=program.work)


class PacedModel:
    """A model server that does what the prompt says: "please stream N deltas at R" (0: as fast as they go) or
    "please run N commands". A context manager."""

    def __enter__(self) -> PacedModel:
        self._process = subprocess.Popen([sys.executable, "-c", MODEL], stdout=subprocess.PIPE, bufsize=0)
        self.stdout = self._process.stdout
        self.base_url = f"http://127.0.0.1:{int(self._process.stdout.readline())}/v1"
        return self

    def was_asked(self) -> bool:
        """Whether there was a request since the last look."""
        seen = b""
        while select.select([self._process.stdout], [], [], 0)[0] and (data := self._process.stdout.read(4096)):
            seen += data
        return bool(seen)

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


class Screen:
    """A program in a terminal that shows nothing: it answers queries and looks for what is written. A context manager;
    `started` is the moment before the program was started."""

    def __init__(self, program: Program, *args: str, base_url: str = "http://127.0.0.1:9/v1", more: str = "") -> None:
        (program.home / "config.toml").write_text(config(program, base_url) + more)
        self.name = program.name
        self.written_bytes = 0
        self.ended = 0.0
        """When the end of an answer was written last."""
        self._rest = b""
        self._tail = b""
        env = program.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        for name in ("TMUX", "COLUMNS", "LINES", "NO_COLOR"):
            env.pop(name, None)
        self.started = time.monotonic()
        self.pid, self._fd = pty.fork()
        if not self.pid:
            os.chdir(program.work)
            os.execve(program.argv[0], [*program.argv, *args], env)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            os.kill(self.pid, number)
            until = time.monotonic() + 10
            while time.monotonic() < until:
                self.pump(0.02)
                found, _ = os.waitpid(self.pid, os.WNOHANG)
                if found:
                    os.close(self._fd)
                    return

    # -- what is written -------------------------------------------------------------------------

    def pump(self, wait_s: float) -> bytes:
        """What the program writes within this time, as soon as there is any."""
        if not select.select([self._fd], [], [], wait_s)[0]:
            return b""
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return b""
        self.written_bytes += len(data)
        if END.encode() in self._tail[-1:] + data:
            self.ended = time.monotonic()
        whole = self._rest + data
        for query, answer in QUERIES:
            if query in whole:
                os.write(self._fd, answer)
        self._rest = b"" if any(query in whole for query, _ in QUERIES) else whole[-12:]
        self._tail = (self._tail + data)[-(1 << 18) :]
        return data

    def until(self, wanted: str, limit_s: float = LIMIT_S) -> float:
        """Milliseconds from now on until this is written (or was, since the last `until`)."""
        return self._until(wanted.encode(), time.monotonic(), limit_s)

    def _until(self, wanted: bytes, since: float, limit_s: float = LIMIT_S) -> float:
        while wanted not in self._tail:
            assert time.monotonic() < since + limit_s, (
                f"{self.name}: {wanted!r} is not written; last: {self._tail[-2000:]!r}"
            )
            self.pump(0.1)
        self._tail = self._tail.partition(wanted)[2]
        return (time.monotonic() - since) * 1000

    def rest(self, for_s: float) -> None:
        """Let so much time pass."""
        until = time.monotonic() + for_s
        while (left := until - time.monotonic()) > 0:
            self.pump(left)

    def until_end(self, limit_s: float = LIMIT_S) -> float:
        """Milliseconds from the prompt until the end of the answer is written."""
        while not self.ended:
            assert time.monotonic() < self.said + limit_s, f"no end; last: {self._tail[-2000:]!r}"
            self.pump(0.1)
        return (self.ended - self.said) * 1000

    def until_quiet(self, quiet_s: float = 1.0) -> None:
        """Until nothing is written for so long, or only what moves by itself."""
        end = time.monotonic() + 20
        while time.monotonic() < end and self.pump(quiet_s):
            pass

    # -- what is typed ---------------------------------------------------------------------------

    def type(self, text: str) -> None:
        """Keys, at once."""
        os.write(self._fd, text.encode())

    def say(self, text: str, model: PacedModel) -> None:
        """Send a prompt. A program that is still starting takes the enter key for a part of what is typed."""
        model.was_asked()
        self.type(text)
        self.rest(0.5)  # keys that come as fast as a paste are taken for one, with its newline
        self.ended = 0.0
        while not model.was_asked():
            self.type("\r")
            self.said = time.monotonic()
            while time.monotonic() < self.said + 5 and not select.select([model.stdout], [], [], 0)[0]:
                self.pump(0.01)

    def echo_ms(self, key: str) -> float:
        """From a key to the letter on the screen; `key` must not have been on it before."""
        self._tail = b""
        began = time.monotonic()
        self.type(key)
        return self._until(key.encode(), began, 20.0)

    # -- figures ---------------------------------------------------------------------------------

    def first_frame_ms(self) -> float:
        """From the start to the place where the user writes."""
        return self._until(PROMPT.encode(), self.started)

    def since_start_ms(self) -> float:
        """How long it has been there."""
        return (time.monotonic() - self.started) * 1000

    def family(self) -> list[int]:
        """The process and those it has started."""
        parents = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
        found = [self.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def cpu_s(self) -> float:
        """CPU time of all of these so far, to the microsecond where the kernel tells."""
        total = 0.0
        for pid in self.family():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                exact = sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))
            except OSError:
                continue
            ticks = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
            gone = sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")
            total += (exact / 1e9 if abs(exact / 1e9 - ticks) < 0.05 else ticks) + gone
        return total

    def memory_mb(self, name: str = "Pss") -> float:
        """Memory of all of these: `Rss` counts what is shared with others as well."""
        total = 0
        for pid in self.family():
            try:
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:  # it has just ended
                continue
            total += int(re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)[1])
        return total / 1024

    def peak_mb(self) -> float:
        """The most memory that the process itself ever had."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+)", text, re.MULTILINE)[1]) / 1024


def letters() -> Iterator[str]:
    """Letters that no text of ours has."""
    return (chr(code) for block in ((0x410, 0x450), (0x100, 0x180), (0x3B1, 0x3C9)) for code in range(*block))


def tmux_first_frame_ms(program: Program, folder: Path) -> float:
    """From tmux's start of a program in a window to the place for input, told by its control mode as it comes."""
    (program.home / "config.toml").write_text(config(program, "http://127.0.0.1:9/v1"))
    socket = str(folder / f"tmux-{program.name}-{time.monotonic_ns()}")
    argv = ["tmux", "-u", "-S", socket, "-f", "/dev/null", "-C"]
    env = program.environ | {"TERM": "xterm-256color"}
    env.pop("TMUX", None)
    with subprocess.Popen(
        [*argv, "new-session", "-x", str(COLUMNS), "-y", str(ROWS), "sleep 1000"],
        env=env, cwd=program.work, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
    ) as client:  # fmt: skip
        try:
            _heard(client, b"%session-changed")
            began = time.monotonic()
            client.stdin.write(f"respawn-pane -k '{program.argv[0]}'\n".encode())
            _heard(client, PROMPT.encode())
            return (time.monotonic() - began) * 1000
        finally:
            client.stdin.write(b"kill-server\n")
            client.wait(20)


def _heard(client: subprocess.Popen[bytes], wanted: bytes) -> None:
    """Control mode writes bytes below 32 and backslashes in octal, the rest as it is."""
    seen, until = b"", time.monotonic() + LIMIT_S
    while wanted not in seen:
        assert time.monotonic() < until, seen[-2000:]
        if select.select([client.stdout], [], [], 1.0)[0]:
            data = client.stdout.read(1 << 16)
            assert data, "tmux has ended"
            seen = (seen + data)[-20_000:]

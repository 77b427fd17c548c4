"""Cases of the sandbox kit that every backend owes: exact status, bytes, arguments, environment, descriptors."""

from __future__ import annotations

import os
import resource
from typing import Any

import anyio
import orjson

from codex_plugin_sdk import Process

from .sandbox_bench import Bench, equal, expect, read_all
from .sandbox_cases import Verdicts, cases, scenario

_NUMBERS = (0, 1, 2, 3, 77, 100, 125, 126, 127, 128, 129, 137, 143, 200, 254, 255)
_SIGNALS = (1, 2, 3, 6, 9, 10, 13, 14, 15)


@scenario(
    cases(
        "",
        {
            "commands.status": "exit status, 0 to 255",
            "commands.signals": "128 + n after signal n",
            "commands.missing-program": "FileNotFoundError, with and without a path",
            "commands.missing-folder": "FileNotFoundError",
        },
    )
)
async def statuses(bench: Bench, say: Verdicts) -> None:
    """How commands end."""
    found: dict[int, int] = {}

    async def exits(number: int) -> None:
        found[number] = (await bench.sh(f"exit {number}")).code

    async def dies(number: int) -> None:
        found[1000 + number] = (await bench.sh(f"kill -{number} $$; sleep 9")).code

    async with anyio.create_task_group() as tasks:
        for number in _NUMBERS:
            tasks.start_soon(exits, number)
        for number in _SIGNALS:
            tasks.start_soon(dies, number)
    say("commands.status", equal([found[number] for number in _NUMBERS], [*_NUMBERS]))
    say("commands.signals", equal([found[1000 + n] for n in _SIGNALS], [128 + n for n in _SIGNALS]))
    names = ("no-such-program-here", "/no/such/program", "./missing")
    say("commands.missing-program", *[await _raises(bench, argv=(name,), env=_PATH) for name in names])
    gone = os.path.join(bench.folder, "gone")
    say("commands.missing-folder", await _raises(bench, argv=("true",), cwd=gone))


# Not ours: it may name folders that this user may not look into, and then the program may not be missing.
_PATH = {"PATH": "/usr/bin:/bin"}


async def _raises(bench: Bench, *, argv: tuple[str, ...], **options: Any) -> str:
    try:
        ended = await bench.run(*argv, **options)
    except FileNotFoundError:
        return ""
    return f"{argv} ran: {ended.code}, {ended.text[:200]!r}"


_BYTES = bytes(range(256)) * 4
_DESCRIPTORS = """
import os
found = []
for number in range(512):
    try:
        os.fstat(number)
        found.append(number)
    except OSError:
        continue
print(found)
"""
_RESIZED = """
import os, signal
signal.signal(signal.SIGWINCH, lambda *_: os.write(1, b"%d %d\\n" % os.get_terminal_size()))
os.write(1, b"ready\\n")
while True:
    signal.pause()
"""


@scenario(
    cases(
        "",
        {
            "streams.bytes": "all bytes of both outputs, in their order",
            "streams.much": "10 MB",
            "streams.stdin": "input arrives and ends",
            "streams.no-stdin": "without a pipe, input is empty",
            "streams.unread-stdin": "BrokenPipeError once the command has ended",
            "streams.descriptors": "none but 0, 1 and 2",
        },
    )
)
async def streams(bench: Bench, say: Verdicts) -> None:
    """Pipes."""
    script = "import os\nfor n in range(1024): os.write(1 + n % 2, bytes([n % 256]))"
    say("streams.bytes", equal((await bench.run(*bench.python(script))).output, _BYTES))
    ended = await bench.run(*bench.python("import os\nfor n in range(160): os.write(1, bytes([n]) * 65536)"))
    much = b"".join(bytes([n]) * 65536 for n in range(160))
    say("streams.much", expect(ended.output == much and not ended.code, f"{len(ended.output)} bytes, {ended.code}"))
    async with bench.running(bench.request("cat", stdin_pipe=True)) as process:
        await process.write(_BYTES)
        await process.close_stdin()
        output = await read_all(process)
        say("streams.stdin", equal(output, _BYTES), equal(await process.wait(), 0))
    say("streams.no-stdin", equal((await bench.sh("wc -c")).text.split(), ["0"]))
    async with bench.running(bench.request("true", stdin_pipe=True)) as process:
        await process.wait()
        say("streams.unread-stdin", await _breaks(process))
    fd = os.open(bench.folder, os.O_RDONLY)
    try:
        os.set_inheritable(fd, True)
        say("streams.descriptors", equal((await bench.run(*bench.python(_DESCRIPTORS))).text.strip(), "[0, 1, 2]"))
    finally:
        os.close(fd)


async def _breaks(process: Process) -> str:
    try:
        for _ in range(64):
            await process.write(bytes(65536))
    except BrokenPipeError:
        return ""
    return "it took 4 MB"


_ALLOWED = frozenset(("CODEX_SANDBOX", "CODEX_SANDBOX_NETWORK_DISABLED", "TMPDIR", "PWD", "CODEX_PROCESS_TREE"))
"""Variables that a backend may add: what it is, where temporary files go, how a command's processes are found."""

_SHOW = """
import json, os, resource, sys
print(json.dumps({
    "argv": [os.fsencode(word).hex() for word in sys.argv[1:]],
    "env": {os.fsdecode(n): v.hex() for n, v in os.environb.items()},
    "cwd": os.getcwdb().hex(), "umask": os.umask(0), "ids": [os.getuid(), os.getgid()],
    "limits": [resource.getrlimit(n) for n in (0, 1, 2, 3, 4, 5, 7, 8, 9)],
}))
"""


@scenario(
    cases(
        "",
        {
            "commands.arguments": "empty, with line breaks and quotes, bytes that are no UTF-8",
            "commands.large-arguments": "one of 100 kB, and 2,000 of them",
            "commands.environment": "what was asked for, and a few documented names",
            "commands.large-environment": "100 kB",
            "commands.folder": "the working directory, also one with an odd name",
            "commands.inherited": "file mode mask, limits and user are ours",
        },
    )
)
async def surroundings(bench: Bench, say: Verdicts) -> None:
    """What a program is started with."""
    words = ("", "a b", "\n", "'\"$(x)\\", "--", "-c", "\udcff\udc80", "naïve 🦀", "")
    odd = bench.made("workspace", "a b\n\udcff")
    env = {"PATH": os.environ["PATH"], "ODD": "\udcff\n=", "EMPTY": "", "HOME": bench.home, "LANG": "C.UTF-8"}
    found = orjson.loads(
        (await bench.ended(bench.request(*bench.python(_SHOW, *words), cwd=odd).replace(env=env))).output
    )
    say("commands.arguments", equal(found["argv"], [os.fsencode(word).hex() for word in words]))
    kept = {name: text for name, text in found["env"].items() if name in env or name not in _ALLOWED}
    say("commands.environment", equal(kept, {name: os.fsencode(text).hex() for name, text in env.items()}))
    say("commands.folder", equal(found["cwd"], os.fsencode(odd).hex()))
    mask = os.umask(0)
    os.umask(mask)
    limits = [[*resource.getrlimit(number)] for number in (0, 1, 2, 3, 4, 5, 7, 8, 9)]
    seen = [found["umask"], found["ids"], found["limits"]]
    say("commands.inherited", equal(seen, [mask, [os.getuid(), os.getgid()], limits]))
    many = ("x" * 100_000, *(str(number) for number in range(2000)))
    count = "import sys, os; print(len(sys.argv), sum(map(len, sys.argv)), len(os.environ.get('LARGE', '')))"
    ended = await bench.run(*bench.python(count, *many), env={"LARGE": "y" * 100_000})
    numbers = ended.text.split()
    say("commands.large-arguments", equal(numbers[:2], [str(len(many) + 1), str(sum(map(len, many)) + 2)]))
    say("commands.large-environment", equal(numbers[2:], ["100000"]))


# -- terminals -------------------------------------------------------------------------------------------


@scenario(
    cases(
        "",
        {
            "terminal.all-three": "isatty, and a controlling terminal",
            "terminal.size": "",
            "terminal.resize": "delivers SIGWINCH",
            "terminal.interrupt": "the Ctrl-C character",
            "terminal.end-of-input": "",
        },
    )
)
async def terminals(bench: Bench, say: Verdicts) -> None:
    """With `tty`."""
    script = "test -t 0 && test -t 1 && test -t 2 && echo x > /dev/tty && stty size"
    ended = await bench.sh(script, tty=True, rows=33, cols=77)
    say("terminal.all-three", equal(ended.text.split()[:1], ["x"]))
    say("terminal.size", equal(ended.text.split()[1:], ["33", "77"]))
    async with bench.running(bench.request(*bench.python(_RESIZED), tty=True)) as process:
        await _until(process, b"ready")
        process.resize(50, 120)
        say("terminal.resize", equal((await _until(process, b"\n")).split()[-2:], [b"120", b"50"]))
    async with bench.running(
        bench.request(
            "/bin/sh", "-c", "trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.05; done", tty=True
        )
    ) as process:
        await _until(process, b"ready\r\n")
        await process.write(b"\x03")
        await _until(process, b"caught")
        say("terminal.interrupt", equal(await process.wait(), 7))
    async with bench.running(bench.request("cat", tty=True)) as process:
        await process.write(b"line\n")
        await _until(process, b"line\r\nline\r\n")
        await process.close_stdin()
        say("terminal.end-of-input", equal(await process.wait(), 0))


async def _until(process: Process, wanted: bytes) -> bytes:
    seen = b""
    while wanted not in seen:
        part = await process.read()
        assert part, f"the output ended with {seen!r}"
        seen += part
    return bytes(seen)


@scenario(
    cases(
        "",
        {
            "commands.many-at-once": "16 at once, each with its own output and status",
            "commands.signalled": "`signal` reaches the command, which may handle it",
            "commands.wait-again": "`wait` and `kill_tree` may be called again",
        },
    )
)
async def control(bench: Bench, say: Verdicts) -> None:
    """Many commands, and what is done to one."""
    found: dict[int, tuple[int, str]] = {}

    async def one(number: int) -> None:
        ended = await bench.sh(f"sleep 0.1; echo {number}; exit {number}")
        found[number] = (ended.code, ended.text)

    async with anyio.create_task_group() as tasks:
        for number in range(16):
            tasks.start_soon(one, number)
    say("commands.many-at-once", equal(found, {number: (number, f"{number}\n") for number in found}))
    script = "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    async with bench.running(bench.request("/bin/sh", "-c", script)) as process:
        await _until(process, b"ready\n")
        process.signal(15)
        await _until(process, b"got\n")  # before it, the shell may tell of its own child's end
        say("commands.signalled", equal(await process.wait(), 9))
        await process.kill_tree()
        await process.kill_tree()
        again = [await process.wait(), process.returncode]
        say("commands.wait-again", equal(again, [9, 9]))

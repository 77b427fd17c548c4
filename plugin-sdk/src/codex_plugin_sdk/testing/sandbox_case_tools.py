"""Cases of the sandbox kit: programs that people use every day work inside."""

from __future__ import annotations

import os
import shutil

from .sandbox_bench import Bench, Ended, equal, expect
from .sandbox_cases import WRITING, Verdicts, cases, scenario

_ASYNCIO = """
import asyncio, sys, tempfile, threading
async def main():
    assert await asyncio.to_thread(lambda: 41 + 1) == 42
    child = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    assert (await child.communicate(b"through"))[0] == b"through"
    await asyncio.gather(*(asyncio.sleep(0) for _ in range(50)))
asyncio.run(main())
with tempfile.NamedTemporaryFile() as file:
    file.write(b"x")
print("all worked")
"""
_PROCESSES = """
import concurrent.futures, multiprocessing, socket, subprocess, tempfile
def double(x): return 2 * x
if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    queue = multiprocessing.Queue(); queue.put(1); assert queue.get(timeout=9) == 1
    with concurrent.futures.ProcessPoolExecutor(2) as pool: assert list(pool.map(double, range(4))) == [0, 2, 4, 6]
    left, right = multiprocessing.Pipe(); left.send("x"); assert right.recv() == "x"
    one, two = socket.socketpair(); one.sendall(b"x"); assert two.recv(1) == b"x"; one.shutdown(socket.SHUT_WR)
    with multiprocessing.Lock(): pass
    assert subprocess.run(["sh", "-c", "exit 3"]).returncode == 3
    print("all worked")
"""
_NODE = """
const c = require('child_process');
if (c.execSync('echo hi').toString() !== 'hi\\n') process.exit(2);
const worker = require('worker_threads');
c.spawn('cat').on('close', () => console.log('all worked')).stdin.end('x');
"""
_GIT = """
set -e
git status --short; git log --oneline -1; git diff --stat; git rev-parse --show-toplevel >/dev/null; echo all worked
"""


@scenario(
    cases(
        "",
        {
            "tools.asyncio": "subprocesses, to_thread and temporary files of Python's asyncio",
            "tools.processes": "Python's multiprocessing, pools, socket pairs",
            "tools.node": "execSync, workers and streams",
            "tools.git": "status, log and diff",
            "tools.shell": "pipes, here-documents, process substitution, background jobs",
        },
    ),
    cases("", {"tools.compiler": "a C program is made and run"}, modes=WRITING),
)
async def tools(bench: Bench, say: Verdicts) -> None:
    """What is installed here."""
    for id, script in {"tools.asyncio": _ASYNCIO, "tools.processes": _PROCESSES}.items():
        if id in say.wanted:
            path = bench.write(script, bench.workspace, f"{id}.py")
            _worked(say, id, await bench.ended(bench.request(bench.python("")[0], "-I", "-S", path)))
    await _node(bench, say)
    await _git(bench, say)
    await _compiler(bench, say)
    shell = shutil.which("bash") or "/bin/sh"
    script = "printf 'b\\na\\n' | sort | head -1; cat <<END\nhere\nEND\nx=$(echo sub); (echo job) & wait; echo $x"
    if "bash" in shell:
        script += "; cat <(echo all worked)"
    else:
        script += "; echo all worked"
    ended = await bench.run(shell, "-c", script)
    say("tools.shell", equal(ended.text.split(), ["a", "here", "job", "sub", "all", "worked"]))


def _worked(say: Verdicts, id: str, ended: Ended) -> None:
    worked = ended.text.strip().endswith("all worked") and not ended.code
    say(id, expect(worked, f"status {ended.code}: {ended.text[-400:]}"))


async def _node(bench: Bench, say: Verdicts) -> None:
    node = shutil.which("node")
    if node is None or not os.access(node, os.X_OK):
        say.skip("tools.node", "there is no node here")
        return
    _worked(say, "tools.node", await bench.run(node, "-e", _NODE))


async def _git(bench: Bench, say: Verdicts) -> None:
    if shutil.which("git") is None:
        say.skip("tools.git", "there is no git here")
        return
    import anyio

    env = {"PATH": os.environ["PATH"], "HOME": bench.home}
    names = ("-c", "user.name=kit", "-c", "user.email=kit@example.com")
    for words in (("init", "-q"), ("add", "."), (*names, "commit", "-qm", "first")):
        await anyio.run_process(["git", *words], cwd=bench.workspace, env=env)
    bench.write("changed", bench.workspace, "new-file")
    ended = await bench.sh(_GIT)
    _worked(say, "tools.git", ended)
    said = expect("first" in ended.text and "?? new-file" in ended.text, ended.text)
    if said:
        say("tools.git", said)


async def _compiler(bench: Bench, say: Verdicts) -> None:
    if shutil.which("gcc") is None:
        say.skip("tools.compiler", "there is no gcc here")
        return
    bench.write('#include <stdio.h>\nint main(void) { return puts("all worked") < 0; }\n', bench.workspace, "p.c")
    _worked(say, "tools.compiler", await bench.sh("gcc -O0 p.c -o p && ./p"))

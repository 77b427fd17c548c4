"""Another codex process, as far as the engine is concerned: run as `host.py UID SCENARIO FOLDER`.

PYTHON names an interpreter that the user can run, ABI an older version of Landlock to pretend.
"""

import json
import os
import sys

import anyio

from codex_plugin_sdk import CodexError, ExecRequest, SandboxMode, SandboxPolicy, SandboxSetup
from codex_sandbox_linux import landlock
from codex_sandbox_linux.landlock_backend import LandlockBackend

ENV = {"PATH": os.environ["PATH"], "SECRET_OF_THE_HOST": "no"}
ESCAPE = """
import os, signal, subprocess, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve("/bin/sh", ["sh", "-c", "echo $$ > pid.tmp; mv pid.tmp pid; exec sleep 1000"], {"PATH": os.environ["PATH"]})
    os._exit(0)
os.wait()
if sys.argv[1] == "stay":
    signal.pause()
"""


async def output(backend, folder, policy, *argv, **changes):
    process = await backend.spawn(ExecRequest(argv=argv, cwd=folder, env=ENV, **changes), policy)
    said = b""
    while chunk := await process.read():
        said += chunk
    status = await process.wait()
    await process.kill_tree()
    return [status, said.decode()]


async def abandon(backend, folder, how):
    """A command that leaves a process behind which nothing but its domain gives away; then wait to be killed."""
    policy = SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE)
    process = await backend.spawn(
        ExecRequest(argv=(os.environ["PYTHON"], "-I", "-S", "-c", ESCAPE, how), cwd=folder, env=ENV), policy
    )
    if how == "leave":
        await process.wait()
    while not os.path.exists(os.path.join(folder, "pid")):
        await anyio.sleep(0.005)
    print(json.dumps({"guard": backend._keeper.guard_pid, "private": backend._private_folder}), flush=True)
    if how == "close":
        sys.stdin.readline()
        await backend.aclose()
        print("closed", flush=True)
    await anyio.sleep_forever()


async def batch(backend, folder):
    """Run the commands that come as JSON, a list of them on each line, one after the other."""
    while line := await anyio.to_thread.run_sync(sys.stdin.readline):
        results = []
        for job in json.loads(line):
            changes = {
                name: tuple(given) if isinstance(given, list) else given for name, given in job["policy"].items()
            }
            policy = SandboxPolicy(mode=SandboxMode(job["mode"]), **changes)
            try:
                results.append(await output(backend, job["cwd"], policy, *job["argv"], tty=job["tty"]))
            except (CodexError, OSError) as error:
                results.append([type(error).__name__, str(error)])
        print(json.dumps(results), flush=True)
    await backend.aclose()


def engine(folder):
    return LandlockBackend(SandboxSetup(codex_home=folder, state_dir=folder, environ={}))


async def load_everything(folder):
    """Python itself may not be readable for the user that we become."""
    backend = engine(folder)
    await output(backend, folder, SandboxPolicy(), "true")
    await output(backend, folder, SandboxPolicy(), "true", tty=True)
    await backend.aclose()


async def main(scenario, folder):
    backend = engine(folder)
    if scenario == "batch":
        await batch(backend, folder)
    else:
        await abandon(backend, folder, scenario)


landlock.NEWEST_ABI = int(os.environ.get("ABI", landlock.NEWEST_ABI))
uid, scenario, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
if uid != os.getuid():
    anyio.run(load_everything, folder)
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
anyio.run(main, scenario, folder)

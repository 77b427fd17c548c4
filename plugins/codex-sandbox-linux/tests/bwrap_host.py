"""Another codex process, run as `bwrap_host.py UID FOLDER`: commands of stdin (JSON), results on stdout (JSON)."""

import json
import os
import sys

import anyio

from codex_plugin_sdk import ExecRequest, SandboxMode, SandboxPolicy, SandboxSetup
from codex_sandbox_linux.engine import BwrapEngine


async def output(engine, folder, script, mode, **policy):
    policy = SandboxPolicy(mode=SandboxMode(mode), exclude_slash_tmp=True, **policy)
    request = ExecRequest(argv=("/bin/sh", "-c", script), cwd=folder, env={"PATH": "/usr/bin:/bin", "HOME": folder})
    process = await engine.spawn(request, policy)
    said = b""
    while chunk := await process.read():
        said += chunk
    code = await process.wait()
    await process.kill_tree()
    return [code, said.decode()]


def engine(folder):
    return BwrapEngine(SandboxSetup(codex_home=folder, state_dir=os.path.join(folder, "s"), environ={}))


async def main(uid, folder):
    # Python may not be readable for the user that we become: load what is loaded late.
    await output(engine(folder), folder, "true", "workspace-write", denied_reads=(f"{folder}/none*",))
    await anyio.to_thread.run_sync(os.getuid)
    import shutil

    shutil.rmtree(os.path.join(folder, "s"), ignore_errors=True)
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    ours = engine(folder)
    results = [await output(ours, folder, script, mode) for script, mode in json.load(sys.stdin)]
    await ours.aclose()
    print(json.dumps(results))


anyio.run(main, int(sys.argv[1]), sys.argv[2])

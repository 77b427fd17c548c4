"""We are killed while bubblewrap is being started: neither it nor the command stays, wherever it had got to."""

import os
import subprocess
import sys
import textwrap

ROUNDS = 6
"""How often each moment is tried. What happens next is a race between us, bubblewrap and its init."""

# Forks once for every kill, so that the imports are paid for once. A process of its own: it must have no threads.
SCRIPT = """
    import json, os, signal, sys, time
    import anyio, anyio.lowlevel
    import anyio._backends._asyncio
    from codex_plugin_sdk import ExecRequest, SandboxMode, SandboxPolicy, SandboxSetup
    from codex_sandbox_linux import bwrap_process, bwrap_spawn
    from codex_sandbox_linux.bwrap import BwrapBackend

    folder, rounds = sys.argv[1], int(sys.argv[2])

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    class Socket:
        '''Our end of the socket by which bubblewrap is released; kills us before or after that.'''

        def __init__(self, inner, when):
            self.inner, self.when = inner, when

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def send(self, data):
            if self.when == "stands":
                die()
            self.inner.send(data)
            if self.when == "released":
                die()

    def be_killed(when):
        '''When is a time in seconds after the beginning of the start, or the name of a moment.'''
        first, spawn = bwrap_process.Start.__init__, bwrap_spawn.spawn_process

        def begin(self):
            first(self)
            self._ours = Socket(self._ours, when)

        async def spawned(*args, **more):
            process = await spawn(*args, **more)
            if when == "spawned":
                die()
            return process

        bwrap_process.Start.__init__ = begin
        bwrap_spawn.spawn_process = spawned
        if isinstance(when, float):
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, when)

    async def start(token, when):
        setup = SandboxSetup(codex_home=folder + "/home", state_dir=folder + "/state", environ={})
        env = {"PATH": os.environ["PATH"], "TOKEN": token}
        request = ExecRequest(argv=("/bin/sh", "-c", "trap '' TERM HUP; while :; do sleep 1000; done"), cwd="/", env=env)
        if when is not None:
            be_killed(when)
        process = await BwrapBackend(setup).spawn(request, SandboxPolicy(mode=SandboxMode.READ_ONLY))
        if when is not None:
            await anyio.sleep_forever()
        await process.kill_tree()

    def left(token):
        found = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if f"TOKEN={token}".encode() in file.read().split(b"\\0"):
                        with open(f"/proc/{name}/stat") as stat:
                            found[int(name)] = stat.read().split()[1:6]
            except OSError:
                continue
        return found

    def try_one(token, when):
        '''What is left for good.'''
        child = os.fork()
        if not child:
            try:
                anyio.run(start, token, when)
            finally:
                os._exit(0 if when is None else 1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status == 0 if when is None else status < 0, (when, status)
        give_up = time.monotonic() + 20
        while (rest := left(token)) and time.monotonic() < give_up:
            time.sleep(0.005)
        for pid in rest:
            os.kill(pid, signal.SIGKILL)
        return rest

    try_one(folder + "warm", None)  # what is kept in the state folder is there
    times = [number * 0.0008 for number in range(1, 3 * rounds + 1)]
    for number, when in enumerate(["spawned", "stands", "released"] * rounds + times):
        if rest := try_one(f"{folder}{number}", when):
            print(when, rest)
            break
    else:
        print("all gone")
"""


def test_nothing_stays_when_we_are_killed_while_a_command_is_being_started(tmp_path):
    words = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(tmp_path), str(ROUNDS)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("all gone\n", "")

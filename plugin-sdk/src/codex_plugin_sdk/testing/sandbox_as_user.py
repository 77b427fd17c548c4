"""The sandbox kit as another user: `python -m codex_plugin_sdk.testing.sandbox_as_user [--user UID] FILE:CLASS`.

Started as root, it loads what is loaded late (the interpreter's own files may not be readable for the other user),
becomes that user for good, tries all cases, and prints one line of JSON for each. With `--agent MODE` it is the agent
that gets killed: it runs the one command that stdin orders, prints a line when it has started, and waits.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import os
import pkgutil
import sys

import anyio
import orjson

import codex_plugin_sdk
from codex_plugin_sdk import ExecRequest, SandboxMode, SandboxPolicy

from .sandbox_agent import Agent, kept_agent, own_environment
from .sandbox_bench import PATIENCE_S, interpreter, load_sources, read_all
from .sandbox_cases import BOTH
from .sandbox_kit import SandboxConformance
from .sandbox_runs import areas, load_class, open_backend, run_area, setup_folder, setup_in

NOBODY = 65534
_LOADED_LATE = (
    *(
        "array",
        "asyncio",
        "encodings.ascii",
        "concurrent.futures.thread",
        "encodings.idna",
        "fnmatch",
        "glob",
        "hashlib",
        "linecache",
    ),
    *("pickle", "platform", "pty", "random", "shutil", "socket", "subprocess", "tempfile", "termios", "threading"),
    *("traceback", "tty", "unicodedata", "uuid", "encodings.unicode_escape", "encodings.latin_1", "getpass", "grp"),
)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--user", type=int, default=-1)
    parser.add_argument("--agent", type=SandboxMode)
    parser.add_argument("place")
    words = parser.parse_args()
    kit = load_class(words.place)()
    agents = {}
    if words.user >= 0:
        if words.agent is None:
            agents = {mode: Agent(words.place, mode, words.user) for mode in BOTH}
        anyio.run(_load, kit)
        become(words.user)
    if words.agent is not None:
        anyio.run(_serve, kit, words.agent)
        return
    for mode in BOTH:
        for area in areas():
            starter = (lambda found: kept_agent(agents, found)) if agents else None
            for result in anyio.run(run_area, kit, mode, area, starter).values():
                line = {"mode": mode.value, "id": result.id, "state": result.state, "why": result.why}
                sys.stdout.write(orjson.dumps(line).decode() + "\n")
    sys.stdout.flush()


def become(user: int) -> None:
    """Be this user, with no other groups, for good; with the rights of a plain process over its own /proc."""
    interpreter.cache_clear()
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    os.environ.update(HOME="/", USER="nobody", LOGNAME="nobody")
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, which a change of user takes away


async def _load(kit: SandboxConformance) -> None:
    """Load whatever the kit and the backend may load later."""
    load_sources()
    for name in (*_LOADED_LATE, "codex_plugin_sdk.process.local", "codex_plugin_sdk.process.terminal"):
        importlib.import_module(name)
    for name in codex_plugin_sdk.__all__:
        getattr(codex_plugin_sdk, name)
    await anyio.to_thread.run_sync(os.getuid)
    with setup_folder() as setup:
        backend = await open_backend(kit, setup)
        _load_package(type(backend).__module__.partition(".")[0])
        for tty in (False, True):
            process = await backend.spawn(
                _request(("true",), "/", "/").replace(tty=tty), _policy(SandboxMode.READ_ONLY)
            )
            await read_all(process)
            await process.kill_tree()
        await backend.aclose()


def _load_package(name: str) -> None:
    package = sys.modules[name]
    for found in pkgutil.walk_packages(getattr(package, "__path__", []), f"{name}."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)


def _request(argv: tuple[str, ...], cwd: str, home: str) -> ExecRequest:
    return ExecRequest(argv=argv, cwd=cwd, env={**own_environment(), "HOME": home})


def _policy(mode: SandboxMode) -> SandboxPolicy:
    return SandboxPolicy(mode=mode, exclude_slash_tmp=True, exclude_tmpdir_env_var=True)


async def _serve(kit: SandboxConformance, mode: SandboxMode) -> None:
    line = await anyio.to_thread.run_sync(sys.stdin.buffer.readline)
    if not line:
        return
    order = orjson.loads(line)
    backend = await open_backend(kit, setup_in(order["folder"]))
    process = await backend.spawn(_request(tuple(order["argv"]), order["cwd"], order["folder"]), _policy(mode))
    with anyio.fail_after(PATIENCE_S):
        said = await process.read()
    sys.stdout.write(said.decode())
    sys.stdout.flush()
    await anyio.sleep_forever()


if __name__ == "__main__":
    main()

"""Another agent for the sandbox kit: a process that runs one command in a backend, and can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import orjson

from codex_plugin_sdk import SandboxMode

MODULE = "codex_plugin_sdk.testing.sandbox_as_user"


class Agent:
    """A process of its own that waits for one order."""

    def __init__(self, place: str, mode: SandboxMode, user: int = -1) -> None:
        words = (sys.executable, "-m", MODULE, "--agent", mode.value, *(("--user", str(user)) if user >= 0 else ()))
        self._process = subprocess.Popen((*words, place), stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def order(self, *, argv: Sequence[str], cwd: str, folder: str) -> None:
        """Have it run a command, with its home and state in `folder`; returns once the command has written a line.
        Raises `AssertionError`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps({"argv": [*argv], "cwd": cwd, "folder": folder}) + b"\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline()
        assert said == b"held\n", f"the agent's command did not start: {said!r}"

    def kill(self) -> None:
        """SIGKILL. Its commands must end with it."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it and close the pipes."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def started_agent(place: str, mode: SandboxMode) -> Iterator[Agent]:
    """An agent of this user. Raises `AssertionError` for a class that another process cannot find."""
    assert place, "the kit's class is made in a function: another process cannot find it"
    agent = Agent(place, mode)
    try:
        yield agent
    finally:
        agent.close()


@contextmanager
def kept_agent(agents: dict[SandboxMode, Agent], mode: SandboxMode) -> Iterator[Agent]:
    """One of those that were started before."""
    agent = agents.pop(mode)
    try:
        yield agent
    finally:
        agent.close()


def own_environment() -> dict[str, str]:
    """What commands of an agent get beside their home."""
    return {"PATH": os.environ.get("PATH", os.defpath)}

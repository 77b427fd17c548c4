"""The two tools on real processes, with a context that records what they tell."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from codex_plugin_sdk import (
    ApprovalPolicy,
    CommandExecutionItem,
    ExecRequest,
    Process,
    RunIntent,
    SandboxMode,
    SandboxPolicy,
    ThreadId,
    ToolCall,
    ToolSetup,
    TurnId,
    spawn_process,
)
from codex_tool_shell.exec_command import ExecCommandTool
from codex_tool_shell.sessions import sessions_of
from codex_tool_shell.write_stdin import WriteStdinTool

_thread_numbers = itertools.count(1)


class RecordingContext:
    """A `ToolContext` that runs programs unconfined and keeps what it is told."""

    thread_id = ThreadId("thread")
    turn_id = TurnId("turn")
    approval_policy = ApprovalPolicy.NEVER

    def __init__(self, cwd: str) -> None:
        self.cwd = cwd
        self.sandbox_policy = SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS)
        self.started: list[CommandExecutionItem] = []
        self.updated: list[CommandExecutionItem] = []
        self.completed: list[CommandExecutionItem] = []
        self.intents: list[RunIntent] = []
        self.requests: list[ExecRequest] = []
        self.processes: list[Process] = []
        self.output = b""
        self.refusal: BaseException | None = None
        self.delta_error: Exception | None = None
        self._changed = anyio.Event()

    async def exec(self, request: ExecRequest, intent: RunIntent) -> Process:
        self.requests.append(request)
        self.intents.append(intent)
        if self.refusal is not None:
            raise self.refusal
        self.processes.append(await spawn_process(request))
        return self.processes[-1]

    async def item_started(self, item: CommandExecutionItem) -> None:
        self.started.append(item)
        self._tell()

    async def item_updated(self, item: CommandExecutionItem) -> None:
        assert item.id not in {done.id for done in self.completed}
        self.updated.append(item)
        self._tell()

    async def item_completed(self, item: CommandExecutionItem) -> None:
        self.completed.append(item)
        self._tell()

    async def output_delta(self, item_id: str, chunk: bytes) -> None:
        assert item_id in {item.id for item in self.started}
        if self.delta_error is not None:
            raise self.delta_error
        self.output += chunk
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def until(self, condition) -> None:
        """Wait until something that was told makes the condition true."""
        with anyio.fail_after(10):
            while not condition():
                await self._changed.wait()


class Shell:
    """Both tools of one thread."""

    def __init__(self, folder, config: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self.cwd = str(folder / "work")
        os.mkdir(self.cwd)
        self.spill_dir = folder / "home" / "spill"
        self.setup = ToolSetup(
            thread_id=ThreadId(f"thread-{next(_thread_numbers)}"),
            codex_home=str(folder / "home"),
            spill_dir=str(self.spill_dir),
            environ=environ,
            config=config,
        )
        self.ctx = RecordingContext(self.cwd)
        self.exec_tool = ExecCommandTool(self.setup, sessions_of(self.setup))
        self.write_tool = WriteStdinTool(sessions_of(self.setup))
        self._numbers = itertools.count(1)

    async def exec(self, cmd: str, **arguments: Any) -> str:
        """The text of an `exec_command` call."""
        return (await self.call(self.exec_tool, cmd=cmd, **arguments)).output

    async def write(self, session_id: int, chars: str = "", **arguments: Any) -> str:
        """The text of a `write_stdin` call."""
        return (await self.call(self.write_tool, session_id=session_id, chars=chars, **arguments)).output

    async def call(self, tool, **arguments: Any):
        call = ToolCall(call_id=f"call_{next(self._numbers)}", name=tool.definition.name, input="", arguments=arguments)
        with anyio.fail_after(20):
            return await tool.run(call, self.ctx)

    async def session(self, cmd: str, **arguments: Any) -> int:
        """Start a command that keeps running; its session id."""
        text = await self.exec(cmd, yield_time_ms=250, **arguments)
        found = re.search(r"Process running with session ID (\d+)", text)
        assert found, text
        return int(found[1])

    async def aclose(self) -> None:
        await self.exec_tool.aclose()
        await self.write_tool.aclose()


@pytest.fixture
def environ(tmp_path) -> dict[str, str]:
    """An environment without anybody's profile."""
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SHELL": "/bin/sh"}


@pytest.fixture
async def open_shell(tmp_path, environ, anyio_backend):
    """Makes tools with a configuration; ends them after the test."""
    opened: list[Shell] = []

    def make(**config: Any) -> Shell:
        folder = tmp_path / f"thread-{len(opened)}"
        folder.mkdir()
        opened.append(Shell(folder, {"allow_login_shell": False, **config}, environ))
        return opened[-1]

    yield make
    for shell in opened:
        await shell.aclose()


@pytest.fixture
def shell(open_shell) -> Shell:
    """Tools with the usual configuration, but without login shells."""
    return open_shell()


def body(text: str) -> str:
    """What stands below `Output:`."""
    return text.partition("\nOutput:\n")[2]


@pytest.fixture(name="body")
def body_fixture():
    return body


class Stayer:
    """A program that reports that it runs, then stays. `command` starts it from a shell."""

    def __init__(self, folder) -> None:
        self._script = folder / "stay"
        fifo = folder / "fifo"
        os.mkfifo(fifo)
        self._script.write_text(f"echo up >{fifo}; while :; do sleep 0.05; done\n")
        self._fifo = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        self.command = f"sh {self._script}"

    async def up(self) -> None:
        with anyio.fail_after(10):
            await anyio.wait_readable(self._fifo)
        os.read(self._fifo, 100)

    def alive(self) -> list[int]:
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/cmdline", "rb") as file:
                        words = file.read().split(b"\0")
                except OSError:
                    continue
                if words[:2] == [b"sh", bytes(self._script)]:
                    found.append(int(entry))
        return found

    def close(self) -> None:
        os.close(self._fifo)


@pytest.fixture
def stayer(tmp_path):
    if not os.path.isdir("/proc/self"):
        pytest.skip("looks for processes in /proc")
    made = Stayer(tmp_path)
    yield made
    made.close()

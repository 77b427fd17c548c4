"""A repository with a user, and the tool as a thread has it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from codex_plugin_sdk import SandboxMode, SandboxPolicy, Tool, ToolCall, ToolSetup, new_thread_id
from codex_plugin_sdk.testing.fake_context import FakeToolContext
from codex_tool_git import plugin

(SPEC,) = plugin.codex_tools()
WORKSPACE_WRITE = SandboxPolicy(
    # The tests themselves live in /tmp, which is to be no root then.
    mode=SandboxMode.WORKSPACE_WRITE,
    exclude_slash_tmp=True,
    exclude_tmpdir_env_var=True,
)


class Desk:
    """A repository at `work`, a home beside it, and a tool made by `open`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.work = folder / "work"
        self.home.mkdir()
        self.work.mkdir()
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(self.home), "SHELL": "/bin/bash"}
        (self.home / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
        self.git("init", "-q", "-b", "main")
        (self.work / "first.txt").write_text("one\n")
        self.git("add", "first.txt")
        self.git("commit", "-q", "-m", "first")
        self.marker = folder / "fired"
        self.policy = WORKSPACE_WRITE
        self.tool: Any = None
        self.ctx: Any = None

    def git(self, *words: str, cwd: Path | None = None, environ: Mapping[str, str] | None = None) -> str:
        """git as a person without any protection runs it; its output."""
        env = {**self.environ, **(environ or {})}
        done = subprocess.run(
            ["git", *words], cwd=cwd or self.work, env=env, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    def setup(self, **config: Any) -> ToolSetup:
        """What the tool is made with."""
        home = str(self.home)
        return ToolSetup(
            thread_id=new_thread_id(), codex_home=home, spill_dir=f"{home}/s", environ=self.environ, config=config
        )

    def open(self, **config: Any) -> Tool:
        """The thread begins: the tool is made, and asked about a first call."""
        self.tool = SPEC.factory(self.setup(**config))
        self.ctx = FakeToolContext(str(self.work), sandbox_policy=self.policy)
        self.claim("true")
        return self.tool

    def claim(self, cmd: Any, **arguments: Any) -> ToolCall | None:
        """What the tool makes of a call of the shell tool."""
        if self.tool is None:
            self.open()
        number = len(self.ctx.started) + 1
        call = ToolCall(call_id=f"call_{number}", name="exec_command", input="", arguments={"cmd": cmd, **arguments})
        return self.tool.claim(call, self.ctx)

    async def broker(self, cmd: str, **arguments: Any) -> str:
        """Claim and run; the text for the model."""
        taken = self.claim(cmd, **arguments)
        assert taken is not None, f"{cmd!r} is not claimed"
        return (await self.tool.run(taken, self.ctx)).output

    def trap(self, name: str = "trap") -> Path:
        """A program that leaves the marker, and passes its input through."""
        path = self.folder / name
        path.write_text(f"#!/bin/sh\ntouch '{self.marker}'\ncat\n")
        path.chmod(0o755)
        return path

    def fired(self) -> bool:
        """Whether a trap was run since the last look."""
        was = self.marker.exists()
        self.marker.unlink(missing_ok=True)
        return was


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A repository with one commit."""
    return Desk(tmp_path)


@pytest.fixture
def anyio_backend() -> str:
    """As the program runs."""
    return "asyncio"

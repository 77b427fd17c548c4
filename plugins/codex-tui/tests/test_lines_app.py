"""The line-based user interface in this process, on a pseudo-terminal."""

from __future__ import annotations

import os
import pty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from codex_plugin_sdk import Invocation
from codex_plugin_sdk.testing.harness import manager
from codex_plugin_sdk.testing.model import call, say
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer, stalled
from codex_tui.lines.app import LineApp
from codex_tui.link.local import LocalLink
from codex_tui.session.controller import Session
from codex_tui.starting import read_options

from .commands_kit import configure

pytestmark = pytest.mark.anyio
LIMIT_S = 60


class Line:
    """An app with the other end of its terminal."""

    def __init__(self, app: LineApp, link: LocalLink, master: int) -> None:
        self.app, self.link, self.code = app, link, None
        self.text = ""
        self._master = master

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    async def until(self, wanted: str) -> None:
        """Read what is written until it is there."""
        while wanted not in self.text:
            await anyio.wait_readable(self._master)
            self.text += os.read(self._master, 65_536).decode().replace("\r\n", "\n")

    async def run(self, over: anyio.Event) -> None:
        self.code = await self.app.run()
        over.set()


@asynccontextmanager
async def opened(root: Path, model: ScriptedResponsesServer, *lines: str) -> AsyncIterator[tuple[Line, anyio.Event]]:
    """An app that runs, and the event of its end."""
    environ = configure(root, model, *lines)
    plugins = type(manager()).from_environment(environ)
    master, slave = pty.openpty()
    flags = {"screen_reader": True, "cwd": str(root / "work")}
    invocation = Invocation(plugins=plugins, environ=environ, flags=flags)
    link = LocalLink()
    link.start(invocation)
    link.bind()
    options = read_options(invocation, {})
    app = LineApp(Session(link, options.settings), options, terminal=(slave, slave), still_s=0.02)
    line, over = Line(app, link, master), anyio.Event()
    try:
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(line.run, over)
                await line.until("\n> ")
                yield line, over
                await over.wait()
    finally:
        await link.close()
        plugins.close()
        os.close(master)
        os.close(slave)


async def test_it_says_that_it_still_works_and_what_a_lost_server_means(tmp_path: Path) -> None:
    with ScriptedResponsesServer() as model:
        reply, stall = stalled(model.answer(say("late")), 1)
        model.play(reply)
        async with opened(tmp_path, model) as (line, over):
            line.type("go\n")
            await line.until("Still working")
            stall.release()
            await line.until("late\n")
            await line.until("Done\n> ")
            await line.link.close()
            await line.until("Error: ")
            await line.until(f"codex resume {line.app.session.thread_id}")
            await over.wait()
            assert line.code == 1


async def test_a_question_that_somebody_else_settles_goes_away(tmp_path: Path) -> None:
    with ScriptedResponsesServer() as model:
        model.play(model.answer(call("exec_command", "c1", cmd="touch made")), model.answer(say("well")))
        async with opened(tmp_path, model, 'approval_policy = "untrusted"') as (line, _):
            line.type("go\n")
            await line.until("Answer: ")
            session = line.app.session
            (ask,) = session.asks
            await session.answer(ask, {"decision": "decline"})  # as the server tells when another client answers
            await line.until("That question is settled already.")
            await line.until("well\nDone\n> ")
            line.type("\x04")
            await line.until("To continue this session")

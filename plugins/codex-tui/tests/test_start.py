"""What a start loads, and what happens while nothing happens."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
from contextlib import contextmanager

import anyio
import pytest

from codex_plugin_sdk import Invocation, ProtocolError
from codex_plugin_sdk.testing.harness import manager
from codex_tui.keymap import Keymap
from codex_tui.link.local import MAX_WAITING, LocalLink
from codex_tui.options import Opening, Options
from codex_tui.render import load_theme
from codex_tui.screen import first_frame
from codex_tui.screen.app import CodexApp
from codex_tui.screen.painter import Painter, Row
from codex_tui.screen.restore import Terminal
from codex_tui.screen.splash import Splash
from codex_tui.section import TuiSection
from codex_tui.session.controller import Session

LIMIT_S = 60
HEAVY = ("textual", "rich", "attr", "asyncio", "anyio", "pygments", "markdown_it", "httpx")


def loaded_by(code: str, *names: str) -> set[str]:
    """Which of these modules are there after this code, in a process of its own."""
    script = f"import sys\n{code}\nprint('loaded', *(n for n in {names!r} if n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_help_and_version_load_nothing_of_the_screen():
    code = (
        "from codex_kernel.main import run\n"
        "for words in (['--version'], ['--help'], ['tui', '--help']):\n"
        "    assert run(['codex', *words]) == 0"
    )
    assert loaded_by(code, *HEAVY, "codex_tui.run") == set()


def test_the_first_frame_needs_nothing_that_takes_long_to_load():
    code = "import codex_tui.command, codex_tui.run, codex_tui.screen.first_frame, codex_tui.screen.early_keys"
    assert loaded_by(code, *HEAVY, "codex_tui.starting", "codex_tui.render") == set()


def test_what_is_not_on_the_first_screen_is_loaded_when_it_is_wanted():
    late = ("pygments", "markdown_it", "httpx", "webbrowser", "codex_app_server")
    own = ("put_ask", "overlay", "pager", "approval", "patch_review", "onboarding", "session_picker", "trust_dialog")
    names = (*late, *(f"codex_tui.screen.{name}" for name in own), "codex_tui.link.remote", "codex_tui.render.markdown")
    assert loaded_by("import codex_tui.run, codex_tui.starting, codex_tui.screen.main", *names) == set()


# -- keys before there is an application -------------------------------------------------------------


@contextmanager
def drawn():
    """A frame drawn by hand on a terminal of its own, with what shows keys in it, and the user's side of it."""
    user, program = pty.openpty()
    painter = Painter()
    painter.columns = 80
    painter.rows = [Row("", 0), Row(first_frame.MARK, 2), Row("status", 6)]
    splash = Splash(terminal=Terminal(program, program), painter=painter)
    splash.terminal.take()
    try:
        yield splash, first_frame.keys(splash), user
    finally:
        splash.terminal.release()
        os.close(user)
        os.close(program)


def test_early_keys_are_shown_and_kept_for_the_application():
    with drawn() as (splash, keys, user):
        os.write(user, "héllx\x7fo".encode())
        keys.look()
        assert f"{first_frame.MARK}héllo" in os.read(user, 1000).decode()
        os.write(user, b"\r/never shown")
        keys.look()
        assert splash.terminal.typed == "héllx\x7fo\r/never shown".encode()
        assert splash.painter.rows[1].text == f"{first_frame.MARK}héllo"


def test_early_keys_are_looked_for_between_imports_only():
    with drawn() as (splash, keys, user):
        with keys.between_imports():
            os.write(user, b"abc")
            with pytest.raises(ImportError):
                __import__("codex_tui.no_such_module")
        assert splash.terminal.typed == b"abc"
        assert keys not in sys.meta_path


# -- while nothing happens ---------------------------------------------------------------------------


class QuietLink:
    """A server that answers what a start asks, and then has nothing to say."""

    name, is_local = "quiet", False

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def request(self, method, params=None):
        self.asked.append(method)
        match method:
            case "account/read":
                return {"requiresOpenaiAuth": False, "account": None}
            case "thread/list":
                return {"data": [{}]}
            case "thread/start":
                return {"thread": {"id": "t1"}, "cwd": "/w", "model": "m"}
        raise ProtocolError(f"{method} is not known here")

    async def next_message(self):
        await anyio.sleep_forever()

    def waiting(self):
        return 0


@pytest.mark.anyio
async def test_nothing_is_due_while_nothing_happens(tmp_path):
    environ = {"HOME": str(tmp_path), "CODEX_HOME": str(tmp_path)}
    invocation = Invocation(plugins=manager(), environ=environ)
    options = Options(
        invocation=invocation,
        config=invocation.load_config(cwd=str(tmp_path)),
        section=TuiSection(),
        keymap=Keymap.from_config({}),
        theme=load_theme("dark", environ={}),
        opening=Opening(),
        settings={"cwd": str(tmp_path)},
        cwd=str(tmp_path),
    )
    link = QuietLink()
    app = CodexApp(Session(link, options.settings), options)
    with anyio.fail_after(LIMIT_S):
        async with app.run_test(size=(80, 24)) as pilot:
            while not app.session.thread_id or due():
                await pilot.pause()
            assert "thread/start" in link.asked


def due() -> list[asyncio.TimerHandle]:
    """What the loop would wake up for by itself; not the test's own limit."""
    loop = asyncio.get_running_loop()
    return [
        handle for handle in loop._scheduled if not handle.cancelled() and handle.when() < loop.time() + LIMIT_S / 2
    ]


# -- a flood -----------------------------------------------------------------------------------------


class Flood:
    """A connection that always has something to say."""

    def __init__(self) -> None:
        self.given = 0

    async def next_message(self):
        self.given += 1
        return {"method": "item/agentMessage/delta", "params": {"number": self.given}}


@pytest.mark.anyio
async def test_a_flood_that_nobody_takes_waits_at_the_server_in_order():
    link, flood = LocalLink(), Flood()
    link.bind()
    link._engine, link._room = asyncio.get_running_loop(), anyio.Event()
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(link._pump, flood)
            numbers = []
            for _ in range(3 * MAX_WAITING):
                message = await link.next_message()
                numbers.append(message["params"]["number"])
                assert link.waiting() <= MAX_WAITING
                if not len(numbers) % 1000:
                    await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
    assert numbers == list(range(1, 3 * MAX_WAITING + 1))
    assert flood.given <= 4 * MAX_WAITING + 1

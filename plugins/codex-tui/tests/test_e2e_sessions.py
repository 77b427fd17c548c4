"""Where a session begins: the first run, a project to be trusted, a recorded session to go on with, another screen."""

from __future__ import annotations

import subprocess

from codex_plugin_sdk.testing.model import say

from .e2e_kit import EMPTY, LIMIT_S, PROGRAM, READY, World, assert_given_back, composer, has
from .rollouts import write_session

KEY = "sk-test-1234567890"


def test_the_first_run_asks_for_a_key_and_whether_the_project_counts(tui: World) -> None:
    (tui.codex_home / "config.toml").write_text(f'openai_base_url = "{tui.server.base_url}"\nmodel = "gpt-5.5"\n')
    (tui.work / ".git").mkdir()
    (tui.work / ".codex").mkdir()
    (tui.work / ".codex" / "config.toml").write_text('model = "gpt-4.1"\n')
    with tui.start(rows=40) as terminal:
        terminal.until(has("How do you reach a model?", "Sign in with an API key", "OPENAI_API_KEY is not set"))
        terminal.press("enter")
        terminal.until("enter to accept")
        terminal.paste(KEY)
        terminal.until("•" * len(KEY))
        assert KEY not in terminal.text()
        terminal.press("enter")
        terminal.until(has("Trust the project in", "gpt-4.1", ".codex/config.toml"))
        terminal.press("y")
        terminal.until(has(READY, "trusted as it is now", "workspace-write"))
        tui.answers([say("hello you")])
        tui.enter(terminal, "hello")
        terminal.until("hello you")
        assert tui.server.requests[-1].headers["authorization"] == f"Bearer {KEY}"
        assert tui.server.requests[-1].json["model"] == "gpt-4.1"
        tui.leave(terminal)
        assert KEY.encode() not in terminal.raw
    assert "trusted" in (tui.codex_home / "config.toml").read_text()


def test_a_session_is_picked_and_gone_on_with_on_the_whole_screen(tui: World) -> None:
    write_session(tui.codex_home, 1, "plant a tree", answer="An oak it is.", cwd=str(tui.work), ago_s=90_000)
    lines = "\n\n".join(f"step {n}" for n in range(80))
    id = write_session(tui.codex_home, 2, "build a boat", answer=lines, cwd=str(tui.work), ago_s=60)
    write_session(tui.codex_home, 3, "far away", cwd="/elsewhere")
    with tui.start("resume", "--alt-screen", columns=100) as terminal:
        terminal.until(has("Resume a session", "plant a tree", "build a boat"))
        assert "far away" not in terminal.text()
        terminal.type("tree")
        terminal.until("build a boat", gone=True)
        terminal.press("backspace", "backspace", "backspace", "backspace")
        terminal.type("boat")
        terminal.until(lambda it: "build a boat" in it.text() and "plant a tree" not in it.text())
        terminal.press("enter")
        terminal.until(lambda it: "step 79" in it.text() and EMPTY in composer(it))
        assert terminal.is_alternate
        assert not terminal.scrollback()
        terminal.press("pageup")
        terminal.until(lambda it: "step 79" not in it.text())
        terminal.press("ctrl+home")
        terminal.until(has("build a boat", "step 0"))
        terminal.press("ctrl+end")
        terminal.until("step 79")
        tui.answers([say("it floats")])
        tui.enter(terminal, "test it")
        terminal.until("it floats")
        assert tui.said() == ["test it"]
        terminal.resize(50, 20)
        terminal.until(lambda it: "it floats" in it.text() and EMPTY in composer(it))
        assert max(map(len, terminal.screen())) <= 50
        terminal.resize(100, 30)
        terminal.until("it floats")
        tui.leave(terminal)
        assert f"codex resume {id}" in terminal.text()
        assert not terminal.scrollback()
    assert len(tui.rollouts()) == 3


def test_without_a_terminal_it_says_what_works_there(tui: World) -> None:
    done = subprocess.run(
        [PROGRAM, "hello"], env={**tui.env, "PATH": "/usr/bin:/bin"}, cwd=tui.work, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr
    assert "codex exec" in done.stderr
    assert not done.stdout
    assert not tui.server.requests


def test_a_dumb_terminal_gets_plain_lines(tui: World) -> None:
    tui.answers([say("hello you")])
    with tui.start(env={"TERM": "dumb"}) as terminal:
        terminal.until("/help lists commands")
        terminal.send("hello\r")
        terminal.until("hello you")
        terminal.send("/quit\r")
        assert terminal.wait(LIMIT_S) == 0
        assert_given_back(terminal)
        assert b"\x1b" not in terminal.raw
    assert tui.said() == ["hello"]

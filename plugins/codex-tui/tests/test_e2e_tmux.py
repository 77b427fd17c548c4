"""The same in the real tmux, which has a scrollback and a way of wrapping rows of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from codex_plugin_sdk.testing.model import call, say

from .e2e_kit import EMPTY, MARK, PROGRAM, READY, World
from .tmux_kit import TmuxKit

PARAGRAPHS = [f"paragraph {n} of the answer" for n in range(40)]


def paragraphs(terminal: TmuxKit) -> list[str]:
    return [row for given in terminal.history() if (row := given.strip(" •")).startswith("paragraph")]


@pytest.mark.requires_tool("tmux")
def test_in_tmux_the_scrollback_has_everything_once(tui: World, tmp_path: Path) -> None:
    env = {**tui.env, "PWD": str(tui.work)}
    del env["TERM"]
    argv = ["sh", "-c", 'cd "$0" && exec "$@"', str(tui.work), PROGRAM]
    with TmuxKit(argv, tmp_path, env=env, columns=80, rows=24) as terminal:
        terminal.until(READY)
        tui.answers([call("exec_command", "c1", cmd="seq 3")], [say("\n\n".join(PARAGRAPHS))])
        terminal.type("tell me all")
        terminal.until("tell me all")
        terminal.press("Enter")
        terminal.until(lambda it: "paragraph 39" in "\n".join(it.screen()) and "Working" not in "\n".join(it.screen()))
        assert paragraphs(terminal) == PARAGRAPHS
        terminal.resize(60, 24)
        terminal.until(lambda it: any(row.startswith(EMPTY) for row in it.screen()))
        tui.answers([say("that was all")])
        terminal.type("more?")
        terminal.until(f"{MARK} more?")
        terminal.press("Enter")
        terminal.until("that was all")
        terminal.press("C-c")
        terminal.until("again to leave")
        terminal.press("C-c")
        assert terminal.wait() == 0
        # tmux wraps what is wider and so moves rows up, of which a few come again with what is drawn anew.
        told = paragraphs(terminal)
        assert list(dict.fromkeys(told)) == PARAGRAPHS
        assert len(told) <= len(PARAGRAPHS) + 2
        rows = [row.strip(" •") for row in terminal.history()]
        assert rows.count("that was all") == 1
        assert f"codex resume {tui.session_id()}" in "".join(terminal.history())
    assert len(tui.events("task_complete")) == 2

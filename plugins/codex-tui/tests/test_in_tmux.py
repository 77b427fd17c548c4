"""The terminal below textual in a real terminal multiplexer. Collected where there is one."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from .tmux_kit import TmuxKit

DEMO = Path(__file__).with_name("terminal_demo.py")


def rows(terminal: TmuxKit) -> list[str]:
    return [row for row in terminal.history() if row.startswith("row ")]


def test_in_tmux_rows_are_there_once_and_a_resize_is_redrawn(tmp_path: Path) -> None:
    command = [sys.executable, str(DEMO), str(tmp_path / "end")]
    with TmuxKit(command, tmp_path, env={"TERM": "tmux-256color"}, columns=60, rows=12) as terminal:
        terminal.until("Ask")
        for line in ("tick", "storm 60"):
            terminal.type(line)
            terminal.press("Enter")
        terminal.until("storm over")
        assert rows(terminal) == [f"row {n}" for n in range(60)]
        terminal.resize(30, 10)
        terminal.until(lambda it: len(it.screen()) == 10 and it.screen()[7] == "storm over" and it.screen()[9] == "Ask")
        assert len(set(rows(terminal))) == 60
        os.kill(_child(terminal), signal.SIGTERM)
        assert terminal.wait() == 143
        assert "terminated by 15" in "\n".join(terminal.screen())


def _child(terminal: TmuxKit) -> int:
    return int((terminal.folder / "end.pid").read_text())

"""The terminal below textual, in a real pseudo-terminal: terminal_demo.py does what it is told."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .terminal_kit import TerminalKit

DEMO = Path(__file__).with_name("terminal_demo.py")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[TerminalKit]:
    with TerminalKit([sys.executable, str(DEMO), str(tmp_path / "end")], columns=60, rows=12, frames=True) as terminal:
        terminal.until("Ask")
        yield terminal


def obey(terminal: TerminalKit, *lines: str) -> None:
    for line in lines:
        terminal.type(line)
        terminal.press("enter")


def has_row(terminal: TerminalKit, row: str) -> None:
    """Wait for a whole row: parts of it are to be seen in the field while it is typed."""
    terminal.until(lambda it: row in it.screen())


def rows(terminal: TerminalKit, word: str = "row") -> list[str]:
    return [row for row in terminal.history() if row.startswith(f"{word} ")]


def test_rows_above_are_there_once_and_in_order_in_every_frame_while_the_region_changes(demo: TerminalKit) -> None:
    obey(demo, "tick", "storm 40")
    demo.until("storm over")
    assert rows(demo) == [f"row {n}" for n in range(40)]
    assert demo.frames
    for frame in demo.frames:
        # What is visible of them ends where the region begins: nothing between, nothing twice.
        numbers = [int(row.removeprefix("row ")) for row in frame if row.startswith("row ")]
        assert not numbers or numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        begin = next(n for n, row in enumerate(frame) if row.startswith("ticks"))
        assert all(frame[:begin])
    demo.until(lambda it: "ticks 0" not in it.text())

    obey(demo, "flood 1500")
    demo.until("flood over")
    assert rows(demo)[40:] == [f"row {n}" for n in range(1500)]
    demo.until("Ask")  # still at work below
    obey(demo, "quit")
    assert demo.wait() == 0
    assert not demo.is_raw()
    assert "ticks" not in demo.text()


def test_a_resize_redraws_the_region_and_the_rows_above_it(demo: TerminalKit) -> None:
    lines = [f"line {n} {'x' * 44}" for n in range(30)]
    obey(demo, "print " + "|".join(lines))
    demo.until("line 29")
    for columns, height in [(40, 12), (75, 20), (33, 9), (50, 30)]:
        demo.resize(columns, height)
        demo.resize(columns + 1, height)  # a storm: only the last counts
        demo.resize(columns, height)
        fit = [line[:columns] for line in lines]
        demo.until(lambda it, h=height, f=fit: it.screen() == [*f[-(h - 3) :], "ticks 0", "", "Ask"])
    assert len(dict.fromkeys(rows(demo, "line"))) >= 30
    demo.resize(15, 4)
    demo.until("too small")
    demo.resize(50, 10)
    demo.until(lambda it: it.screen() == [*[line[:50] for line in lines][-7:], "ticks 0", "", "Ask"])


def test_ctrl_z_gives_the_terminal_back_until_the_shell_continues(demo: TerminalKit) -> None:
    obey(demo, "print one|two")
    has_row(demo, "two")
    demo.press("ctrl+z")
    demo.until_stopped()
    demo.until(lambda it: "2004" not in it.modes)
    assert not demo.is_raw()
    assert demo.screen()[:3] == ["one", "two", ""]
    demo.send_signal(signal.SIGCONT)
    demo.until(lambda it: it.is_raw() and {"2004", "1004", "kitty"} <= it.modes and "Ask" in it.text())
    obey(demo, "print three")
    has_row(demo, "three")
    assert demo.screen()[:4] == ["one", "two", "three", "ticks 0"]

    demo.send_signal(signal.SIGSTOP)  # without notice
    demo.until_stopped()
    demo.send_signal(signal.SIGCONT)
    obey(demo, "print four")
    has_row(demo, "four")
    demo.send_signal(signal.SIGTERM)
    assert demo.wait() == 143
    assert not demo.is_raw()
    assert not demo.modes & {"2004", "1004", "kitty", "2026", "1049"}
    assert demo.cursor_is_visible
    assert "terminated by 15" in demo.text()
    assert "Ask" not in demo.text()


def test_an_editor_has_the_terminal_as_the_shell_has_it(demo: TerminalKit) -> None:
    obey(demo, "print one", "edit")
    has_row(demo, "editing")
    assert not demo.is_raw()
    assert not demo.modes & {"2004", "1004", "kitty"}
    demo.send("hello\n")
    demo.until("Ask")
    obey(demo, "print two")
    has_row(demo, "two")
    assert demo.screen()[:6] == ["one", "editing", "hello", "got hello", "two", "ticks 0"]


def test_a_terminal_that_takes_nothing_more_does_not_hold_up_the_end(demo: TerminalKit) -> None:
    with demo.not_reading():
        obey(demo, "flood 3000")
        demo.send_signal(signal.SIGTERM)
        assert demo.process.wait(30) == 143
    assert not demo.is_raw()


def test_an_error_is_shown_after_the_terminal_was_given_back(demo: TerminalKit) -> None:
    obey(demo, "alternate")
    demo.until(lambda it: it.is_alternate)
    obey(demo, "crash")
    assert demo.wait() == 1
    assert not demo.is_raw()
    assert not demo.is_alternate
    assert not demo.modes & {"2004", "1004", "kitty", "2026"}
    assert "RuntimeError: the demonstration breaks" in demo.text()
    assert demo.text().index("RuntimeError") > 0
    assert "Ask" not in demo.text()


def test_sys_exit_in_a_thread_ends_the_thread_and_in_the_application_all(demo: TerminalKit) -> None:
    obey(demo, "thread")
    demo.until("thread over")
    obey(demo, "exit")
    assert demo.wait() == 7
    assert not demo.is_raw()
    assert not demo.modes & {"2004", "1004", "kitty"}


def test_an_overlay_fills_the_terminal_and_leaves_the_main_screen_as_it_was(demo: TerminalKit) -> None:
    obey(demo, "print one|two")
    has_row(demo, "two")
    obey(demo, "title the title")
    demo.until(lambda it: it.bells == 1 and "Ask" in it.screen())
    assert (demo.title, demo.notifications) == ("the title", ["look"])
    before = demo.screen()
    obey(demo, "alternate")
    demo.until(lambda it: it.is_alternate and "Ask" in it.text())
    obey(demo, "print three")
    demo.until("Ask")
    assert "three" not in demo.text()
    obey(demo, "back")
    demo.until(lambda it: it.screen() == [*before[:2], "three", *before[2:-1]])
    obey(demo, "alternate")
    demo.until(lambda it: it.is_alternate and "Ask" in it.text())
    demo.press("ctrl+z")
    demo.until_stopped()
    demo.until(lambda it: not it.is_alternate)
    demo.send_signal(signal.SIGCONT)
    demo.until(lambda it: it.is_alternate and "Ask" in it.text())
    demo.resize(50, 9)
    obey(demo, "back")
    demo.until(lambda it: it.screen() == ["one", "two", "three", "ticks 0", "", "Ask", "", "", ""])


def test_a_terminal_that_hangs_up_ends_the_process(demo: TerminalKit, tmp_path: Path) -> None:
    demo.hang_up()
    assert demo.process.wait(30) == 129
    assert (tmp_path / "end").read_text() == "1"


def test_a_program_that_does_not_listen_any_more_still_gives_the_terminal_back(tmp_path: Path) -> None:
    with TerminalKit([sys.executable, str(DEMO), str(tmp_path / "end"), "--stuck"], columns=60, rows=12) as terminal:
        terminal.until("Ask")
        obey(terminal, "hang")
        terminal.until(lambda it: it.title == "hanging")
        terminal.send_signal(signal.SIGTERM)
        assert terminal.wait() == 143
        assert not terminal.is_raw()
        assert not terminal.modes & {"2004", "1004", "kitty"}


def test_full_screen_uses_the_alternate_screen_and_the_mouse_until_the_end(tmp_path: Path) -> None:
    with TerminalKit([sys.executable, str(DEMO), str(tmp_path / "end"), "--full"], columns=60, rows=12) as terminal:
        terminal.until("Ask")
        assert terminal.is_alternate
        assert "1006" in terminal.modes
        terminal.resize(10, 3)
        terminal.until("too small")
        terminal.resize(50, 9)
        terminal.until(lambda it: it.screen()[:3] == ["ticks 0", "", "Ask"])
        terminal.send_signal(signal.SIGINT)
        assert terminal.wait() == 130
        assert not terminal.is_alternate
        assert not terminal.modes & {"1000", "1002", "1006", "2004", "kitty"}


@pytest.mark.cold_start  # what is shown first is shown before textual is imported
def test_keys_typed_before_textual_is_there_reach_the_field_and_nothing_jumps(tmp_path: Path) -> None:
    with TerminalKit(
        [sys.executable, str(DEMO), str(tmp_path / "end"), "--splash"], columns=60, rows=12, frames=True
    ) as terminal:
        terminal.until("Ask")
        obey(terminal, "print early|bird")
        terminal.type("and mo")
        terminal.paste("re\nof it")
        terminal.until("and more")
        assert terminal.screen()[:2] == ["early", "bird"]
        assert terminal.frames
        assert all(frame.count("ticks 0") == 1 for frame in terminal.frames)
        terminal.send_signal(signal.SIGHUP)
        assert terminal.wait() == 129

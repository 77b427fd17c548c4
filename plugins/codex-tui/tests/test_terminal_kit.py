from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .terminal_kit import TerminalKit
from .terminal_screen import key_sequence

PROGRAM = r"""
import sys, termios, tty
found = termios.tcgetattr(0)
tty.setraw(0)
write = lambda text: (sys.stdout.write(text), sys.stdout.flush())
write("one\r\ntwo\x1b[?2004h\x1b[>1u\x1b]2;title\x1b\\\x1b[31mred\x1b[m\x1b[6n\x1b[c\x1b[?2026$p\x1b[?1049hover")
answer = ""
while not answer.endswith("q"):
    answer += sys.stdin.read(1)
write("\x1b[?1049l\x1b[<u\x1b[?2004l\r\n" + "".join(f"row {n}\r\n" for n in range(10)) + ascii(answer))
termios.tcsetattr(0, termios.TCSANOW, found)
"""


def test_the_kit_is_a_terminal_with_scrollback_alternate_screen_and_answers(tmp_path: Path) -> None:
    with TerminalKit([sys.executable, "-c", PROGRAM], columns=100, rows=6) as terminal:
        terminal.until("over")
        assert (terminal.title, terminal.is_alternate, terminal.is_raw()) == ("title", True, True)
        assert {"2004", "kitty"} <= terminal.modes
        terminal.screenshot_svg(tmp_path / "screen.svg", "A title")
        assert "over" in (tmp_path / "screen.svg").read_text()
        terminal.press("esc", "alt+enter", "ctrl+c", "up", "q")
        assert terminal.wait() == 0
        assert terminal.history()[:2] == ["one", "twored"]
        assert terminal.scrollback() == ["one", "twored", *[f"row {n}" for n in range(5)]]
        keys = "\\x1b[27u\\x1b[13;3u\\x1b[99;5u\\x1b[Aq"
        assert terminal.screen()[-1] == rf"'\x1b[2;7R\x1b[?62;22c\x1b[?2026;2$y{keys}'"
        assert not terminal.is_raw()


def test_what_does_not_appear_fails_with_the_screen() -> None:
    with (
        TerminalKit(["echo", "something else"], columns=40, rows=4) as terminal,
        pytest.raises(AssertionError, match="something else"),
    ):
        terminal.until("wanted")


def test_keys_are_those_of_xterm_and_of_kitty() -> None:
    plain = {"a": "a", "ctrl+c": "\x03", "alt+b": "\x1bb", "shift+tab": "\x1b[Z", "esc": "\x1b", "ctrl+up": "\x1b[1;5A"}
    assert {key: key_sequence(key, kitty=False) for key in plain} == plain
    kitty = {
        "a": "a",
        "shift+enter": "\x1b[13;2u",
        "alt+b": "\x1b[98;3u",
        "shift+a": "A",
        "enter": "\r",
        "delete": "\x1b[3~",
    }
    assert {key: key_sequence(key, kitty=True) for key in kitty} == kitty

"""Lines that are entered: messages of several lines, answers, fields of forms."""

from __future__ import annotations

import os
import pty
import termios

import anyio
import pytest

from codex_tui.commands.ui import Option
from codex_tui.lines.choosing import read_choice
from codex_tui.lines.entries import EntryParser
from codex_tui.lines.filling import field_lines, read_raw
from codex_tui.lines.keyboard import Keyboard
from codex_tui.lines.ui import option_line, read_option
from codex_tui.session.asks import read_ask
from codex_tui.session.asks_form import read_form

from .asks_kit import COMMAND

CHOICES = read_ask({"id": 1, "method": "item/commandExecution/requestApproval", "params": COMMAND}).choices


def fed(*lines: str) -> list[str]:
    parser = EntryParser()
    found = [parser.feed(line) for line in lines]
    assert not parser.is_open
    return [entry for entry in found if entry is not None]


@pytest.mark.parametrize(
    ("lines", "entries"),
    [
        (["one", "two"], ["one", "two"]),
        (["one\\", "two"], ["one\ntwo"]),
        (["C:\\\\", "two"], ["C:\\\\", "two"]),
        (['"""', "a", "", "b", '"""', "c"], ["a\n\nb", "c"]),
        (['"""a', 'b"""'], ["a\nb"]),
        (['"""a"""'], ["a"]),
        (['"""', "a\\", '"""'], ["a\\"]),
        ([""], [""]),
    ],
)
def test_lines_make_messages(lines, entries):
    assert fed(*lines) == entries


def test_a_message_that_has_begun_can_be_dropped():
    parser = EntryParser()
    assert parser.feed('"""secret') is None
    assert parser.is_open
    parser.drop()
    assert parser.feed("next") == "next"


@pytest.mark.parametrize(
    ("line", "decision", "text"),
    [
        ("y", "accept", ""),
        ("1", "accept", ""),
        (" YES ", "accept", ""),
        ("Yes, this once", "accept", ""),
        ("s", "acceptForSession", ""),
        ("n", "decline", ""),
        ("no", "decline", ""),
        ("no, use npm ci", "decline", "use npm ci"),
        ("t: use npm ci", "decline", "use npm ci"),
        ("x", "cancel", ""),
    ],
)
def test_an_answer_is_a_number_a_letter_or_the_words(line, decision, text):
    choice, given = read_choice(CHOICES, line)
    assert (choice.decision, given) == (decision, text)
    assert choice.allows == decision.startswith("accept")


@pytest.mark.parametrize(
    "line", ["", " ", "yes but only in src", "yes, always and ever", "0", "99", "ye", "y y", "why"]
)
def test_what_is_not_certain_is_no_answer(line):
    assert read_choice(CHOICES, line) is None


FIELDS = {
    field.name: field
    for field in read_form(
        {
            "type": "object",
            "properties": {
                "name": {"type": "string", "title": "Your name", "minLength": 2},
                "count": {"type": "integer", "default": 3},
                "sure": {"type": "boolean"},
                "one": {"type": "string", "enum": ["a", "b"], "enumNames": ["Apple", "Bean"]},
                "some": {"type": "array", "items": {"anyOf": [{"const": "x"}, {"const": "y"}, {"const": "z"}]}},
            },
            "required": ["name"],
        }
    ).fields
}


@pytest.mark.parametrize(
    ("name", "line", "value"),
    [
        ("name", "Ann", "Ann"),
        ("count", "", 3),
        ("count", "-", None),
        ("count", "7", 7),
        ("sure", "no", False),
        ("sure", "", None),
        ("one", "2", "b"),
        ("one", "apple", "a"),
        ("some", "1, 3", ["x", "z"]),
        ("some", "2 1", ["x", "y"]),
    ],
)
def test_a_field_is_entered_as_a_line(name, line, value):
    field = FIELDS[name]
    assert field.value(read_raw(field, line)) == value


@pytest.mark.parametrize(
    ("name", "line"), [("name", ""), ("name", "A"), ("count", "x"), ("sure", "maybe"), ("one", "3"), ("some", "x, q")]
)
def test_what_does_not_fit_a_field_is_refused(name, line):
    with pytest.raises(ValueError, match=r"\w"):
        FIELDS[name].value(read_raw(FIELDS[name], line))


def test_a_field_says_what_it_wants():
    assert field_lines(FIELDS["name"], " (1 of 5)") == ["", "Your name (at least 2 characters, required) (1 of 5)"]
    assert field_lines(FIELDS["count"])[-1] == "An empty line takes: 3, - leaves it out"
    assert "2. Bean" in field_lines(FIELDS["one"])


def test_an_option_is_picked_by_number_or_words():
    options = [
        Option(value=1, label="gpt-5", current=True),
        Option(value=2, label="gpt-5-mini"),
        Option(value=3, label="o"),
    ]
    options.append(Option(value=4, label="gone", why_not="it is off"))
    assert read_option(options, "2").value == 2
    assert read_option(options, "GPT-5").value == 1  # exactly so, though another one begins with it
    assert read_option(options, "mini").value == 2
    assert read_option(options, "gpt") == "2 of them are called so: enter the number."
    assert read_option(options, "9") == "'9' is none of them: 1 to 4."
    assert read_option(options, "gone") == "It cannot be picked: it is off."
    assert option_line(1, options[0]) == "1. gpt-5 (the one in use)"


# -- the terminal --------------------------------------------------------------------------------------


class Heard:
    """A keyboard on a file descriptor, and what it told."""

    def __init__(self, fd: int) -> None:
        self.lines: list[str] = []
        self.ended = anyio.Event()
        self.changed = anyio.Event()
        self.keyboard = Keyboard(fd, self._line, self.ended.set)

    def _line(self, line: str) -> None:
        self.lines.append(line)
        self.changed.set()

    async def until(self, *lines: str) -> None:
        with anyio.fail_after(20):
            while self.lines != list(lines):
                self.changed = anyio.Event()
                await self.changed.wait()


@pytest.fixture
def terminal():
    master, slave = pty.openpty()
    yield master, slave
    for fd in (master, slave):
        os.close(fd)


@pytest.mark.anyio
async def test_half_a_line_is_taken_from_the_terminal_and_its_rest_comes_later(terminal):
    master, slave = terminal
    heard = Heard(slave)
    before = termios.tcgetattr(slave)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(heard.keyboard.run)
        os.write(master, "grüße\nhal".encode())
        await heard.until("grüße")
        assert os.read(master, 100)  # the echo: the terminal has it
        assert heard.keyboard.drain() == ([], "hal")
        assert heard.keyboard.drain() == ([], "")
        assert termios.tcgetattr(slave) == before
        os.write(master, b"b\n")
        await heard.until("grüße", "b")
        with heard.keyboard.hidden() as is_hidden:
            assert is_hidden
            assert not termios.tcgetattr(slave)[3] & termios.ECHO
        assert termios.tcgetattr(slave) == before
        os.write(master, b"\x04")
        with anyio.fail_after(20):
            await heard.ended.wait()
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_the_end_of_any_input_is_told_once(tmp_path):
    (tmp_path / "lines").write_text("a\r\nb\nc")
    for path, lines in ((tmp_path / "lines", ["a", "b", "c"]), (os.devnull, []), (None, [])):
        fd = -1 if path is None else os.open(path, os.O_RDONLY)
        heard = Heard(fd)
        with anyio.fail_after(20):
            await heard.keyboard.run()
        assert heard.ended.is_set()
        assert heard.lines == lines
        if fd >= 0:
            os.close(fd)
    assert not heard.keyboard.is_tty


@pytest.mark.anyio
async def test_a_keyboard_that_is_paused_leaves_lines_where_they_are():
    reader, writer = os.pipe()
    heard = Heard(reader)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(heard.keyboard.run)
        os.write(writer, b"one\n")
        await heard.until("one")
        heard.keyboard.pause()
        os.write(writer, b"two\nthr")
        assert heard.keyboard.drain() == (["two"], "thr")
        heard.keyboard.resume()
        os.write(writer, b"four\n")
        await heard.until("one", "four")
        os.close(writer)
        with anyio.fail_after(20):
            await heard.ended.wait()
        tasks.cancel_scope.cancel()
    os.close(reader)

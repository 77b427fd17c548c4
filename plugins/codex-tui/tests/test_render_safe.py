# ruff: noqa: RUF001
"""Text of others: whatever goes in, a terminal gets text, colours and newlines, and nothing else."""

import io
import re
from typing import ClassVar

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from codex_tui.render import load_theme, render_cell
from codex_tui.render.safe import lines, one_line, output_lines, shown
from codex_tui.render.width import NULL, room, text_of
from codex_tui.session.cells import (
    COMPLETED,
    AgentCell,
    AgentsCell,
    CardCell,
    CommandCell,
    DecisionCell,
    DiffCell,
    FileDiff,
    HeaderCell,
    ImageCell,
    NoticeCell,
    PatchCell,
    PlanCell,
    ReasoningCell,
    ReviewCell,
    SearchCell,
    ToolCell,
    TurnEndCell,
    UserCell,
)
from codex_tui.session.output import Output

from .effort import effort

THEME = load_theme("dark", environ={})
HOSTILE = [
    "\x1b[2J", "\x1b[H", "\x1b]0;title\x07", "\x1b]52;c;aGk=\x1b\\", "\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\", "\x1b]4;1;#fff\x07",
    "\x1b[?1049h", "\x1b[6n", "\x1bc", "\x1b(0", "\x9b31m", "\x9d0;t\x9c", "\x90q\x9c", "\x1b", "\x1b[", "\x1b]", "\x07", "\x08", "\r", "\r\n",
    "\x0b", "\x0c", "\x0e", "\x7f", "\x85", "\x00", "\t", "\n", "\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\u2028", "\ud800", "\udc9b",
    "\ufffd", "\U000e0041", "\ufe0f", "\xad", "&#27;", "&#x9b;", "**", "`", "```\n", "- ", "| a |\n|---|\n", "[x](\x1b]0;t\x07)", "text", " ",
    "日本", "👨‍👩‍👧", "e\u0301", "\x1b[31m", "\x1b[0m", "\x1b[38;5;200m", "\x1b[8m", "\x1b[31;41m", "@@ -1 +1 @@\n", "+new\n", "-old\n", "\x1b[1K", "\x1b[K",
]  # fmt: skip
TEXT = st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=6)), max_size=12).map("".join)


def cells_of(text):
    out = Output(head=text)
    return [
        AgentCell(key="a", text=text),
        AgentCell(key="a", text=text, done=True, sub_agent="t"),
        UserCell(key="u", text=text, images=(text,), mentions=(text,)),
        ReasoningCell(key="r", summary=[text, f"**{text}**"], content=[text]),
        CommandCell(key="c", command=text, output=out, status=COMPLETED, exit_code=2, typed=[text]),
        CommandCell(key="e", command=text, actions=({"type": "read", "name": text}, {"type": "search", "query": text, "path": text})),
        PatchCell(key="p", changes=(FileDiff(path=text, kind="update", diff="@@ -1 +1 @@\n-a\n+" + text, move_path=text), FileDiff(path=text, kind="add", diff=text))),
        DiffCell(key="d", title=text, diff=f"--- a/{text}\n+++ b/{text}\n@@ -1 +1 @@ {text}\n+{text}"),
        PlanCell(key="pl", explanation=text, steps=((text, text), ("completed", text))),
        ToolCell(key="t", server=text, tool=text, arguments={text: [text]}, result=text, error=text, progress=text),
        SearchCell(key="s", query=text, queries=(text, text)),
        ImageCell(key="i", path=text),
        AgentsCell(key="ag", tool=text, prompt=text, agents=((text, text, text),)),
        ReviewCell(key="rv", entered=True, text=text),
        NoticeCell(key="n", level="error", text=text, hint=text),
        DecisionCell(key="de", text=text),
        TurnEndCell(key="te", status=text, elapsed_s=3, tokens=5),
        CardCell(key="ca", title=text, rows=((text, text),), text=text),
        HeaderCell(key="h", title=text, rows=((text, text),)),
    ]  # fmt: skip


def sent(rows, width):
    """What rich writes to a terminal for rows."""
    stream = io.StringIO()
    console = Console(
        file=stream, force_terminal=True, color_system="truecolor", width=width + 200, legacy_windows=False
    )
    for row in rows:
        console.print(row, soft_wrap=True, end="\n", highlight=False)
    return stream.getvalue()


class Witness(pyte.Screen):
    """A screen that notes whatever is more than text, colours and newlines."""

    acted: ClassVar[list[str]] = []

    def __getattribute__(self, name):
        if name in {
            "set_title", "set_icon_name", "bell", "backspace", "tab", "set_mode", "reset_mode", "reset", "index", "reverse_index",
            "erase_in_display", "erase_in_line", "cursor_position", "cursor_up", "cursor_down", "cursor_forward", "cursor_back",
            "define_charset", "shift_in", "shift_out", "save_cursor", "report_device_status", "debug", "insert_lines", "alignment_display",
        }:  # fmt: skip
            object.__getattribute__(self, "acted").append(name)
        return super().__getattribute__(name)


@settings(max_examples=effort(6), deadline=None)
@given(TEXT, st.sampled_from([10, 33, 80]), st.booleans())
def test_no_cell_sends_a_control_to_the_terminal_or_is_too_wide(text, width, unfolded):
    for cell in cells_of(text):
        rows = render_cell(cell, width, THEME, unfolded=unfolded)
        for row in rows:
            assert room(row.plain) <= width, (cell, row.plain)
        raw = sent(rows, width)
        bare = re.sub(r"\x1b\[[0-9;]*m", "", raw)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", bare), (cell, bare)
        assert all(not span.style.link and not span.style.conceal for row in rows for span in row.spans)


@settings(max_examples=effort(15), deadline=None)
@given(TEXT)
def test_a_terminal_is_left_as_it_was(text):
    screen = Witness(300, 50)
    stream = pyte.Stream(screen)
    screen.acted.clear()  # what the set-up of the screen did
    rows = [*(text_of(line) for line in output_lines(text)), *(text_of([(line, NULL)]) for line in lines(text))]
    stream.feed(sent(rows[:40], 200).replace("\n", "\r\n"))
    assert set(screen.acted) <= {"index", "cursor_down"}
    assert screen.title == screen.icon_name == ""
    assert screen.cursor.x == 0
    assert not screen.mode - {7 << 5, 25 << 5}


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\x1b[31mb", "a␛[31mb"),
        ("a\u202eb\u2066", "a<U+202E>b<U+2066>"),
        ("a\u200bb\ufeff", "a<U+200B>b<U+FEFF>"),
        ("\x00\x7f\x9b", "␀␡<U+009B>"),
        ("\ud800", "<U+D800>"),
        ("\ufffd", "\ufffd"),
        ("tag\U000e0041", "tag<U+E0041>"),
        ("a\u200db", "a<U+200D>b"),
        ("👨‍👩‍👧 👩🏽‍🚀 ❤️ 🏳️‍🌈 1️⃣", "👨‍👩‍👧 👩🏽‍🚀 ❤️ 🏳️‍🌈 1️⃣"),
        ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("a\ufe0f\ufe0fb", "a<U+FE0F><U+FE0F>b"),
        ("one\r\ntwo\rthree", "one\ntwo␍three"),
        ("soft\xadhyphen", "soft<U+00AD>hyphen"),
    ],
)  # fmt: skip
def test_what_acts_or_hides_is_made_visible(text, seen):
    assert shown(text) == seen


def test_one_line_has_no_newline():
    assert one_line("a\n\tb\r\nc") == "a  b c"


def plain(text):
    return ["".join(part for part, _ in line) for line in output_lines(text)]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("10%\r20%\r100%", ["100%"]),
        ("abc\rX", ["Xbc"]),
        ("working...\r\x1b[Kdone", ["done"]),
        ("abc\x1b[2K\rx", ["x"]),
        ("ab\b\bX", ["Xb"]),
        ("日本\b\bxy", ["日xy"]),
        ("日本\rx", ["x 本"]),
        ("one\r\ntwo\r\r\n", ["one", "two", ""]),
        ("a\x1b]0;title\x07b\x1b]8;;http://x\x1b\\c\x1b]8;;\x1b\\", ["abc"]),
        ("a\x1b]0;never ends", ["a"]),
        ("a\x1b[2Jb\x1b[10;10Hc\x1b(0d\x1bM\x9b5Ae", ["abcde"]),
        ("a\x1b[31", ["a"]),
        ("a\tb", ["a       b"]),
        ("\x1b[1ma\tb\x1b[0m\tc", ["a       b       c"]),
        ("bell\x07\x0e\x0f", ["bell"]),
    ],
)
def test_output_is_what_a_terminal_would_leave(text, seen):
    assert plain(text) == seen


def looks(text, **options):
    return [(part, str(style)) for line in output_lines(text, **options) for part, style in line]


def test_colours_of_output_are_translated_and_last_until_they_change():
    assert looks("\x1b[31mred\nstill\x1b[0m not") == [("red", "color(1)"), ("still", "color(1)"), (" not", "none")]
    assert looks("\x1b[1;38;5;208mA\x1b[22;38:2::1:2:3mB\x1b[39;4:3mC") == [
        ("A", "bold color(208)"),
        ("B", "#010203"),
        ("C", "underline"),
    ]


def test_colours_that_would_hide_text_are_left_out():
    assert looks("\x1b[8mhidden\x1b[0m \x1b[31;41msame") == [("hidden", "none"), (" ", "none"), ("same", "color(1)")]


def test_colours_follow_the_theme():
    assert looks("\x1b[1;31mA", colours="none") == [("A", "bold")]
    ((piece,),) = output_lines("\x1b[38;2;255;10;10mA", colours="ansi")
    assert piece[1].color.number in {1, 9}


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[99999999999;1mA",
        "\x1b[38;5mA",
        "\x1b[38;2;1mA",
        "\x1b[38;5;999mA",
        "\x1b[?25lA",
        "\x1b[>4;2mA",
        "\x1b[;;;mA",
    ],
)
def test_odd_sequences_do_no_harm(text):
    assert plain(text) == ["A"]

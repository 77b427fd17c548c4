# ruff: noqa: RUF001
"""Measuring and wrapping: no terminal, and no library, finds a row wider than was asked for."""

import pyte
import pytest
import wcwidth
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.style import Style

from codex_tui.render.safe import shown
from codex_tui.render.width import (
    NULL,
    breaks,
    cells,
    chop,
    clip,
    expand_tabs,
    graphemes,
    pad,
    room,
    shorten,
    text_of,
    wrap,
)

from .effort import effort

ODD = [
    "word", " ", "  ", "日本語", "、", "한국어", "👨‍👩‍👧‍👦", "👍🏽", "🇩🇪", "🇩", "❤️", "☺️", "1️⃣", "e\u0301", "o\u0308\u0323", "नमस्ते", "நி", "שלום", "مرحبا", "می\u200cخواهم",
    "https://example.org/a/long/path?with=query&and=more", "x" * 40, "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "🏻", "\U0001fae8", "각", "ﷺ", "-", "a-b",
]  # fmt: skip
TEXT = st.lists(
    st.one_of(
        st.sampled_from(ODD),
        st.text(st.characters(codec="utf-8", categories=["L", "M", "N", "P", "S", "Zs"]), max_size=4),
    ),
    max_size=14,
).map(lambda parts: shown("".join(parts)))


def drawn(text):
    """How many cells a terminal that knows no joined characters takes."""
    screen = pyte.Screen(400, 2)
    pyte.Stream(screen).feed(text)
    return screen.cursor.x


@settings(max_examples=effort(30), deadline=None)
@given(TEXT)
def test_room_is_never_less_than_any_measure(text):
    assert room(text) >= cells(text)
    assert room(text) >= wcwidth.wcswidth(text)
    assert sum(size for _, size in graphemes(text)) == room(text)
    assert "".join(part for part, _ in graphemes(text)) == text


@settings(max_examples=effort(25), deadline=None)
@given(TEXT, st.integers(10, 60), st.integers(0, 6))
def test_no_row_is_wider_than_asked_for_and_no_word_is_lost(text, width, indent):
    line = [(text[: len(text) // 2], NULL), (text[len(text) // 2 :], Style(bold=True))]
    for fold in (wrap, chop):
        rows = ["".join(part for part, _ in row) for row in fold(line, width, [("* ", NULL)], [(" " * indent, NULL)])]
        for row in rows:
            assert room(row) <= width
            assert cells(row) <= width
            assert wcwidth.wcswidth(row) <= width
            assert drawn(row) <= width
        inner = [rows[0][2:], *(row[indent:] for row in rows[1:])]
        assert "".join("".join(inner).split()) == "".join(text.split())
        if fold is chop:
            assert "".join(inner) == text


@settings(max_examples=effort(15), deadline=None)
@given(TEXT, st.integers(1, 30))
def test_what_is_shortened_fits(text, width):
    assert room(shorten(text, width)) <= width
    assert shorten(text, 1000) == text


@pytest.mark.parametrize(
    ("text", "width", "rows"),
    [
        ("one two three", 8, ["one two", "three"]),
        ("one two", 7, ["one two"]),
        ("  kept in front", 8, ["  kept", "in front"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("see https://a.b/cdefgh now", 10, ["see", "https://a.", "b/cdefgh", "now"]),
        ("日本語の文字", 5, ["日本", "語の", "文字"]),
        ("日本、語", 4, ["日", "本、", "語"]),
        ("a 👨‍👩‍👧 b", 6, ["a", "👨‍👩‍👧", "b"]),
        ("שלום עולם", 5, ["שלום", "עולם"]),
        ("", 10, [""]),
        ("    ", 10, ["    "]),
    ],
)
def test_rows_end_between_words(text, width, rows):
    assert [text[begin:end] for begin, end in breaks(text, width, width)] == rows


@pytest.mark.parametrize(
    ("text", "size"),
    [("日本", 4), ("👨‍👩‍👧", 2), ("🇩🇪", 2), ("👍🏽", 2), ("❤️", 2), ("e\u0301", 1), ("שלום", 4), ("מִ", 1), ("1️⃣", 2)],
)
def test_cells_agrees_with_wcwidth_where_they_line_up(text, size):
    assert cells(text) == size == wcwidth.wcswidth(text)


def test_prefixes_hang_and_give_way_when_there_is_no_room():
    rows = wrap([("one two three", NULL)], 9, [("- ", NULL)], [("  ", NULL)])
    assert ["".join(part for part, _ in row) for row in rows] == ["- one two", "  three"]
    rows = wrap([("abcdef", NULL)], 10, [(">" * 20, NULL)], [(">" * 20, NULL)])
    assert ["".join(part for part, _ in row) for row in rows] == [">>>>>>abcd", ">>>>>>ef"]


def test_styles_stay_with_their_text():
    bold = Style(bold=True)
    rows = wrap([("plain and ", NULL), ("bold words", bold)], 12)
    assert rows == [[("plain and", NULL)], [("bold words", bold)]]
    text = text_of([("a", NULL), ("b", bold)])
    assert [(span.start, span.end) for span in text.spans] == [(1, 2)]


def test_clip_marks_what_is_gone_and_pad_fills():
    assert clip([("日本語", NULL)], 5, "…") == [("日本", NULL), ("…", NULL)]
    assert pad([("日", NULL)], 4) == [("日", NULL), ("  ", NULL)]


def test_tabs_go_to_the_next_stop_behind_wide_text():
    assert expand_tabs("a\tb", 4) == "a   b"
    assert expand_tabs("日\tb", 4) == "日  b"

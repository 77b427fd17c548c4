"""Wrapping, change by change, and characters as a reader counts them."""

from __future__ import annotations

import random

import pytest

from codex_tui.screen.buffer import Buffer, next_cluster, previous_cluster
from codex_tui.screen.wrapping import Rows

from .effort import effort

PARTS = {chr(0xD800): "[Pasted text #1]", chr(0xD801): "[Image #1: a name that is longer than a row.png]"}


def rows_of(text: str, width: int) -> list[str]:
    rows = Rows(PARTS.__getitem__)
    rows.wrap(text, width)
    return [text[slice(*rows.span(row))] for row in range(len(rows))]


@pytest.mark.parametrize(
    ("text", "width", "rows"),
    [
        ("", 5, [""]),
        ("abc", 5, ["abc"]),
        ("abc\n", 5, ["abc\n", ""]),
        ("abcde", 5, ["abcde"]),
        ("abcdefg", 5, ["abcde", "fg"]),
        ("one two three", 8, ["one two ", "three"]),
        ("日本語です", 4, ["日本", "語で", "す"]),
        ("日本 語で", 5, ["日本 ", "語で"]),
        ("a\tb", 5, ["a\tb"]),
        ("ab\tcd", 5, ["ab\tc", "d"]),
        ("👩\u200d👩\u200d👧👍", 3, ["👩\u200d👩\u200d👧", "👍"]),
        ("see \ud800 ok", 20, ["see \ud800 ", "ok"]),
        ("see \ud801 ok", 20, ["see ", "\ud801 ", "ok"]),
        ("שלום עולם", 6, ["שלום ", "עולם"]),
    ],
)
def test_text_is_wrapped_at_blanks_and_by_cells(text: str, width: int, rows: list[str]):
    assert rows_of(text, width) == rows


def test_wrapping_change_by_change_is_wrapping_all_of_it():
    source = random.Random(8)
    alphabet = "ab c  \n\t日é👍\u0301\u200d\ud800\ud801ש"
    for width in (1, 2, 7, 20, 60):
        buffer, rows = Buffer(), Rows(PARTS.__getitem__)
        rows.wrap("", width)
        whole = Rows(PARTS.__getitem__)
        for _ in range(effort(40)):
            if source.random() < 0.15:
                changes = source.choice((buffer.undo, buffer.redo))()
            else:
                start = source.randint(0, len(buffer.text))
                end = min(len(buffer.text), start + source.choice((0, 0, 0, 1, 5)))
                insert = "".join(source.choices(alphabet, k=source.choice((0, 1, 1, 3, 30))))
                changes = [buffer.replace(start, end, insert, typing=True)]
            if len(changes) == 1:
                rows.changed(buffer.text, changes[0].start, len(changes[0].removed), len(changes[0].inserted))
            else:
                rows.wrap(buffer.text, width)
            whole.wrap(buffer.text, width)
            assert rows.starts == whole.starts


def test_every_place_has_a_row_and_column_and_the_way_back_ends_there():
    text = "one two 日本語 👍 three\n\n\ttab \ud800 end é"
    rows = Rows(PARTS.__getitem__)
    rows.wrap(text, 9)
    place, seen = 0, []
    while True:
        assert rows.place_at(rows.row_of(place), rows.column_of(place)) == place
        seen.append(place)
        if place == len(text):
            break
        assert previous_cluster(text, next_cluster(text, place)) == place
        place = next_cluster(text, place)
    assert len(seen) == len(text) + 1


def test_clusters_of_several_code_points_are_one_character():
    family = "👩\u200d👩\u200d👧"
    text = f"e\u0301{family}\n☁\ufe0f"
    places = [0]
    while places[-1] < len(text):
        places.append(next_cluster(text, places[-1]))
    assert places == [0, 2, 2 + len(family), 3 + len(family), len(text)]
    assert previous_cluster(text, len(text)) == 3 + len(family)
    assert previous_cluster(text, 2 + len(family)) == 2


def test_undo_takes_back_words_and_redo_brings_them_again():
    buffer = Buffer()
    for character in "hello world":
        buffer.replace(buffer.cursor, buffer.cursor, character, typing=True)
    buffer.undo()
    assert buffer.text == "hello "
    buffer.undo()
    assert (buffer.text, buffer.cursor) == ("", 0)
    assert buffer.undo() == []
    buffer.redo()
    buffer.redo()
    assert (buffer.text, buffer.cursor) == ("hello world", 11)
    buffer.replace(0, 5, "bye")
    assert buffer.redo() == []


def test_kills_in_a_row_are_kept_together():
    buffer = Buffer("one two three", 7)
    buffer.kill(buffer.word_left(), buffer.cursor)
    buffer.kill(buffer.word_left(), buffer.cursor)
    buffer.kill(buffer.cursor, buffer.line_end())
    assert (buffer.text, buffer.killed) == ("", "one two three")
    buffer.move(0)
    buffer.replace(0, 0, "x y")
    buffer.kill(0, 1)
    assert buffer.killed == "x"

"""The vi mode: what each command makes of a text."""

from __future__ import annotations

import random

import pytest

from codex_tui.screen.buffer import Buffer
from codex_tui.screen.vim import INSERT, NORMAL, VISUAL, Vim


def keys_of(text: str) -> list[str]:
    """Characters, and names in angle brackets."""
    keys: list[str] = []
    while text:
        if text[0] == "<" and ">" in text:
            name, _, text = text[1:].partition(">")
            keys.append(name)
        else:
            keys.append(text[0])
            text = text[1:]
    return keys


def press(vim: Vim, buffer: Buffer, keys: list[str]) -> None:
    for key in keys:
        step = vim.press(key, buffer.text, buffer.cursor)
        if step is None:
            if vim.mode == INSERT:
                buffer.replace(buffer.cursor, buffer.cursor, key)
            continue
        if step.edit:
            buffer.replace(*step.edit, cursor=step.cursor)
        else:
            buffer.move(step.cursor)
        for _ in range(step.undo):
            buffer.undo()
        for _ in range(step.redo):
            buffer.redo()


def run(before: str, keys: str) -> str:
    buffer = Buffer(before.replace("|", ""), before.index("|"))
    vim = Vim(mode=NORMAL)
    press(vim, buffer, keys_of(keys))
    return buffer.text[: buffer.cursor] + "|" + buffer.text[buffer.cursor :]


@pytest.mark.parametrize(
    ("before", "keys", "after"),
    [
        ("a|bc", "h", "|abc"),
        ("|abc", "lll", "ab|c"),
        ("|ab\ncd", "j", "ab\n|cd"),
        ("ab\nc|d", "k", "a|b\ncd"),
        ("abc\n|\nxy", "k", "|abc\n\nxy"),
        ("|one two, x", "w", "one |two, x"),
        ("one |two, x", "w", "one two|, x"),
        ("|one\n\ntwo", "w", "one\n|\ntwo"),
        ("|one two", "2w", "one tw|o"),
        ("one two|", "b", "one |two"),
        ("|one two", "e", "on|e two"),
        ("on|e two", "e", "one tw|o"),
        ("  on|e", "0", "|  one"),
        ("  on|e", "^", "  |one"),
        ("|one\ntwo", "$", "on|e\ntwo"),
        ("a\nb\n|c", "gg", "|a\nb\nc"),
        ("|a\nb\nc", "G", "a\nb\n|c"),
        ("|a\nb\nc", "2G", "a\n|b\nc"),
        ("|a.b.c", "f.", "a|.b.c"),
        ("|a.b.c", "2f.", "a.b|.c"),
        ("|a.b.c", "t.;", "|a.b.c"),
        ("a.b.|c", "2F.", "a|.b.c"),
        ("|a.b.c.d", "f.;", "a.b|.c.d"),
        ("|a.b", "fz", "|a.b"),
        ("|abc", "x", "|bc"),
        ("|abc", "2x", "|c"),
        ("ab|c", "x", "a|b"),
        ("ab|c", "X", "a|c"),
        ("|one two", "dw", "|two"),
        ("one |two\nx", "dw", "one| \nx"),
        ("|one two three", "2dw", "|three"),
        ("|one two three", "d2w", "|three"),
        ("one |two", "db", "|two"),
        ("|one two", "de", "| two"),
        ("one |two\nx", "d$", "one| \nx"),
        ("one |two\nx", "D", "one| \nx"),
        ("a\n|b\nc", "dd", "a\n|c"),
        ("a\n|b", "dd", "|a"),
        ("|a", "dd", "|"),
        ("|a\nb\nc", "2dd", "|c"),
        ("|a\nb\nc", "dj", "|c"),
        ("a\n|b\nc", "dG", "|a"),
        ("a\nb\n|c", "dgg", "|"),
        ("|a.b", "df.", "|b"),
        ("|a.b", "dt.", "|.b"),
        ("|one two", "cwx", "x| two"),
        ("|a two", "cwx", "x| two"),
        ("one |two\nx", "Cy<escape>", "one |y\nx"),
        ("a\n|b b\nc", "ccx", "a\nx|\nc"),
        ("|one two", "yw$p", "one twoone| "),
        ("|a\nb", "yyjp", "a\nb\n|a"),
        ("a\n|b", "yyP", "a\n|b\nb"),
        ("|ab", "ylp", "a|ab"),
        ("|ab", "yl3P", "aa|aab"),
        ("|ab", "ix<escape>", "|xab"),
        ("|ab", "ax<escape>", "a|xb"),
        ("  |ab", "Ix", "  x|ab"),
        ("|ab", "Ax", "abx|"),
        ("a|b\nc", "ox", "ab\nx|\nc"),
        ("a\n|b", "Ox", "a\nx|\nb"),
        ("|a\n  b\nc", "J", "a| b\nc"),
        ("|a\nb\nc", "3J", "a b| c"),
        ("|aBc", "~", "A|Bc"),
        ("|aBc", "3~", "Ab|C"),
        ("|abc", "rx", "|xbc"),
        ("|abc", "2rx", "x|xc"),
        ("|abc", "9rx", "|abc"),
        ("|abc", "xxu", "|bc"),
        ("|abc", "xx2u", "|abc"),
        ("|abc", "xu<ctrl+r>", "|bc"),
        ("|abcd", "vld", "|cd"),
        ("a|bcd", "vly$p", "abcdb|c"),
        ("|abc", "v$cx", "x|"),
        ("|abc", "vl~", "|ABc"),
        ("|abc", "vlrx", "|xxc"),
        ("|abc", "sx", "x|bc"),
        ("|日本語", "lx", "日|語"),
        ("|e\u0301a", "x", "|a"),
        ("|abc", "d<escape>x", "|bc"),
        ("|abc", "dz", "|abc"),
        ("|abc", "z", "|abc"),
        ("|", "xdwddpJ~", "|"),
    ],
)
def test_commands_do_what_vi_does(before: str, keys: str, after: str):
    assert run(before, keys) == after


def test_escape_leaves_insert_mode_and_then_is_not_for_vim():
    vim = Vim()
    assert vim.press("x", "", 0) is None
    assert vim.press("escape", "ab", 2) is not None
    assert vim.mode == NORMAL
    assert vim.press("escape", "ab", 1) is None
    vim.press("2", "ab", 1)
    vim.press("d", "ab", 1)
    assert vim.pending == "d"
    assert vim.press("escape", "ab", 1) is not None
    assert vim.pending == ""


def test_enter_is_for_the_composer_and_a_move_beyond_the_text_is_told():
    vim = Vim(mode=NORMAL)
    assert vim.press("enter", "ab", 0) is None
    assert [getattr(vim.press(key, "a\nb", 0), "edge", None) for key in ("k", "up", "j")] == [-1, -1, 0]
    assert getattr(vim.press("j", "a\nb", 2), "edge", None) == 1


def test_what_is_selected_is_known():
    vim = Vim(mode=NORMAL)
    vim.press("v", "abc", 2)
    assert vim.mode == VISUAL
    assert vim.selection("abc", 0) == (0, 3)


def test_no_sequence_of_keys_leaves_text_or_cursor_broken():
    source = random.Random(3)
    alphabet = [*"hjklwbe0^$gGiIaAoOxXdDcCyYpPuJ~rfFtTvsS;,123", "escape", "escape", "ctrl+r", "left", "up", "é", "日"]
    for _ in range(60):
        buffer, vim = Buffer("one two\n\n  日本 e\u0301 \ud800 x\nlast", 5), Vim(mode=NORMAL)
        for _ in range(60):
            before, lines = buffer.text, buffer.version
            key = source.choice(alphabet)
            step = vim.press(key, buffer.text, buffer.cursor)
            if step is None:
                if vim.mode == INSERT and len(key) == 1:
                    buffer.replace(buffer.cursor, buffer.cursor, key)
                continue
            if step.edit:
                start, end, _new = step.edit
                assert 0 <= start <= end <= len(before)
                buffer.replace(*step.edit, cursor=step.cursor)
                if len(buffer.text) > 3_000:
                    break
            else:
                buffer.move(step.cursor)
            for _ in range(min(9, step.undo)):
                buffer.undo()
            for _ in range(min(9, step.redo)):
                buffer.redo()
            assert 0 <= buffer.cursor <= len(buffer.text)
            if buffer.version == lines:
                assert buffer.text == before
        while buffer.undo():
            pass
        assert buffer.text == "one two\n\n  日本 e\u0301 \ud800 x\nlast"

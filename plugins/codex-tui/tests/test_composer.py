"""Writing: keys, messages, drawing, vi mode."""

from __future__ import annotations

import pytest

from codex_tui.keymap import Keymap
from codex_tui.screen.buffer import Buffer
from codex_tui.screen.composer import Composer
from codex_tui.screen.legacy_keys import teach_keys

from .composer_kit import desk

pytestmark = pytest.mark.anyio


async def test_text_is_written_with_new_lines_and_sent_with_enter():
    async with desk(Composer(placeholder="Ask anything")) as d:
        assert d.rows() == ["> Ask anything"]
        await d.type("hi")
        await d.press("shift+enter", "y", "ctrl+j", "z", "alt+enter", "a")
        assert d.rows() == ["> hi", "  y", "  z", "  a"]
        await d.press("enter")
        (sent,) = d.app.of(Composer.Submitted)
        assert (sent.text, sent.images, sent.mentions, sent.queue) == ("hi\ny\nz\na", (), (), False)
        assert d.composer.text == ""
        await d.press("space", "enter")
        assert len(d.app.of(Composer.Submitted)) == 1
        assert len(d.app.of(Composer.Typed)) == 11


async def test_tab_queues_while_a_turn_runs_and_does_nothing_otherwise():
    async with desk() as d:
        await d.type("next")
        await d.press("tab")
        assert d.app.of(Composer.Submitted) == []
        assert d.composer.text == "next"
        d.composer.busy = True
        await d.press("tab")
        assert [(sent.text, sent.queue) for sent in d.app.of(Composer.Submitted)] == [("next", True)]


EMACS = [
    ("one two", ["ctrl+a", "x"], "x|one two"),
    ("one two", ["ctrl+a", "ctrl+f", "ctrl+e", "ctrl+b"], "one tw|o"),
    ("one two", ["alt+b", "alt+b", "alt+f"], "one| two"),
    ("one two", ["ctrl+w"], "one |"),
    ("one two", ["alt+backspace", "ctrl+y"], "one two|"),
    ("one two", ["home", "alt+d"], "| two"),
    ("one two", ["alt+b", "ctrl+k"], "one |"),
    ("one two", ["alt+b", "ctrl+u", "ctrl+e", "ctrl+y"], "twoone |"),
    ("ab", ["left", "delete"], "a|"),
    ("ab", ["left", "ctrl+d", "ctrl+d"], "a|"),
    ("e\u0301👩\u200d👧", ["backspace"], "e\u0301|"),
    ("e\u0301👩\u200d👧", ["left", "left", "x"], "x|e\u0301👩\u200d👧"),
    ("one", ["x", "ctrl+underscore", "ctrl+underscore"], "one|"),
    ("one", ["ctrl+u", "ctrl+underscore", "alt+underscore"], "|"),
    ("ab\ncd", ["up", "x", "down", "y"], "abx\ncdy|"),
    ("ab\ncd", ["alt+less_than_sign", "x", "alt+greater_than_sign"], "xab\ncd|"),
    ("a\nb", ["ctrl+a", "ctrl+u"], "a|b"),
    ("a\nb", ["alt+less_than_sign", "ctrl+k", "ctrl+k"], "|b"),
]


async def test_the_keys_of_emacs_edit():
    async with desk() as d:
        for before, keys, after in EMACS:
            d.composer._box.use(Buffer(before, len(before)))
            await d.press(*keys)
            assert (before, keys, d.with_cursor) == (before, keys, after)


async def test_wide_characters_wrap_by_cells_and_the_cursor_is_drawn_on_them():
    async with desk(size=(11, 12)) as d:
        await d.type("日本語です👍 שלום")
        assert d.rows() == ["> 日本語で", "  す👍", "  שלום"]
        await d.press("up", "up")
        assert d.with_cursor.index("|") == 2  # below each other by cells
        cursors = [
            segment.text
            for strip in d.app.screen._compositor.render_strips(d.app.screen.size)
            for segment in strip
            if segment.style and segment.style.reverse
        ]
        assert cursors == ["語"]


async def test_it_grows_to_a_third_of_the_screen_and_then_scrolls():
    async with desk() as d:
        d.composer.set_text("\n".join(str(number) for number in range(20)))
        await d.pilot.pause()
        assert d.rows() == ["↑ 15", "  16", "  17", "  18", "  19"]
        await d.press("alt+less_than_sign")
        assert d.rows() == ["> 0", "  1", "  2", "  3", "↓ 4"]
        await d.pilot.resize_terminal(14, 9)
        await d.pilot.pause()
        assert d.rows() == ["> 0", "  1", "↓ 2"]
        d.composer.clear()
        await d.type("one two three four")
        assert d.rows() == ["> one two", "  three four"]


async def test_ctrl_c_keeps_what_was_typed_and_leaves_only_when_empty():
    async with desk() as d:
        await d.type("half a thought")
        await d.press("ctrl+c")
        assert d.composer.text == ""
        assert d.app.of(Composer.QuitWanted) == []
        await d.press("ctrl+c")
        assert [quit.sure for quit in d.app.of(Composer.QuitWanted)] == [False]
        d.composer.busy = True
        await d.press("ctrl+c")
        assert len(d.app.of(Composer.InterruptWanted)) == 1
        await d.press("ctrl+d")
        assert [quit.sure for quit in d.app.of(Composer.QuitWanted)] == [False, True]
        await d.press("up")
        assert d.with_cursor == "half a thought|"


async def test_escape_interrupts_and_twice_on_an_empty_composer_rewinds():
    now = [100.0]
    async with desk(Composer(clock=lambda: now[0])) as d:
        d.composer.busy = True
        await d.press("escape", "escape")
        assert len(d.app.of(Composer.InterruptWanted)) == 2
        d.composer.busy = False
        await d.press("escape")
        now[0] += 0.9
        await d.press("escape")
        assert d.app.of(Composer.RewindWanted) == []
        now[0] += 0.7
        await d.press("escape")
        assert len(d.app.of(Composer.RewindWanted)) == 1
        await d.press("x", "escape", "escape")
        assert len(d.app.of(Composer.RewindWanted)) == 1


async def test_keys_that_are_not_about_text_reach_the_application():
    async with desk() as d:
        await d.press("ctrl+t", "ctrl+g", "f1", "pageup", "shift+tab", "alt+x", "a")
        assert d.app.bubbled == ["ctrl+t", "ctrl+g", "f1", "pageup", "shift+tab", "alt+x"]
        assert d.composer.text == "a"


async def test_the_keys_of_the_application_are_used():
    keymap = Keymap.from_config({"composer": {"submit": "ctrl+x", "newline": "enter"}})
    async with desk(keymap=keymap) as d:
        await d.press("a", "enter", "b", "ctrl+x")
        assert [sent.text for sent in d.app.of(Composer.Submitted)] == ["a\nb"]


async def test_nothing_is_sent_while_there_is_a_reason_and_the_text_stays():
    async with desk() as d:
        d.composer.disabled_reason = "The server is gone"
        await d.pilot.pause()
        assert d.rows() == ["> The server is gone"]
        await d.type("hello")
        await d.press("enter")
        assert d.app.of(Composer.Submitted) == []
        assert [notice.text for notice in d.app.of(Composer.Notice)] == ["The server is gone"]
        d.composer.disabled_reason = None
        await d.press("enter")
        assert [sent.text for sent in d.app.of(Composer.Submitted)] == ["hello"]


async def test_an_exclamation_mark_at_the_beginning_is_shell_mode():
    async with desk() as d:
        await d.type("!ls")
        assert d.rows() == ["! !ls"]
        await d.press("home", "delete")
        assert d.rows() == ["> ls"]
        assert [mode.shell for mode in d.app.of(Composer.ModeChanged)] == [True, False]


async def test_setting_text_can_be_undone():
    async with desk() as d:
        await d.type("mine")
        d.composer.set_text("theirs")
        await d.press("ctrl+underscore")
        assert d.composer.text == "mine"


async def test_the_mouse_puts_the_cursor_where_it_is_pressed():
    async with desk() as d:
        d.composer.set_text("日本語\nabc")
        await d.pilot.click(offset=(5, 0))
        assert d.with_cursor == "日|本語\nabc"
        await d.pilot.click(offset=(20, 1))
        assert d.with_cursor == "日本語\nabc|"


async def test_vi_mode_edits_and_tells_its_mode():
    async with desk(Composer(vim=True)) as d:
        await d.type("one two")
        assert d.composer.mode == "insert"
        await d.press("escape", "b", "d", "w", "dollar_sign", "x")
        assert d.with_cursor == "on|e"
        await d.press("u", "u", "ctrl+r", "z", "q")
        assert d.composer.text == "one "
        assert [mode.mode for mode in d.app.of(Composer.ModeChanged)] == ["normal"]
        await d.press("escape")
        assert d.app.bubbled == ["escape"]
        await d.press("enter")
        assert [sent.text for sent in d.app.of(Composer.Submitted)] == ["one"]
        assert d.composer.mode == "insert"
        await d.press("x", "escape", "k")
        assert d.composer.text == "one"
        await d.press("j")
        assert d.composer.text == "x"
        d.composer.vim = False
        assert d.composer.mode == ""
        await d.press("j")
        assert "j" in d.composer.text


async def test_what_is_selected_in_vi_mode_is_marked():
    async with desk(Composer(vim=True)) as d:
        await d.type("abcd")
        await d.press("escape", "v", "h")
        marked = [
            segment.text
            for strip in d.app.screen._compositor.render_strips(d.app.screen.size)
            for segment in strip
            if segment.style and segment.style.reverse
        ]
        assert "".join(marked) == "cd"


def test_alt_with_enter_and_punctuation_is_known_from_old_terminals():
    from textual._xterm_parser import XTermParser

    teach_keys()
    teach_keys()
    keys = [event.key for event in XTermParser().feed("\x1b\r\x1b,\x1b<\x1b\x7fx")]  # type: ignore[attr-defined]
    assert keys == ["alt+enter", "alt+comma", "alt+less_than_sign", "alt+backspace", "x"]

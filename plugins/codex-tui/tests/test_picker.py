"""Picking from a list, by keys, by typing and with the mouse."""

from __future__ import annotations

import time

import pytest
from rich.text import Text
from textual.widgets import Static

from codex_tui.screen.fuzzy import match
from codex_tui.screen.picker import Picker, PickItem

from .screens import shown
from .snapshots import check

NAMES = ("gpt-5.5", "gpt-5.5-codex", "gpt-5-mini", "llama-3.3", "qwen3-coder", "mistral-large", "o4-mini", "phi-4")
MODELS = [PickItem(name, name, f"{name} reads much", current=name == "gpt-5-mini") for name in NAMES]


@pytest.mark.anyio
async def test_enter_picks_what_is_current_at_the_start():
    async with shown(Picker("Model", MODELS)) as (pilot, host):
        assert host.rows()[0] == " Model"
        check("picker-80x24", host.rows())
        assert [row for row in host.rows() if row.startswith(" >")] == [
            " > 3. gpt-5-mini (current) gpt-5-mini reads much"
        ]
        await pilot.press("enter")
        await pilot.pause()
        assert host.answers == ["gpt-5-mini"]


@pytest.mark.anyio
async def test_typing_filters_and_marks_and_enter_picks_the_best():
    async with shown(Picker("Model", MODELS)) as (pilot, host):
        await pilot.press(*"q3c")
        assert " / q3c▏" in host.rows()
        check("picker-filtered-80x24", host.rows())
        assert next(row for row in host.rows() if "qwen3-coder" in row).startswith(" > qwen3-coder")
        assert not [row for row in host.rows() if "llama" in row]
        await pilot.press("enter")
        await pilot.pause()
        assert host.answers == ["qwen3-coder"]


KEYS = [
    (["2"], "gpt-5.5-codex"),
    (["end", "down", "down", "enter"], "gpt-5.5-codex"),
    (["ctrl+n", "enter"], "llama-3.3"),
    (["escape"], None),
    ([*"zzz", "backspace", "backspace", "backspace", "enter"], "gpt-5.5"),
    (["pagedown", *"zzz", "ctrl+u", *"phi", "enter"], "phi-4"),
    (["home", "up", *"zzz", "escape", "escape"], None),
]


@pytest.mark.anyio
async def test_keys_move_and_pick():
    async with shown(Static()) as (pilot, host):
        for keys, found in KEYS:
            await host.put(Picker("Model", MODELS))
            await pilot.pause()
            await pilot.press(*keys)
            await pilot.pause()
            assert host.answers == [found], keys


@pytest.mark.anyio
async def test_what_is_disabled_tells_why_and_is_not_picked():
    items = [PickItem(1, "full access", disabled_reason="the administrator forbids it"), PickItem(2, "read only")]
    async with shown(Picker("Sandbox", items)) as (pilot, host):
        await pilot.press("enter", "1")
        await pilot.pause()
        assert host.answers == []
        assert host.rows()[-1] == " the administrator forbids it"
        await pilot.press("2")
        await pilot.pause()
        assert host.answers == [2]


@pytest.mark.anyio
async def test_space_chooses_several_and_enter_gives_them_in_their_order():
    items = [PickItem(name, name, current=name == "b") for name in "abcd"]
    async with shown(Picker("Skills", items, multi=True)) as (pilot, host):
        await pilot.press("end", "space", "home", "space")
        assert [row.strip() for row in host.rows()[1:5]] == ["> [x] a", "[x] b", "[ ] c", "[x] d"]
        await pilot.press("enter")
        await pilot.pause()
        assert host.answers == [("a", "b", "d")]


@pytest.mark.anyio
async def test_each_move_is_told_once_for_a_live_preview():
    told = []
    async with shown(Picker("Theme", MODELS, on_move=told.append)) as (pilot, _):
        await pilot.press("down", "up", "home", "home", *"zzz")
        await pilot.pause()
    assert told == ["gpt-5-mini", "llama-3.3", "gpt-5-mini", "gpt-5.5", None]


@pytest.mark.anyio
async def test_thousands_of_items_are_filtered_quickly_and_only_what_is_seen_is_drawn():
    items = [PickItem(number, f"session number {number} of the folder") for number in range(3_000)]
    picker = Picker("Many", items)
    async with shown(picker) as (pilot, host):
        assert len(host.rows()) <= 24
        started = time.process_time()
        await pilot.press(*"number 2999")
        took = time.process_time() - started
        assert took < 5  # 0.2 where nothing else runs
        await pilot.press("enter")
        await pilot.pause()
        assert host.answers == [2999]


@pytest.mark.anyio
async def test_a_small_terminal_shows_the_detail_of_one_item_below():
    async with shown(Picker("Model", MODELS), (40, 12)) as (pilot, host):
        rows = host.rows()
        assert len(rows) <= 12
        assert rows[-1].strip() == "gpt-5-mini reads much"
        check("picker-40x12", rows)
        await pilot.press("end")
        assert any(row.strip().startswith("> 8. phi-4") for row in host.rows())
        assert all(len(row) <= 40 for row in host.rows())


@pytest.mark.anyio
async def test_a_preview_stands_beside_the_list_where_there_is_room():
    def preview(item, width, height):
        return [Text(f"about {item.label}")]

    async with shown(Picker("Theme", MODELS, preview=preview), (100, 24)) as (pilot, host):
        assert any(row.endswith("│ about gpt-5-mini") for row in host.rows())
        check("picker-preview-100x24", host.rows())
        await pilot.press("down")
        assert any(row.endswith("│ about llama-3.3") for row in host.rows())
        await pilot.resize_terminal(60, 20)
        await pilot.pause()
        assert not any("│" in row for row in host.rows())


@pytest.mark.anyio
async def test_a_click_picks_what_it_hits():
    picker = Picker("Model", MODELS)
    async with shown(picker) as (pilot, host):
        row = next(y for y, text in enumerate(host.rows()) if "llama" in text)
        await pilot.click(Picker, offset=(8, row))
        await pilot.pause()
        assert host.answers == ["llama-3.3"]


@pytest.mark.anyio
async def test_control_sequences_of_others_are_not_drawn():
    items = [PickItem(1, "a\x1b[31mb\x07", "c\x1b]0;x\x07\nd")]
    async with shown(Picker("x\x1b[2Jy", items)) as (_, host):
        assert not any(ord(c) < 32 or c == "\x7f" for row in host.rows() for c in row)


@pytest.mark.anyio
async def test_wide_characters_keep_the_columns():
    items = [PickItem(1, "模型一", "喵" * 60), PickItem(2, "👩‍👩‍👧 x", "y")]
    async with shown(Picker("選擇", items), (60, 12)) as (_, host):
        lines = host.screen._compositor.render_strips()
        assert {strip.cell_length for strip in lines} == {60}


def test_one_piece_comes_before_scattered_letters_and_beginnings_before_middles():
    assert match("mod", "model").score > match("mod", "remodel").score > match("mod", "my old dog").score
    assert match("gc", "git commit").places == (0, 4)
    assert match("xyz", "git commit") is None
    assert match("git c", "Git Commit").places == (0, 1, 2, 3, 4)
    assert match("İ", "İstanbul") is not None or match("i", "İstanbul") is not None

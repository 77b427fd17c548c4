"""Keys: names, configuration, conflicts."""

from __future__ import annotations

import pytest

from codex_plugin_sdk import ConfigError
from codex_tui.keymap import Keymap, key_name, keymap_of, shown
from codex_tui.keys_default import ALIASES, DEFAULTS


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ctrl-C", "ctrl+c"),
        ("alt+,", "alt+comma"),
        ("ctrl--", "ctrl+minus"),
        ("Esc", "escape"),
        ("shift+g", "G"),
        ("G", "G"),
        ("shift-tab", "shift+tab"),
        ("?", "question_mark"),
        ("ctrl+[", "escape"),
        ("ctrl+alt+v", "alt+ctrl+v"),
        ("page-down", "pagedown"),
        ("shift+\r", "shift+enter"),  # textual's name for what xterm's modifyOtherKeys sends
        (" ", "space"),
        ("日", "日"),
        ("f25", None),
        ("ctrl+", None),
        ("leader t", None),
        ("", None),
    ],
)
def test_a_key_has_one_name_however_it_is_written(text: str, name: str | None):
    assert key_name(text) == name


def test_the_defaults_have_no_conflict_and_only_names_in_normal_form():
    keymap = Keymap.default()
    assert keymap.conflicts() == ()
    assert [
        key for actions in DEFAULTS.values() for keys in actions.values() for key in keys if key_name(key) != key
    ] == []
    assert all(action in DEFAULTS[context] for context, action in (place.split(".") for place in ALIASES.values()))


def test_an_action_is_looked_up_by_context():
    keymap = Keymap.default()
    assert keymap.action("composer", "enter") == "submit"
    assert keymap.action("list", "enter") == "accept"
    assert keymap.action("pager", "G") == "end"
    assert keymap.action("composer", "f12") is None
    assert keymap.keys("composer", "newline")[0] == "shift+enter"
    assert keymap.hint("global", "effort-down") == "alt+,"
    assert shown("ctrl+up") == "ctrl+↑"


def test_configuration_replaces_the_keys_of_an_action_and_an_empty_list_unbinds():
    keymap = Keymap.from_config({"composer": {"submit": "Ctrl-X", "queue": []}, "global": {"help": ["f2", "ctrl+]"]}})
    assert keymap.keys("composer", "submit") == ("ctrl+x",)
    assert keymap.action("composer", "enter") is None
    assert keymap.action("composer", "tab") is None
    assert keymap.keys("global", "help") == ("f2", "ctrl+right_square_bracket")


def test_a_chosen_key_is_taken_from_a_default_action_that_has_others():
    keymap = Keymap.from_config({"composer": {"submit": ["enter", "ctrl+j"]}})
    assert keymap.action("composer", "ctrl+j") == "submit"
    assert keymap.keys("composer", "newline") == ("shift+enter", "alt+enter")


@pytest.mark.parametrize(
    "table",
    [
        {"composer": {"submit": "ctrl+t"}},  # the only key of global.transcript
        {"composer": {"submit": "ctrl+x", "queue": "ctrl+x"}},
        {"global": {"help": "ctrl+y"}},
    ],
)
def test_a_key_with_two_meanings_is_an_error_that_names_both(table: dict[str, dict[str, str]]):
    with pytest.raises(ConfigError) as caught:
        Keymap.from_config(table)
    first = f"{next(iter(table))}.{next(iter(next(iter(table.values()))))}"
    assert first in str(caught.value)
    assert " is both " in str(caught.value)
    assert "another key" in caught.value.hint


@pytest.mark.parametrize(
    ("table", "part"),
    [
        ({"composer": {"sumbit": "enter"}}, "kill-line-end"),
        ({"composr": {}}, "approval"),
        ({"composer": {"submit": "ctrl+enterr"}}, "pageup"),
        ({"composer": {"submit": 3}}, "list of keys"),
        ({"composer": "enter"}, "table"),
    ],
)
def test_what_is_unknown_is_an_error_with_what_there_is(table: dict[str, object], part: str):
    with pytest.raises(ConfigError) as caught:
        Keymap.from_config(table)
    assert part in str(caught.value)


def test_names_of_codex_are_understood_and_those_without_effect_are_told():
    keymap = Keymap.from_config(
        {"editor": {"insert_newline": "ctrl+x"}, "chat": {"interrupt_turn": "f9"}, "agents": {"rename": "r"}}
    )
    assert keymap.action("composer", "ctrl+x") == "newline"
    assert keymap.action("global", "f9") == "interrupt"
    assert keymap.problems == ("tui.keymap.agents.rename has no effect here",)


def test_a_widget_without_an_application_has_the_default_keys():
    assert keymap_of(object()).action("composer", "enter") == "submit"

"""The table `[tui]`."""

from __future__ import annotations

import pytest

from codex_plugin_sdk import Config, ConfigError
from codex_tui.section import TuiSection


def section(tmp_path, **keys):
    """What a configuration with these keys gives."""
    config = Config(str(tmp_path))
    for key, found in keys.items():
        config.merge_key(f"tui.{key}", found, "config.toml")
    return config.section("tui", TuiSection)


def test_without_a_table_there_are_defaults(tmp_path):
    found = section(tmp_path)
    assert found == TuiSection()
    assert (found.alternate_screen, found.on_hangup, found.screen_reader) == ("auto", "interrupt", False)
    assert found.notifications is True


def test_all_keys_of_codex_are_taken(tmp_path):
    keys = {
        "alternate_screen": "never",
        "animations": False,
        "keymap": {"composer": {"submit": "ctrl+enter"}},
        "model_availability_nux": {"gpt-5.5": 3},
        "mouse_scroll_speed": 2,
        "notification_condition": "always",
        "notification_method": "osc9",
        "notifications": ["agent-turn-complete", "approval-requested"],
        "pet": "cat",
        "session_picker_view": "dense",
        "show_tooltips": False,
        "status_line": ["model", "git-branch"],
        "status_line_use_colors": False,
        "terminal_resize_reflow_max_rows": 0,
        "terminal_title": [],
        "theme": "dark",
        "vim_mode_default": True,
    }
    found = section(tmp_path, **keys)
    assert {key: getattr(found, key) for key in keys} == keys


@pytest.mark.parametrize(
    ("key", "wrong", "said"),
    [
        ("alternate_screen", "sometimes", "auto, always, never"),
        ("notification_method", "smoke", "auto, osc9, osc777, bel"),
        ("notification_condition", "never", "unfocused, always"),
        ("session_picker_view", "airy", "comfortable, dense"),
        ("on_hangup", "wait", "interrupt, finish"),
        ("notifications", "yes", "true, false or a list"),
        ("notifications", ["something"], "agent-turn-complete"),
        ("mouse_scroll_speed", 0, "above 0"),
        ("mouse_scroll_speed", True, "above 0"),
        ("status_line", "model", "list of strings"),
        ("terminal_title", [1], "list of strings"),
        ("terminal_resize_reflow_max_rows", -1, "0 or more"),
        ("animations", "no", "animations"),
        ("colour", "red", "colour"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(tmp_path, key, wrong, said):
    with pytest.raises(ConfigError) as caught:
        section(tmp_path, **{key: wrong})
    assert key in str(caught.value)
    assert said in str(caught.value)

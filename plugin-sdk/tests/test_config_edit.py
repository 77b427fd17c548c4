"""Edits of TOML files keep what people wrote, lose nothing, and are refused when the file is another one."""

import os
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_plugin_sdk import ConfigError
from codex_plugin_sdk.config_edit import ABSENT, ConfigConflict, edit_config, edited_text, key_parts, version_of

KEY = st.text("abc-_", min_size=1, max_size=4)
VALUE = (
    st.booleans()
    | st.integers(-9, 9)
    | st.text("ab\"'\\\n#é", max_size=5)
    | st.lists(st.text("a", max_size=2), max_size=3)
)


@given(st.dictionaries(KEY, VALUE, max_size=4), st.dictionaries(KEY, VALUE, max_size=4), KEY, VALUE)
def test_an_edit_changes_its_key_and_no_other(top, table, key, value):
    text = (
        edited_text("# head\n", {**top, **{f"table.{name}": entry for name, entry in table.items()}})
        if "table" not in top
        else ""
    )
    before = tomllib.loads(text)
    after = tomllib.loads(edited_text(text, {f"other.{key}": value})) if "other" not in before else None
    if after is not None:
        assert after.pop("other") == {key: value}
        assert after == before
        back = edited_text(edited_text(text, {f"other.{key}": value}), {"other": None})
        assert tomllib.loads(back) == before
    assert text == "" or text.startswith("# head\n")


@pytest.mark.parametrize(
    ("key", "parts"),
    [("a", ["a"]), ("a.b", ["a", "b"]), ('projects."/a.b/c".x', ["projects", "/a.b/c", "x"]), ('"a.b"', ["a.b"])],
)
def test_parts_of_a_key_may_hold_dots(key, parts):
    assert key_parts(key) == parts


@pytest.mark.parametrize("key", ["", ".", "a.", "a..b", '"a', '"a"b'])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(ConfigError, match="is not a key"):
        key_parts(key)


def test_versions_tell_a_concurrent_change(tmp_path):
    path = str(tmp_path / "new" / "config.toml")
    assert version_of(path) == ABSENT
    first = edit_config(path, {"a": 1}, lock=str(tmp_path / "lock"), expected_version=ABSENT)
    assert first.version == version_of(path)
    assert os.stat(path).st_mode & 0o777 == 0o600
    edit_config(path, {"a": 2}, expected_version=first.version)
    with pytest.raises(ConfigConflict) as caught:
        edit_config(path, {"a": 3}, expected_version=first.version)
    assert caught.value.version == version_of(path)
    assert tomllib.loads((tmp_path / "new" / "config.toml").read_text()) == {"a": 2}
    assert not edit_config(path, {"a": 2}).changed


def test_what_is_no_table_is_not_replaced(tmp_path):
    with pytest.raises(ConfigError, match="`a` is not a table"):
        edited_text("a = 1\n", {"a.b": 2})
    (tmp_path / "f").write_text("a = \n")
    with pytest.raises(ConfigError, match="f:1"):
        edit_config(str(tmp_path / "f"), {"b": 1})
    assert (tmp_path / "f").read_text() == "a = \n"

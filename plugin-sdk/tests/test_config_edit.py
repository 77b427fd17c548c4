"""Edits of TOML files keep what people wrote, lose nothing, and are refused when the file is another one."""

import os
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_plugin_sdk import ConfigError, config_edit
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


@pytest.fixture
def editor(monkeypatch):
    """Somebody who takes no lock and saves the file while an edit of ours is being made."""

    def install(path, texts):
        real, left = config_edit.edited_text, list(texts)

        def edited(text, edits, where=""):
            new = real(text, edits, where)
            if left:
                path.write_text(left.pop(0))
            return new

        monkeypatch.setattr(config_edit, "edited_text", edited)

    return install


def test_what_an_editor_saves_meanwhile_is_not_lost(tmp_path, editor):
    path = tmp_path / "config.toml"
    path.write_text("a = 1\n")
    editor(path, ["a = 1\nby_editor = true\n"])
    done = edit_config(str(path), {"b": 2})
    assert tomllib.loads(path.read_text()) == {"a": 1, "by_editor": True, "b": 2}
    assert done.version == version_of(str(path))


def test_an_expected_version_refuses_what_an_editor_saves_meanwhile(tmp_path, editor):
    path = tmp_path / "config.toml"
    path.write_text("a = 1\n")
    editor(path, ["a = 2\n"])
    with pytest.raises(ConfigConflict):
        edit_config(str(path), {"b": 2}, expected_version=version_of(str(path)))
    assert path.read_text() == "a = 2\n"


def test_a_file_that_never_comes_to_rest_is_refused(tmp_path, editor):
    path = tmp_path / "config.toml"
    editor(path, [f"a = {number}\n" for number in range(config_edit.ATTEMPTS)])
    with pytest.raises(ConfigConflict):
        edit_config(str(path), {"b": 2})
    assert path.read_text() == f"a = {config_edit.ATTEMPTS - 1}\n"


def test_an_edit_that_would_change_something_else_is_refused(monkeypatch):
    import tomlkit

    monkeypatch.setattr(tomlkit, "dumps", lambda document: "b = 2\n")
    with pytest.raises(ConfigError, match="change it by hand"):
        edited_text("a = 1\n", {"b": 2})


def test_lines_end_as_they_did():
    both = edited_text("a = 1\r\n[t]\r\nb = 2\r\n", {"t.c": 3, "d": 4})
    assert both.count("\n") == both.count("\r\n") == len(both.splitlines())
    assert edited_text("a = 1\r\n", {"c": 3}) == "a = 1\r\nc = 3\r\n"
    assert edited_text("a = 1\n", {"c": 3}) == "a = 1\nc = 3\n"


@pytest.mark.parametrize(
    ("text", "edits", "table"),
    [
        ("[a.x]\nk = 1\n[b]\nk = 1\n[a.y]\nk = 1\n", {"a.z.k": 2, "a.x.k": 5}, {"a": {"x": {"k": 5}, "y": {"k": 1}, "z": {"k": 2}}, "b": {"k": 1}}),
        ("a.b = 1\n", {"a.c": 2}, {"a": {"b": 1, "c": 2}}),
        ("a = { b = { x = 1 } }\n", {"a.b.y": 2}, {"a": {"b": {"x": 1, "y": 2}}}),
        ("# head\n\n[t]\nx = 1 # tail\n", {"model": "m"}, {"model": "m", "t": {"x": 1}}),
        ("n = nan\n", {"b": 1}, None),
        ("[[h.Stop]]\nm = 1\n", {"h.Stop": None}, {}),
        ("", {"m": "x\ny"}, {"m": "x\ny"}),
    ],
)  # fmt: skip
def test_ways_to_write_tables_survive(text, edits, table):
    new = edited_text(text, edits)
    assert table is None or tomllib.loads(new) == table
    for comment in ("# head", "# tail"):
        assert (comment in text) == (comment in new)

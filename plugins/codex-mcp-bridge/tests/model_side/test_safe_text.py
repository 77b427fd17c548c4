import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_mcp_bridge.safe_text import shown, shown_data


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\r\nb", "a\\x0d\nb"),
        ("user\u202egnp.exe", "user\\u202egnp.exe"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("hidden\U000e0101", "hidden\\U000e0101"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("line\u2028sep", "line\\u2028sep"),
        ("blank\u3164", "blank\\u3164"),
        ("half\ud800", "half\\ud800"),
        ("naïve 中文 עברית 👩\u200d💻 ❤️", "naïve 中文 עברית 👩\u200d💻 ❤️"),
    ],
)
def test_only_what_hides_or_steers_is_escaped(text, found):
    assert shown(text) == found


def test_text_is_cut_behind_its_limit():
    assert shown("x" * 11, 10) == "x" * 10 + "…"
    assert shown("x" * 10, 10) == "x" * 10


def test_one_line_stays_one_line():
    assert shown("a\nb\tc", lines=False) == "a b\\x09c"


@given(st.text())
def test_shown_text_is_printable_and_is_not_changed_again(text):
    found = shown(text)
    found.encode()  # no half characters
    assert shown(found) == found
    rest = found.translate({ord(char): None for char in "\n\t\u200c\u200d"}).replace("\xa0", " ")
    assert all(char.isprintable() or char.isspace() for char in rest)


def test_data_is_shown_to_its_leaves_and_to_a_depth():
    assert shown_data({"a\x1b": ["\x07", 1, None, {"b": True}]}) == {"a\\x1b": ["\\x07", 1, None, {"b": True}]}
    deep = []
    for _ in range(100):
        deep = [deep]
    assert "…" in str(shown_data(deep))


def test_numbers_that_not_every_json_can_say_become_text():
    data = [10**30, float("inf"), 2**63 - 1, -(2**63), 1.5, True, None]
    assert shown_data(data) == [str(10**30), "inf", 2**63 - 1, -(2**63), 1.5, True, None]
    (huge,) = shown_data([1 << 100_000])
    assert huge.startswith("0x1000")

"""Finding lines: leniences, anchors, the end of the file."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_tool_apply_patch import matching
from codex_tool_apply_patch.matching import Seeker


def find(lines, pattern, start=0, *, at_end=False):
    return Seeker(lines, pattern).find(pattern, start, at_end=at_end)


def test_first_place_from_the_start_on_is_found():
    assert find(["a", "b", "a", "b"], ["a", "b"]) == 0
    assert find(["a", "b", "a", "b"], ["a", "b"], 1) == 2
    assert find(["a", "b", "a", "b"], ["a", "b"], 3) is None


def test_pattern_may_be_any_sequence():
    assert find(["a ", "a"], ("a",)) == 1


def test_empty_pattern_is_found_where_seeking_starts():
    assert find(["a"], [], 1) == 1
    assert find([], [], 0) == 0
    assert find([], ["a"]) is None
    assert find([], [""]) is None


@pytest.mark.parametrize(
    "line",
    [
        'a - b\'s "c"',
        'a - b\'s "c"  \t',
        '\t a - b\'s "c"\u3000',
        "a\xa0\u2014\u2003b\u2019s \u201cc\u201d",
        "  a \u2212 b\u201bs\u205f\u201ec\u201f",
    ],
)
def test_line_is_found_in_spite_of_space_and_typography(line):
    assert find(["x", line], ['a - b\'s "c"']) == 1
    assert find(["x", 'a - b\'s "c"'], [line]) == 1


@pytest.mark.parametrize("line", ["a…", "a\u2032", "a\tb", "\x1ca", "\u200ba", "A"])
def test_other_differences_count(line):
    plain = line.replace("…", "...").replace("\u2032", "'").replace("\t", " ").strip("\x1c\u200b")
    assert find([line], [plain if plain != line else "a"]) is None


def test_stricter_match_further_down_wins():
    assert find([" a", "a ", "a"], ["a"]) == 2
    assert find(["\u2014", " -", "- "], ["-"]) == 2
    assert find(["\u2014", " -"], ["-"]) == 1


def test_leniences_do_not_mix_across_lines_beyond_the_widest():
    assert find(["a ", " b", "c\u2014"], ["a", "b", "c-"]) == 0


def test_at_end_only_the_last_lines_will_do():
    assert find(["a", "b", "a"], ["a"], at_end=True) == 2
    assert find(["a", "b"], ["a"], at_end=True) is None
    assert find(["a", "b", " a "], ["a"], at_end=True) == 2
    assert find(["a", "a"], ["a", "a"], 1, at_end=True) is None
    assert find(["a"], ["a", "a"], at_end=True) is None


def test_lines_that_were_not_announced_are_not_found():
    assert Seeker(["a", "b"], ["a"]).find(["b"], 0) is None


def test_more_lines_than_characters_are_told_apart(monkeypatch):
    monkeypatch.setattr(matching, "_LAST_CHARACTER", 2)
    lines = [f"line {number}" for number in range(20)]
    seeker = Seeker(lines, lines)
    assert [seeker.find([line], 0) for line in lines] == list(range(20))
    assert seeker.find(["line 3", "line 5"], 0) is None


@settings(deadline=None)
@given(
    lines=st.lists(st.sampled_from(["a", "b", "a ", "", "—", "-"]), max_size=12),
    pattern=st.lists(st.sampled_from(["a", "b", " a", "", "-"]), min_size=1, max_size=3),
    start=st.integers(0, 6),
    at_end=st.booleans(),
)
def test_seeker_agrees_with_looking_at_every_place(lines, pattern, start, at_end):
    def naive():
        first = len(lines) - len(pattern) if at_end else start
        for alike in (str, str.rstrip, str.strip, lambda line: line.strip().replace("—", "-")):
            for place in range(max(first, start), len(lines) - len(pattern) + 1):
                if [*map(alike, lines[place : place + len(pattern)])] == [*map(alike, pattern)]:
                    return place
        return None

    assert find(lines, pattern, start, at_end=at_end) == naive()

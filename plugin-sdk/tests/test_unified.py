"""Unified diffs of one file, taken apart and put together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_plugin_sdk.unified import Hunk, apply, between, edited, parse, write

TEXTS = st.lists(st.sampled_from(["a\n", "b\n", "\n", "c", "\r\n"]), max_size=12).map("".join)
WHOLE = st.lists(st.sampled_from(["a\n", "b\n", "\n", "c\r\n"]), max_size=12).map("".join)
OLD = "".join(f"{number}\n" for number in range(1, 21))
NEW = OLD.replace("2\n", "two\n", 1).replace("10\n", "").replace("19\n", "19\nmore\n")


@given(TEXTS, TEXTS)
def test_what_leads_from_one_text_to_the_other_does(old, new):
    hunks = between(old, new)
    assert parse(write(hunks)) == hunks
    assert apply(old, hunks) == new


@given(WHOLE, WHOLE, st.randoms())
def test_any_of_the_hunks_apply_without_the_others(old, new, random):
    hunks = between(old, new)
    taken = tuple(hunk for hunk in hunks if random.random() < 0.5)
    found = apply(old, parse(write(taken)))
    assert len(found) - len(old) == sum(len("".join(hunk.new)) - len("".join(hunk.old)) for hunk in taken)


def test_a_hunk_alone_lies_where_it_lies_without_the_others():
    first, second, third = between(OLD, NEW)
    assert write((second,)) == "@@ -9,3 +9,2 @@\n 9\n-10\n 11\n"
    assert write((first, third)) == "@@ -1,3 +1,3 @@\n 1\n-2\n+two\n 3\n@@ -19,2 +19,3 @@\n 19\n+more\n 20\n"
    assert apply(OLD, (third,)) == OLD.replace("19\n", "19\nmore\n")


def test_a_last_line_without_a_newline_is_kept_as_it_is():
    diff = "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n"
    (hunk,) = parse(diff)
    assert hunk.old == ("a",)
    assert write((hunk,)) == diff
    assert apply("a", (hunk,)) == "b\n"


def test_headers_before_the_first_hunk_are_passed_over():
    assert parse("--- a/x\n+++ b/x\n@@ -0,0 +1 @@ def f\n+x\n") == (Hunk(start=0, lines=("+x\n",)),)
    assert parse("") == ()


@pytest.mark.parametrize(
    ("diff", "message"),
    [
        ("@@ -1 +1 @@\n-a\n", "not as many lines"),
        ("@@ nonsense @@\n", "no header of a hunk"),
        ("@@ -1 +1 @@\n-a\n+b\n\nMoved to: c\n", "no header of a hunk"),
    ],
)
def test_what_is_no_diff_is_refused(diff, message):
    with pytest.raises(ValueError, match=message):
        parse(diff)


@pytest.mark.parametrize(
    ("text", "message"),
    [("other\n", "line 1 is not 'a'"), ("", "line 1 is not 'a'"), ("x\na\n", "line 1 is not 'a'")],
)
def test_a_hunk_applies_where_it_says_or_not_at_all(text, message):
    with pytest.raises(ValueError, match=message):
        apply(text, parse("@@ -1 +1 @@\n-a\n+b\n"))


def test_hunks_that_overlap_or_lie_beyond_the_end_have_no_place():
    hunk = parse("@@ -1,2 +1 @@\n a\n-b\n")[0]
    with pytest.raises(ValueError, match="no place"):
        apply("a\nb\n", (hunk, hunk.replace(start=1)))
    with pytest.raises(ValueError, match="no place"):
        apply("a\n", (Hunk(start=3, lines=("+x\n",)),))


def test_a_hunk_may_be_edited_as_long_as_it_finds_what_is_there():
    (hunk,) = parse("@@ -1,2 +1,2 @@\n a\n-b\n+c\n")
    assert edited(hunk, " a\n-b\n+d\n+e").new == ("a\n", "d\n", "e\n")
    assert edited(hunk, " a\n b\n").new == ("a\n", "b\n")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (" a\n+c\n", "'b' is missing"),
        (" a\n-x\n", "the file has 'b'"),
        (" a\n-b\n c\n", "'c' is not in the file"),
        (" a\nb\n", "line 2 begins with none of"),
        ("", "'a' is missing"),
    ],
)
def test_an_edit_that_would_not_apply_is_refused_with_its_line(body, message):
    (hunk,) = parse("@@ -1,2 +1,2 @@\n a\n-b\n+c\n")
    with pytest.raises(ValueError, match=message):
        edited(hunk, body)

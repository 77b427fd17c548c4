"""The unified diff that the user is shown."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_tool_apply_patch.diff import unified_diff
from codex_tool_apply_patch.document import Document, Edit

LETTERS = "".join(f"{letter}\n" for letter in "abcdefghijklmnop")


def diff(text, *edits):
    return unified_diff(Document(text), [Edit(start=start, removed=n, added=tuple(new)) for start, n, new in edits])


@pytest.mark.parametrize(
    ("text", "edits", "expected"),
    [
        ("one\n", [(0, 1, ["two"])], "@@ -1 +1 @@\n-one\n+two\n"),
        ("1\n", [(0, 1, [])], "@@ -1 +0,0 @@\n-1\n"),
        ("", [(0, 0, ["x"])], "@@ -0,0 +1 @@\n+x\n"),
        ("a\nb\n", [(2, 0, ["x"])], "@@ -2 +2,2 @@\n b\n+x\n"),
        ("a\nb\n", [(1, 1, ["b"])], ""),
        ("a\nb\n", [], ""),
        ("a\nb\nc\nd\n", [(0, 3, ["a", "X", "c"])], "@@ -1,3 +1,3 @@\n a\n-b\n+X\n c\n"),
        ("1\r\n2\r\n", [(1, 1, ["x"])], "@@ -1,2 +1,2 @@\n 1\r\n-2\r\n+x\r\n"),
        ("1\n2", [(1, 1, ["3"])], "@@ -1,2 +1,2 @@\n 1\n-2\n\\ No newline at end of file\n+3\n"),
        ("1\n2", [(0, 1, ["3"])], "@@ -1,2 +1,2 @@\n-1\n-2\n\\ No newline at end of file\n+3\n+2\n"),
        ("1\n2", [(2, 0, ["3"])], "@@ -1,2 +1,3 @@\n 1\n-2\n\\ No newline at end of file\n+2\n+3\n"),
        ("1\n2", [], "@@ -1,2 +1,2 @@\n 1\n-2\n\\ No newline at end of file\n+2\n"),
        (
            LETTERS,
            [(2, 1, ["C"]), (10, 1, ["K", "K2"])],
            "@@ -2,3 +2,3 @@\n b\n-c\n+C\n d\n@@ -10,3 +10,4 @@\n j\n-k\n+K\n+K2\n l\n",
        ),
        (
            LETTERS,
            [(2, 1, ["C"]), (4, 1, ["E"]), (7, 1, ["H"]), (11, 1, ["L"])],
            "@@ -2,8 +2,8 @@\n b\n-c\n+C\n d\n-e\n+E\n f\n g\n-h\n+H\n i\n@@ -11,3 +11,3 @@\n k\n-l\n+L\n m\n",
        ),
        (LETTERS, [(2, 1, []), (3, 1, ["D"]), (4, 0, ["x"])], "@@ -2,4 +2,4 @@\n b\n-c\n-d\n+D\n+x\n e\n"),
    ],
)
def test_diff_shows_the_edits_with_one_line_of_context(text, edits, expected):
    assert diff(text, *edits) == expected


def apply_diff(text, unified):
    """An independent reader of unified diffs."""
    old = re.findall(r"[^\n]*\n|[^\n]+", text)
    new, at = [], 0
    for header, body in re.findall(r"(?m)^(@@ .*\n)((?:[ +\-\\].*\n)*)", unified):
        start, count = re.match(r"@@ -(\d+)(?:,(\d+))? ", header).groups()
        begin = int(start) - (count != "0")
        new += old[at:begin]
        at = begin
        for sign, rest in re.findall(r"(?m)^([ +\-])(.*\n(?:\\.*\n)?)", body):
            line = rest.split("\n")[0] if "\\ No newline" in rest else rest
            if sign != "+":
                assert old[at] == line
                at += 1
            if sign != "-":
                new.append(line)
    return "".join(new + old[at:])


@st.composite
def edited_texts(draw):
    lines = draw(st.lists(st.sampled_from("abc"), max_size=14))
    text = "".join(f"{line}\n" for line in lines)
    edits, at = [], 0
    while at <= len(lines) and draw(st.booleans()):
        start = draw(st.integers(at, len(lines)))
        removed = draw(st.integers(0, min(3, len(lines) - start)))
        edits.append(
            Edit(start=start, removed=removed, added=tuple(draw(st.lists(st.sampled_from("abx"), max_size=3))))
        )
        at = start + removed + draw(st.integers(0, 4))
    return text if draw(st.booleans()) else text[:-1], edits


@settings(deadline=None)
@given(edited_texts())
def test_diff_turns_the_old_text_into_the_new_one(case):
    text, edits = case
    document = Document(text)
    assert apply_diff(text, unified_diff(document, edits)) == document.edited(edits)

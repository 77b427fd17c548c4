"""New contents: where chunks land and what happens to line endings."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_tool_apply_patch.apply import resolve, summary, updated
from codex_tool_apply_patch.document import Document, Edit
from codex_tool_apply_patch.hunks import AddFile, Chunk, DeleteFile, PatchError, UpdateFile
from codex_tool_apply_patch.parser import parse


def after(text, *lines):
    """`text` after an update with these patch lines."""
    patch = parse("\n".join(("*** Begin Patch", "*** Update File: f", *lines, "*** End Patch")))
    return updated(patch.hunks[0], "/w/f", text)[0]


def failure(text, *lines):
    with pytest.raises(PatchError) as caught:
        after(text, *lines)
    return str(caught.value)


def test_chunks_are_sought_one_after_the_other():
    assert after("1\n1\n1\n", "@@", "-1", "+x", "@@", "-1", "+y") == "x\ny\n1\n"
    assert failure("1\n2\n3\n", "@@", "-3", "+x", "@@", "-1", "+y") == "Failed to find expected lines in /w/f:\n1"
    assert failure("1\n2\n", "@@", "-1", " 2", "@@", " 2", "+x") == "Failed to find expected lines in /w/f:\n2"


def test_lines_are_sought_below_the_anchor():
    assert after("1\nf\n1\n", "@@ f", "-1", "+x") == "1\nf\nx\n"
    assert after("1\n  f \n1\n", "@@ f", "-1", "+x") == "1\n  f \nx\n"
    assert failure("1\n2\n", "@@ 1", "-1", "+x") == "Failed to find expected lines in /w/f:\n1"
    assert failure("1\n2\n", "@@ f", "-1", "+x") == "Failed to find context 'f' in /w/f"


def test_anchors_of_several_chunks_lead_deeper():
    text = "class A\n f\n  1\nclass B\n f\n  1\n"
    assert after(text, "@@ class B", "  f", "@@", "-  1", "+  2") == "class A\n f\n  1\nclass B\n f\n  2\n"


def test_added_lines_go_below_the_anchor_or_to_the_end():
    assert after("1\n2\n", "@@", "+x") == "1\n2\nx\n"
    assert after("f\n1\n2\n", "@@ f", "+x", "@@", "-1", "+y") == "f\nx\ny\n2\n"
    assert after("f\n1\n", "@@ f", "+x", "*** End of File") == "f\n1\nx\n"
    assert after("1\n2\n", "@@", "+x", "@@", "-2", "+y", "+z") == "1\ny\nz\nx\n"
    assert after("", "@@", "+x") == "x\n"


def test_end_of_file_wants_the_last_lines():
    assert after("1\n2\n1\n", "@@", "-1", "+x", "*** End of File") == "1\n2\nx\n"
    assert "expected lines" in failure("1\n2\n", "@@", "-1", "+x", "*** End of File")
    assert "expected lines" in failure("2\n\n", "@@", "-2", "+x", "*** End of File")


def test_kept_lines_stay_as_the_file_has_them():
    assert after("  a — b \nc\n", "@@", " a - b", "-c", "+d") == "  a — b \nd\n"


def test_empty_last_line_of_a_chunk_may_be_missing_in_the_file():
    assert after("1\n2\n", "@@", "-2", "+x", "") == "1\nx\n"
    assert after("1\n2\n3\n", "@@", "-1", "+x", "") == "x\n2\n3\n"
    assert after("1\n2\n", "@@", "-2", "-", "+x", "+") == "1\nx\n"
    assert after("1\n\n2\n", "@@", "-1", "+x", "") == "x\n\n2\n"
    assert failure("1\n2\n", "@@", "-2", "", "") == "Failed to find expected lines in /w/f:\n2\n\n"


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1\n2\n3\n", "1\nx\ny\n3\n"),
        ("1\r\n2\r\n3\r\n", "1\r\nx\r\ny\r\n3\r\n"),
        ("1\r2\r3\r", "1\rx\ry\r3\r"),
        ("1\n2\r\n3\r\n", "1\nx\ny\n3\r\n"),
        ("1\r\n2\n3\n", "1\r\nx\r\ny\r\n3\n"),
        ("1\n2\n3", "1\nx\ny\n3\n"),
        ("1\r\n2\r\n3", "1\r\nx\r\ny\r\n3\r\n"),
        ("1\r\n2\n3", "1\r\nx\r\ny\r\n3\r\n"),
        ("1\n2", "1\nx\ny\n"),
        ("2", "x\ny\n"),
    ],
)
def test_line_endings_are_kept_and_added_lines_get_the_first_one(text, result):
    assert after(text, "@@", "-2", "+x", "+y") == result


def test_other_characters_that_could_end_lines_do_not():
    assert after("1\n\x0c\x0b\u2028\x85\x1c\n2\n", "@@", "-2", "+x") == "1\n\x0c\x0b\u2028\x85\x1c\nx\n"


def test_file_without_lines_left_is_empty():
    assert after("1\r\n2\r\n", "@@", "-1", "-2") == ""
    assert after("1\n\n", "@@", "-1") == "\n"


LINE = st.sampled_from(["a", "b", "c", "d e", "", "é"])


@st.composite
def updates(draw):
    """A text, and a chunk list that fits it: everything is context or is replaced."""
    chunks, old = [], []
    for number in range(draw(st.integers(1, 4))):
        unique = f"# {number}"
        body = [f" {unique}"]
        for line in draw(st.lists(LINE, max_size=4)):
            body.append(draw(st.sampled_from(" -")) + line)
        body += [f"+{line}" for line in draw(st.lists(LINE, max_size=3))]
        body = [body[0], *draw(st.permutations(body[1:]))] if draw(st.booleans()) else body
        chunks.append(Chunk(lines=tuple(body)))
        old += [line[1:] for line in body if line[0] != "+"]
        old += draw(st.lists(LINE, max_size=3))
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    return "".join(line + newline for line in old), tuple(chunks)


@settings(deadline=None)
@given(updates())
def test_patch_and_its_reverse_are_the_identity(case):
    text, chunks = case
    flip = {"+": "-", "-": "+", " ": " "}
    reverse = tuple(chunk.replace(lines=tuple(flip[line[0]] + line[1:] for line in chunk.lines)) for chunk in chunks)
    changed = updated(UpdateFile(path="f", chunks=chunks), "f", text)[0]
    assert updated(UpdateFile(path="f", chunks=reverse), "f", changed)[0] == text


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "", "b\n", "\r\n", "\r", "\n", "c\r\n"]), max_size=8).map("".join))
def test_document_without_edits_changes_only_a_missing_last_newline(text):
    document = Document(text)
    result = document.edited([])
    assert result in (text, text + document.newline)
    assert not text or result.endswith(("\n", "\r"))
    assert "".join(document.raw(0, len(document.lines))) == text


def test_edit_beyond_mixed_endings_keeps_all_others():
    assert Document("1\n2\r\n3\r4").edited([Edit(start=1, removed=1, added=("x",))]) == "1\nx\n3\r4\n"


def test_paths_are_resolved_by_the_letter():
    assert resolve("/w", "a/../b//./c") == "/w/b/c"
    assert resolve("/w", "../../../x") == "/x"
    assert resolve("/w", "//x") == "/x"
    assert resolve("/", "x") == "/x"


def test_summary_groups_by_kind():
    hunks = [
        DeleteFile(path="d"),
        UpdateFile(path="u", chunks=()),
        AddFile(path="z", content=""),
        UpdateFile(path="m", chunks=(), move_to="n"),
        AddFile(path="y", content=""),
    ]
    assert summary(hunks) == "Success. Updated the following files:\nA z\nA y\nM u\nM n\nD d\n"

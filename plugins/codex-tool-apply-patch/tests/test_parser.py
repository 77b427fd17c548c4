"""The grammar, its error texts, and the parser that follows a patch while it is written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_tool_apply_patch.hunks import AddFile, Chunk, DeleteFile, InvalidHunk, InvalidPatch, PatchError, UpdateFile
from codex_tool_apply_patch.parser import StreamingParser, parse

BEGIN, END = "*** Begin Patch", "*** End Patch"
UPDATE = "*** Update File: a"
HEADERS = "Valid hunk headers: '*** Add File: {path}', '*** Delete File: {path}', '*** Update File: {path}'"
PREFIXES = "Every line should start with ' ' (context line), '+' (added line), or '-' (removed line)"
FIRST = "Invalid patch: The first line of the patch must be '*** Begin Patch'"
LAST = "Invalid patch: The last line of the patch must be '*** End Patch'"


def patch(*lines):
    return "\n".join((BEGIN, *lines, END))


def hunks(*lines):
    return parse(patch(*lines)).hunks


def test_every_kind_of_hunk_is_read():
    assert hunks(
        "*** Add File: new/file.txt",
        "+one",
        "+",
        "*** Delete File: gone.txt",
        "*** Update File: old.py",
        "*** Move to: new.py",
        "@@ class A",
        " kept",
        "-old",
        "+new",
        "@@",
        "+last",
        "*** End of File",
    ) == (
        AddFile(path="new/file.txt", content="one\n\n"),
        DeleteFile(path="gone.txt"),
        UpdateFile(
            path="old.py",
            move_to="new.py",
            chunks=(
                Chunk(lines=(" kept", "-old", "+new"), anchor="class A"),
                Chunk(lines=("+last",), end_of_file=True),
            ),
        ),
    )


def test_patch_without_hunks_is_read_as_such():
    assert parse(patch()).hunks == ()


def test_first_chunk_may_lack_its_marker_and_an_empty_line_is_a_kept_one():
    assert hunks(UPDATE, "-a", "", "+b") == (UpdateFile(path="a", chunks=(Chunk(lines=("-a", " ", "+b")),)),)


def test_empty_added_file_is_allowed():
    assert hunks("*** Add File: a") == (AddFile(path="a", content=""),)


def test_markers_may_have_space_around_but_lines_of_an_update_keep_theirs():
    text = "\n\n \t*** Begin Patch \n  *** Add File: a  \n+ x \n\u3000*** Update File: b\n@@ \n  *** Add File: c\n *** End Patch \n\n"
    assert parse(text).hunks == (
        AddFile(path="a", content=" x \n"),
        UpdateFile(path="b", chunks=(Chunk(lines=("  *** Add File: c",)),)),
    )


def test_indented_end_marker_that_is_not_last_is_a_kept_line():
    assert hunks(UPDATE, "-a", " *** End Patch", "+b") == (
        UpdateFile(path="a", chunks=(Chunk(lines=("-a", " *** End Patch", "+b")),)),
    )


def test_spaces_before_a_path_belong_to_it():
    assert hunks("*** Add File:   a b ", "+x")[0].path == "  a b"


def test_doubled_end_marker_is_let_pass():
    assert len(hunks("*** Delete File: a", END, "")) == 1


def test_environment_is_read():
    found = parse(patch("*** Environment ID:  box 1 ", "*** Delete File: a"))
    assert found.environment_id == "box 1"
    assert found.hunks == (DeleteFile(path="a"),)


@pytest.mark.parametrize("opening", ["<<EOF", "<<'EOF'", '<<"EOF"', "  <<EOF"])
@pytest.mark.parametrize("closing", ["EOF", "EOF\n", " EOF "])
def test_here_document_around_the_patch_is_taken_off(opening, closing):
    body = patch(UPDATE, "-a").replace(END, f" {END}")
    assert parse(f"{opening}\n{body}\n{closing}") == parse(body)


@pytest.mark.parametrize(
    "text",
    [
        f"<<'END'\n{patch('*** Delete File: a')}\nEND",
        f"<< EOF\n{patch('*** Delete File: a')}\nEOF",
        f"<<EOF\n{patch('*** Delete File: a')}\nEOFx",
        f"<<EOF\n{patch('*** Delete File: a')}",
        f"<<EOF\n\n{patch('*** Delete File: a')}\nEOF",
        f"```\n{patch('*** Delete File: a')}\n```",
        f"hello\n{patch('*** Delete File: a')}",
        END,
    ],
)
def test_anything_before_the_patch_is_an_error(text):
    with pytest.raises(InvalidPatch) as caught:
        parse(text)
    assert str(caught.value) == FIRST


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n \n",
        BEGIN,
        f"{BEGIN}\n*** Delete File: a",
        f"{patch('*** Delete File: a')}\nbye",
        f"{patch(UPDATE, '-a')}\n+b\n{END}",
        f"{patch(UPDATE, '-a')}\n{patch(UPDATE, '-a')}",
        f"{patch(UPDATE, '-a')}\n{END}\n{END}",
        f"{BEGIN}\nnonsense",  # outranks what is wrong with the line
        f"<<EOF\n{patch('*** Delete File: a')}\n\nEOF",
        f"<<EOF\n{patch('*** Delete File: a')}\nbye\nEOF",
    ],
)
def test_anything_after_the_patch_is_an_error(text):
    with pytest.raises(InvalidPatch) as caught:
        parse(text)
    assert str(caught.value) == LAST


@pytest.mark.parametrize(
    ("lines", "number", "reason"),
    [
        (["*** Frobnicate File: a"], 2, f"'*** Frobnicate File: a' is not a valid hunk header. {HEADERS}"),
        (["  hello "], 2, f"'hello' is not a valid hunk header. {HEADERS}"),
        (["*** Add File: "], 2, f"'*** Add File:' is not a valid hunk header. {HEADERS}"),
        (["*** Add File: a", "+x", "y"], 4, f"'y' is not a valid hunk header. {HEADERS}"),
        (["*** Add File: a", "+x", "", "+y"], 4, f"'' is not a valid hunk header. {HEADERS}"),
        (["*** Delete File: a", "-x"], 3, f"'-x' is not a valid hunk header. {HEADERS}"),
        ([BEGIN], 2, f"'{BEGIN}' is not a valid hunk header. {HEADERS}"),
        (["*** Delete File: b", "*** Environment ID: x"], 3, f"'*** Environment ID: x' is not a valid hunk header. {HEADERS}"),
        ([UPDATE], 2, "Update file hunk for path 'a' is empty"),
        ([UPDATE, "*** Move to: b"], 2, "Update file hunk for path 'a' is empty"),
        ([UPDATE, "*** End of File"], 2, "Update file hunk for path 'a' is empty"),
        (["*** Delete File: b", UPDATE, "*** Delete File: c"], 3, "Update file hunk for path 'a' is empty"),
        ([UPDATE, "@@"], 4, "Update hunk does not contain any lines"),
        ([UPDATE, "@@", "*** End of File"], 4, "Update hunk does not contain any lines"),
        ([UPDATE, "-x", "@@"], 5, "Update hunk does not contain any lines"),
        ([UPDATE, "@@", "*** Add File: b"], 4, f"Unexpected line found in update hunk: '*** Add File: b'. {PREFIXES}"),
        ([UPDATE, "@@ x", "@@ y", "-z"], 4, f"Unexpected line found in update hunk: '@@ y'. {PREFIXES}"),
        ([UPDATE, "@@x", "-z"], 3, f"Unexpected line found in update hunk: '@@x'. {PREFIXES}"),
        ([UPDATE, "foo "], 3, f"Unexpected line found in update hunk: 'foo '. {PREFIXES}"),
        ([UPDATE, "*** Move to: ", "-x"], 3, f"Unexpected line found in update hunk: '*** Move to: '. {PREFIXES}"),
        ([UPDATE, "*** Move to: b", "*** Move to: c"], 4, f"Unexpected line found in update hunk: '*** Move to: c'. {PREFIXES}"),
        ([UPDATE, "-x", "foo"], 4, "Expected update hunk to start with a @@ context marker, got: 'foo'"),
        ([UPDATE, "-x", "*** Move to: b"], 4, "Expected update hunk to start with a @@ context marker, got: '*** Move to: b'"),
        ([UPDATE, "-x", "*** End of File", " ", "+y"], 6, "Expected update hunk to start with a @@ context marker, got: '+y'"),
        ([UPDATE, "-x", "*** End of File", "*** End of File"], 5, "Expected update hunk to start with a @@ context marker, got: '*** End of File'"),
    ],
)  # fmt: skip
def test_line_out_of_place_is_named_with_its_number(lines, number, reason):
    with pytest.raises(InvalidHunk) as caught:
        hunks(*lines)
    assert str(caught.value) == f"Invalid patch hunk on line {number}: {reason}"
    assert caught.value.for_model == f"invalid hunk at line {number}, {reason}"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["*** Environment ID:"], "apply_patch environment_id cannot be empty"),
        (["*** Environment ID: a", "*** Environment ID: b"], "apply_patch environment_id cannot be specified more than once"),
    ],
)  # fmt: skip
def test_bad_environment_is_named(lines, reason):
    with pytest.raises(InvalidPatch) as caught:
        hunks(*lines)
    assert str(caught.value) == f"Invalid patch: {reason}"
    assert caught.value.for_model == f"invalid patch: {reason}"


def test_line_numbers_count_from_the_begin_marker_whatever_is_around_it():
    for text in (f"\n\n{patch('foo')}", f"<<EOF\n{patch('foo')}\nEOF"):
        with pytest.raises(InvalidHunk) as caught:
            parse(text)
        assert caught.value.line_number == 2


def test_carriage_returns_at_line_ends_are_dropped():
    text = patch("*** Add File: a", "+x", "*** Update File: b", "@@ anchor", "-old", "", "+new ")
    assert parse(text.replace("\n", "\r\n")) == parse(text)
    assert parse(text.replace("\n", "\r\r\n")) == parse(text)
    assert hunks("*** Add File: a", "+x\ry\r\r\r")[0].content == "x\ry\r\n"


def test_only_newlines_end_a_line_of_a_patch():
    assert hunks("*** Add File: a", "+x\u2028y\x0cz\x85\x1c")[0].content == "x\u2028y\x0cz\x85\x1c\n"


def test_hunks_come_while_the_patch_is_still_written():
    parser = StreamingParser()
    assert parser.feed(f"{BEGIN}\n*** Add File: a\n+x\n*** Del") == []
    assert parser.feed("ete File: b\n*** Update") == [AddFile(path="a", content="x\n"), DeleteFile(path="b")]
    assert parser.feed(" File: c\n-x") == []
    assert parser.feed("\n*** End Patch\n") == [UpdateFile(path="c", chunks=(Chunk(lines=("-x",)),))]
    assert parser.finish() == []


def test_text_that_is_no_patch_never_gives_hunks():
    parser = StreamingParser()
    assert parser.feed("hello\n*** Delete File: a\n*** Delete File: b\n") == []
    with pytest.raises(InvalidPatch):
        parser.finish()


LINES = st.sampled_from(
    [BEGIN, END, f" {END}", f"{END} ", "*** Add File: n", "  *** Add File: m ", UPDATE, " " + UPDATE, "*** Delete File: d",
     "*** Move to: m", "@@", "@@ x", "+a", "-b", " c", "", " ", "\t", "foo", "*** End of File", "*** Environment ID: e",
     "+x\r", "\r", "<<EOF", "EOF", "+EOF", "+é—✅"]
)  # fmt: skip
TEXTS = st.one_of(
    st.lists(LINES, max_size=12).map("\n".join),
    st.lists(LINES, max_size=9).map(lambda lines: patch(UPDATE, *lines)),
    st.lists(LINES, max_size=7).map(lambda lines: f"<<EOF\n{patch(UPDATE, '+a', *lines)}\nEOF"),
)


@settings(deadline=None)
@given(text=TEXTS, data=st.data())
def test_streaming_parser_gives_the_same_however_the_text_is_cut(text, data):
    def outcome(pieces):
        parser = StreamingParser()
        found = []
        try:
            for piece in pieces:
                found += parser.feed(piece)
            found += parser.finish()
        except PatchError as error:
            return str(error)
        return found, parser.environment_id

    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole = outcome([text])
    assert outcome(pieces) == whole
    assert outcome(text) == whole  # character by character
    if isinstance(whole, str):
        with pytest.raises(PatchError) as caught:
            parse(text)
        assert str(caught.value) == whole
    else:
        batch = parse(text)
        assert (list(batch.hunks), batch.environment_id) == whole

"""Custom prompts: where they are found, and what `/prompts:NAME arguments` becomes."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_plugin_sdk import UserError
from codex_plugin_sdk.prompts import MAX_PROMPT_BYTES, Prompt, expand_prompt, find_prompts


def prompt(body, **more):
    return Prompt(name="p", path="/p.md", body=body, **more)


def expand(body, arguments=""):
    return expand_prompt(f"/prompts:p {arguments}".rstrip(), (prompt(body),))


def test_prompts_are_found_with_what_their_front_matter_says(tmp_path):
    folder = tmp_path / "prompts"
    folder.mkdir()
    text = '---\ndescription: "Review a file"\nargument-hint: [FILE=path]\nother: 1\n---\n\nReview $FILE.\n'
    (folder / "review.md").write_text(text)
    (folder / "plain.md").write_text("Just do it.")
    (folder / "notes.txt").write_text("no prompt")
    (folder / "two words.md").write_text("no name")
    plain, review = find_prompts(str(tmp_path))
    assert plain == Prompt(name="plain", path=str(folder / "plain.md"), body="Just do it.")
    assert review == Prompt(
        name="review",
        path=str(folder / "review.md"),
        description="Review a file",
        argument_hint="[FILE=path]",
        body="Review $FILE.\n",
    )


def test_a_home_without_prompts_has_none(tmp_path):
    assert find_prompts(str(tmp_path), [str(tmp_path / "none")]) == ()


def test_the_first_project_folder_is_the_strongest_and_the_home_the_weakest(tmp_path):
    for folder, names in {"near": "a", "far": "ab", "prompts": "abc"}.items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / f"{name}.md").write_text(folder)
    found = find_prompts(str(tmp_path), [str(tmp_path / "near"), str(tmp_path / "far")])
    assert [(p.name, p.body) for p in found] == [("a", "near"), ("b", "far"), ("c", "prompts")]


def test_files_that_are_no_text_are_named_when_they_are_used(tmp_path):
    folder = tmp_path / "prompts"
    folder.mkdir()
    os.mkfifo(folder / "pipe.md")
    (folder / "folder.md").mkdir()
    (folder / "latin.md").write_bytes(b"caf\xe9")
    (folder / "binary.md").write_bytes(b"a\0b")
    (folder / "dangling.md").symlink_to(tmp_path / "nowhere")
    with open(folder / "huge.md", "wb") as file:
        file.truncate(MAX_PROMPT_BYTES + 1)
    found = find_prompts(str(tmp_path))
    assert [p.name for p in found] == ["binary", "dangling", "folder", "huge", "latin", "pipe"]
    for p in found:
        assert p.problem
        with pytest.raises(UserError, match=f"prompt {p.name} cannot be used: .*{p.name}.md"):
            expand_prompt(f"/prompts:{p.name}", found)


@pytest.mark.parametrize(
    ("body", "arguments", "expected"),
    [
        ("$1 and $2", "one two", "one and two"),
        ("$1", '"one two" three', "one two"),
        ("[$1] [$2]", "one", "[one] []"),
        ("all: $ARGUMENTS", "a 'b c' d", "all: a b c d"),
        ("all: $ARGUMENTS", "don't stop", "all: don't stop"),
        ("$FILE: $1", "FILE='a b.py' why", "a b.py: why"),
        ("$FILE", "FILE=", ""),
        ("$FILE", "FILE=a=b", "a=b"),
        ("run $ARGUMENTS", "LEVEL=1 make", "run LEVEL=1 make"),
        ("$$1 costs $$5, $$HOME", "", "$1 costs $5, $HOME"),
        ("$10", "x", "x0"),
        ("$lower ${X} $ 5", "", "$lower ${X} $ 5"),
        ("no place", "", "no place"),
        ("no place\n", "for these words", "no place\n\nfor these words"),
        ("$1", "$2 $1", "$2"),
    ],
)
def test_arguments_take_their_places(body, arguments, expected):
    assert expand(body, arguments) == expected


def test_missing_named_arguments_are_all_named():
    with pytest.raises(UserError, match="the prompt p wants FILE, WHY") as caught:
        expand("$FILE $WHY $LINE", "LINE=3")
    assert caught.value.hint == "/prompts:p FILE=… WHY=…"


def test_the_prompts_own_hint_is_shown():
    with pytest.raises(UserError) as caught:
        expand_prompt("/prompts:p", (prompt("$FILE", argument_hint="FILE=<path>"),))
    assert caught.value.hint == "FILE=<path>"


def test_an_unknown_prompt_is_told_with_the_nearest():
    with pytest.raises(UserError, match="no prompt 'reviw'") as caught:
        expand_prompt("/prompts:reviw x", (Prompt(name="review", path="/r.md"),))
    assert caught.value.hint == "did you mean /prompts:review?"
    with pytest.raises(UserError) as caught:
        expand_prompt("/prompts:zzz", (Prompt(name="review", path="/r.md"),))
    assert caught.value.hint == "known are review"
    with pytest.raises(UserError, match="no prompt ''"):
        expand_prompt("/prompts: review", (Prompt(name="review", path="/r.md"),))


@pytest.mark.parametrize("text", ["", "hello", "/prompts", " /prompts:p", "say /prompts:p", "/prompt:p"])
def test_any_other_text_is_no_prompt(text):
    assert expand_prompt(text, (prompt("x"),)) is None


@given(st.text(), st.text())
def test_a_text_that_is_escaped_comes_back_as_it_was(text, arguments):
    assert expand_prompt("/prompts:p", (prompt(text.replace("$", "$$")),)) == text
    filled = expand_prompt(f"/prompts:p {arguments}", (prompt("[$1]"),))
    assert filled is not None
    assert filled.startswith("[")

"""What a `SKILL.md` may say of itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_plugin_sdk.skills.front_matter import examine

GOOD = "---\nname: release\ndescription: Makes a release.\n---\nBody\n"


def told(text, folder="release"):
    found = examine("S", text, folder)
    return found.name, found.description, [(p.severity, p.line, p.message) for p in found.problems]


def errors(text):
    return [(line, message) for severity, line, message in told(text)[2] if severity == "error"]


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.replace("\n", "\r\n"),
        "---\nname: 'release'\ndescription: |\n  Makes\n  a release.\n---\n",
        "---\n# why\nname: release\ndescription: >-\n  Makes a\n  release.\nlicense: MIT\nmetadata:\n  a: b\n---",
        "---\nallowed-tools: [shell]\ncompatibility: any\nname: release\ndescription: Makes a release.\n---\n",
    ],
)
def test_a_name_and_a_description_are_enough(text):
    assert told(text) == ("release", "Makes a release.", [])


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "no front matter"),
        ("Just text.\n", 1, "no front matter"),
        ("---\nname: x\n", 1, "does not end"),
        ("---\n---\n", 1, "is empty"),
        ("---\n- a\n- b\n---\n", 2, "not a list of `key: value` lines"),
        ("---\nname: release\ndescription: [open\n---\n", 3, "not YAML"),
        ("---\nname: release\ndescription: a\n\tb: c\n---\n", 4, "not YAML"),
        ("---\nname: &a release\ndescription: *b\n---\n", 3, "not YAML"),
        ("---\ndescription: Helps.\n---\n", 1, "`name` is missing"),
        ("---\nname: release\n---\n", 1, "`description` is missing"),
        ("---\nname: release\ndescription:\n---\n", 3, "`description` is empty"),
        ("---\nname: ~\ndescription: Helps.\n---\n", 2, "`name` is empty"),
        ("---\nname: [a]\ndescription: Helps.\n---\n", 2, "`name` is not a text"),
        ("---\nname: two words\ndescription: Helps.\n---\n", 2, "cannot be written as $name"),
        ("---\nname: ../up\ndescription: Helps.\n---\n", 2, "cannot be written as $name"),
        (f"---\nname: {'n' * 65}\ndescription: Helps.\n---\n", 2, "65 characters, where 64"),
        (f"---\nname: release\ndescription: {'d' * 1025}\n---\n", 3, "1,025 characters, where 1,024"),
        (f"---\nname: release\ndescription: Helps.\nx: {'x' * 20000}\n---\n", 1, "the front matter has"),
        ("---\n" + "[" * 15000 + "\n---\n", 2, "not YAML"),
    ],
)
def test_a_fault_is_told_with_its_line(text, line, words):
    assert [(at, words in message) for at, message in errors(text)] == [(line, True)]


def test_every_fault_is_told_at_once():
    text = "---\nname: [1]\ndescription: {a: 2}\n---\n"
    assert errors(text) == [(2, "`name` is not a text"), (3, "`description` is not a text")]


def test_what_other_programs_may_refuse_is_a_warning():
    name, description, problems = told("---\nname: x\ndescription: Use it: now\nmetadata: 3\nweird: 1\n---\n")
    assert (name, description) == ("x", "Use it: now")
    assert [(severity, line) for severity, line, _ in problems] == [("warning", n) for n in (2, 3, 4, 5)]


def test_a_description_cannot_hold_what_a_terminal_obeys():
    assert told('---\nname: release\ndescription: "a\\x1b[31m\\u200bb\\nc"\n---\n')[1] == "a [31m b c"


@pytest.mark.parametrize("name", ["off", "Yes", "12", "2024-01-02", "plugin:skill"])
def test_a_name_is_a_text_however_yaml_takes_it(name):
    assert told(f"---\nname: {name}\ndescription: 1\n---\n", name) == (name, "1", [])


@given(st.text())
def test_no_text_is_an_accident(text):
    found = examine("S", f"---\n{text}\n---\n", "release")
    assert found.error is not None or (found.name and found.description)

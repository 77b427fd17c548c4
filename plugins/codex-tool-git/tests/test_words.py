"""Only what means the same to every shell is split."""

from __future__ import annotations

import subprocess

import pytest

from codex_tool_git.words import split_chain


@pytest.mark.parametrize(
    ("text", "chain"),
    [
        ("git commit -m 'two words'", [["git", "commit", "-m", "two words"]]),
        ('git commit -m "it\'s"', [["git", "commit", "-m", "it's"]]),
        ("git add -A && git commit -m x", [["git", "add", "-A"], ["git", "commit", "-m", "x"]]),
        ("git add -A &&\n  git commit -m x\n", [["git", "add", "-A"], ["git", "commit", "-m", "x"]]),
        ("git commit -m 'subject\n\nbody $HOME `x`; y'", [["git", "commit", "-m", "subject\n\nbody $HOME `x`; y"]]),
        ("bash -lc 'git commit -m \"x y\"'", [["git", "commit", "-m", "x y"]]),
        ("git reset --soft HEAD~1", [["git", "reset", "--soft", "HEAD~1"]]),
        ("git commit -m ''", [["git", "commit", "-m", ""]]),
        ("git commit -m'a'\"b\"c#d", [["git", "commit", "-mabc#d"]]),
    ],
)
def test_plain_commands_are_split_as_a_shell_splits_them(text, chain):
    assert split_chain(text) == chain
    if not text.startswith("bash"):
        printed = subprocess.run(
            ["bash", "-c", 'git() { printf "%s\\0" git "$@"; printf "\\n\\0"; }; ' + text],
            capture_output=True,
            check=True,
        ).stdout.decode()
        assert printed == "".join("".join(f"{word}\0" for word in words) + "\n\0" for words in chain)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "git add *",
        "git add a?",
        "git add [ab]",
        "git add {a,b}",
        "git add ~/x",
        "git add --x=~",
        "git commit -m $X",
        'git commit -m "$X"',
        'git commit -m "$(touch x)"',
        "git commit -m `x`",
        'git commit -m "`x`"',
        'git commit -m "a\\"b"',
        "git add a; touch b",
        "git add a | cat",
        "git add a || true",
        "git add a & touch b",
        "git add a &",
        "git add a && ",
        "&& git add a",
        "git add a > b",
        "git add a 2>&1",
        "git add a\ntouch b",
        "git add a\\ b",
        "git commit -m 'x",
        "git commit -m x # y",
        "(git add a)",
        "! git add a",
        "git add a\rb",
        "bash -lc 'bash -lc \"git add $a\"'",
        "=git add a",
    ],
)
def test_whatever_a_shell_would_do_more_with_is_refused(text):
    assert split_chain(text) is None


def test_a_command_longer_than_any_argument_may_be_is_refused():
    assert split_chain("git add " + "x" * 29_000) == [["git", "add", "x" * 29_000]]
    assert split_chain("git add " + "x" * 30_000) is None

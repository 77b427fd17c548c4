"""Command lines and the simple commands that are found in them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_execpolicy.shell_parse import parse, parse_fully


def script(text: str, *shell: str):
    return parse([*(shell or ("bash", "-lc")), text])


def words(parsed):
    return [" ".join(segment.words) for segment in parsed.segments]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ls -l", [("ls", "-l")]),
        ("ls | wc -l", [("ls",), ("wc", "-l")]),
        ("a && b || c; d & e\nf", [("a",), ("b",), ("c",), ("d",), ("e",), ("f",)]),
        ("( a; b ) | { c; }", [("a",), ("b",), ("c",)]),
        ("if a; then b; elif c; then d; else e; fi", [("a",), ("b",), ("c",), ("d",), ("e",)]),
        ("for f in *.py x; do echo hi; done", [("echo", "hi")]),
        ("while a; do b; done", [("a",), ("b",)]),
        ("until a; do b; done", [("a",), ("b",)]),
        ("case x in a|b*) ls;; *) pwd;; esac", [("ls",), ("pwd",)]),
        ("! grep x f", [("grep", "x", "f")]),
        ("[ -f x ] && test -d y", [("[", "-f", "x", "]"), ("test", "-d", "y")]),
        ("echo 'a b'\"c d\"e\\ f", [("echo", "a bc de f")]),
        ("echo $'a\\tb\\x41\\101\\''", [("echo", "a\tbAA'")]),
        ("echo \"a\\$b\\`c\\\\d\\ne\" '$x'", [("echo", "a$b`c\\d\\ne", "$x")]),
        ("echo \"\" '' x", [("echo", "", "", "x")]),
        ("grep 'a$' f \"b$\"", [("grep", "a$", "f", "b$")]),
        ("echo a\\\n b", [("echo", "a", "b")]),
        ("ls # a comment; rm x", [("ls",)]),
        ("git show stash@{0} HEAD@{1}", [("git", "show", "stash@{0}", "HEAD@{1}")]),
        ("cat <<'EOF'\n$(rm -rf /)\nEOF\n", [("cat",)]),
        ("cat <<EOF | grep x; ls\nhello $name\nEOF\npwd", [("cat",), ("grep", "x"), ("ls",), ("pwd",)]),
        ("grep a <<< 'text'", [("grep", "a")]),
        ("time -p make", [("make",)]),
        ("echo größe 日本", [("echo", "größe", "日本")]),
        ("LANG=C LC_ALL=C sort f", [("sort", "f")]),
        ("cat *.txt ~/x a?b [ab]c", [("cat", "*.txt", "~/x", "a?b", "[ab]c")]),
        ("[[ -f x && a == b* ]] && ls", [("[[", "-f x && a == b*", "]]"), ("ls",)]),
        ("set -euo pipefail; ls", [("set", "-euo", "pipefail"), ("ls",)]),
        ("bash -c 'sh -c \"dash -c ls\"'", [("ls",)]),
        ("env LANG=C timeout -k 5 10 nice -n 5 nohup stdbuf -oL ls -l", [("ls", "-l")]),
        ("command ls; builtin pwd; exec ls -a", [("ls",), ("pwd",), ("ls", "-a")]),
        ("sudo -u bob rm x", [("sudo", "-u", "bob", "rm", "x"), ("rm", "x")]),
        ("find . -exec grep x {} +", [("find", ".", "-exec", "grep", "x", "{}", "+"), ("grep", "x", "{}")]),
        ("command -v git", [("command", "-v", "git")]),
    ],
)
def test_understood_scripts_yield_exactly_their_commands(text, expected):
    parsed = script(text)
    assert parsed.opaque == ""
    assert [segment.words for segment in parsed.segments] == expected


@pytest.mark.parametrize(
    ("text", "reason", "seen"),
    [
        ("rm -rf / $(x)", "command substitution", "rm -rf / $(x)"),
        ("echo `rm -rf /`", "command substitution", "rm -rf /"),
        ('echo "$(rm -rf /)"', "command substitution", "rm -rf /"),
        ("diff <(rm a) b", "process substitution", "rm a"),
        ("rm $x", "expansion", "rm $x"),
        ('rm "$HOME"/x', "expansion", 'rm "$HOME"/x'),
        ("$cmd x", "expansion", "$cmd x"),
        ("echo ${x:=$(rm a)}", "expansion", "rm a"),
        ("l? x", "not literal", "l? x"),
        ("~/bin/x", "not literal", "~/bin/x"),
        ("eval 'rm -rf /'", "eval", "rm -rf /"),
        ("trap 'rm -rf /' EXIT", "trap", "rm -rf /"),
        (". ./x; ls", "runs a file", ". ./x"),
        ("source x", "runs a file", "source x"),
        ("f() { rm x; }; f", "function", "rm x"),
        ("alias ls='rm x'", "alias", "alias ls=rm x"),
        ("echo $((a=1))", "arithmetic", "echo $((a=1))"),
        ("((i++)); ls", "not followed", "ls"),
        ("rm {a,b}", "brace", "rm {a,b}"),
        ("echo {1..3}", "brace", "echo {1..3}"),
        ("ls )", "could not be parsed", "ls"),
        ("rm 'x", "could not be parsed", "rm x"),
        ("coproc rm x", "coproc", "coproc rm x"),
        ("PATH=/tmp ls", "PATH", "ls"),
        ("LD_PRELOAD=./x.so ls", "LD_PRELOAD", "ls"),
        ("GIT_SSH=./x git fetch", "GIT_SSH", "git fetch"),
        ("IFS=x; ls", "IFS", "ls"),
        ("RUSTC_WRAPPER=./x cargo build", "RUSTC_WRAPPER", "cargo build"),
        ("env BASH_ENV=x ls", "BASH_ENV", "ls"),
        ("env -S 'rm x'", "option", None),
        ("export PATH=/tmp", "export", "export PATH=/tmp"),
        ("for PATH in /tmp; do ls; done", "variable", "ls"),
        ("for f in a b; do rm $f; done", "expansion", "rm $f"),
        ("ls > $x", "target", "ls"),
        ("ls > ~/x", "target", "ls"),
        ("ls > *.txt", "target", "ls"),
        ("cat < /dev/tcp/host/80", "network", "cat"),
        ("ls | xargs rm -f", "xargs", "rm -f"),
        ("cat x | sh", "input", "sh"),
        ("bash -s < x", "input", "bash -s"),
        ("bash -O extglob -c ls", "option", "ls"),
        ("bash --rcfile x -c ls", "option", "ls"),
        ('bash -c "$x"', "not literal", 'bash -c "$x"'),
        ("find . -exec sh -c 'rm {}' ';'", "{}", "rm {}"),
        ("printf -v 'a[$(x)]' 1", "index", None),
        ("test -v 'a[$(x)]'", "index", None),
        ("[[ a -eq b ]]", "evaluate", None),
        ("[[ -f $(rm x) ]]", "evaluate", "rm x"),
        ("cat <<E\n$(rm x)\nE", "here-document", "rm x"),
        ("select x in a; do ls; done", "not followed", "ls"),
        ("ls\x01", "control character", None),
        ("time if ls; then ls; fi", "", None),
        ("exec > x", "exec", None),
        ("", "no command", None),
        ("# nothing", "no command", None),
        ("set -- x", "set", "set -- x"),
        ("shopt -s extglob", "shopt", None),
        ("read x; ls", "read", "ls"),
        ("'' x", "no name", " x"),
        ("ls --color=$(x)", "command substitution", "ls --color=$(x)"),
        ("!ls; >&\\'x ls", "target", None),
    ],
)
def test_what_is_not_understood_is_said_and_the_rest_is_still_seen(text, reason, seen):
    parsed = script(text)
    assert parsed.opaque
    assert reason in parsed.opaque
    assert seen is None or seen in words(parsed)


@pytest.mark.parametrize(
    ("text", "writes"),
    [
        ("ls > out", [("out",)]),
        ("ls >> a 2> b", [("a", "b")]),
        ("ls >| a &> b", [("a", "b")]),
        ("ls 2>&1 >/dev/null", [("/dev/null",)]),
        ("ls < in", [()]),
        ("> out", [("out",)]),
        ("ls>out -l", [("out",)]),
        ("{ a; b; } > out", [("out",), ("out",)]),
        ("a && b > out", [(), ("out",)]),
        ("a | b > 'o u t'", [(), ("o u t",)]),
        ("(a > x; b) > y", [("x", "y"), ("y",)]),
        ("bash -c 'a > x' > y", [("x", "y")]),
        ("for i in 1; do a; done > out", [("out",)]),
    ],
)
def test_redirections_are_noted_with_the_command_that_they_belong_to(text, writes):
    parsed = script(text)
    assert parsed.opaque == ""
    assert [segment.writes for segment in parsed.segments] == writes


def test_words_that_are_not_literal_are_marked():
    segment = script("cat a *.py '*.py' ~ x=~ [a \\*").segments[0]
    assert segment.loose == (2, 4, 5)


def test_commands_of_one_pipeline_carry_its_number():
    parsed = script("a | (b; c) | sh -c 'd | e'; f; g | h")
    assert [segment.pipe for segment in parsed.segments] == [0, 0, 0, 0, 0, -1, 1, 1]


def test_a_fork_bomb_is_a_segment_of_its_own():
    assert script(":(){ :|:& };:").segments[0].words == (":(){ :|:& }",)


@pytest.mark.parametrize(
    "argv",
    [
        ["bash", "-c", "ls"], ["/bin/bash", "-lc", "ls"], ["sh", "-l", "-c", "ls"], ["zsh", "-ic", "ls"], ["dash", "-c", "--", "ls"],
        ["/usr/local/bin/zsh", "-lic", "ls"], ["bash", "--login", "-c", "ls"], ["bash", "-euo", "pipefail", "-c", "ls"], ["bash", "-c", "ls", "name", "x"],
    ],
)  # fmt: skip
def test_shells_are_looked_into_however_they_are_called(argv):
    parsed = parse(argv)
    assert (words(parsed), parsed.opaque) == (["ls"], "")


@pytest.mark.parametrize("path", ["./bash", "/tmp/bash", "bin/sh", "/opt/x/zsh"])
def test_a_strange_shell_stays_a_segment_beside_its_script(path):
    assert words(parse([path, "-c", "rm x"])) == [f"{path} -c rm x", "rm x"]


@pytest.mark.parametrize(
    ("shell", "text"),
    [
        ("zsh", "echo =ls"), ("zsh", "repeat 3 rm x"), ("zsh", "noglob ls"), ("zsh", "ls # rm x"), ("zsh", "> x"), ("zsh", "path=/tmp"),
        ("sh", "echo $'a'"), ("dash", "[[ a > b ]]"), ("zsh", "LANG=C ls"),
    ],
)  # fmt: skip
def test_what_shells_read_differently_is_not_understood(shell, text):
    assert script(text, shell, "-c").opaque


def test_history_expansion_counts_in_interactive_shells_only():
    assert script('echo "a!b"', "bash", "-ic").opaque
    assert not script('echo "a!b"', "bash", "-c").opaque


def test_arguments_of_a_directly_executed_program_are_literal():
    parsed = parse(["rm", "$(x)", "*", ">", "y", ";", "ls"])
    assert parsed.segments[0].words == ("rm", "$(x)", "*", ">", "y", ";", "ls")
    assert parsed.opaque == ""
    assert parsed.segments[0].writes == ()


@pytest.mark.parametrize(
    "argv", [[], [""], ["", "x"], ["bash", "-c"], ["bash"], ["env"], ["sudo"], ["xargs"], ["find"], ["timeout", "5"]]
)
def test_command_lines_without_a_command_do_not_raise(argv):
    parsed = parse(argv)
    assert parsed.opaque or parsed.segments


@pytest.mark.parametrize(
    "text",
    [
        "(" * 3000, "{ " * 3000, "$(" * 3000, "`" * 5001, '"$(' * 2000, "if " * 2000, "(" * 200 + "ls" + ")" * 200, "a|" * 20_000 + "a", "ls;" * 20_000,
        "ls " * 40_000, "'" * 9999, "\\" * 9999, "<<A " * 2000, "[[ " * 2000, "for a in " * 2000, "case a in " * 2000, "${" * 3000, "x" * 300_000,
    ],
)  # fmt: skip
def test_deep_and_long_scripts_are_bounded_and_reported(text):
    assert script(text).opaque


def test_shells_within_shells_beyond_the_bound_are_reported():
    argv = ["ls"]
    for _ in range(40):
        argv = ["env", *argv]
    assert "deeply" in parse(argv).opaque
    assert words(parse(argv))


_shellish = st.text(alphabet=st.sampled_from("ab '\"\\$`(){}[]<>|&;\n\t!#*?~=-,.0123EOFé\ud800\x00\r"), max_size=60)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        _shellish, st.text(max_size=40), st.binary(max_size=40).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
    )
)
def test_no_script_makes_it_raise(text):
    for shell in ("bash", "zsh", "sh"):
        parsed = parse([shell, "-c", text])
        assert parsed.opaque or parsed.segments
        assert all(segment.words for segment in parsed.segments)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    "bash",
                    "env",
                    "-c",
                    "-lc",
                    "sudo",
                    "find",
                    "-exec",
                    "xargs",
                    "timeout",
                    "5",
                    "--",
                    "-x",
                    "A=b",
                    ";",
                    "ls; rm x",
                    "{}",
                ]
            ),
            _shellish,
        ),
        max_size=8,
    )
)
def test_no_argv_makes_it_raise(argv):
    parsed = parse(argv)
    assert parsed.opaque or parsed.segments


_plain = st.text(alphabet="abzAZ019_./,:@%+=-", min_size=0, max_size=8)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([["bash", "-lc"], ["bash", "-c"], ["sh", "-c"], ["zsh", "-lc"], ["/bin/bash", "-c"]]),
    st.lists(
        st.one_of(
            _plain,
            st.sampled_from(
                ["ls", "time", "if", "eval", "set", "find", "repeat", "/bin/env", "test", "-v", "exec", "in", "2", "}"]
            ),
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_the_shortcut_for_plain_scripts_equals_the_full_parse(shell, parts):
    argv = [*shell, " ".join(parts)]
    fast, full = parse(argv), parse_fully(argv)
    assert fast == full
    assert [(s.pipe, s.loose) for s in fast.segments] == [(s.pipe, s.loose) for s in full.segments]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(_plain, st.sampled_from(["ls", "bash", "env", "/bin/sudo", "-c", "find"])), min_size=1, max_size=5
    )
)
def test_the_shortcut_for_plain_programs_equals_the_full_parse(argv):
    assert parse(argv) == parse_fully(argv)


def test_plain_commands_do_not_load_the_parser():
    code = (
        "import sys; from codex_execpolicy.shell_parse import parse; parse(['ls', '-l']); parse(['bash', '-lc', 'git status -s']);"
        "print('tree_sitter' in sys.modules); parse(['bash', '-c', 'a | b']); print('tree_sitter' in sys.modules)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert out.stdout.split() == ["False", "True"]

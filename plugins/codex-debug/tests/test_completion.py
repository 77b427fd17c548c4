"""What the program answers to a shell, and what it imports for it."""

from __future__ import annotations

import resource
import subprocess
import sys

import click
import pytest

from codex_debug.candidates import Completer
from codex_debug.words import bash_words, fish_words, listed_words
from codex_kernel.cli import codex as root
from codex_kernel.main import run
from codex_plugin_sdk import CommandSpec, FeatureSpec, Invocation
from codex_plugin_sdk.testing.harness import manager, plugin

SHELLS = ("bash", "elvish", "fish", "powershell", "zsh")


@pytest.fixture
def answer(environ, monkeypatch, capsysbinary):
    """The program's answer to bash for these words, the last one being typed; within this process, to be quick."""

    def ask(*words):
        asked = {"_CODEX_COMPLETE": "bash_complete", "COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
        for name, found in {**environ, **asked}.items():
            monkeypatch.setenv(name, found)
        code = run(["codex"])
        out, err = capsysbinary.readouterr()
        assert (code, err) == (0, b"")
        return out.decode().splitlines()

    return ask


def plain(*values):
    return [f"plain,{value}" for value in values]


# -- the real program ------------------------------------------------------------------------------


def test_commands_of_all_plugins_are_completed(answer):
    found = answer("codex", "")
    assert {"plain,exec", "plain,plugin", "plain,completion", "plain,debug"} <= set(found)
    assert answer("codex", "comp") == plain("completion")


def test_root_options_are_completed(answer):
    assert answer("codex", "--add") == plain("--add-dir")
    assert {"plain,-m", "plain,--model", "plain,--no-plugin"} <= set(answer("codex", "-"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["codex", "plugin", "l"], plain("list")),
        (["codex", "plugin", "list", "--js"], plain("--json")),
        (["codex", "debug", ""], plain("app-server", "models", "prompt-input", "trace")),
        (["codex", "exec", "res"], plain("resume")),
        (["codex", "exec", "resume", "--la"], plain("--last")),
        (["codex", "sandbox", "status", "--js"], plain("--json")),
        (["codex", "sandbox", "st"], [*plain("status"), "file,st"]),
        (["codex", "sandbox", "--", "st"], ["file,st"]),
        (["codex", "sandbox", "ls", "--"], ["file,--"]),
    ],
)
def test_nested_groups_and_words_of_a_usage_line(answer, words, expected):
    assert answer(*words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["codex", "exec", "--color", "a"], plain("always", "auto")),
        (["codex", "completion", ""], plain(*SHELLS)),
        (["codex", "-s", "work"], plain("workspace-write")),
        (["codex", "exec", "--sandbox", "=", "re"], plain("read-only")),
        (["codex", "exec", "--sandbox", "="], plain("read-only", "workspace-write", "danger-full-access")),
        (["codex", "-a", ""], plain("untrusted", "on-failure", "on-request", "never")),
        (["codex", "--no-plugin", "debu"], plain("debug")),
        (["codex", "exec", "-i", ""], ["file,"]),
        (["codex", "exec", "--output-schema", "=", "my"], ["file,--output-schema=my"]),
        (["codex", "--add-dir", "a"], ["dir,a"]),
        (["codex", "exec", "-C/x", "--cd", ""], ["dir,"]),
        (["codex", "-m", ""], []),
        (["codex", "exec", "--no-such=", ""], plain("resume", "fork", "review")),
        (["codex", "no-such-command", ""], []),
    ],
)
def test_values_of_options(answer, words, expected):
    assert answer(*words) == expected


def test_profiles_are_those_of_the_configuration(answer, home):
    (home / "config.toml").write_text("[profiles.deep]\n[permissions.narrow]\n")
    (home / "wide.config.toml").write_text("")
    assert answer("codex", "exec", "-p", "") == plain("deep", "wide")
    assert answer("codex", "sandbox", "-P", "") == plain("narrow")


def test_hidden_options_are_not_shown(answer):
    assert answer("codex", "completion", "--a") == []
    assert answer("codex", "exec", "--full") == []


def test_options_that_were_given_are_not_offered_again_but_repeatable_ones_are(answer):
    assert answer("codex", "exec", "--json", "--js") == []
    assert answer("codex", "exec", "--add-dir", "x", "--add") == plain("--add-dir")


def test_a_plugin_that_the_line_leaves_out_is_not_completed(answer):
    assert answer("codex", "doc") == plain("doctor")
    assert answer("codex", "--no-plugin", "doctor", "doc") == []


@pytest.mark.parametrize(
    ("shell", "expected"),
    [
        ("zsh", b"plain\nlist\nList plugins"),
        ("fish", b"plain,list\tList plugins"),
        ("powershell", b"plain\nlist\nList plugins"),
        ("elvish", b"plain\tlist\tList plugins"),
    ],
)
def test_other_shells_are_told_the_help_as_well(codex, shell, expected):
    words = "codex\nplugin\nl" if shell in ("powershell", "elvish") else "codex plugin l"
    cword = "l" if shell == "fish" else "2"
    done = codex(env={"_CODEX_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": cword})
    assert done.returncode == 0
    assert done.stdout.startswith(expected)
    assert done.stdout.endswith(b"\n")


def test_clicks_way_to_ask_for_the_script_works(codex):
    assert codex(env={"_CODEX_COMPLETE": "zsh_source"}).stdout == codex("completion", "zsh").stdout


@pytest.mark.parametrize(
    "env",
    [
        {"_CODEX_COMPLETE": "tcsh_complete"},
        {"_CODEX_COMPLETE": "bash_complete"},
        {"_CODEX_COMPLETE": "bash_complete", "COMP_WORDS": "codex", "COMP_CWORD": "x"},
    ],
)
def test_a_wrong_question_is_an_error_and_no_answer(codex, env):
    done = codex(env=env)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr


def test_bash_is_the_default_and_an_unknown_shell_is_a_usage_error_that_lists_all(codex):
    assert codex("completion").stdout == codex("completion", "bash").stdout
    done = codex("completion", "tcsh")
    assert (done.returncode, done.stdout) == (2, b"")
    assert all(shell.encode() in done.stderr for shell in SHELLS)


def test_only_the_command_on_the_line_is_imported():
    program = (
        "import sys; from codex_kernel.main import run; code = run(['codex']); "
        "print(code, *sorted(m for m in sys.modules if m.startswith('codex_') and not "
        "m.startswith(('codex_kernel', 'codex_plugin_sdk', 'codex_debug'))))"
    )
    env = {"_CODEX_COMPLETE": "bash_complete", "COMP_CWORD": "2", "COMP_WORDS": "codex exec --js", "HOME": "/nowhere"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, check=True, timeout=30)
    answer, told = done.stdout.decode().splitlines()
    code, *modules = told.split()
    assert (answer, code) == ("plain,--json", "0")
    bodies = {name for name in modules if "." in name and not name.endswith(".plugin")}
    assert bodies == {"codex_exec.command"}
    env |= {"COMP_CWORD": "1", "COMP_WORDS": "codex "}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, check=True, timeout=30)
    modules = done.stdout.decode().splitlines()[-1].split()[1:]
    assert [name for name in modules if "." in name and not name.endswith(".plugin")] == []


@pytest.mark.cold_start
def test_an_answer_takes_a_few_times_as_long_as_to_start_the_program_at_all(codex):
    asked = {"_CODEX_COMPLETE": "bash_complete", "COMP_WORDS": "codex exec --js", "COMP_CWORD": "2"}

    def used():
        found = resource.getrusage(resource.RUSAGE_CHILDREN)
        return found.ru_utime + found.ru_stime

    def cpu_s(*args, said, **options):
        began, done, ended = used(), codex(*args, **options), used()
        assert done.stdout.startswith(said)
        return ended - began

    rounds = [(cpu_s("--version", said=b"codex"), cpu_s(env=asked, said=b"plain,--json\n")) for _ in range(5)]
    start_s, answer_s = map(min, zip(*rounds, strict=True))
    assert answer_s < 15 * start_s


# -- commands of our own ---------------------------------------------------------------------------


@pytest.fixture
def complete():
    """Completes over a plugin with these commands and features."""
    made = []

    def run(words, current, commands=(), features=()):
        plugins = manager(plugin(codex_commands=commands, codex_features=features))
        made.append(plugins)
        found = Completer(root, Invocation(plugins=plugins, environ={})).candidates(words, current)
        return [item.value for item in found]

    yield run
    for plugins in made:
        plugins.close()


def never():
    raise AssertionError("a command that is only listed must not be loaded")


def test_hidden_commands_are_not_shown_and_the_others_not_loaded(complete):
    commands = [
        CommandSpec(name="seen", help="A command", load=never),
        CommandSpec(name="secret", help="Another", load=never, hidden=True),
    ]
    assert complete([], "se", commands) == ["seen"]


def test_features_are_those_of_plugins(complete):
    features = [FeatureSpec(name="fast_lane"), FeatureSpec(name="slow")]
    assert complete(["--enable"], "fast", features=features) == ["fast_lane"]


def test_completers_of_a_command_come_first(complete):
    @click.command("tool")
    @click.argument("first", type=click.Choice(["one", "two"]))
    @click.argument("rest", nargs=-1, shell_complete=lambda ctx, param, text: [f"{ctx.params['first']}-{text}"])
    @click.option("--secret", hidden=True)
    @click.option("-v", is_flag=True)
    @click.option("-n", type=click.Choice(["1", "2"]))
    @click.option("--pair", nargs=2, metavar="DIR DIR")
    def tool(**_):
        raise AssertionError("completing runs nothing")

    commands = [CommandSpec(name="tool", help="", load=lambda: tool)]
    assert complete(["tool"], "t", commands) == ["two"]
    assert complete(["tool", "one"], "x", commands) == ["one-x"]
    assert complete(["tool", "one", "a"], "x", commands) == ["one-x"]
    assert complete(["tool", "-vn"], "", commands) == ["1", "2"]
    assert complete(["tool", "-vn1"], "o", commands) == ["one"]
    assert complete(["tool", "--pair", "a"], "b", commands) == ["b"]
    assert complete(["tool", "--pair", "a", "b"], "o", commands) == ["one"]
    assert complete(["tool", "--"], "--s", commands) == []
    assert complete(["tool"], "--s", commands) == []


# -- how words arrive ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["codex", "exec", ""], (["exec"], "", 0)),
        (["codex"], ([], "", 0)),
        (["codex", "exec", "--add-dir", "=", "a\\ b"], (["exec"], "--add-dir=a b", 10)),
        (["codex", "exec", "--sandbox", "=", ""], (["exec", "--sandbox="], "", 0)),
        (["codex", "exec", "-c", "a", "=", "b", "x"], (["exec", "-c", "a=b"], "x", 0)),
        (["codex", "exec", "-P", ":", "wo"], (["exec", "-P"], ":wo", 1)),
        (["codex", "exec", "'open quo"], (["exec"], "open quo", 0)),
    ],
)
def test_bash_splits_at_equals_signs_and_colons_and_that_is_undone(words, expected):
    assert bash_words({"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(max(1, len(words) - 1))}) == expected


def test_fish_gives_the_whole_line_and_the_word_as_typed():
    asked = {"COMP_WORDS": "codex exec 'my f", "COMP_CWORD": "'my f"}
    assert fish_words(asked) == (["exec"], "my f", 0)
    assert fish_words({"COMP_WORDS": "codex exec ", "COMP_CWORD": ""}) == (["exec"], "", 0)


def test_words_one_a_line_lose_their_quotes():
    assert listed_words({"COMP_WORDS": "codex\n'a b'\n\"open"}) == (["a b"], "open", 0)

"""The command line itself: dispatch, errors, help. Subcommands are tested by the plugins that bring them."""

import errno
import json
import os

import click
import pytest

from codex_kernel import cli, main
from codex_kernel.errors import ConfigError, ExitCode, PluginError
from codex_kernel.plugins import PluginManager
from codex_plugin_sdk import CommandSpec
from codex_plugin_sdk.testing.harness import plugin


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """Offer commands by name from callbacks; nothing installed is seen."""
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "home"))
    made = {}

    def offer(name, callback, **spec):
        command = click.Command(name, callback=callback, params=[click.Argument(["words"], nargs=-1)])
        made[name] = CommandSpec(name=name, load=lambda: command, **spec)

    def from_environment(environ, **switches):
        return PluginManager((), builtins={"test": plugin(codex_commands=made.values())})

    monkeypatch.setattr(PluginManager, "from_environment", from_environment)
    return offer


def test_the_version_is_told_in_codexs_form(capsys):
    assert main.run(["codex", "--version"]) == 0
    assert capsys.readouterr().out.startswith("codex-cli 0.")


def test_the_help_file_is_what_the_command_line_says(capsys):
    assert main.run(["codex", "--help"]) == 0
    assert capsys.readouterr().out == cli.root_help()


def test_a_command_gets_the_root_options(commands):
    seen = {}

    @click.pass_obj
    def callback(invocation, words):
        seen.update(flags=invocation.flags, overrides=invocation.overrides, words=words)
        return 4

    commands("greet", callback)
    args = ["-m", "x", "-c", "a.b=1", "--enable", "f", "-C", "/tmp", "--add-dir", "/a", "greet", "ada"]
    assert main.run(["codex", *args]) == 4
    assert seen["flags"] == {"model": "x", "cwd": "/tmp", "add_dir": ("/a",)}
    assert seen["overrides"] == ("a.b=1", "features.f=true")
    assert seen["words"] == ("ada",)


@pytest.fixture
def tui(commands):
    """The command `tui` as the plugin has it, in short; gives what it was called with."""
    seen = {}

    @click.pass_obj
    def callback(invocation, **given):
        seen.update(given, flags=invocation.flags, overrides=invocation.overrides)
        return 5

    commands("tui", callback, hidden=True, remote=True)
    command = cli.PluginManager.from_environment({}).commands()["tui"].spec.load()
    command.params = [click.Argument(["prompt"], required=False), click.Option(["--all", "everything"], is_flag=True)]
    commands("exec", lambda words: 6)
    commands("app-server", lambda words: 7)
    return seen


@pytest.mark.parametrize(
    ("args", "prompt", "flags", "overrides"),
    [
        ([], None, {}, ()),
        (["fix it"], "fix it", {}, ()),
        (["fix"], "fix", {}, ()),
        (["-m", "x", "fix it"], "fix it", {"model": "x"}, ()),
        (["fix it", "-m", "x", "--search"], "fix it", {"model": "x"}, ('web_search="live"',)),
        (["-i", "a", "fix it", "-i", "b", "--all"], "fix it", {"images": ("a", "b")}, ()),
        (["-c", "a=1", "fix it", "-c", "b=2"], "fix it", {}, ("a=1", "b=2")),
        (["--yolo", "fix it", "--no-alt-screen"], "fix it", {"bypass": True, "no_alt_screen": True}, ()),
        (["--screen-reader"], None, {"screen_reader": True}, ()),
        (["--approve-for-me"], None, {}, ('approvals_reviewer="auto_review"', 'sandbox_mode="workspace-write"')),
        (["--", "exec"], "exec", {}, ()),
        (["-m", "x", "--", "-x"], "-x", {"model": "x"}, ()),
        (["exce now"], "exce now", {}, ()),
        (["--remote", "unix://", "fix it"], "fix it", {"remote": "unix://"}, ()),
        (["fix it", "--no-plugin", "a"], "fix it", {}, ()),
    ],
)
def test_words_that_are_no_command_are_a_prompt_for_the_terminal_ui(tui, args, prompt, flags, overrides):
    assert main.run(["codex", *args]) == 5
    everything = "--all" in args
    assert tui == {"prompt": prompt, "everything": everything, "flags": flags, "overrides": overrides}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["exce"], "No such command 'exce': did you mean 'exec'? As a prompt: codex -- exce"),
        (["app-sever", "-m", "x"], "did you mean 'app-server'?"),
        (["fix", "it"], "unexpected extra argument"),
        (["fix it", "--nonsense"], "No such option"),
        (["fix it", "-m"], "requires an argument"),
    ],
)
def test_a_mistyped_command_is_not_sent_to_a_model(tui, capsys, args, words):
    assert main.run(["codex", *args]) == 2
    assert words in capsys.readouterr().err
    assert tui == {}


def test_the_short_name_of_exec_is_that_of_codex(tui):
    assert main.run(["codex", "e", "fix it"]) == 6


def test_a_plugin_that_is_left_out_behind_the_prompt_is_left_out(tui, monkeypatch):
    wanted = []
    found = cli.PluginManager.from_environment

    def from_environment(environ, **switches):
        wanted.append(switches)
        return found(environ, **switches)

    monkeypatch.setattr(cli.PluginManager, "from_environment", from_environment)
    assert main.run(["codex", "fix it", "--no-plugin", "a", "--no-plugins"]) == 5
    assert wanted[-1] == {"no_plugin": ("a",), "no_plugins": True}


def test_the_name_it_is_called_by_chooses_the_command(commands):
    commands("apply_patch", lambda words: 7 if words == ("P",) else 8, argv0=("apply_patch", "applypatch"))
    assert main.run(["/usr/bin/applypatch", "P"]) == 7
    assert main.run(["apply_patch", "P"]) == 7
    assert main.run(["codex", "--codex-run-as-apply-patch", "P"]) == 7
    assert main.run(["codex", "apply_patch", "Q"]) == 8
    assert main.run(["codex", "--codex-run-as-apply-patch"]) == 1


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--nonsense"], 2, "No such option"),
        (["a prompt"], ExitCode.PLUGIN, 'hint: pip install codex-tui, or use codex exec "PROMPT"'),
        (["exec", "hi"], ExitCode.PLUGIN, "hint: pip install codex-exec"),
        (["app-server"], ExitCode.PLUGIN, "hint: pip install codex-app-server"),
        ([], ExitCode.PLUGIN, "hint: pip install codex-tui"),
    ],
)
def test_what_cannot_be_called_is_told_in_one_line_with_a_cure(commands, capsys, args, code, words):
    assert main.run(["codex", *args]) == code
    told = capsys.readouterr()
    assert words in told.err
    assert told.out == ""
    assert "Traceback" not in told.err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ConfigError("bad value", where="f:1", hint="fix it"), 3, "error: f:1: bad value\n  hint: fix it\n"),
        (PluginError("broken"), 4, "error: broken\n"),
        (ValueError("a bug"), 1, "error: internal error: ValueError: a bug\n"),
        (KeyboardInterrupt(), 130, ""),
        (click.Abort(), 130, ""),
        (click.UsageError("wrong"), 2, "Error: wrong\n"),
    ],
)
def test_errors_have_an_exit_code_each_and_no_traceback(commands, capsys, error, code, words):
    def callback(words):
        raise error

    commands("fail", callback)
    assert main.run(["codex", "fail"]) == code
    told = capsys.readouterr().err
    assert words in told
    assert "Traceback" not in told


@pytest.mark.parametrize(("number", "code"), [(errno.EPIPE, 141), (errno.ENOSPC, ExitCode.STORE)])
def test_output_that_cannot_be_written_is_no_internal_error(commands, capsys, monkeypatch, number, code):
    monkeypatch.setattr(cli, "_drop_stdout", lambda: None)

    def callback(words):
        raise OSError(number, os.strerror(number))

    commands("x", callback)
    assert main.run(["codex", "x"]) == code
    told = capsys.readouterr().err
    assert ("the output cannot be written: No space left on device" in told) is (code == ExitCode.STORE)
    assert "internal error" not in told


def test_debug_shows_the_traceback(commands, capsys):
    def callback(words):
        raise ConfigError("bad value")

    commands("fail", callback)
    assert main.run(["codex", "--debug", "fail"]) == 3
    assert "Traceback" in capsys.readouterr().err


def test_an_internal_error_is_kept_in_the_log(commands, tmp_path):
    def callback(words):
        raise ValueError("a bug")

    commands("fail", callback)
    main.run(["codex", "fail"])
    entry = json.loads((tmp_path / "home" / "log" / "codex.log").read_text().splitlines()[-1])
    assert entry["level"] == "error"
    assert "ValueError: a bug" in entry["exception"]


def test_a_command_whose_plugin_failed_is_told_with_the_reason(monkeypatch, capsys, tmp_path):
    from codex_kernel.discovery import Candidate

    candidate = Candidate(name="exec", module="no_such_module_here", dist="codex-exec", version="1.0")
    monkeypatch.setattr(PluginManager, "from_environment", lambda environ, **switches: PluginManager([candidate]))
    assert main.run(["codex", "exec", "hi"]) == ExitCode.PLUGIN
    told = capsys.readouterr().err
    assert "no_such_module_here" in told
    assert "pip uninstall codex-exec" in told


def test_plugins_are_listed_as_a_table_and_as_json(commands, capsys, monkeypatch):
    from codex_kernel.discovery import Candidate

    bad = Candidate(name="bad", module="no_such_module_here", dist="acme-bad", version="2.0")
    monkeypatch.setattr(PluginManager, "from_environment", lambda environ, **switches: PluginManager([bad]))
    assert main.run(["codex", "plugin", "list"]) == 0
    table = capsys.readouterr().out
    assert "NAME" in table
    assert "acme-bad" in table
    assert main.run(["codex", "plugin", "list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["dist"], row["version"], row["status"]) == ("bad", "acme-bad", "2.0", "failed")
    assert set(row) == {"name", "dist", "version", "kinds", "status", "reason", "cure", "import_ms"}


def test_a_blocked_plugin_offers_no_command_and_plugins_are_found_once(monkeypatch, capsys):
    made = []
    command = CommandSpec(name="greet", load=lambda: click.Command("greet", callback=lambda: 5))

    def from_environment(environ, *, no_plugin=(), no_plugins=False):
        made.append((tuple(no_plugin), no_plugins))
        found = [] if "greeter" in no_plugin else [command]
        return PluginManager((), builtins={"greeter": plugin(codex_commands=found)})

    monkeypatch.setattr(PluginManager, "from_environment", from_environment)
    assert main.run(["codex", "greet"]) == 5
    assert made == [((), False)]
    assert main.run(["codex", "--no-plugin", "greeter", "--no-plugins", "greet"]) == ExitCode.PLUGIN
    assert "the command 'tui' is not installed" in capsys.readouterr().err
    assert made[1:] == [(("greeter",), True)]


def test_what_an_error_quotes_does_not_act_on_the_terminal(commands, capsys):
    def fails(words):
        raise ConfigError("no such thing: \x1b]0;owned\x07\u202e\n\tß", hint="try \x9b31m")

    commands("probe", fails)
    assert main.run(["codex", "probe"]) == ExitCode.CONFIG
    assert capsys.readouterr().err == ("error: no such thing: \\x1b]0;owned\\x07\\u202e\n\tß\n  hint: try \\x9b31m\n")

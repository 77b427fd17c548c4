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
        (["nonsense"], 2, "No such command"),
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
    assert main.run(["codex", "--no-plugin", "greeter", "--no-plugins", "greet"]) == 2
    assert "No such command" in capsys.readouterr().err
    assert made[1:] == [(("greeter",), True)]

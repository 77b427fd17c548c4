"""What the distribution registers, and how the command line reaches it."""

import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from codex_plugin_sdk import ToolSetup
from codex_tool_apply_patch import plugin

PATCH = "*** Begin Patch\n*** Add File: a\n+x\n*** End Patch"


def test_tool_and_command_are_offered():
    (tool,) = plugin.codex_tools()
    setup = ToolSetup(thread_id="t", codex_home="/h", spill_dir="/s", environ={})
    assert tool.name == tool.factory(setup).definition.name == "apply_patch"
    (command,) = plugin.codex_commands()
    assert (command.name, command.argv0) == ("apply_patch", ("apply_patch", "applypatch"))
    assert isinstance(command.load(), click.Command)


@pytest.mark.parametrize(
    ("args", "stdin", "code"),
    [([PATCH], b"", 0), ([], PATCH.encode(), 0), (["-h"], b"", 0), (["--json", "x"], b"", 2), (["-x"], b"", 1), ([], b"", 2)],
)  # fmt: skip
def test_command_line_hands_everything_over_as_it_is(tmp_path, monkeypatch, args, stdin, code):
    monkeypatch.chdir(tmp_path)
    (command,) = plugin.codex_commands()
    result = CliRunner().invoke(command.load(), args, input=stdin)
    assert result.exit_code == code
    assert (tmp_path / "a").exists() == (code == 0 and args != ["-h"])


def test_vanished_working_directory_is_told(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    (command,) = plugin.codex_commands()
    result = CliRunner().invoke(command.load(), [PATCH])
    assert result.exit_code == 1
    assert "the working directory cannot be used" in result.output


def test_registering_imports_nothing_that_works():
    code = (
        "import sys, codex_tool_apply_patch.plugin as p; list(p.codex_tools()); list(p.codex_commands());"
        "print([m for m in sys.modules if m.startswith('codex_tool_apply_patch.') or m in ('click', 're', 'anyio')])"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    found = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, env=environ)
    loaded = found.stdout
    assert "codex_tool_apply_patch.plugin" in loaded
    for heavy in ("parser", "tool'", "cli", "click", "anyio"):
        assert heavy not in loaded

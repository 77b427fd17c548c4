"""The script in a real bash."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from codex_debug.scripts import BASH

CLEAR_LINE = "\x15"

pytestmark = pytest.mark.requires_tool("bash")


def function(environ, folder, *words):
    """What the bash function answers, called as a test of one's own would call it."""
    script = 'source /dev/stdin; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _codex; printf "%s\\n" "${COMPREPLY[@]}"'
    command = ["bash", "--norc", "-c", script, "bash", *words]
    done = subprocess.run(
        command, env=environ, cwd=folder, input=BASH.encode(), capture_output=True, check=True, timeout=30
    )
    assert done.stderr == b""
    return done.stdout.decode().split("\n")[:-1]


def test_the_bash_function_answers_outside_of_a_terminal(environ, folder):
    assert function(environ, folder, "codex", "comp") == ["completion"]
    assert function(environ, folder, "codex", "sandbox", "status", "--js") == ["--json"]
    assert function(environ, folder, "codex", "exec", "-o", "my") == ["my file.txt"]
    assert function(environ, folder, "codex", "exec", "-C", "") == ["sub dir"]


def test_the_bash_script_is_free_of_syntax_errors():
    subprocess.run(["bash", "-n"], input=BASH.encode(), check=True, timeout=10)


@pytest.mark.parametrize("typed", ["sub\\ dir/codex", "~/codex"])
def test_bash_asks_the_program_by_the_path_that_was_typed(terminal, folder, home, typed, environ):
    program = shutil.which("codex", path=environ["PATH"])
    (folder / "sub dir" / "codex").symlink_to(program)
    (home / "codex").symlink_to(program)
    (folder / "script").write_text(BASH)
    bash = terminal("bash", "--norc", "--noprofile", "-i", cwd=folder, PATH="/usr/bin:/bin")
    bash.type("source ./script; PS1='re''ady '\n")
    bash.read_until("\nready ")
    bash.type(f"{typed} comp\t")
    bash.read_until(f"{typed} completion ")


def test_bash_completes_what_is_typed(terminal, folder):
    bash = terminal("bash", "--norc", "--noprofile", "-i", cwd=folder)
    bash.type("source <(codex completion bash); PS1='re''ady '\n")
    bash.read_until("\nready ")
    for typed, shown in (
        ("codex comp", "codex completion "),
        ("codex exec res", "codex exec resume "),
        ("codex exec -o my", "codex exec -o my\\ file.txt "),
        ("codex exec -o 'my", "codex exec -o 'my file.txt' "),
        ("codex exec -C s", "codex exec -C sub\\ dir/"),
        ("codex exec --sandbox=re", "codex exec --sandbox=read-only "),
        ("codex exec --output-schema=my", "codex exec --output-schema=my\\ file.txt "),
    ):
        bash.type(f"{typed}\t")
        bash.read_until(shown)
        bash.type(CLEAR_LINE)

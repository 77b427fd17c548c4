"""The scripts in other real shells. Collected with CODEX_TEST_OTHER_SHELLS=1, as few machines have them all."""

from __future__ import annotations

import subprocess

import pytest


@pytest.mark.requires_tool("zsh")
@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("codex exec re", "codex exec resume "),
        ("codex exec -o my", "codex exec -o my\\ file.txt "),
        ("codex exec -C s", "codex exec -C sub\\ dir/"),
        ("codex exec --sandbox=re", "codex exec --sandbox=read-only "),
        ("codex exec --add-dir=s", "codex exec --add-dir=sub\\ dir/"),
    ],
)
def test_zsh_completes_what_is_typed(terminal, folder, typed, shown):
    zsh = terminal("zsh", "-f", "-i", cwd=folder)
    zsh.type(
        "autoload -Uz compinit && compinit -u -D; source <(codex completion zsh); unsetopt prompt_cr; PS1='re''ady '\n"
    )
    zsh.read_until("\nready ")
    zsh.type(f"{typed}\t")
    zsh.read_until(shown)


@pytest.mark.requires_tool("fish")
@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("codex plugin l", "list\tList plugins with their distribution,..."),
        ("codex exec -o 'my", "my file.txt"),
        ("codex exec -C s", "sub dir/"),
        ("codex exec --sandbox=re", "--sandbox=read-only"),
        ("codex exec --add-dir=s", "--add-dir=sub dir/"),
    ],
)
def test_fish_completes_what_is_typed(environ, folder, typed, shown):
    command = ["fish", "--no-config", "-c", "codex completion fish | source; complete -C $argv[1]", typed]
    done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, check=True, timeout=30)
    assert done.stdout.decode() == shown + "\n"


@pytest.mark.requires_tool("elvish")
@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("exec re", "resume"),
        ("exec -o my", "my file.txt"),
        ("exec --add-dir=s", "--add-dir=sub dir/"),
        ("plugin l", "list"),
    ],
)
def test_elvish_completes_what_is_typed(terminal, folder, words, shown):
    stem = "each {|x| if (eq (kind-of $x) string) { echo $x } else { echo $x[stem] } }"
    line = f"$edit:completion:arg-completer[codex] codex {words} | {stem} > found"
    (folder / "script").write_text(f"eval (codex completion elvish | slurp)\n{line}\n")
    elvish = terminal("elvish", "-norc", cwd=folder, TERM="xterm")
    elvish.type("eval (slurp < script); echo do'n'e\n")
    elvish.read_until("\rdone")
    assert shown in (folder / "found").read_text().splitlines()


@pytest.mark.requires_tool("pwsh")
@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("codex plugin l", ["list"]),
        ("codex exec --sandbox=re", ["--sandbox=read-only"]),
        ("codex exec --color ", ["always", "never", "auto"]),
    ],
)
def test_powershell_completes_what_is_typed(environ, folder, typed, shown):
    script = (
        "codex completion powershell | Out-String | Invoke-Expression; "
        f"[System.Management.Automation.CommandCompletion]::CompleteInput('{typed}', {len(typed)}, $null)"
        ".CompletionMatches.CompletionText"
    )
    command = ["pwsh", "-NoProfile", "-Command", script]
    done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, check=True, timeout=60)
    assert done.stdout.decode().split() == shown

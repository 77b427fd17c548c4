"""`codex resume` and `codex fork` on a terminal: what they hand to the terminal UI, and when they do not."""

from __future__ import annotations

import io

import click
import pytest

from codex_plugin_sdk import CommandSpec, Invocation
from codex_plugin_sdk.testing.harness import manager, plugin
from codex_rollout_jsonl import plugin as store
from codex_sessions import going_on
from codex_sessions.going_on_commands import fork, resume

COMMANDS = {"resume": resume, "fork": fork}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def recorder(seen, name):
    """A command that notes how it was called."""

    def callback(**given):
        seen.append((name, {key: found for key, found in given.items() if found}, click.get_current_context().obj))
        return 5

    params = [click.Argument(["words"], nargs=-1)]
    params += [click.Option([f"--{option}"]) for option in ("resume", "fork", "model", "remote")]
    params += [
        click.Option([f"--{option}"], is_flag=True)
        for option in ("last", "all", "resume-picker", "fork-picker", "json")
    ]
    command = click.Command(name, callback=callback, params=params)
    return CommandSpec(name=name, load=lambda: command)


@pytest.fixture
def run(home, tmp_path, monkeypatch):
    """`run("resume", …)` gives the command that was called, with its options and command line."""
    monkeypatch.chdir(tmp_path)

    def call(verb, *args, with_ui=True, flags=(), out=Terminal):
        monkeypatch.setattr(going_on.sys, "stdin", Terminal())
        monkeypatch.setattr(going_on.sys, "stdout", out())
        seen = []
        offered = [recorder(seen, "exec"), *([recorder(seen, "tui")] if with_ui else [])]
        plugins = manager(plugin(codex_commands=offered), store)
        environ = {"CODEX_HOME": str(home), "HOME": str(tmp_path)}
        invocation = Invocation(plugins=plugins, environ=environ, flags=dict(flags))
        code = COMMANDS[verb].main(args=list(args), obj=invocation, standalone_mode=False)
        plugins.close()
        assert code == (5 if seen else 0)
        return seen[0] if seen else None

    return call


@pytest.mark.parametrize("verb", ["resume", "fork"])
def test_a_session_the_newest_or_a_picked_one_goes_on_in_the_terminal_ui(put, run, tmp_path, r, verb):
    put(r.FIRST, r.small(r.FIRST, cwd=str(tmp_path)))
    put(r.SECOND, r.small(r.SECOND, "elsewhere"))
    assert run(verb)[:2] == ("tui", {f"{verb}_picker": True})
    assert run(verb, "--all")[:2] == ("tui", {f"{verb}_picker": True, "all": True})
    assert run(verb, r.FIRST[:13])[:2] == ("tui", {verb: r.FIRST})
    assert run(verb, "--last")[:2] == ("tui", {verb: r.FIRST})
    with pytest.raises(Exception, match="No active or archived session"):
        run(verb, "nobody")


def test_options_reach_it_as_if_they_stood_in_front(put, run, tmp_path, r):
    put(r.FIRST, r.small(r.FIRST, cwd=str(tmp_path)))
    options = ("-m", "x", "-s", "read-only", "-a", "never", "-C", str(tmp_path), "--add-dir", "a", "-i", "b", "--oss")
    more = ("--yolo", "--no-alt-screen", "--search", "-c", "k=1", "--enable", "f", "--disable", "g")
    _, _, invocation = run("resume", r.FIRST, *options, *more, flags={"images": ("z",), "model": "y"})
    assert invocation.flags == {
        "model": "x",
        "sandbox": "read-only",
        "approval": "never",
        "cwd": str(tmp_path),
        "add_dir": ("a",),
        "images": ("z", "b"),
        "oss": True,
        "bypass": True,
        "no_alt_screen": True,
    }
    assert invocation.overrides == ("k=1", "features.f=true", "features.g=false", 'web_search="live"')


def test_sessions_of_a_server_elsewhere_are_left_to_it(run):
    name, given, invocation = run("resume", "--remote", "unix://")
    assert (name, given) == ("tui", {"resume_picker": True})
    assert invocation.flags == {"remote": "unix://"}
    assert run("resume", "--last", flags={"remote": "unix://"})[1] == {"resume_picker": True, "last": True}
    assert run("fork", "a name", "--remote", "unix://")[1] == {"fork": "a name"}


def test_with_a_prompt_without_a_terminal_or_for_json_it_is_not_asked(put, run, tmp_path, r):
    put(r.FIRST, r.small(r.FIRST, cwd=str(tmp_path)))
    name, given, invocation = run("resume", r.FIRST, "go", "-m", "x", "--search")
    assert (name, given) == ("exec", {"words": ("resume", r.FIRST, "go"), "model": "x"})
    assert invocation.overrides == ('web_search="live"',)
    assert run("resume", r.FIRST, with_ui=False) is None  # shows what was said last
    assert run("fork", r.FIRST, "--json")[0] == "exec"
    assert run("fork", r.FIRST, out=io.StringIO)[0] == "exec"

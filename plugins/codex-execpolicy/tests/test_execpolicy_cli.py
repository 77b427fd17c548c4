"""The command `codex execpolicy`, run as a program runs it."""

import json
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from codex_execpolicy.cli import execpolicy
from codex_plugin_sdk import ExitCode, Invocation, UserError

PEER = os.environ.get("CODEX_PEER")


@pytest.fixture
def run(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(tmp_path)

    def run(*args, code=0):
        environ = {"CODEX_HOME": str(home), "HOME": str(tmp_path)}
        invocation = Invocation(plugins=None, environ=environ)
        done = CliRunner().invoke(execpolicy, [str(arg) for arg in args], obj=invocation)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return done

    run.home = home
    return run


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


CHECKS = [
    (
        'prefix_rule(["git", ["status", "log"]], justification="hé \\"\\\\\\u0001/")\nprefix_rule(["git"], decision="prompt")',
        [],
        ["git", "status", "-s"],
    ),
    ('prefix_rule(["git"], decision="forbidden")', [], ["ls"]),
    (
        'prefix_rule(["git"])\nhost_executable("git", ["/usr/bin/git"])',
        ["--resolve-host-executables"],
        ["/usr/bin/git", "x"],
    ),
    (
        'prefix_rule(["git"])\nhost_executable("git", ["/usr/bin/git"])',
        ["--resolve-host-executables"],
        ["/opt/git", "x"],
    ),
    ('prefix_rule(["git"])', ["--resolve-host-executables"], ["./git", "x"]),
    ('prefix_rule(["git"])', ["--resolve-host-executables"], ["/a/../b//git"]),
    ('prefix_rule(["git"])', [], ["/usr/bin/git"]),
    (
        'prefix_rule(["git"])\nprefix_rule(["/b/git", "x"], decision="prompt")',
        ["--resolve-host-executables"],
        ["/b/git", "x"],
    ),
    ('prefix_rule([["a", "b"]], decision="prompt")', ["--pretty"], ["b", "c"]),
    ('prefix_rule(["a"])', ["--pretty"], ["b"]),
    ('prefix_rule(["git"])', [], ["bash", "-lc", "git x"]),
    ('network_rule("a", "http", "deny")', [], ["a"]),
    ('prefix_rule(["", "\\n"])', [], ["", "\n"]),
    ('prefix_rule([["a", "a"]])\nprefix_rule(["a", ["b", "b"]])', [], ["a", "b"]),
    (
        'prefix_rule(["a"])\nprefix_rule(["a", "b"], decision="forbidden")\nprefix_rule(["a"], decision="prompt")',
        [],
        ["a", "b"],
    ),
]


def test_check_prints_one_line_of_json(run, tmp_path):
    first = write(tmp_path / "a.rules", 'prefix_rule(["git"], decision="prompt", justification="why")')
    second = write(tmp_path / "b.rules", 'prefix_rule(["git", "x"])\nhost_executable("git", ["/b/git"])')
    assert run("check", "-r", first, "--rules", second, "--", "git", "x", "-y").output == (
        '{"matchedRules":[{"prefixRuleMatch":{"matchedPrefix":["git"],"decision":"prompt","justification":"why"}},'
        '{"prefixRuleMatch":{"matchedPrefix":["git","x"],"decision":"allow"}}],"decision":"prompt"}\n'
    )
    assert run("check", "-r", first, "-r", second, "--resolve-host-executables", "/b/git").output == (
        '{"matchedRules":[{"prefixRuleMatch":{"matchedPrefix":["git"],"decision":"prompt",'
        '"resolvedProgram":"/b/git","justification":"why"}}],"decision":"prompt"}\n'
    )
    assert run("check", "-r", first, "ls", "--pretty").output == '{"matchedRules":[]}\n'
    assert run("check", "-r", first, "--pretty", "--", "ls").output == '{\n  "matchedRules": []\n}\n'


@pytest.mark.skipif(PEER is None, reason="CODEX_PEER does not name a codex program to compare with")
@pytest.mark.parametrize(("text", "flags", "command"), CHECKS)
def test_check_prints_what_codex_prints(run, tmp_path, text, flags, command):
    rules = write(tmp_path / "a.rules", text)
    args = ["check", *flags, "--rules", rules, "--", *command]
    theirs = subprocess.run([PEER, "execpolicy", *args], capture_output=True, check=True)
    assert run(*args).stdout_bytes == theirs.stdout


def test_check_explains_what_is_wrong_in_one_line(run, tmp_path):
    bad = write(tmp_path / "a.rules", "\nprefix_rule([])")
    with pytest.raises(UserError, match=r"a.rules:2: invalid pattern element: pattern cannot be empty") as caught:
        run("check", "-r", bad, "--", "x")
    assert caught.value.exit_code is ExitCode.CONFIG
    with pytest.raises(UserError, match=r"failed to read policy at none: No such file") as caught:
        run("check", "-r", "none", "--", "x")
    good = write(tmp_path / "b.rules", "")
    with pytest.raises(UserError, match="not UTF-8") as caught:
        run("check", "-r", good, "--", "\udcff")
    assert caught.value.exit_code is ExitCode.USAGE
    assert run("check", "-r", good, code=2)
    assert run("check", "x", code=2)
    assert run("simulate", "-r", good, code=2)
    assert run("simulate", "-r", good, "-s", "wild", "x", code=2)


# -- old sessions ---------------------------------------------------------------------------------------


def meta(approval="on-request", mode="workspace-write"):
    sandbox = {"type": mode, "network_access": False}
    return {"type": "turn_context", "payload": {"cwd": "/ws", "approval_policy": approval, "sandbox_policy": sandbox}}


def call(name, **arguments):
    item = {"type": "function_call", "name": name, "arguments": json.dumps(arguments), "call_id": "c"}
    return {"timestamp": "t", "type": "response_item", "payload": item}


def execute(cmd, *, escalated=False):
    return call("exec_command", cmd=cmd, **({"sandbox_permissions": "require_escalated"} if escalated else {}))


def session(home, *lines, id="01a1fc07-3cc3-7e61-9487-c0547b532157"):
    path = home / "sessions/2026/11/21" / f"rollout-2026-11-21T02-54-55-{id}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


OLD = [
    meta(),
    execute("cargo test --all", escalated=True),
    execute("cargo test -q", escalated=True),
    execute("cargo build", escalated=True),
    call("shell", command=["bash", "-lc", "git push origin main"], with_escalated_permissions=True),
    call("shell_command", command="git push origin dev", sandbox_permissions="require_escalated"),
    {
        "type": "response_item",
        "payload": {"type": "local_shell_call", "action": {"type": "exec", "command": ["rm", "-rf", "/srv"]}},
    },
    execute("rm -rf /srv"),
    execute("python -c 'x'", escalated=True),
    execute("python -c 'x'", escalated=True),
    execute("ls"),
    execute("apply_patch <<E\n*** Begin Patch\nE"),
    call("update_plan", plan=[]),
    call("write_stdin", session_id=1, chars="x"),
]


def test_suggest_proposes_the_fewest_rules_that_end_repeated_questions(run):
    session(run.home, *OLD)
    assert run("suggest").output == (
        "# 1 sessions, 10 commands, 9 of them asked about; these rules would have ended 4.\n"
        'prefix_rule(pattern=["cargo", "test"], decision="allow")  # 2x\n'
        'prefix_rule(pattern=["git", "push", "origin"], decision="allow")  # 2x\n'
    )
    found = json.loads(run("suggest", "--json").output)
    assert (found["asked"], found["ended"], found["sessions"], found["brokenLines"]) == (9, 4, 1, 0)
    assert [rule["prefix"] for rule in found["rules"]] == [["cargo", "test"], ["git", "push", "origin"]]


def test_suggest_is_silent_about_what_rules_settle_already(run):
    session(run.home, *OLD)
    write(run.home / "rules/a.rules", 'prefix_rule(["cargo"])\nprefix_rule(["git"], decision="prompt")')
    assert "no rule would have ended" in run("suggest").output


def test_suggest_leaves_out_a_rule_that_another_one_makes_needless(run):
    session(
        run.home,
        meta("never"),
        *[execute("tool a && tool b c", escalated=True)] * 2,
        execute("tool x y", escalated=True),
    )
    prefixes = [rule["prefix"] for rule in json.loads(run("suggest", "--json").output)["rules"]]
    assert prefixes == [["tool", "a"], ["tool", "b", "c"]]


def test_simulate_shows_what_becomes_allowed_asked_and_refused(run, tmp_path):
    session(run.home, *OLD)
    write(run.home / "rules/a.rules", 'prefix_rule(["cargo", "build"])')
    new = write(
        tmp_path / "new.rules",
        'prefix_rule(["cargo", "test"])\nprefix_rule(["git"], decision="forbidden", justification="no")\nprefix_rule(["ls"], decision="prompt")',
    )
    found = json.loads(run("simulate", "-r", new, run.home / "sessions", "--json").output)
    changes = [(row["command"][-1], row["times"], row["before"], row["after"], row["reason"]) for row in found["rows"]]
    outside = "allowed outside the sandbox"
    assert changes == [
        ("git push origin dev", 1, "asked", "refused", "no"),
        ("git push origin main", 1, "asked", "refused", "no"),
        ("cargo build", 1, outside, "asked", "it asks to leave the sandbox"),
        ("ls", 1, "allowed", "asked", f"`ls` is to be asked about by {new}"),
        ("cargo test --all", 1, "asked", outside, ""),
        ("cargo test -q", 1, "asked", outside, ""),
    ]
    assert found["totals"]["asked"] == {"before": 8, "after": 6}
    text = run("simulate", "-r", new, "01a1fc07").output
    assert "asked -> refused:\n     1x  git push origin dev   [no]\n" in text
    assert "still asked" in run("simulate", "-r", new, "01a1fc07", "--all").output
    assert "nothing changes" in run("simulate", "-r", f"{run.home}/rules/a.rules", "01a1fc07").output


def test_simulate_takes_another_sandbox(run, tmp_path):
    path = session(run.home, meta(), execute("tool x", escalated=True))
    new = write(tmp_path / "new.rules", "")
    found = json.loads(run("simulate", "-r", new, "-s", "danger-full-access", path, "--json").output)
    assert [(row["before"], row["after"]) for row in found["rows"]] == [("asked", "allowed")]


def test_where_nobody_can_be_asked_a_question_is_a_refusal(run, tmp_path):
    path = session(run.home, meta("never"), execute("tool x", escalated=True))
    new = write(tmp_path / "new.rules", 'prefix_rule(["tool"])')
    (row,) = json.loads(run("simulate", "-r", new, path, "--json").output)["rows"]
    assert (row["before"], row["after"]) == ("refused", "allowed outside the sandbox")


def test_broken_lines_are_counted_and_said(run):
    session(
        run.home, "{", '{"type": 1}', "[]", call("exec_command", cmd=1), call("shell", command=[]), "", execute("ls")
    )
    done = run("suggest", "--json")
    assert json.loads(done.stdout)["brokenLines"] == 5
    assert "5 lines could not be read" in done.stderr


def test_items_of_the_oldest_files_are_understood(run):
    item = {"type": "function_call", "name": "shell", "arguments": json.dumps({"command": ["ls"]})}
    session(run.home, {"id": "x", "timestamp": "t"}, item)
    found = json.loads(run("suggest", "--json").stdout)
    assert found["commands"] == 1


def test_a_session_that_is_not_there_is_a_usage_error(run, tmp_path):
    new = write(tmp_path / "new.rules", "")
    with pytest.raises(UserError, match="there is no session 'nope'") as caught:
        run("simulate", "-r", new, "nope")
    assert caught.value.exit_code is ExitCode.USAGE


def test_what_a_terminal_would_obey_is_not_printed(run, tmp_path):
    path = session(run.home, meta(), execute("tool '\x1b[2J\n'", escalated=True))
    new = write(tmp_path / "new.rules", 'prefix_rule(["tool"])')
    text = run("simulate", "--all", "-r", new, path).output
    assert "\x1b" not in text
    assert "tool '\\x1b[2J\\n'" in text


def test_problems_of_current_rules_are_told(run):
    session(run.home, *OLD)
    write(run.home / "rules/a.rules", "prefix_rule([])")
    assert "pattern cannot be empty; its rules are left out" in run("suggest").stderr


def test_the_command_is_found_by_the_program(tmp_path):
    rules = write(tmp_path / "a.rules", 'prefix_rule(["a"])')
    argv = [sys.executable, "-m", "codex_kernel.main", "execpolicy", "check", "-r", rules, "--", "a"]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=True, env={**os.environ, "CODEX_HOME": str(tmp_path)}
    )
    assert json.loads(done.stdout)["decision"] == "allow"


def test_every_subcommand_has_help():
    for command in execpolicy.commands.values():
        assert command.get_help(click.Context(command, info_name="x"))

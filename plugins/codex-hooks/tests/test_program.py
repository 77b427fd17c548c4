"""Hooks of the real program: a scripted model, a real shell, a real sandbox."""

import json
import time

from codex_plugin_sdk import text_message

from .conftest import hook, shell_call


def say(text, number=0):
    return text_message("assistant", text, id=f"msg_{number}")


def test_a_hook_keeps_a_command_from_running(codex):
    codex.use(hook("PreToolUse", "grep -q forbidden && { echo not that >&2; exit 2; }; exit 0", matcher="Bash"))
    outcome = codex.exec([shell_call("touch forbidden")], [shell_call("echo fine", 1)], [say("done")])
    assert outcome.code == 0
    blocked, ran = outcome.outputs()
    assert "not that" in blocked
    assert "fine" in ran
    assert not (codex.work / "forbidden").exists()


def test_a_hook_adds_context_to_the_prompt(codex):
    codex.use(hook("UserPromptSubmit", "echo the build is red"), hook("SessionStart", "echo it is Monday"))
    outcome = codex.exec([say("done")])
    context = "\n".join(outcome.messages("developer"))
    assert "the build is red" in context
    assert "it is Monday" in context


def test_a_blocked_prompt_never_reaches_the_model(codex):
    codex.use(hook("UserPromptSubmit", "echo holds a secret >&2; exit 2"))
    outcome = codex.exec([say("done")])
    assert outcome.requests == []
    assert "holds a secret" in outcome.err


def test_a_stop_hook_sends_the_model_on_once(codex):
    answer = json.dumps({"decision": "block", "reason": "write the tests too"})
    codex.use(hook("Stop", f"grep -q '\"stop_hook_active\":true' || echo '{answer}'"))
    outcome = codex.exec([say("first")], [say("second", 1)])
    assert len(outcome.requests) == 2
    assert "write the tests too" in outcome.messages("user")[-1]


def test_hooks_cannot_write_unless_they_may(codex):
    codex.use(
        hook("UserPromptSubmit", f"touch {codex.work}/a; true"),
        hook("UserPromptSubmit", f"touch {codex.work}/b", sandbox="workspace-write"),
        hook("UserPromptSubmit", f"touch {codex.home}/c", sandbox="danger-full-access"),
    )
    outcome = codex.exec([say("done")])
    assert outcome.code == 0
    assert not (codex.work / "a").exists()
    assert (codex.work / "b").exists()
    assert (codex.home / "c").exists()


def test_hanging_flooding_and_babbling_hooks_are_named_and_over_soon(codex):
    codex.use(
        hook("PreToolUse", "(sleep 65 &) ; sleep 65", name="hanging", timeout=1),
        hook("PreToolUse", "yes | head -c 1G", name="flooding"),
        hook("PreToolUse", "echo '{babble'", name="babbling"),
    )
    began = time.monotonic()
    outcome = codex.exec([shell_call("echo fine")], [say("done")])
    assert time.monotonic() - began < 15
    for name in ("hanging", "flooding", "babbling"):
        assert f"PreToolUse hook '{name}' ({codex.config}:" in outcome.err
    assert "fine" in outcome.outputs()[0]


def test_a_failing_guard_closes_the_gate_where_it_is_told_to(codex):
    codex.use(hook("PreToolUse", "echo '{babble'", name="guard", on_failure="block"))
    outcome = codex.exec([shell_call("touch x")], [say("done")])
    assert "hook 'guard'" in outcome.outputs()[0]
    assert not (codex.work / "x").exists()


def test_notify_is_told_of_the_turns_end(codex):
    told = codex.root / "told"
    codex.use(top=f'notify = ["/bin/sh", "-c", "printf %s \\"$1\\" > {told}", "notify"]')
    assert codex.exec([say("all done")]).code == 0
    found = json.loads(told.read_text())
    assert (found["type"], found["client"]) == ("agent-turn-complete", "codex_exec")
    assert (found["input-messages"], found["last-assistant-message"]) == (["go"], "all done")


def test_the_list_names_every_hook_with_its_line(codex):
    codex.use(hook("PreToolUse", "check.sh", matcher="Bash", name="guard", timeout=5), hook("Stop", "tests.sh"))
    lines = codex.config.read_text().splitlines()
    outcome = codex.run("hooks", "list", "--json")
    first, second = json.loads(outcome.out)["hooks"]
    assert (first["event"], first["matcher"], first["command"], first["timeout"]) == (
        *("PreToolUse", "Bash", "check.sh", 5),
    )
    for found in (first, second):
        file, _, line = found["source"].rpartition(":")
        assert file == str(codex.config)
        assert lines[int(line) - 1] == 'type = "command"'
    text = codex.run("hooks", "list").out
    assert "guard: check.sh" in text
    assert "matches Bash; read-only; at most 5 s; on_failure allow" in text


def test_the_list_says_when_there_is_nothing(codex):
    codex.use()
    assert "No hooks are set" in codex.run("hooks", "list").out


def test_a_wrong_hook_stops_the_program_with_the_line(codex):
    codex.use(hook("PreToolUse", "true", timeout="soon"), hook("Stop", "true", matcher="x", on_failure="never"))
    for outcome in (codex.run("hooks", "list"), codex.run("exec", "go")):
        assert outcome.code == 3
        assert f"{codex.config}:" in outcome.err
        assert "timeout must be whole seconds" in outcome.err
        assert "on_failure must be one of" in outcome.err

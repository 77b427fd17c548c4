"""Whole turns in a real sandbox: what is permitted works, what is not is refused, explained, or asked about."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import sys
import threading
from contextlib import closing

import pytest

import codex_execpolicy.plugin
import codex_network_proxy.plugin
import codex_tool_git.plugin
import codex_tool_shell.plugin
from codex_plugin_sdk import (
    ApprovalAnswer,
    ApprovalRequested,
    NetworkDecided,
    ReviewDecision,
    SandboxSelected,
    TextInput,
    TurnCompleted,
    UserTurn,
)
from codex_plugin_sdk.testing.harness import open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, call, say

if sys.platform != "linux":
    pytest.skip("the sandbox of Linux", allow_module_level=True)

import codex_sandbox_linux.plugin

pytestmark = pytest.mark.anyio

PLUGINS = (
    codex_tool_shell.plugin,
    codex_sandbox_linux.plugin,
    codex_execpolicy.plugin,
    codex_network_proxy.plugin,
    codex_tool_git.plugin,
)


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def work(tmp_path):
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def opened(model, home, work, *more, **config):
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "SHELL": "/bin/sh"}
    settings = {
        "sandbox_mode": "workspace-write",
        "approval_policy": "never",
        "sandbox_workspace_write.exclude_slash_tmp": True,  # the folders of this test lie there
        "allow_login_shell": False,
        **config,
    }
    settings = {key: found for key, found in settings.items() if found is not None}
    return open_thread(model, *PLUGINS, *more, home=str(home), cwd=str(work), environ=environ, config=settings)


def shell(*commands):
    """A model that runs the commands, one each turn of its own, and then says that it is done."""
    return ScriptedModel(*([call("exec_command", f"c{i}", cmd=cmd)] for i, cmd in enumerate(commands)), [say("done")])


async def test_a_command_writes_in_the_workspace_and_nowhere_else(home, work, tmp_path):
    outside = tmp_path / "outside"
    model = shell("echo in > made; cat made", f"echo out > {outside}")
    async with opened(model, home, work) as h:
        await h.turn()
    first, second = h.outputs()
    assert "exited with code 0" in first
    assert (work / "made").read_text() == "in\n"
    assert not outside.exists()
    assert f"the sandbox kept the command from writing {outside}" in second
    (selected,) = h.of(SandboxSelected)
    assert selected.guarantees


async def test_in_read_only_mode_nothing_is_written_but_temporary_files(home, work):
    model = shell("echo x > made", 'f=$(mktemp) && echo y > "$f" && cat "$f" && cat <<EOF\nhere\nEOF')
    async with opened(model, home, work, sandbox_mode="read-only") as h:
        await h.turn()
    assert list(work.iterdir()) == []
    assert "y\nhere" in h.outputs()[1]


async def test_the_network_is_not_reached(home, work):
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        program = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
        async with opened(shell(f'{sys.executable} -c "{program}"'), home, work) as h:
            await h.turn()
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert "exited with code 1" in h.outputs()[0]


async def answering(h, decision):
    """Run a turn, give every question the same answer, and return the questions."""
    await h.thread.submit(UserTurn(input=(TextInput(text="go"),)))
    asked = []
    while True:
        last = (await h.until(lambda m: isinstance(m, ApprovalRequested | TurnCompleted)))[-1].msg
        if isinstance(last, TurnCompleted):
            return asked
        asked.append(last)
        await h.thread.submit(ApprovalAnswer(approval_id=last.approval_id, decision=decision))


async def test_what_the_sandbox_refused_runs_outside_once_the_user_agrees(home, work, tmp_path):
    outside = tmp_path / "outside"
    async with opened(shell(f"echo out > {outside}"), home, work, approval_policy="on-failure") as h:
        (question,) = await answering(h, ReviewDecision.APPROVED)
    assert f"kept the command from writing {outside}" in question.reason
    assert outside.read_text() == "out\n"


async def test_a_rule_allows_forbids_and_is_written_by_an_approval(home, work, tmp_path):
    rules = home / "rules"
    rules.mkdir()
    outside = tmp_path / "outside"
    (rules / "mine.rules").write_text(
        f'prefix_rule(["touch", "{outside}"])\n'
        'prefix_rule(["git", "push"], decision = "forbidden", justification = "ask a person to publish")\n'
        'prefix_rule(["date"], decision = "prompt")\n'
    )
    model = shell(f"touch {outside}", "git push --force", "date +%Y", "date +%Y")
    async with opened(model, home, work, approval_policy="on-request") as h:
        questions = await answering(h, ReviewDecision.APPROVED_FOR_SESSION)
    touched, pushed, dated, again = h.outputs()
    assert outside.exists(), touched
    assert "ask a person to publish" in pushed
    assert "exited with code 0" in dated
    assert "exited with code 0" in again
    assert len(questions) == 1


async def test_an_approval_for_good_writes_a_rule_that_the_next_thread_heeds(home, work, tmp_path):
    outside = tmp_path / "outside"
    escalated = [call("exec_command", "c", cmd=f"touch {outside}", sandbox_permissions="require_escalated")]
    async with opened(ScriptedModel(escalated, [say("x")]), home, work, approval_policy="on-request") as h:
        (question,) = await answering(h, ReviewDecision.APPROVED_ALWAYS)
    (amendment,) = question.amendments
    assert amendment.prefix == ("touch", str(outside))
    assert amendment.text in (home / "rules" / "default.rules").read_text()
    outside.unlink()
    async with opened(ScriptedModel(escalated, [say("x")]), home, work) as h:
        await h.turn()
    assert outside.exists()


FETCH = """
import os, sys, urllib.error, urllib.request
os.environ.pop("NO_PROXY", None), os.environ.pop("no_proxy", None)  # 127.0.0.1 is to be asked for, too
opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": os.environ["HTTP_PROXY"]}))
try:
    print("status", opener.open(sys.argv[1], timeout=10).status)
except urllib.error.HTTPError as error:
    print("status", error.code)
"""
WEB = {
    "sandbox_mode": None,
    "default_permissions": "web",
    "permissions": {
        "web": {
            "extends": ":workspace",
            "network": {"enabled": True, "domains": {"127.0.0.1": "allow", "denied.test": "deny"}},
        }
    },
}


async def test_the_proxied_network_lets_through_what_the_profile_names(home, work):
    (work / "fetch.py").write_text(FETCH)
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        port = server.server_port
        model = shell(*(f"{sys.executable} fetch.py http://{host}:{port}/" for host in ("127.0.0.1", "denied.test")))
        async with opened(model, home, work, **WEB) as h:
            await h.turn()
    finally:
        server.shutdown()
        server.server_close()
    reached, refused = h.outputs()
    assert "status 200" in reached
    assert "status 403" in refused
    assert [(d.host, d.decision.value) for d in h.of(NetworkDecided)] == [
        ("127.0.0.1", "allow"),
        ("denied.test", "forbidden"),
    ]


@pytest.mark.requires_tool("git")
async def test_a_commit_works_once_approved_and_nothing_else_touches_the_repository(home, work):
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com"]
    subprocess.run([*git, "init", "-q"], cwd=work, check=True)
    subprocess.run([*git, "config", "user.name", "t"], cwd=work, check=True)
    subprocess.run([*git, "config", "user.email", "t@example.com"], cwd=work, check=True)
    (work / "a").write_text("a")
    model = shell("echo x > .git/hooks/pre-commit", "git add -A && git commit -qm first")
    async with opened(model, home, work, approval_policy="on-request") as h:
        questions = await answering(h, ReviewDecision.APPROVED)
    assert not (work / ".git/hooks/pre-commit").exists()
    assert questions, h.outputs()
    log = subprocess.run(["git", "log", "--format=%s"], cwd=work, capture_output=True, text=True, check=True)
    assert log.stdout == "first\n"


async def test_nothing_that_a_command_starts_outlives_it(home, work):
    ready, lock = work / "ready", work / "lock"
    hold = f"exec 9> {lock}; flock 9; touch {ready}; exec sleep 1000"
    leave = f"env -i setsid sh -c '{hold}' > /dev/null 2>&1 & while ! test -e {ready}; do :; done"
    held = f"flock -n {lock} true; echo $?"
    async with opened(shell(f"{leave}; {held}", held), home, work) as h:
        await h.turn()
    assert [output.rpartition("Output:\n")[2] for output in h.outputs()] == ["1\n", "0\n"]


async def test_a_repository_that_a_command_makes_is_put_aside_and_the_model_is_told(home, work):
    async with opened(shell("git init -q . || mkdir .git", "ls -a"), home, work) as h:
        await h.turn()
    made, listed = h.outputs()
    assert "Notice:" in made
    assert "was moved to" in made
    assert not (work / ".git").exists()
    assert ".git" not in listed.rpartition("Output:")[2]
    assert list((home / "kernel/sandbox/quarantine").glob("*/.git"))


async def test_without_a_backend_a_command_is_refused_with_the_cure(home, work):
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "SHELL": "/bin/sh"}
    async with open_thread(
        shell("true"),
        codex_tool_shell.plugin,
        plugin(),
        home=str(home),
        cwd=str(work),
        environ=environ,
        config={"sandbox_mode": "workspace-write", "approval_policy": "never"},
    ) as h:
        await h.turn()
    assert "pip install codex-sandbox-linux" in h.outputs()[0]

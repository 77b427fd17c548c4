"""The real program: sessions that change files, and the commands that take it back."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from codex_plugin_sdk import FunctionCall, text_message
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

PROGRAM = Path(sys.executable).with_name("codex")
CONFIG = 'model_provider="x"\n[model_providers.x]\nname="x"\nbase_url="{url}"\nwire_api="responses"\n'


@pytest.fixture
def codex(tmp_path):
    """Runs the program on a home and a workspace of its own: `codex("undo")`; `codex.exec([command, ...])` is a session
    whose model runs these."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    (home / "config.toml").write_text("")
    env = {**os.environ, "CODEX_HOME": str(home), "HOME": str(home), "NO_PROXY": "*", "SHELL": "/bin/bash"}

    def run(*args):
        return subprocess.run(
            [str(PROGRAM), *args],
            cwd=work,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def session(commands, *args, sandbox="danger-full-access"):
        calls = [
            FunctionCall(call_id=f"c{n}", name="exec_command", arguments=json.dumps({"cmd": cmd}), id=f"f{n}")
            for n, cmd in enumerate(commands)
        ]
        with ScriptedResponsesServer() as server:
            server.play(*(server.answer(one) for one in (*calls, text_message("assistant", "ok", id="m"))))
            (home / "config.toml").write_text(CONFIG.format(url=server.base_url))
            run.done = run("exec", "--skip-git-repo-check", "-s", sandbox, *args)
            return [request.json for request in server.requests]

    run.exec, run.home, run.work = session, home, work
    return run


def body(done, code=0):
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_files_and_conversation_are_taken_back_in_one_command(codex):
    codex.exec(["echo one > f"], "first question")
    codex.exec(["echo two > f; mkdir d; echo x > d/g"], "resume", "--last", "second question")
    assert codex.done.returncode == 0, codex.done.stderr
    dry = body(codex("undo", "--dry-run", "--json"))
    assert [(Path(one["path"]).name, one["action"]) for one in dry["files"]] == [
        ("d", "remove"),
        ("g", "remove"),
        ("f", "restore"),
    ]
    assert (codex.work / "f").read_text() == "two\n"
    (codex.work / "f").write_text("mine\n")
    refused = codex("undo", "--rewind")
    assert refused.returncode == 1
    assert f"conflict {codex.work}/f  (it was changed since)" in refused.stdout
    assert "1 cannot be undone: nothing was changed" in refused.stderr
    assert (codex.work / "d/g").exists()
    (codex.work / "f").write_text("two\n")
    done = codex("undo", "--rewind")
    assert done.returncode == 0, done.stderr
    assert "its conversation ends before turn" in done.stdout
    assert (codex.work / "f").read_text() == "one\n"
    assert sorted(os.listdir(codex.work)) == ["f"]
    sent = json.dumps(codex.exec([], "resume", "--last", "third question")[0])
    assert "first question" in sent
    assert "second question" not in sent
    assert body(codex("undo", "--turn", "1", "--json"))["applied"]
    assert not (codex.work / "f").exists()


def test_a_program_that_is_killed_leaves_the_pre_images(codex):
    (codex.work / "f").write_text("old")
    codex.exec(["echo new > f; rm -rf gone; kill -9 $PPID"], "go")
    assert codex.done.returncode == -9
    assert (codex.work / "f").read_text() == "new\n"
    done = codex("undo")
    assert done.returncode == 0, done.stderr
    assert "was cut off" in done.stdout
    assert (codex.work / "f").read_text() == "old"


def test_a_large_delete_in_the_sandbox_is_brought_back_by_sessions_restore(codex):
    for number in range(60):
        (codex.work / f"f{number}").write_text(str(number))
    codex.exec(["mkdir d && mv f* d && rm -r d && ls -A"], "go", sandbox="workspace-write")
    assert codex.done.returncode == 0, codex.done.stderr
    assert "was not deleted but put aside" in codex.done.stderr
    assert os.listdir(codex.work) == []
    [held] = body(codex("sessions", "restore", "--list", "--json"))["entries"]
    assert held["path"] == str(codex.work / "d")
    assert codex("sessions", "restore", held["id"]).returncode == 0
    assert len(os.listdir(codex.work / "d")) == 60


def test_without_a_journal_there_is_one_clear_error(codex):
    done = codex("undo")
    assert done.returncode == 1
    assert done.stderr.startswith("error: there is no undo journal yet")

"""`codex resume` and `codex fork`."""

from __future__ import annotations

import os
import pty
import subprocess

import pytest

from codex_plugin_sdk.testing.model import say
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer
from codex_rollout_jsonl.store import JsonlRolloutStore

from .conftest import PROGRAM


@pytest.fixture
def server(home, tmp_path):
    with ScriptedResponsesServer() as running:
        (home / "config.toml").write_text(
            'model = "gpt-5.5"\nmodel_provider = "scripted"\n[model_providers.scripted]\nname = "Scripted"\n'
            f'base_url = "{running.base_url}"\nwire_api = "responses"\nrequest_max_retries = 0\n'
        )
        yield running


@pytest.fixture
def on_a_terminal(environ, tmp_path):
    """Runs the program with a terminal as stdin; gives exit code, stdout and stderr."""

    def run(*args):
        ours, theirs = pty.openpty()
        try:
            done = subprocess.run(
                [str(PROGRAM), *args],
                env=environ,
                cwd=tmp_path,
                stdin=theirs,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        finally:
            os.close(ours)
            os.close(theirs)
        return done

    return run


def texts(request):
    return [part["text"] for item in request.json["input"] if item.get("role") == "user" for part in item["content"]]


def test_resume_with_a_prompt_goes_on_by_name_and_by_last(put, codex, within, server, tmp_path, r):
    path = put(r.FIRST, [*r.small(r.FIRST, cwd=str(tmp_path)), r.response("user", "find the zebra")])
    put(r.SECOND, r.small(r.SECOND, "elsewhere"))
    put(r.THIRD, r.small(r.THIRD, "a part of it", cwd=str(tmp_path), source={"subagent": "review"}))
    assert within("sessions", "rename", r.FIRST, "blue moon").returncode == 0
    server.play(server.answer(say("one")), server.answer(say("two")))
    named = codex("resume", "-m", "gpt-5.5-mini", "--skip-git-repo-check", "--", "blue moon", "-and on")
    assert (named.returncode, named.stdout) == (0, "one\n"), named.stderr
    assert server.requests[0].json["model"] == "gpt-5.5-mini"
    last = codex("resume", "--last", "--skip-git-repo-check", "finish")
    assert (last.returncode, last.stdout) == (0, "two\n"), last.stderr
    assert [text for text in texts(server.requests[1]) if not text.startswith("<")] == [
        "find the zebra",
        "-and on",
        "finish",
    ]
    assert "finish" in path.read_text()


def test_fork_with_a_prompt_leaves_the_other_as_it_is(put, codex, server, home, tmp_path, r):
    path = put(r.FIRST, r.small(r.FIRST, cwd=str(tmp_path)))
    before = path.read_bytes()
    server.play(server.answer(say("one")))
    done = codex("fork", "--skip-git-repo-check", "--turn", "1", r.FIRST, "another way")
    assert (done.returncode, done.stdout) == (0, "one\n"), done.stderr
    assert path.read_bytes() == before
    (fork,) = (one for one in home.rglob("rollout-*.jsonl") if one != path)
    assert f'"forked_from_id":"{r.FIRST}"' in fork.read_text()


def test_resume_without_a_prompt_shows_the_end_and_says_how_to_go_on(put, on_a_terminal, within, tmp_path, r):
    turns = [
        line for n in range(5) for line in (r.begun(f"t{n}"), r.user(f"question {n}"), r.agent("so"), r.ended(f"t{n}"))
    ]
    put(r.FIRST, [r.meta(r.FIRST, cwd=str(tmp_path)), *turns])
    done = on_a_terminal("resume", r.FIRST[:13])
    assert done.returncode == 0
    assert "> question 4" in done.stdout
    assert "question 1" not in done.stdout
    assert "… 2 earlier turns" in done.stdout
    assert f'codex exec resume {r.FIRST} "' in done.stderr
    listed = on_a_terminal("resume")
    assert listed.returncode == 0
    assert listed.stdout.startswith(r.FIRST)
    assert "codex resume SESSION" in listed.stderr
    assert within("resume").returncode == 2  # nobody is there to choose
    assert r.fails(within("resume", "nobody", "go"), 1, "No active or archived session found matching 'nobody'.")


def test_session_that_another_process_works_in_is_told_and_left_alone(put, codex, server, home, tmp_path, r):
    path = put(r.FIRST, r.small(r.FIRST, cwd=str(tmp_path)))
    before = path.read_bytes()
    writer = JsonlRolloutStore(str(home)).append_to(r.FIRST)
    try:
        done = codex("resume", "--skip-git-repo-check", r.FIRST, "go")
    finally:
        writer.close()
    assert done.returncode == 8
    assert "already has an active writer" in done.stderr
    assert "fork the thread instead" in done.stderr
    assert path.read_bytes() == before
    assert not server.requests

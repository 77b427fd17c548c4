"""`codex exec review`: the real program in a real repository, against a scripted model."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from codex_plugin_sdk import ExitCode
from codex_plugin_sdk.testing.model import call, say
from codex_plugin_sdk.testing.servers import stalled

REPLY = {
    "findings": [
        {
            "title": "[P1] Keep the divisor from zero",
            "body": "It raises.\nAlways.",
            "confidence_score": 0.9,
            "priority": 1,
            "code_location": {"absolute_file_path": "/w/a.py", "line_range": {"start": 3, "end": 4}},
        }
    ],
    "overall_correctness": "patch is incorrect",
    "overall_explanation": "It crashes.",
    "overall_confidence_score": 0.8,
}
TEXT = "It crashes.\n\nReview comment:\n\n- [P1] Keep the divisor from zero — /w/a.py:3-4\n  It raises.\n  Always."
FREE = ("-s", "danger-full-access")


@pytest.fixture
def repo(codex):
    (codex.work / ".git" / "HEAD").unlink()
    (codex.work / ".git").rmdir()
    for words in (["init", "-q", "-b", "main"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words]
        subprocess.run(git, cwd=codex.work, env={"PATH": os.environ["PATH"], "HOME": str(codex.home)}, check=True)
    (codex.work / "a.py").write_text("1 / 0\n")
    return codex


def test_the_review_alone_is_on_stdout(repo, server):
    server.play(
        server.answer(say("Let me see.", "m1"), call("exec_command", cmd="cat a.py")),
        server.answer(say(json.dumps(REPLY))),
    )
    done = repo.run("exec", *FREE, "review", "--uncommitted", "-o", "last.txt")
    assert (done.code, done.out) == (0, f"{TEXT}\n"), done.err
    assert (repo.work / "last.txt").read_text() == TEXT
    assert "user\ncurrent changes\n" in done.err
    assert "1 / 0\n" in done.err
    assert "Let me see." not in done.err
    assert TEXT not in done.err


def test_json_shows_what_codex_shows(repo, server):
    server.play(server.answer(call("exec_command", cmd="echo one")), server.answer(say(json.dumps(REPLY))))
    done = repo.run("exec", *FREE, "review", "--uncommitted", "--json")
    assert (done.code, done.err) == (0, "")
    assert [(event["type"], event.get("item", {}).get("type")) for event in done.events] == [
        ("thread.started", None),
        ("turn.started", None),
        ("item.started", "command_execution"),
        ("item.completed", "command_execution"),
        ("item.completed", "agent_message"),
        ("turn.completed", None),
    ]
    assert done.events[-2]["item"] == {"id": "item_1", "type": "agent_message", "text": TEXT}
    assert done.events[-1]["usage"]["input_tokens"] == 200


def test_a_review_is_gone_on_with(repo, server):
    server.play(server.answer(say(json.dumps(REPLY))), server.answer(say("Fixed.")))
    assert repo.run("exec", "review", "--uncommitted").code == 0
    done = repo.run("exec", "resume", "--last", "fix it")
    assert done.out == "Fixed.\n", done.err
    said = [item["content"][0]["text"] for item in server.requests[1].json["input"] if item["type"] == "message"]
    assert TEXT in said
    assert len(repo.rollouts()) == 1


def test_the_reviewer_has_nothing_that_edits_or_asks(repo, server):
    server.play(server.answer(say(json.dumps(REPLY))))
    assert repo.run("exec", "-s", "workspace-write", "-m", "mine", "review", "look at a.py").code == 0
    request = server.requests[0].json
    assert {tool.get("name") for tool in request["tools"]} <= {
        "exec_command",
        "write_stdin",
        "view_image",
        "update_plan",
    }
    assert request["model"] == "mine"
    assert request["input"][-1]["content"][0]["text"] == "look at a.py"
    assert "workspace-write" not in json.dumps(request)


def test_instructions_come_from_stdin_and_review_model_outweighs_the_model(repo, server):
    server.play(server.answer(say("Fine.")))
    done = repo.run("exec", "review", "-", "-m", "mine", "-c", "review_model=other", stdin=b"only a.py\n")
    assert (done.code, done.out) == (0, "Fine.\n")
    assert server.requests[0].json["model"] == "other"
    assert server.requests[0].json["input"][-1]["content"][0]["text"] == "only a.py"


def test_a_reviewer_that_says_nothing_is_told_of(repo, server):
    server.play(server.answer(say("")))
    done = repo.run("exec", "review", "--uncommitted")
    assert (done.code, done.out) == (0, "Reviewer failed to output a response.\n")


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        ([], 1, "Specify --uncommitted, --base, --commit, or provide custom review instructions"),
        (["-"], 1, "No prompt provided via stdin."),
        (["--base", "nowhere"], 1, "no branch 'nowhere'"),
        (["--commit", "0123456789"], 1, "no commit '0123456789'"),
        (["--base", "main"], 1, "nothing to review"),
        (["--commit", "HEAD"], 1, "changes no file"),
        (["--base", ""], 1, "branch must not be empty"),
        (["--uncommitted", "--base", "main"], 2, "--uncommitted cannot be used with --base"),
        (["--commit", "HEAD", "words"], 2, "--commit cannot be used with PROMPT"),
        (["--title", "T", "--uncommitted"], 2, "--title belongs to --commit"),
        (["one", "two"], 2, "unexpected argument 'two'"),
        (["--last", "--uncommitted"], 2, "belong to `codex exec resume`"),
        (["-i", "a.png", "--uncommitted"], 2, "does not go with"),
    ],
)
def test_what_cannot_be_reviewed_is_one_clear_error(repo, server, args, code, text):
    done = repo.run("exec", "review", *args)
    assert (done.code, done.out) == (code, "")
    assert done.err.count(text) == 1, done.err
    assert not server.requests
    assert not repo.rollouts()


def test_outside_a_repository_there_is_nothing_to_review(repo, server, tmp_path):
    done = repo.run("exec", "review", "--uncommitted", "--skip-git-repo-check", cwd=tmp_path)
    assert (done.code, done.out) == (1, "")
    assert "not inside a Git repository" in done.err


def test_options_of_a_review_belong_to_a_review(repo, server):
    done = repo.run("exec", "--uncommitted", "look")
    assert done.code == ExitCode.USAGE
    assert "--uncommitted belongs to `codex exec review`" in done.err


def test_review_has_a_help_of_its_own(repo):
    done = repo.run("exec", "review", "--help")
    assert done.code == 0
    for option in ("--uncommitted", "--base BRANCH", "--commit SHA", "--title TITLE", "--output-last-message"):
        assert option in done.out
    assert "--image" not in done.out
    assert "--uncommitted  " not in repo.run("exec", "--help").out


def test_a_failed_review_exits_as_the_failure_does(repo, server):
    server.play(server.failed("server_error", "out of order"))
    done = repo.run("exec", "review", "--uncommitted")
    assert (done.code, done.out) == (ExitCode.PROVIDER, "")
    assert "out of order" in done.err


def test_ctrl_c_interrupts_the_review(repo, server):
    reply, stall = stalled(server.answer(say("late")))
    server.play(reply)
    with repo.start("exec", "--json", "review", "--uncommitted") as process:
        assert b"thread.started" in process.stdout.readline()
        assert b"turn.started" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    stall.release()
    assert process.returncode == ExitCode.INTERRUPTED
    (rollout,) = repo.rollouts()
    assert "turn_aborted" in rollout.read_text()

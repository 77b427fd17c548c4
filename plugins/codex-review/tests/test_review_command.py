"""`codex review`: the real program in a real repository, and its renderer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from codex_plugin_sdk import ExitCode
from codex_plugin_sdk.testing.model import say
from codex_plugin_sdk.testing.renderer_kit import RendererCase, RendererConformance
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer
from codex_review.findings import FindingsRenderer

PROGRAM = Path(sys.executable).with_name("codex")
REPLY = {
    "findings": [
        {
            "title": "[P0] Close the file",
            "body": "It leaks.",
            "confidence_score": 0.7,
            "priority": 0,
            "code_location": {"absolute_file_path": "/w/a.py", "line_range": {"start": 1, "end": 2}},
        }
    ],
    "overall_correctness": "patch is incorrect",
    "overall_explanation": "One thing.",
    "overall_confidence_score": 0.6,
}


class TestFindingsRenderer(RendererConformance):
    @pytest.fixture
    def renderer_case(self):
        return RendererCase(open=FindingsRenderer, streams=frozenset({"stdout", "stderr"}))


class Repository:
    """A repository with a change, and `codex` for it."""

    def __init__(self, root: Path, base_url: str) -> None:
        self.work, home = root / "work", root / "home"
        for folder in (self.work, home):
            folder.mkdir()
        self.env = {"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "HOME": str(home), "CODEX_HOME": str(home)}
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
        for words in (["init", "-q", "-b", "main"], ["commit", "-q", "--allow-empty", "-m", "first"]):
            subprocess.run([*git, *words], cwd=self.work, env=self.env, check=True)
        (self.work / "a.py").write_text("open('x')\n")
        (home / "config.toml").write_text(
            'model = "gpt-5.5"\nmodel_provider = "s"\n[model_providers.s]\nname = "S"\n'
            f'base_url = "{base_url}"\nwire_api = "responses"\nrequest_max_retries = 0\nstream_max_retries = 0\n'
        )

    def run(self, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(PROGRAM), *args],
            cwd=self.work,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


@pytest.fixture
def server():
    with ScriptedResponsesServer() as running:
        yield running


@pytest.fixture
def repo(tmp_path, server):
    return Repository(tmp_path, server.base_url)


def test_the_review_is_printed_as_text(repo, server):
    server.play(server.answer(say(json.dumps(REPLY))))
    done = repo.run("review", "--uncommitted")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "One thing.\n\nReview comment:\n\n- [P0] Close the file — /w/a.py:1-2\n  It leaks.\n"


def test_json_is_the_findings_and_nothing_else(repo, server):
    server.play(server.answer(say(f"So:\n```json\n{json.dumps(REPLY)}\n```")))
    done = repo.run("review", "--uncommitted", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == REPLY


def test_json_of_a_reply_that_is_no_review_holds_it_as_the_explanation(repo, server):
    server.play(server.answer(say("Looks good.")), server.answer(say("")))
    for text in ("Looks good.", "Reviewer failed to output a response."):
        found = json.loads(repo.run("review", "--json", "-", stdin="look").stdout)
        assert (found["findings"], found["overall_explanation"]) == ([], text)
        assert found["overall_correctness"] == ""


def test_what_goes_wrong_is_told_on_stderr_and_by_the_exit_code(repo, server):
    server.play(server.failed("server_error", "out of order"))
    done = repo.run("review", "--uncommitted", "--json")
    assert (done.returncode, done.stdout) == (ExitCode.PROVIDER, "")
    assert done.stderr.count("out of order") == 1


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        ((), 1, "Specify --uncommitted"),
        (("--base", "nowhere"), 1, "no branch 'nowhere'"),
        (("--commit", "HEAD", "--base", "main"), 2, "--base cannot be used with --commit"),
        (("--nonsense",), 2, "No such option"),
    ],
)
def test_bad_input_is_one_clear_error(repo, server, args, code, text):
    done = repo.run("review", *args)
    assert (done.returncode, done.stdout) == (code, "")
    assert text in done.stderr
    assert not server.requests


def test_root_options_and_configuration_reach_the_reviewer(repo, server):
    server.play(server.answer(say("Fine.")), server.answer(say("Fine.")))
    assert repo.run("-m", "mine", "review", "--uncommitted").returncode == 0
    assert repo.run("review", "--uncommitted", "-c", "review_model=other").returncode == 0
    assert [request.json["model"] for request in server.requests] == ["mine", "other"]


def test_without_exec_the_cure_is_named(repo):
    done = repo.run("--no-plugin", "exec", "review", "--uncommitted")
    assert done.returncode == ExitCode.PLUGIN
    assert "pip install codex-exec" in done.stderr

"""`make demo`: what it promises is what it does, and it does not promise what it did not do."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.requires_tool("git")

DEMO = Path(__file__).parents[2] / "contrib" / "demo"
SESSION = DEMO / "session.json"


def run_demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The demo with its scratch folder below `folder`, stderr apart."""
    environ = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.run(
        [sys.executable, str(DEMO / "run.py"), *arguments],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def script_of(path: Path, *responses: dict) -> str:
    path.write_text(json.dumps({"version": 1, "responses": list(responses)}))
    return str(path)


def scratch(folder: Path) -> Path:
    (found,) = folder.glob("codex-demo-*")
    return found


def test_demo_repairs_the_code_and_shows_how(tmp_path):
    done = run_demo(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    expected = [
        "== 1. A scratch repository with a bug",
        "== 2. The agent at work",
        "I run the tests first",
        "FAILED (failures=2)",
        "apply patch",
        "The tests pass now.",
        "== 3. What it changed",
        "+    return round(sum(prices) * (100 - discount_percent) / 100)",
        "== 4. Is it right?",
        "| OK",
        "== 5. What was recorded",
        "18,020 in (of these 13,696 cached), 277 out",
        "stays until you remove it",
    ]
    rest = done.stdout
    for text in expected:
        assert text in rest, f"{text!r} is not in what follows"
        rest = rest.partition(text)[2]
    assert "\x1b" not in done.stdout


def test_rollout_that_the_demo_names_stays_and_can_be_played_again(tmp_path):
    first = run_demo(tmp_path)
    rollout = Path(re.search(r"^ *rollout +(.+)$", first.stdout, re.MULTILINE)[1])
    assert rollout.is_relative_to(scratch(tmp_path) / "home" / "sessions")
    assert not (scratch(tmp_path) / "project").exists()

    again = tmp_path / "again"
    again.mkdir()
    second = run_demo(again, "--script", str(rollout), "--keep")
    assert (second.returncode, second.stderr) == (0, "")
    assert "18,020 in (of these 13,696 cached), 277 out" in second.stdout
    assert "(100 - discount_percent)" in (scratch(again) / "project" / "basket.py").read_text()


def test_demo_fails_when_the_agent_changes_nothing(tmp_path):
    text = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Looks fine."}]}
    usage = {"input_tokens": 1, "output_tokens": 1}
    script = script_of(tmp_path / "lazy.json", {"items": [text], "usage": usage})
    done = run_demo(tmp_path, "--script", script)
    assert done.returncode == 1
    assert "the agent changed nothing" in done.stderr


def test_demo_fails_when_the_tests_stay_red(tmp_path):
    session = json.loads(SESSION.read_text())
    (patch,) = (i for r in session["responses"] for i in r["items"] if i["type"] == "custom_tool_call")
    patch["input"] = patch["input"].replace("(100 - discount_percent)", "(99 - discount_percent)")
    script = tmp_path / "wrong.json"
    script.write_text(json.dumps(session))
    done = run_demo(tmp_path, "--script", str(script))
    assert done.returncode == 1
    assert "the tests are still red" in done.stderr


@pytest.mark.parametrize(
    ("response", "words"),
    [
        ({"fault": "failed", "message": "the bank is closed"}, "the bank is closed"),
        ({"items": "none"}, "responses[0].items: must be an array"),
    ],
)
def test_demo_fails_with_codex_and_shows_its_reason(tmp_path, response, words):
    done = run_demo(tmp_path, "--script", script_of(tmp_path / "s.json", response))
    assert done.returncode == 1
    assert words in done.stdout
    assert "The demo failed: codex exec ended with" in done.stderr


def test_demo_without_its_script_leaves_nothing_but_the_reason(tmp_path):
    done = run_demo(tmp_path, "--script", str(tmp_path / "missing.json"))
    assert done.returncode == 1
    assert "missing.json cannot be read: No such file or directory" in done.stderr

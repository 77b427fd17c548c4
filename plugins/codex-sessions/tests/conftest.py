"""The real program on a home of its own, and rollouts as Codex and we write them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from codex_kernel.main import run

PROGRAM = Path(sys.executable).with_name("codex")
FIRST = "019a0000-0000-7000-8000-000000000001"
SECOND = "019a0000-1000-7000-8000-000000000002"
THIRD = "019b0000-2000-7000-8000-000000000003"
USAGE = {
    "input_tokens": 100,
    "cached_input_tokens": 40,
    "output_tokens": 20,
    "reasoning_output_tokens": 5,
    "total_tokens": 120,
}


def meta(id, **more):
    return "session_meta", {
        "id": id,
        "timestamp": "2026-11-21T02:54:55.183Z",
        "cwd": "/workspace",
        "originator": "codex_exec",
        "cli_version": "0.169.0",
        "source": "exec",
        "model_provider": "mock",
        "base_instructions": {"text": "You are an agent."},
        **more,
    }


def begun(turn="t1"):
    return "event_msg", {"type": "task_started", "turn_id": turn, "started_at": 1795229695}


def ended(turn="t1"):
    return "event_msg", {"type": "task_complete", "turn_id": turn, "completed_at": 1795229696, "duration_ms": 535}


def item(kind, id="i1", **more):
    return "event_msg", {
        "type": "item_completed",
        "thread_id": "",
        "turn_id": "t1",
        "item": {"type": kind, "id": id, **more},
    }


def user(text):
    return item("UserMessage", content=[{"type": "text", "text": text, "text_elements": []}])


def agent(text):
    return item("AgentMessage", content=[{"type": "Text", "text": text}])


def command(line, output, code=0):
    return item(
        "CommandExecution",
        command=["/bin/bash", "-lc", line],
        cwd="file:///workspace",
        status="completed" if code == 0 else "failed",
        aggregated_output=output,
        exit_code=code,
        duration={"secs": 1, "nanos": 500_000_000},
    )


def change(path, diff):
    return item(
        "FileChange",
        changes={path: {"type": "update", "unified_diff": diff, "move_path": None}},
        status="completed",
        stdout="",
        stderr="",
    )


def used(total=1):
    counts = {name: count * total for name, count in USAGE.items()}
    return "event_msg", {"type": "token_count", "info": {"total_token_usage": counts, "last_token_usage": USAGE}}


def response(role, text):
    part = "output_text" if role == "assistant" else "input_text"
    return "response_item", {"type": "message", "role": role, "content": [{"type": part, "text": text}]}


def encoded(lines, *, ordinals=True):
    rows = []
    for number, (kind, payload) in enumerate(lines):
        row = {
            "timestamp": "2026-11-21T02:54:55.638Z",
            **({"ordinal": number} if ordinals else {}),
            "type": kind,
            "payload": payload,
        }
        rows.append(json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n")
    return "".join(rows)


def small(id, text="find the zebra", answer="Here it is.", **more):
    return [
        meta(id, **more),
        begun(),
        user(text),
        command("ls -l", "zebra.txt\nhorse.txt\n"),
        used(),
        agent(answer),
        ended(),
    ]


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def put(home):
    """Puts a rollout into the home, changed so many days ago; gives its path."""

    def write(id, lines, *, archived=False, days_ago=0.0, **options):
        moment = int(id[:13].replace("-", ""), 16) / 1000
        day = time.strftime("%Y/%m/%d", time.localtime(moment))
        folder = home / "archived_sessions" if archived else home / "sessions" / day
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"rollout-{time.strftime('%Y-%m-%dT%H-%M-%S', time.localtime(moment))}-{id}.jsonl"
        path.write_text(lines if isinstance(lines, str) else encoded(lines, **options), encoding="utf-8")
        changed = time.time() - days_ago * 86400
        os.utime(path, (changed, changed))
        return path

    return write


@pytest.fixture
def environ(home):
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "CODEX_HOME": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }


@pytest.fixture
def codex(environ, tmp_path):
    """Runs the program: `codex("sessions", "list", env={...})`."""

    def start(*args, env=None, cwd=tmp_path):
        return subprocess.run(
            [str(PROGRAM), *map(str, args)],
            env={**environ, **(env or {})},
            cwd=cwd,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )

    return start


@pytest.fixture
def within(environ, tmp_path, monkeypatch, capfd):
    """Runs a command line within this process: quicker, for what does not depend on how the program starts."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def call(*args):
        code = run(["codex", *map(str, args)])
        out, err = capfd.readouterr()
        return SimpleNamespace(returncode=code, stdout=out, stderr=err)

    return call


@pytest.fixture
def sessions(codex):
    def run(*args, **options):
        return codex("sessions", *args, **options)

    return run


def fails(done, code, *words):
    """One clear error on stderr, and nothing of our inside."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    return True


@pytest.fixture
def r():
    """The makers of lines above, and `fails`."""
    made = (meta, begun, ended, item, user, agent, command, change, used, response, encoded, small, fails)
    return SimpleNamespace(**{one.__name__: one for one in made}, FIRST=FIRST, SECOND=SECOND, THIRD=THIRD, USAGE=USAGE)

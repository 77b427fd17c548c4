"""Rollouts written line by line, and the real program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("codex")
T0_MS = 1_795_000_000_000  # 2026-11-18, in the forenoon of most of the world
CONFIG = """
[cost.models.plain]
input = 2
cached_input = 0.5
output = 10

[cost.models.other]
input = 1
output = 3
"""


def uuid7(ms, number=0):
    """A UUID of version 7 with this time."""
    text = f"{ms:012x}"
    return f"{text[:8]}-{text[8:]}-7000-8000-{number:012x}"


def usage(input, cached, output, reasoning):
    """A usage object as rollouts hold it."""
    return {
        "input_tokens": input,
        "cached_input_tokens": cached,
        "cache_write_input_tokens": 0,
        "output_tokens": output,
        "reasoning_output_tokens": reasoning,
        "total_tokens": input + output,
    }


def added(first, second):
    return {name: first[name] + second[name] for name in first}


class Rollout:
    """The lines of one thread; `spend` adds a request as our kernel records it."""

    def __init__(self, began_ms=T0_MS, number=0, id=None, **meta):
        self.id = id or uuid7(began_ms, number)
        self.now_ms = began_ms
        self.lines = []
        self.total = usage(0, 0, 0, 0)
        self.line("session_meta", {"id": self.id, "cwd": "/srv/a", "model_provider": "mine", "source": "exec", **meta})

    def line(self, kind, payload, **more):
        stamp = (
            datetime.fromtimestamp(self.now_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )
        self.lines.append(
            json.dumps({"timestamp": stamp, "type": kind, "payload": payload, **more}, separators=(",", ":"))
        )
        self.now_ms += 1000
        return self

    def event(self, kind, **payload):
        return self.line("event_msg", {"type": kind, **payload})

    def turn(self, model="plain", **context):
        turn_id = context.pop("turn_id", uuid7(self.now_ms, len(self.lines)))
        named = {} if turn_id is None else {"turn_id": turn_id}
        self.event("task_started", **named)
        return self.line("turn_context", {**named, "cwd": "/srv/a", "model": model, **context})

    def count(self, last, total=None):
        info = {"total_token_usage": total or self.total, "last_token_usage": last, "model_context_window": 1}
        return self.event("token_count", info=info, rate_limits=None)

    def spend(self, *numbers):
        last = usage(*numbers)
        self.total = added(self.total, last)
        return self.count(last)

    def record(self, *numbers, thread_id=None):
        """A request as Codex 0.169 records it: a record and a count."""
        last = usage(*numbers)
        self.total = added(self.total, last)
        body = {"usage": last, "turn_token_usage": last, "thread_token_usage": self.total, "response_id": "r"}
        self.line("token_usage_record", {"thread_id": self.id, **body})
        return self.count(last)

    def call(self, name, kind="function_call", **more):
        return self.line("response_item", {"type": kind, "name": name, "call_id": "c", **more})

    def write(self, home, folder="sessions/2026/11/18"):
        moment = datetime.fromtimestamp(int(self.id.replace("-", "")[:12], 16) / 1000, UTC)
        path = Path(home) / folder / f"rollout-{moment:%Y-%m-%dT%H-%M-%S}-{self.id}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(self.lines) + "\n")
        return path


@pytest.fixture
def rollout():
    """The class that writes rollouts."""
    return Rollout


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    (folder / "config.toml").write_text(CONFIG)
    return folder


@pytest.fixture
def codex(home, tmp_path):
    """Runs `codex cost ...`; gives the finished process."""

    def run(*args, **env):
        environ = {"PATH": os.environ["PATH"], "HOME": str(home), "CODEX_HOME": str(home), "TZ": "UTC", **env}
        return subprocess.run(
            [str(PROGRAM), "cost", *map(str, args)],
            env=environ,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def report(codex):
    """Runs `codex cost ... --json`; gives the object."""

    def run(*args, **env):
        result = codex(*args, "--json", **env)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    return run

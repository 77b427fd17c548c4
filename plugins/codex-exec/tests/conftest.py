"""The real program `codex`, run as a process of its own against a scripted model server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codex_plugin_sdk.testing.servers import ScriptedChatServer, ScriptedResponsesServer

PROGRAM = Path(sys.executable).with_name("codex")
LIMIT_S = 30


class Outcome:
    """How a run ended."""

    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code, self.raw_out = code, out
        self.out, self.err = out.decode(), err.decode()

    @property
    def events(self) -> list[dict[str, Any]]:
        """Stdout of `--json`."""
        return [json.loads(line) for line in self.out.splitlines()]


class Codex:
    """`codex` with homes and a folder of its own, in which everything outside it is unknown."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home, self.codex_home, self.work = root / "home", root / "codex-home", root / "work"
        for folder in (self.home, self.codex_home, self.work, self.work / ".git"):
            folder.mkdir()
        (self.work / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        self.env = {
            "PATH": f"{PROGRAM.parent}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(self.home),
            "CODEX_HOME": str(self.codex_home),
            "LANG": "C.UTF-8",
        }

    def use(self, base_url: str, wire_api: str = "responses", **more: str) -> None:
        """Point config.toml at a server, without retries."""
        keys = {"request_max_retries": "0", "stream_max_retries": "0", **more}
        lines = [
            'model = "gpt-5.5"',
            'model_provider = "scripted"',
            "[model_providers.scripted]",
            'name = "Scripted"',
            f'base_url = "{base_url}"',
            f'wire_api = "{wire_api}"',
            *(f"{key} = {value}" for key, value in keys.items()),
        ]
        (self.codex_home / "config.toml").write_text("\n".join(lines) + "\n")

    def start(self, *args: str, program: str | Path = PROGRAM, **options: Any) -> subprocess.Popen[bytes]:
        """Begin a run; all three streams are pipes unless told otherwise."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        options.setdefault("cwd", self.work)
        return subprocess.Popen([str(program), *args], env={**self.env, **options.pop("env", {})}, **options)

    def run(self, *args: str, stdin: bytes | None = None, **options: Any) -> Outcome:
        """A whole run."""
        if stdin is not None:
            options["stdin"] = subprocess.PIPE
        with self.start(*args, **options) as process:
            try:
                out, err = process.communicate(stdin, timeout=LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return Outcome(process.returncode, out or b"", err or b"")

    def rollouts(self) -> list[Path]:
        """What was recorded, oldest first."""
        return sorted((self.codex_home / "sessions").rglob("rollout-*.jsonl"))


@pytest.fixture
def server():
    with ScriptedResponsesServer() as running:
        yield running


@pytest.fixture
def chat_server():
    with ScriptedChatServer() as running:
        yield running


@pytest.fixture
def codex(tmp_path, server):
    made = Codex(tmp_path)
    made.use(server.base_url)
    return made

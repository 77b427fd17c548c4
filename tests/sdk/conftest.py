"""A client of somebody else's as a process of its own, our `codex`, and a scripted model behind it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

PROGRAM = Path(sys.executable).with_name("codex")
CLIENTS = Path(__file__).with_name("clients")
LIMIT_S = 90.0


class Stage:
    """Homes, a folder, and what a client needs to know of them."""

    def __init__(self, root: Path, model: ScriptedResponsesServer) -> None:
        self.root, self.model = root, model
        self.home, self.work = root / "codex-home", root / "work"
        for folder in (self.home, self.work, root / "home", root / "tmp"):
            folder.mkdir()
        self.write_config()
        self.env = {
            "PATH": f"{PROGRAM.parent}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(root / "home"),
            "TMPDIR": str(root / "tmp"),
            "CODEX_HOME": str(self.home),
            "LANG": "C.UTF-8",
            "SHELL": "/bin/sh",
            "CODEX_BIN": str(PROGRAM),
            "WORK": str(self.work),
        }

    def write_config(self, *lines: str) -> None:
        """config.toml with the scripted model, after these lines."""
        text = [
            *lines,
            'model = "gpt-5.5"',
            'model_provider = "scripted"',
            "allow_login_shell = false",
            "[model_providers.scripted]",
            'name = "Scripted"',
            f'base_url = "{self.model.base_url}"',
            'wire_api = "responses"',
            "request_max_retries = 0",
            "stream_max_retries = 0",
        ]
        (self.home / "config.toml").write_text("\n".join(text) + "\n")

    def script(self, *answers: list[Any]) -> None:
        """What the model answers, request by request: items."""
        self.model.play(*(self.model.answer(*items) for items in answers))

    def inputs(self, number: int) -> list[dict[str, Any]]:
        """The input items of the n-th request that the model got, from 0."""
        return self.model.requests[number].json["input"]

    def said(self, number: int) -> list[str]:
        """What the user had said by then, without the context that we put in."""
        texts = [
            part.get("text", "")
            for item in self.inputs(number)
            if item.get("role") == "user"
            for part in item["content"]
        ]
        return [text for text in texts if not text.lstrip().startswith(("<", "# AGENTS.md"))]

    def run(
        self, *command: str | Path, on: dict[str, Callable[[Any], None]] | None = None, **env: str
    ) -> dict[str, Any]:
        """Run a client to its end; what it told, by name. A client tells `[name, value]` a line; `on` is called with
        a value as soon as it is told."""
        stderr = self.root / "client-stderr.txt"
        told: dict[str, Any] = {}
        with stderr.open("w") as errors:
            process = subprocess.Popen(
                [str(word) for word in command],
                env={**self.env, **env},
                cwd=self.work,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            limit = threading.Timer(LIMIT_S, process.kill)
            limit.start()
            try:
                with process:
                    for line in process.stdout:
                        name, value = json.loads(line)
                        told[name] = value
                        (on or {}).get(name, lambda _: None)(value)
            finally:
                limit.cancel()
                process.kill()
        assert process.returncode == 0, f"{command}\n{told}\n{stderr.read_text()[-4000:]}"
        return told


@pytest.fixture
def model() -> Iterator[ScriptedResponsesServer]:
    """A scripted model server."""
    with ScriptedResponsesServer() as server:
        yield server


@pytest.fixture
def stage(tmp_path: Path, model: ScriptedResponsesServer) -> Stage:
    """A place for a client."""
    return Stage(tmp_path, model)

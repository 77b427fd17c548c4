"""The same settings give the same effective configuration on every surface: `codex exec` and `codex app-server` send
the same request for the same words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codex_plugin_sdk.testing.model import say
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

PROGRAM = Path(sys.executable).with_name("codex")
VOLATILE = {"id", "prompt_cache_key", "client_metadata"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Homes and a trusted project with layers of its own."""
    for name in ("home", "codex-home", "work/.git", "work/.codex/rules", "work/sub/.codex", "work/.codex/skills/greet"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "work/.git/HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / "work/AGENTS.md").write_text("Be brief.\n")
    (tmp_path / "work/.codex/config.toml").write_text('model_reasoning_effort = "high"\nmodel_verbosity = "low"\n')
    (tmp_path / "work/sub/.codex/config.toml").write_text('model_verbosity = "high"\n')
    (tmp_path / "work/.codex/skills/greet/SKILL.md").write_text("---\nname: greet\ndescription: says hello\n---\nHi.\n")
    (tmp_path / "codex-home/work.config.toml").write_text('service_tier = "flex"\n')
    return tmp_path


def configure(place: Path, url: str) -> dict[str, str]:
    """The user's file; returns the environment."""
    (place / "codex-home/config.toml").write_text(
        'model = "gpt-5.5"\nmodel_provider = "s"\nsandbox_mode = "workspace-write"\napproval_policy = "never"\n'
        'developer_instructions = "Mind the gap."\n[tools.view_image]\nenabled = false\n'
        f'[projects."{place}/work"]\ntrust_level = "trusted"\n'
        f'[model_providers.s]\nname = "S"\nbase_url = "{url}"\nwire_api = "responses"\n'
    )
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(place / "home"),
        "CODEX_HOME": str(place / "codex-home"),
        "LANG": "C.UTF-8",
        "SHELL": "/bin/sh",
    }


def by_exec(place: Path, env: dict[str, str]) -> None:
    """One turn of exec."""
    words = [str(PROGRAM), "-p", "work", "exec", "hello"]
    done = subprocess.run(
        words, env=env, cwd=place / "work/sub", capture_output=True, stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def by_app_server(place: Path, env: dict[str, str]) -> None:
    """One turn of the app server."""
    with subprocess.Popen(
        [str(PROGRAM), "-p", "work", "app-server"], env=env, cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def send(message: dict[str, Any]) -> None:
            process.stdin.write(json.dumps(message).encode() + b"\n")
            process.stdin.flush()

        def until(key: str, wanted: object) -> dict[str, Any]:
            for line in process.stdout:
                message: dict[str, Any] = json.loads(line)
                if message.get(key) == wanted:
                    return message
            raise AssertionError(f"no {key} = {wanted}")

        send({"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "codex_exec", "version": "1"}}})
        send({"id": 2, "method": "thread/start", "params": {"cwd": str(place / "work/sub")}})
        opened = until("id", 2)
        assert "result" in opened, opened
        thread = opened["result"]["thread"]["id"]
        words = [{"type": "text", "text": "hello"}]
        send({"id": 3, "method": "turn/start", "params": {"threadId": thread, "input": words}})
        until("method", "turn/completed")
        process.stdin.close()


def plain(found: Any) -> Any:
    """A request without what differs from run to run."""
    if isinstance(found, dict):
        return {key: plain(entry) for key, entry in found.items() if key not in VOLATILE}
    return [plain(entry) for entry in found] if isinstance(found, list) else found


def test_exec_and_app_server_send_the_same_request(place: Path) -> None:
    with ScriptedResponsesServer() as server:
        server.play(server.answer(say("hi")), server.answer(say("hi")))
        env = configure(place, server.base_url)
        by_exec(place, env)
        by_app_server(place, env)
        first, second = (plain(request.json) for request in server.requests)
    assert first["reasoning"]["effort"] == "high"
    assert first["text"]["verbosity"] == "high"
    assert first["service_tier"] == "flex"
    assert "Mind the gap." in json.dumps(first)
    assert "greet" in json.dumps(first)
    assert "view_image" not in json.dumps(first["tools"])
    assert first == second

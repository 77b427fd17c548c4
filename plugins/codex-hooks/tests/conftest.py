"""The real program with hooks of its own, a scripted model server, and setups without either."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codex_plugin_sdk import FunctionCall, LifecycleSetup, SandboxMode, SandboxPolicy, UnconfinedBackend
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

PROGRAM = Path(sys.executable).with_name("codex")
LIMIT_S = 30

CONFIG = """model = "gpt-5.5"
model_provider = "scripted"
{top}
[model_providers.scripted]
name = "Scripted"
base_url = "{url}"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
{hooks}
"""


def hook(event: str, command: str, matcher: str = "", **more: Any) -> str:
    """TOML of one hook."""
    options = "".join(f"{key} = {json.dumps(given)}\n" for key, given in more.items())
    head = f"[[hooks.{event}]]\nmatcher = {json.dumps(matcher)}\n[[hooks.{event}.hooks]]\n"
    return f'{head}type = "command"\ncommand = {json.dumps(command)}\n{options}'


def shell_call(command: str, number: int = 0) -> FunctionCall:
    """A call of the shell tool."""
    arguments = json.dumps({"cmd": command})
    return FunctionCall(call_id=f"call_{number}", name="exec_command", arguments=arguments, id=f"fc_{number}")


class Outcome:
    """How a run of the program ended; `said` is the text of every model request's new input."""

    def __init__(self, done: subprocess.CompletedProcess[bytes], requests: list[dict[str, Any]]) -> None:
        self.code, self.out, self.err = done.returncode, done.stdout.decode(), done.stderr.decode()
        self.requests = requests

    def outputs(self) -> list[str]:
        """What the model was given as results of its calls."""
        items = self.requests[-1]["input"]
        return [item["output"] for item in items if item["type"] == "function_call_output"]

    def messages(self, role: str) -> list[str]:
        """The texts of one role in the last request."""
        items = [item for item in self.requests[-1]["input"] if item.get("role") == role]
        return [part.get("text", "") for item in items for part in item["content"]]


class Codex:
    """`codex` with a home, a folder and a scripted server."""

    def __init__(self, root: Path, server: ScriptedResponsesServer) -> None:
        self.root, self.server = root, server
        self.home, self.work = root / "home", root / "work"
        self.home.mkdir()
        (self.work / ".git").mkdir(parents=True)
        (self.work / ".git" / "HEAD").write_text("ref: refs/heads/main\n")

    @property
    def config(self) -> Path:
        """The user's configuration."""
        return self.home / "config.toml"

    def use(self, *hooks: str, top: str = "") -> None:
        """Set hooks."""
        self.config.write_text(CONFIG.format(top=top, url=self.server.base_url, hooks="\n".join(hooks)))

    def run(self, *args: str) -> Outcome:
        """A whole run."""
        env = {"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "HOME": str(self.home), "CODEX_HOME": str(self.home)}
        done = subprocess.run(
            [str(PROGRAM), *args],
            cwd=self.work,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT_S,
            check=False,
        )
        return Outcome(done, [request.json for request in self.server.requests])

    def exec(self, *answers: Any, prompt: str = "go") -> Outcome:
        """`codex exec` against these answers, each a list of items."""
        self.server.play(*(self.server.answer(*items) for items in answers))
        return self.run("exec", "-s", "workspace-write", prompt)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def codex(tmp_path):
    with ScriptedResponsesServer() as server:
        yield Codex(tmp_path, server)


@pytest.fixture
def make_setup(tmp_path):
    """Setups that run everything unconfined, whatever its policy, and note the policies."""

    def make(config: dict[str, Any], **more: Any) -> LifecycleSetup:
        async def spawn(request, policy):
            spawned.append(policy)
            return await UnconfinedBackend().spawn(request, SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS))

        spawned = more.pop("spawned", [])
        given = {
            "thread_id": "thread-1",
            "codex_home": str(tmp_path),
            "cwd": str(tmp_path),
            "model": "gpt-5.5",
            "approval_policy": "on-request",
            "environ": {"PATH": os.environ["PATH"]},
            "config": config,
            "origin": lambda key: "config" if key == "hooks" else "",
            "spawn": spawn,
            "sandbox_policy": SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE),
            "originator": "codex_test",
            **more,
        }
        return LifecycleSetup(**given)

    return make

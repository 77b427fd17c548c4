"""The real program on a home of its own, with sessions recorded against a scripted model server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from codex_plugin_sdk.testing.model import call, freeform, say, think
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

PROGRAM = Path(sys.executable).with_name("codex")
LIMIT_S = 120
CONFIG_CANARY = "canary-in-config-Zk81"
ENV_CANARY = "canary-in-environ-Qw72"
KEY_CANARY = "sk-proj-canary0123456789abcdefABCDEF0123456789"
PATCH = """*** Begin Patch
*** Update File: a.txt
@@
 one
-two
+TWO
 three
*** Add File: b.txt
+new
*** End Patch"""


class Place:
    """A home, a workspace under version control, and `codex` in them."""

    canaries = (CONFIG_CANARY, ENV_CANARY, KEY_CANARY)

    def __init__(self, root: Path) -> None:
        self.root, self.home, self.work = root, root / "codex-home", root / "project"
        for folder in (root, root / "user", self.home, self.work):
            folder.mkdir(exist_ok=True)
        self.env = {
            "PATH": f"{PROGRAM.parent}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(root / "user"),
            "CODEX_HOME": str(self.home),
            "LANG": "C.UTF-8",
            "SERVICE_PASSWORD": ENV_CANARY,
        }

    def use(self, base_url: str) -> None:
        (self.home / "config.toml").write_text(
            'model = "gpt-5.5"\nmodel_provider = "scripted"\n[model_providers.scripted]\nname = "Scripted"\n'
            f'base_url = "{base_url}"\nwire_api = "responses"\nrequest_max_retries = 0\nstream_max_retries = 0\n'
            f'http_headers = {{ "X-Pass" = "{CONFIG_CANARY}" }}\n'
        )

    def git(self, *args: str) -> None:
        name = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", *name, *args], cwd=self.work, check=True, capture_output=True)

    def codex(self, *args: object, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(PROGRAM), *map(str, args)],
            cwd=self.work,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    @property
    def rollout(self) -> Path:
        (found,) = (self.home / "sessions").rglob("rollout-*.jsonl")
        return found

    @property
    def trace(self) -> Path:
        (found,) = (self.home / "kernel" / "trace").glob("*.jsonl")
        return found

    @property
    def thread_id(self) -> str:
        return self.trace.stem


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "here")


@pytest.fixture
def elsewhere(tmp_path):
    return Place(tmp_path / "elsewhere")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A session of a real `codex exec`: a command, a patch, a command that fails. The workspace is changed since, and
    held a file that was never committed."""
    place = Place(tmp_path_factory.mktemp("recorded") / "here")
    (place.work / "a.txt").write_text("committed\n")
    place.git("init", "-q", "-b", "main")
    place.git("add", ".")
    place.git("commit", "-qm", "first")
    (place.work / "a.txt").write_text("one\ntwo\nthree\n")
    with ScriptedResponsesServer() as server:
        place.use(server.base_url)
        reads = f"pwd; cat {place.work}/b.txt; date; echo $$ {KEY_CANARY} $SERVICE_PASSWORD {ENV_CANARY}"
        server.play(
            server.answer(think("look"), call("exec_command", "c1", cmd=reads)),
            server.answer(freeform("apply_patch", PATCH, "c2")),
            server.answer(call("exec_command", "c3", cmd="cat a.txt b.txt; exit 3")),
            server.answer(say("done")),
        )
        done = place.codex("exec", "-s", "workspace-write", "repair it")
    assert done.returncode == 0, done.stderr
    return place

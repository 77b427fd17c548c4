"""Skills on disk, a source that reads them, and the real program `codex` with a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from codex_plugin_sdk import ApprovalPolicy, ContextRequest, Fragment, SandboxMode, SandboxPolicy
from codex_plugin_sdk.skills import roots
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer
from codex_skills.source import SkillsSource

PROGRAM = Path(sys.executable).with_name("codex")
LIMIT_S = 30


class World:
    """A home of Codex, a home of the user and a repository, in which skills are written and told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home, self.codex_home, self.work = root / "home", root / "codex-home", root / "work"
        for folder in (self.home, self.codex_home, self.work, self.work / ".git"):
            folder.mkdir()
        (self.work / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        self.skills = self.codex_home / "skills"
        self.env = {
            "PATH": f"{PROGRAM.parent}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(self.home),
            "CODEX_HOME": str(self.codex_home),
            "LANG": "C.UTF-8",
        }

    def skill(self, name: str, description: str = "Helps.", body: str = "Do it.\n", *, at: Path | None = None) -> Path:
        """Write a skill below `at` (the user's skills); returns its `SKILL.md`."""
        return self.file(name, f"---\nname: {name}\ndescription: {description}\n---\n{body}", at=at)

    def file(self, folder: str, text: str, *, at: Path | None = None) -> Path:
        """Write a `SKILL.md` of this text."""
        path = (at or self.skills) / folder / "SKILL.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def settle(self) -> None:
        """Make everything look as if it had not changed for a while."""
        then = time.time() - 100
        for folder, _, files in os.walk(self.root):
            for path in (folder, *(os.path.join(folder, name) for name in files)):
                if os.path.isdir(path) or os.path.isfile(path):
                    os.utime(path, (then, then))

    def ask(self, text: str = "", *, source: SkillsSource | None = None, **more: Any) -> list[Fragment]:
        """The fragments of a turn."""
        request = ContextRequest(
            cwd=str(self.work),
            codex_home=str(self.codex_home),
            approval_policy=ApprovalPolicy.NEVER,
            sandbox_policy=SandboxPolicy(mode=SandboxMode.READ_ONLY),
            model="test-model",
            environ=self.env,
            user_text=text,
        )
        return list((source or SkillsSource()).fragments(request.replace(**more)))

    def lines(self, fragments: list[Fragment]) -> list[str]:
        """The lines of skills in the list; none where there is no list."""
        text = next((fragment.text for fragment in fragments if fragment.kind == "list"), "")
        return [line for line in text.splitlines() if "(file: " in line]

    def names(self, *args: Any, **more: Any) -> list[str]:
        """The names that the list of a turn holds."""
        return [line[2:].partition(":")[0] for line in self.lines(self.ask(*args, **more))]

    def use(self, base_url: str, more: str = "") -> None:
        """Point config.toml at a server, without retries."""
        (self.codex_home / "config.toml").write_text(
            f'model = "gpt-5.5"\nmodel_provider = "scripted"\n{more}\n[model_providers.scripted]\nname = "Scripted"\n'
            f'base_url = "{base_url}"\nwire_api = "responses"\nrequest_max_retries = 0\nstream_max_retries = 0\n'
        )

    def codex(self, *args: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """A whole run of the real program."""
        options = {"stdin": subprocess.DEVNULL, "cwd": self.work, **options}
        return subprocess.run(
            [str(PROGRAM), *args], env=self.env, capture_output=True, text=True, timeout=LIMIT_S, check=False, **options
        )

    def listed(self, *args: str) -> dict[str, Any]:
        """What `codex skills list --json` prints."""
        done = self.codex("skills", "list", "--json", *args)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(roots, "ADMIN_FOLDER", str(tmp_path / "admin"))
    return World(tmp_path)


@pytest.fixture
def server():
    with ScriptedResponsesServer() as running:
        yield running

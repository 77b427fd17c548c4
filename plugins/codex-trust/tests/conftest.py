"""A home, a project, and both ways to ask: the source itself, and the real program."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from codex_plugin_sdk import ConfigRequest
from codex_trust.source import TrustSource

PROGRAM = Path(sys.executable).with_name("codex")


class World:
    """`home` is CODEX_HOME, `project` has a `.git`; nothing is trusted."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.realpath(root))
        self.home, self.project, self.user = (self.root / name for name in ("home", "project", "user"))
        for folder in (self.home, self.project / ".git", self.user):
            folder.mkdir(parents=True)
        self.store = self.home / "kernel" / "trust.json"

    def write(self, name: str, text: str = "x", base: Path | None = None) -> Path:
        path = (base or self.project) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def user_config(self, text: str) -> None:
        (self.home / "config.toml").write_text(text)

    def trust(self, *folders: Path, level: str = "trusted", more: str = "") -> None:
        rows = [f'[projects."{folder}"]\ntrust_level = "{level}"\n' for folder in folders or (self.project,)]
        path = self.home / "config.toml"
        before = path.read_text() if path.exists() else ""
        path.write_text(more + before + "".join(rows))

    def read(self, cwd: Path | None = None):
        """What the source says for a folder."""
        path = self.home / "config.toml"
        request = ConfigRequest(
            codex_home=str(self.home),
            cwd=str(cwd or self.project),
            system_dir=str(self.root / "etc"),
            environ={"HOME": str(self.user)},
            base=tomllib.loads(path.read_text()) if path.exists() else {},
        )
        return TrustSource().read(request)

    def env(self) -> dict[str, str]:
        path = f"{PROGRAM.parent}:{os.environ.get('PATH', os.defpath)}"
        return {"PATH": path, "HOME": str(self.user), "CODEX_HOME": str(self.home), "LANG": "C.UTF-8"}

    def codex(self, *args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """The real program, without a terminal."""
        return subprocess.run(
            [PROGRAM, *args],
            env=self.env(),
            cwd=cwd or self.project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)

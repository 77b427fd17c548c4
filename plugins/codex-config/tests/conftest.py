"""The real program with a home, a system folder and a project of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("codex")


class Codex:
    def __init__(self, root):
        self.home, self.work = root / "codex-home", root / "work"
        self.home.mkdir()
        (self.work / ".git").mkdir(parents=True)
        (self.work / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        self.env = {"PATH": os.environ["PATH"], "HOME": str(root), "CODEX_HOME": str(self.home), "LANG": "C.UTF-8"}

    @property
    def file(self):
        return self.home / "config.toml"

    def write(self, text):
        self.file.write_text(text)

    def run(self, *args, code=0):
        done = subprocess.run(
            [str(PROGRAM), *args], env=self.env, cwd=self.work, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done


@pytest.fixture
def codex(tmp_path):
    return Codex(tmp_path)

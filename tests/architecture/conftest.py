"""What the architecture tests share: the tree, and a copy of it to spoil."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COPIED = (
    "kernel",
    "plugin-sdk",
    "plugins",
    "contrib",
    "tools",
    "pyproject.toml",
    "conftest.py",
    "README.md",
    "LICENSE",
)
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*cache")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources, to plant faults in. Its path has a space, as people's paths have."""
    return _copied(tmp_path)


@pytest.fixture(scope="module")
def shared_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, one for a module."""
    return _copied(tmp_path_factory.mktemp("shared"))


def _copied(folder: Path) -> Path:
    copy = folder / "a tree"
    copy.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=_LEFT_OUT)
        else:
            shutil.copy2(source, copy / name)
    return copy


@pytest.fixture(scope="session")
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run this interpreter with arguments; the result with its output as text."""

    def run(*args: str, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
        command, environment = [sys.executable, *args], {**os.environ, **env}
        return subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=100, check=False
        )

    return run

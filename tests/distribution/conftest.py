"""Wheels of every distribution, and clean environments to install them into."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
import uv

ROOT = Path(__file__).resolve().parents[2]
UV = uv.find_uv_bin()


def run(
    *command: object, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; its output as text."""
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=110, check=False)


def checked(*command: object, cwd: Path | None = None) -> str:
    """Run a program that must succeed; its stdout."""
    result = run(*command, cwd=cwd)
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result.stdout


def build(source: Path, out: Path, *options: str) -> list[Path]:
    """Build wheels with the hatchling that is installed here, so without any index; the new files."""
    before = set(out.glob("*.whl"))
    command = (UV, "build", *options, "--wheel", "--no-build-isolation", "--offline", "--quiet", "--python")
    checked(*command, sys.executable, "--out-dir", out, ".", cwd=source)
    return sorted(set(out.glob("*.whl")) - before)


@attrs.define
class Wheels:
    """Built wheels by the name of their distribution."""

    folder: Path
    by_name: dict[str, Path]

    @classmethod
    def of(cls, folder: Path, files: list[Path]) -> Wheels:
        """From file names such as `codex_exec-0.1.0-py3-none-any.whl`."""
        return cls(folder, {file.name.partition("-")[0].replace("_", "-"): file for file in files})

    def __getitem__(self, name: str) -> Path:
        return self.by_name[name]


@attrs.define
class CleanVenv:
    """An environment of its own: nothing in it but what is installed here, and a home of its own."""

    path: Path
    home: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.path / "bin/python"

    def install(self, *wheels: Path) -> None:
        """Install wheels with the third-party packages they ask for: from uv's cache, which the set-up of this
        repository has filled, else from the index."""
        command = (UV, "pip", "install", "--quiet", "--python", self.python, "--constraint", ROOT / "constraints.txt")
        if run(*command, "--offline", *wheels).returncode:
            checked(*command, *wheels)

    def uninstall(self, *names: str) -> None:
        """Remove distributions."""
        checked(UV, "pip", "uninstall", "--quiet", "--python", self.python, *names)

    def run(self, *command: object, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a program of this environment, away from the sources and with nothing of ours inherited."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        environment = {**kept, "HOME": str(self.home), "CODEX_HOME": str(self.home / "codex"), **environ}
        return run(self.path / "bin" / str(command[0]), *command[1:], cwd=self.home, env=environment)

    def plugins(self, *options: str, **environ: str) -> dict[str, dict[str, object]]:
        """What `codex plugin list --json` shows, by plugin name."""
        result = self.run("codex", *options, "plugin", "list", "--json", **environ)
        assert result.returncode == 0, result.stdout + result.stderr
        return {row["name"]: row for row in json.loads(result.stdout)}


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Wheels:
    """One wheel of each distribution of the workspace."""
    folder = tmp_path_factory.mktemp("wheels")
    return Wheels.of(folder, build(ROOT, folder, "--all-packages"))


@pytest.fixture
def clean_venv(tmp_path: Path) -> Callable[..., CleanVenv]:
    """Make a clean environment with these wheels installed."""

    def make(*installed: Path) -> CleanVenv:
        path, home = tmp_path / "clean venv", tmp_path / "home"
        home.mkdir()
        checked(UV, "venv", "--quiet", "--python", sys.executable, path)
        venv = CleanVenv(path, home)
        venv.install(*installed)
        return venv

    return make


@pytest.fixture(scope="session")
def build_wheel(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Build the one wheel of a folder."""

    def make(source: Path) -> Path:
        (wheel,) = build(source, tmp_path_factory.mktemp("wheel"))
        return wheel

    return make

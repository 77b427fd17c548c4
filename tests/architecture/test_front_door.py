"""A missing tool skips a test on somebody's machine and fails it in CI; the front door explains itself."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDY = """
import pytest


@pytest.mark.requires_tool("sh", "no-such-tool-anywhere")
def test_needs_it():
    raise AssertionError("never runs")


@pytest.mark.requires_tool("sh")
def test_has_it():
    pass
"""


def run_needy(tmp_path: Path, run_python, ci: str) -> str:
    """The output of a run of `NEEDY` under the repository's conftest."""
    shutil.copy2(ROOT / "conftest.py", tmp_path)
    (tmp_path / "test_needy.py").write_text(NEEDY)
    arguments = ("-m", "pytest", "-rs", "-p", "no:cacheprovider", "--strict-markers", "--rootdir", str(tmp_path))
    return run_python(*arguments, cwd=tmp_path, CI=ci).stdout


def test_test_without_its_tool_is_skipped_with_the_reason(tmp_path: Path, run_python) -> None:
    output = run_needy(tmp_path, run_python, ci="")
    assert "1 passed, 1 skipped" in output
    assert "needs no-such-tool-anywhere on PATH" in output


def test_test_without_its_tool_fails_in_ci(tmp_path: Path, run_python) -> None:
    output = run_needy(tmp_path, run_python, ci="true")
    assert "CI must not skip it" in output
    assert "skipped" not in output
    assert "1 passed" in output


def test_tools_are_asked_for_by_the_mark_and_not_by_hand() -> None:
    by_hand = []
    for pattern in ("tests/**/*.py", "*/tests/**/*.py", "plugins/*/tests/**/*.py"):
        for file in ROOT.glob(pattern):
            for node in ast.walk(ast.parse(file.read_text())):
                is_asked = isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "skipif"
                text = ast.unparse(node) if is_asked else ""
                if text.startswith("pytest.mark.skipif(") and "which(" in text:
                    by_hand.append(f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}")
    assert by_hand == []


@pytest.mark.requires_tool("make")
def test_make_alone_lists_the_targets() -> None:
    result = make(ROOT)
    assert result.returncode == 0
    for target in ("demo", "test", "check", "new-plugin", "docs", "bench", "clean"):
        assert f"make {target}" in result.stdout


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """The Makefile with a workspace of two plugins, all of it an hour old."""
    for name in ("Makefile", "constraints.txt"):
        shutil.copy2(ROOT / name, tmp_path)
    for name in (".", "kernel", "plugin-sdk", "plugins/codex-one", "plugins/codex-two"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "pyproject.toml").touch()
    for path in tmp_path.rglob("*"):
        os.utime(path, (time.time() - 3600,) * 2)
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in a folder, and not as a part of the make that runs these tests."""
    env = {name: text for name, text in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PYTHON"))}
    command = ["make", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=20, check=False)


def installed(workspace: Path) -> None:
    """Leave what a set-up leaves."""
    stamp = make(workspace, "--eval", "stamp: ; @echo $(DEV)", "stamp").stdout.strip()
    for name in (".venv/bin/uv", stamp):
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).touch()


@pytest.mark.requires_tool("make")
def test_set_up_runs_first_and_not_again(workspace: Path) -> None:
    assert "pip install" in make(workspace, "-n", "test").stdout
    installed(workspace)
    repeated = make(workspace, "-n", "test").stdout
    assert "pytest" in repeated
    assert "pip install" not in repeated
    assert "pip install" not in make(workspace, "-n", "demo").stdout


@pytest.mark.requires_tool("make")
def test_demo_is_set_up_without_the_development_tools(workspace: Path) -> None:
    assert "--group dev" in make(workspace, "-n", "test").stdout
    demo = make(workspace, "-n", "demo").stdout
    assert "pip install" in demo
    assert "--group dev" not in demo
    assert "-e ./plugins/codex-one -e ./plugins/codex-two" in demo


@pytest.mark.requires_tool("make")
@pytest.mark.parametrize(
    "changed", ["constraints.txt", "pyproject.toml", "kernel/pyproject.toml", "plugins/codex-two/pyproject.toml"]
)
def test_set_up_follows_a_changed_manifest(changed: str, workspace: Path) -> None:
    installed(workspace)
    os.utime(workspace / changed, (time.time() + 5,) * 2)
    assert "pip install" in make(workspace, "-n", "test").stdout


@pytest.mark.requires_tool("make")
def test_set_up_follows_plugins_that_come_and_go(workspace: Path) -> None:
    installed(workspace)
    shutil.rmtree(workspace / "plugins/codex-two")
    os.utime(workspace / "plugins", (time.time() + 5,) * 2)
    output = make(workspace, "-n", "test").stdout
    assert "-e ./plugins/codex-one" in output
    assert "codex-two" not in output


@pytest.mark.requires_tool("make")
def test_copied_tree_is_set_up_for_itself(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    installed(workspace)
    copy = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(workspace, copy, symlinks=True)
    assert "pip install" in make(copy, "-n", "test").stdout


@pytest.mark.requires_tool("make")
def test_make_names_the_cure_when_no_python_fits(workspace: Path) -> None:
    result = make(workspace, "test", "PYTHON=no such python")
    assert result.returncode != 0
    assert "No Python >= 3.11" in result.stderr
    assert not (workspace / ".venv").exists()

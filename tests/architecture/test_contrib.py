"""What outsiders are shown works, and uses nothing that outsiders do not have."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(file.parent for file in ROOT.glob("contrib/examples/*/pyproject.toml"))


def test_there_is_an_example() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example_passes_its_own_tests(example: Path, run_python, tmp_path: Path) -> None:
    options = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-W", "error", "--rootdir", str(tmp_path))
    result = run_python("-m", "pytest", *options, str(example / "tests"), cwd=tmp_path, PYTHONPATH=str(example / "src"))
    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed" in result.stdout


@pytest.mark.parametrize("file", sorted(ROOT.glob("contrib/**/*.py")), ids=lambda file: str(file.relative_to(ROOT)))
def test_contrib_imports_the_sdk_and_no_other_name_of_ours(file: Path) -> None:
    own = {package.parent.name for package in ROOT.glob("contrib/**/src/*/__init__.py")}
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module or "")
    ours = {name for name in names if name.startswith("codex_")}
    strangers = {name for name in ours if name.partition(".")[0] not in {"codex_plugin_sdk", *own}}
    assert sorted(strangers) == []

"""`make new-plugin` gives a plugin that works, and nothing else needs to be edited."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# An ordinary name, and one that sorts before the SDK and makes lines long.
NAMES = ("codex-tool-word-count", "codex-a-very-long-name-that-a-person-might-well-choose-for-a-tool")


@pytest.fixture
def created(tree: Path, run_python) -> Path:
    """A new plugin, in a copy of the tree."""
    name = NAMES[0]
    result = run_python("tools/new_plugin.py", name, cwd=tree)
    assert result.returncode == 0, result.stderr
    assert f"plugins/{name}" in result.stdout
    return tree / "plugins" / name


def test_nothing_of_the_template_is_left_in_names_or_text(created: Path) -> None:
    files = [path for path in created.rglob("*") if path.is_file()]
    assert created / "src/codex_tool_word_count/tool.py" in files
    assert [path for path in files if "sample" in f"{path.relative_to(created)} {path.read_text()}".lower()] == []
    assert "class WordCountTool" in (created / "src/codex_tool_word_count/tool.py").read_text()
    assert 'tool-word-count = "codex_tool_word_count.plugin"' in (created / "pyproject.toml").read_text()


@pytest.fixture(scope="module")
def both(shared_tree: Path, run_python) -> tuple[Path, ...]:
    """Both plugins in one tree."""
    for name in NAMES:
        assert run_python("tools/new_plugin.py", name, cwd=shared_tree).returncode == 0
    return tuple(shared_tree / "plugins" / name for name in NAMES)


@pytest.mark.parametrize("number", [0, 1], ids=["ordinary", "long"])
def test_its_own_tests_pass(both: tuple[Path, ...], shared_tree: Path, run_python, number: int) -> None:
    created, tree = both[number], shared_tree
    path = os.pathsep.join([str(created / "src"), os.environ.get("PYTHONPATH", "")])
    result = run_python("-m", "pytest", "-q", "-p", "no:xdist", str(created), cwd=tree, PYTHONPATH=path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed" in result.stdout


def test_they_are_clean_for_every_check(both: tuple[Path, ...], shared_tree: Path, run_python) -> None:
    sources = [str(created / "src") for created in both]
    for arguments in (
        ("-m", "ruff", "check", "--no-cache", *map(str, both)),
        ("-m", "ruff", "format", "--no-cache", "--check", *map(str, both)),
        ("-m", "mypy", "--cache-dir", os.devnull, "--follow-imports=silent", *sources),
        ("tools/check_imports.py",),
    ):
        result = run_python(*arguments, cwd=shared_tree)
        assert result.returncode == 0, f"{arguments}: {result.stdout}{result.stderr}"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "is not a plugin's name"),
        ("tool-foo", "is not a plugin's name"),
        ("codex-Tool-Foo", "is not a plugin's name"),
        ("codex-../../x", "is not a plugin's name"),
        ("codex-exec", "exists already"),
    ],
)
def test_name_that_does_not_fit_is_refused_and_nothing_is_written(
    name: str, message: str, tree: Path, run_python
) -> None:
    before = sorted(tree.glob("plugins/*"))
    result = run_python("tools/new_plugin.py", name, cwd=tree)
    assert result.returncode == 2
    assert message in result.stderr
    assert sorted(tree.glob("plugins/*")) == before

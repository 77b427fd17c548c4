"""The import rules hold, and each of them bites when it is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

KERNEL = "kernel/src/codex_kernel"
PLUGIN = "plugins/codex-tool-plan/src/codex_tool_plan"

# What is broken -> the file that gets the line, the line, and what the report must name.
PLANTED = {
    "kernel imports a plugin": (f"{KERNEL}/errors.py", "import codex_exec", "codex_kernel.errors -> codex_exec"),
    "kernel imports the SDK": (
        f"{KERNEL}/errors.py",
        "import codex_plugin_sdk",
        "codex_kernel.errors -> codex_plugin_sdk",
    ),
    "kernel imports a heavy library, even late": (
        f"{KERNEL}/errors.py",
        "def late():\n    import httpx\n    return httpx",
        "codex_kernel.errors -> httpx",
    ),
    "kernel imports upwards": (
        f"{KERNEL}/protocol/usage.py",
        "from codex_kernel import plugins",
        "codex_kernel.protocol.usage -> codex_kernel.plugins",
    ),
    "kernel imports in a circle": (
        f"{KERNEL}/planted_one.py",
        "import codex_kernel.planted_two",
        "planted_two -> .planted_one",
    ),
    "plugin imports the kernel": (
        f"{PLUGIN}/__init__.py",
        "import codex_kernel.errors",
        "codex_tool_plan -> codex_kernel.errors",
    ),
    "plugin imports another plugin, even late": (
        f"{PLUGIN}/__init__.py",
        "def late():\n    import codex_tool_shell\n    return codex_tool_shell",
        "codex_tool_plan -> codex_tool_shell",
    ),
    "plugin imports a test library": (f"{PLUGIN}/__init__.py", "import pytest", "codex_tool_plan -> pytest"),
    "SDK imports what is not public in the kernel": (
        "plugin-sdk/src/codex_plugin_sdk/_exports.py",
        "import codex_kernel.plugins",
        "codex_plugin_sdk._exports -> codex_kernel.plugins",
    ),
}


def test_imports_of_the_tree_keep_every_rule(root: Path, run_python) -> None:
    result = run_python("tools/check_imports.py", cwd=root)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout
    assert [case for case, (_, _, named) in PLANTED.items() if named in result.stdout] == []


@pytest.fixture(scope="module")
def report(shared_tree: Path, run_python) -> str:
    """What is said of a tree in which all of `PLANTED` is wrong."""
    (shared_tree / KERNEL / "planted_two.py").write_text("import codex_kernel.planted_one\n")
    (shared_tree / KERNEL / "planted_one.py").touch()
    for name, line, _ in PLANTED.values():
        file = shared_tree / name
        file.write_text(f"{file.read_text()}\n\n{line}\n")
    result = run_python("tools/check_imports.py", cwd=shared_tree)
    assert result.returncode == 1, result.stdout + result.stderr
    return result.stdout


# In one group, as the tree is copied and read once.
@pytest.mark.parametrize("case", PLANTED)
def test_planted_import_breaks_a_rule_and_is_named(case: str, report: str) -> None:
    assert "BROKEN" in report
    assert PLANTED[case][2] in report


def test_new_plugin_is_held_to_the_rules_without_being_listed(tree: Path, run_python) -> None:
    package = tree / "plugins/codex-tool-unlisted/src/codex_tool_unlisted"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("import codex_kernel.specs\n")
    result = run_python("tools/check_imports.py", cwd=tree)
    assert result.returncode == 1
    assert "codex_tool_unlisted -> codex_kernel.specs" in result.stdout


@pytest.mark.parametrize("library", ["httpx", "mcp", "sqlite3", "textual", "opentelemetry"])
def test_ruff_refuses_a_heavy_library_at_module_level(library: str, tree: Path, run_python) -> None:
    planted = tree / "plugins/codex-exec/src/codex_exec/planted.py"
    planted.write_text(f'"""Planted."""\n\nimport {library}\n\nprint({library})\n')
    result = run_python("-m", "ruff", "check", "--no-cache", "--select", "TID253", str(planted), cwd=tree)
    assert result.returncode == 1, result.stdout
    assert "TID253" in result.stdout
    assert library in result.stdout


def test_ruff_allows_a_heavy_library_inside_a_factory(tree: Path, run_python) -> None:
    planted = tree / "plugins/codex-exec/src/codex_exec/planted.py"
    planted.write_text('"""Planted."""\n\n\ndef make():\n    import httpx\n\n    return httpx\n')
    result = run_python("-m", "ruff", "check", "--no-cache", "--select", "TID253", str(planted), cwd=tree)
    assert result.returncode == 0, result.stdout

"""Start-up is a feature: what a process imports before it has anything to do."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"asyncio", "email", "httpcore", "httpx", "mcp", "opentelemetry", "pydantic", "rich", "sqlite3", "ssl"}
HEAVY |= {"anyio", "cattrs", "structlog", "textual", "websockets", "unittest", "http"}
NOT_FOR_VERSION = HEAVY | {"click", "pluggy", "attr", "attrs", "orjson"}
ENTRY_POINTS = {
    name: module
    for file in sorted(ROOT.glob("plugins/*/pyproject.toml"))
    for name, module in tomllib.loads(file.read_text())["project"].get("entry-points", {}).get("codex", {}).items()
}

_MAIN = "import sys; sys.argv = ['codex', {flag!r}]; from codex_kernel.main import main; main()"


def imports_of(importtime: str) -> set[str]:
    """Modules in what `python -X importtime` wrote to stderr."""
    lines = (line for line in importtime.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_version_and_help_import_no_plugin_and_no_library(flag: str, run_python, tmp_path: Path) -> None:
    result = run_python("-X", "importtime", "-c", _MAIN.format(flag=flag), CODEX_HOME=str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("codex-cli ") if flag == "--version" else "codex exec" in result.stdout
    modules = imports_of(result.stderr)
    assert "codex_kernel.main" in modules
    loaded = {name.partition(".")[0] for name in modules}
    assert sorted(loaded & NOT_FOR_VERSION) == []
    assert sorted(name for name in loaded if name.startswith("codex_")) == ["codex_kernel"]


def test_every_plugin_in_the_tree_declares_an_entry_point() -> None:
    libraries = {"codex-sdk"}  # for users; they offer nothing to the agent
    plugins = {file.parent.name for file in ROOT.glob("plugins/*/pyproject.toml")} - libraries
    assert len(ENTRY_POINTS) >= len(plugins) > 0


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_registering_a_plugin_imports_nothing_heavy(name: str, run_python) -> None:
    module = ENTRY_POINTS[name]
    code = f"import sys, json, {module}; print(json.dumps(sorted(sys.modules)))"
    result = run_python("-c", code)
    assert result.returncode == 0, result.stderr
    loaded = {name.partition(".")[0] for name in json.loads(result.stdout)}
    assert sorted(loaded & (HEAVY | {"click"})) == []
    own = module.partition(".")[0]
    strangers = {name for name in loaded if name.startswith("codex_")} - {own, "codex_kernel", "codex_plugin_sdk"}
    assert sorted(strangers) == []

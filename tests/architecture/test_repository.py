"""What every file of the repository keeps to, whatever it is about."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = {"__pycache__", "build", "dist", "node_modules"}
# Spelled so that this file does not match itself.
FORBIDDEN = {
    "a package registry's address": re.compile(r"(?:pypi|pythonhosted)\.org|registry\.npmjs|deb\.debian\.org", re.I),
    "a path of somebody's machine": re.compile(r"(?<![\w.])/(?:work|farm|root)/|\.\./shared"),
    "a private key": re.compile(r"-----BEGIN (?:RSA |EC )?PRIVATE KEY"),
}
PROJECTS = {
    file.parent: tomllib.loads(file.read_text())["project"]
    for pattern in ("pyproject.toml", "kernel/pyproject.toml", "plugin-sdk/pyproject.toml", "plugins/*/pyproject.toml")
    for file in sorted(ROOT.glob(pattern))
}
TEMPLATE = ROOT / "contrib/plugin-template"
VERSION = PROJECTS[ROOT]["version"]


def text_files() -> Iterator[tuple[str, str]]:
    """Path and text of the files that belong to the repository; caches and hidden folders do not."""
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [d for d in folders if d not in SKIPPED and (not d.startswith(".") or d == ".ci")]
        for name in files:
            path = Path(folder, name)
            if name != "uv.lock" and path.stat().st_size < 2_000_000:
                try:
                    yield str(path.relative_to(ROOT)), path.read_text()
                except UnicodeDecodeError:
                    continue  # binary


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what: str) -> None:
    found = [
        f"{path}:{number}: {line.strip()[:120]}"
        for path, text in text_files()
        for number, line in enumerate(text.splitlines(), 1)
        if FORBIDDEN[what].search(line)
    ]
    assert found == []


def test_lock_files_stay_out_of_the_repository() -> None:
    assert "uv.lock" in (ROOT / ".gitignore").read_text().split()


def test_constraints_are_plain_pins_of_everything_that_is_asked_for() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []
    assert lines == sorted(lines)
    pinned = {normalised(line) for line in lines}
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    asked = {normalised(name) for project in PROJECTS.values() for name in project.get("dependencies", [])}
    asked |= {normalised(name) for name in groups}
    assert sorted(name for name in asked - pinned if not name.startswith("codex-")) == []


def normalised(requirement: str) -> str:
    """The distribution's name in a requirement."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


@pytest.mark.parametrize("folder", [*PROJECTS, TEMPLATE], ids=lambda folder: folder.name)
def test_distribution_keeps_to_the_release_train(folder: Path) -> None:
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION
    assert project["requires-python"] == ">=3.11"
    assert project["license"] == "Apache-2.0"
    assert project["description"]
    assert (folder / project["readme"]).read_text().strip()
    train = VERSION.rpartition(".")[0]
    ours = [name for name in project["dependencies"] if name.startswith("codex-")]
    assert [name for name in ours if f"~={train}.0" not in name] == []


@pytest.mark.parametrize("folder", sorted(ROOT.glob("plugins/*")), ids=lambda folder: folder.name)
def test_plugin_is_laid_out_as_the_others_are(folder: Path) -> None:
    package = folder / "src" / folder.name.replace("-", "_")
    assert PROJECTS[folder]["name"] == folder.name
    assert (package / "py.typed").exists()
    is_plugin = "codex" in PROJECTS[folder].get("entry-points", {})  # a library for users has no hooks
    assert (package / "plugin.py").exists() == is_plugin
    assert list((folder / "tests").glob("test_*.py"))
    assert len((folder / "README.md").read_text().splitlines()) >= 10


def test_root_distribution_asks_for_every_bundled_plugin_that_exists() -> None:
    asked = {normalised(name) for name in PROJECTS[ROOT]["dependencies"]}
    names = {project["name"] for project in PROJECTS.values()}
    assert asked <= names
    sources = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["sources"]
    assert asked <= set(sources)

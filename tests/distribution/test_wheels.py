"""Every distribution builds a wheel, with what belongs into it and nothing else."""

from __future__ import annotations

import configparser
import re
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [ROOT, ROOT / "kernel", ROOT / "plugin-sdk", *sorted(p.parent for p in ROOT.glob("plugins/*/pyproject.toml"))]
PROJECTS: dict[str, tuple[Path, dict[str, Any]]] = {}
for folder in FOLDERS:
    table = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    PROJECTS[table["name"]] = (folder, table)


def contents(wheel: Path) -> dict[str, bytes]:
    """All files of a wheel by path."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def dist_info(wheel: Path, name: str) -> str:
    """A file of the wheel's metadata, empty where it is missing."""
    return next((data.decode() for path, data in contents(wheel).items() if path.endswith(f".dist-info/{name}")), "")


def loose(requirement: str) -> str:
    """A requirement without spaces, quotes and their kind, so that two spellings compare equal."""
    return re.sub(r"[\s\"']", "", requirement)


def test_every_distribution_has_a_wheel(wheels) -> None:
    assert sorted(wheels.by_name) == sorted(PROJECTS)
    assert all(file.name.endswith("-py3-none-any.whl") for file in wheels.by_name.values())


@pytest.mark.parametrize("name", [name for name in PROJECTS if name != "codex-agent"])
def test_wheel_holds_the_package_and_nothing_but_it(name: str, wheels) -> None:
    folder, _ = PROJECTS[name]
    package = name.replace("-", "_")
    sources = {
        str(path.relative_to(folder / "src"))
        for path in (folder / "src" / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {path for path in contents(wheels[name]) if ".dist-info/" not in path}
    assert packed == sources
    assert f"{package}/py.typed" in packed
    assert [path for path in packed if "/tests/" in path or Path(path).name.startswith(("test_", "conftest"))] == []


def test_root_distribution_has_no_code_and_asks_for_the_default_set(wheels) -> None:
    wheel = wheels["codex-agent"]
    assert [path for path in contents(wheel) if ".dist-info/" not in path] == []
    metadata = Parser().parsestr(dist_info(wheel, "METADATA"))
    asked = {re.split(r"[~=<> ;]", line)[0] for line in metadata.get_all("Requires-Dist") or []}
    assert {"codex-kernel", "codex-exec", "codex-rollout-jsonl"} <= asked
    assert "Apache License" in dist_info(wheel, "licenses/LICENSE")


@pytest.mark.parametrize("name", PROJECTS)
def test_metadata_is_what_the_project_says(name: str, wheels) -> None:
    _, project = PROJECTS[name]
    metadata = Parser().parsestr(dist_info(wheels[name], "METADATA"))
    assert metadata["Name"] == name
    assert metadata["Version"] == project["version"]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata.get_payload().strip(), "the README is its long description"
    plain = {loose(line) for line in metadata.get_all("Requires-Dist") or [] if "extra ==" not in line}
    assert plain == {loose(line) for line in project.get("dependencies", [])}


@pytest.mark.parametrize("name", PROJECTS)
def test_entry_points_are_those_declared_and_lead_to_modules(name: str, wheels) -> None:
    _, project = PROJECTS[name]
    declared = {f"{group}": dict(points) for group, points in project.get("entry-points", {}).items()}
    if "scripts" in project:
        declared["console_scripts"] = dict(project["scripts"])
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.read_string(dist_info(wheels[name], "entry_points.txt"))
    assert {section: dict(parser[section]) for section in parser.sections()} == declared
    packed = contents(wheels[name])
    for points in declared.values():
        for target in points.values():
            assert target.partition(":")[0].replace(".", "/") + ".py" in packed

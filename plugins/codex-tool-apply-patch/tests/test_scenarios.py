"""The public end-to-end scenarios: files and exit status after the command has run."""

import io
import shutil
from pathlib import Path

import pytest

from codex_tool_apply_patch.command import main

HERE = Path(__file__).resolve().parent
FOLDERS = [HERE / "scenarios", HERE.parents[3] / "shared" / "protocol" / "apply_patch_scenarios"]
SCENARIOS = [path for folder in FOLDERS if folder.is_dir() for path in sorted(folder.iterdir()) if path.is_dir()]
FAIL = {"005", "006", "007", "008", "009", "012", "013", "015"}


def files_in(folder):
    found = folder.rglob("*") if folder.is_dir() else ()
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if path.is_file()}


def test_scenarios_are_there():
    assert len(files_in(HERE / "scenarios")) > 60
    assert {path.name[:3] for path in SCENARIOS} >= {f"{number:03}" for number in range(1, 23)}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: f"{path.parents[0].name}-{path.name}")
def test_scenario_ends_as_expected(scenario, tmp_path):
    workspace = tmp_path / "workspace"
    if (scenario / "input").is_dir():
        shutil.copytree(scenario / "input", workspace)
    else:
        workspace.mkdir()
    patch = (scenario / "patch.txt").read_bytes().decode()
    stdout, stderr = io.BytesIO(), io.BytesIO()
    code = main([patch], io.BytesIO(), stdout, stderr, str(workspace))
    assert files_in(workspace) == files_in(scenario / "expected")
    assert code == (1 if scenario.name[:3] in FAIL else 0)
    assert bool(stderr.getvalue()) == bool(code)

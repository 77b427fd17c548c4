"""In a clean environment, discovery sees exactly what is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASE = ("codex-kernel", "codex-plugin-sdk")
SUBSET = ("codex-tool-plan", "codex-tool-apply-patch", "codex-rollout-jsonl")
GUARD = ROOT / "contrib/examples/acme-codex-guard"
EXIT_PLUGIN = 4


def plugin_names(*dists: str) -> set[str]:
    """The plugins that these distributions of the tree declare."""
    found: set[str] = set()
    for dist in dists:
        project = tomllib.loads((ROOT / "plugins" / dist / "pyproject.toml").read_text())["project"]
        found |= set(project.get("entry-points", {}).get("codex", {}))
    return found


def test_subset_is_seen_and_follows_what_is_installed_and_uninstalled(wheels, clean_venv) -> None:
    venv = clean_venv(*(wheels[name] for name in (*BASE, *SUBSET)))
    listed = venv.plugins()
    assert set(listed) == plugin_names(*SUBSET)
    assert {row["dist"] for row in listed.values()} == set(SUBSET)
    assert [row for row in listed.values() if row["status"] != "ok" or not row["kinds"]] == []
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {row["version"] for row in listed.values()} == {version}

    venv.install(wheels["codex-tool-view-image"])
    assert set(venv.plugins()) == plugin_names(*SUBSET, "codex-tool-view-image")

    venv.uninstall("codex-tool-view-image", "codex-tool-plan")
    assert set(venv.plugins()) == plugin_names("codex-tool-apply-patch", "codex-rollout-jsonl")

    missing = venv.run("codex", "exec", "hello")
    assert missing.returncode == EXIT_PLUGIN
    assert "pip install codex-exec" in missing.stderr
    assert "Traceback" not in missing.stderr

    shown = venv.run("codex", "--version")
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, f"codex-cli {version}\n", "")


def test_kernel_alone_starts_and_sees_nothing(wheels, clean_venv) -> None:
    venv = clean_venv(wheels["codex-kernel"])
    assert venv.plugins() == {}
    assert venv.run("codex", "--help").returncode == 0


def test_default_set_is_sound_and_can_be_told_from_strangers(wheels, clean_venv, build_wheel) -> None:
    venv = clean_venv(*wheels.by_name.values(), build_wheel(GUARD))
    listed = venv.plugins()
    bundled = plugin_names(*(folder.name for folder in ROOT.glob("plugins/*") if (folder / "pyproject.toml").exists()))
    assert set(listed) == bundled | {"acme-guard"}
    assert [row for row in listed.values() if row["status"] != "ok"] == []
    assert listed["acme-guard"]["kinds"] == ["config", "policy"]

    without_strangers = venv.plugins("--no-plugins")
    assert {name for name, row in without_strangers.items() if row["status"] == "blocked"} == {"acme-guard"}
    without_one = venv.plugins("--no-plugin", "tool-plan")
    assert {name for name, row in without_one.items() if row["status"] == "blocked"} == {"tool-plan"}
    by_variable = venv.plugins(CODEX_NO_PLUGINS="tool-shell,acme-guard")
    assert {name for name, row in by_variable.items() if row["status"] == "blocked"} == {"tool-shell", "acme-guard"}


def test_plugin_from_the_template_is_found_once_it_is_installed(
    wheels, clean_venv, build_wheel, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    for name in ("tools", "contrib"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "pyproject.toml", tree)
    make = [sys.executable, "tools/new_plugin.py", "codex-tool-made-here"]
    subprocess.run(make, cwd=tree, check=True, capture_output=True, timeout=60)
    venv = clean_venv(*(wheels[name] for name in BASE), build_wheel(tree / "plugins/codex-tool-made-here"))
    listed = venv.plugins()
    assert listed["tool-made-here"]["status"] == "ok"
    assert listed["tool-made-here"]["kinds"] == ["tool"]


@pytest.mark.parametrize("fault", ["raise RuntimeError('planted')", "import nowhere_at_all"])
def test_broken_stranger_is_reported_and_the_others_load(fault: str, wheels, clean_venv) -> None:
    venv = clean_venv(*(wheels[name] for name in (*BASE, "codex-tool-plan")))
    (site,) = venv.path.glob("lib/python*/site-packages")
    (site / "acme_broken.py").write_text(f'"""Planted."""\n{fault}\n')
    info = site / "acme_broken-2.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-broken\nVersion: 2.1\n")
    (info / "entry_points.txt").write_text("[codex]\nbroken = acme_broken\n")
    listed = venv.plugins()
    assert listed["tool-plan"]["status"] == "ok"
    broken = listed["broken"]
    assert (broken["dist"], broken["version"], broken["status"]) == ("acme-broken", "2.1", "failed")
    assert ("planted" if "planted" in fault else "nowhere_at_all") in str(broken["reason"])

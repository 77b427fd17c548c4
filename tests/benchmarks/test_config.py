"""Configuration: five layers with 200 keys, beyond the TOML parse; start-up with many skills and sessions."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from codex_kernel.plugins import PluginManager
from codex_plugin_sdk import ConfigSources, load_config

PROGRAM = Path(sys.executable).with_name("codex")


def text(layer: int) -> str:
    """Forty keys."""
    servers = "".join(f'[mcp_servers.l{layer}s{n}]\ncommand = "x"\nargs = ["a"]\nenabled = true\n' for n in range(12))
    return (
        f'model = "m{layer}"\nmax_turns = {layer + 1}\nhide_agent_reasoning = true\nmodel_verbosity = "low"\n{servers}'
    )


def test_five_layers_with_two_hundred_keys(tmp_path: Path) -> None:
    """Wanted: under 10 ms beyond the parse of TOML."""
    etc, project = tmp_path / "etc", tmp_path / "project"
    for folder in (etc, project / ".codex", project / "sub" / ".codex", project / ".git"):
        folder.mkdir(parents=True)
    (tmp_path / "config.toml").write_text(text(0) + f'[projects."{project}"]\ntrust_level = "trusted"\n')
    files = [tmp_path / "config.toml", etc / "config.toml", tmp_path / "p.config.toml"]
    files += [project / ".codex/config.toml", project / "sub/.codex/config.toml"]
    for layer, file in enumerate(files[1:], 1):
        file.write_text(text(layer))
    plugins = PluginManager.from_environment({})
    sources = ConfigSources(
        codex_home=str(tmp_path), system_dir=str(etc), profile="p", cwd=str(project / "sub"), environ=dict(os.environ)
    )
    load_config(sources, plugins)
    beyond = []
    for _ in range(30):
        began = time.perf_counter()
        for file in files:
            tomllib.loads(file.read_text())
        parsed = time.perf_counter()
        config = load_config(sources, plugins)
        beyond.append((time.perf_counter() - parsed - (parsed - began)) * 1000)
    assert len([layer for layer in config.layers if layer.kind == "project"]) == 2
    print(f"\nfive layers, 200 keys: {statistics.median(beyond):.1f} ms beyond the parse (wanted 10)")


@pytest.mark.parametrize("count", [0, 100, 10_000])
def test_start_with_many_skills_and_sessions(tmp_path: Path, count: int) -> None:
    """Wanted: the same at 0, 100 and 10,000."""
    home = tmp_path / "home"
    for number in range(count):
        skill = home / "skills" / f"s{number}"
        skill.mkdir(parents=True)
        (skill / "SKILL.md").write_text(f"---\nname: s{number}\ndescription: does {number}\n---\nbody\n")
        day = home / "sessions" / "2026" / f"{number % 12 + 1:02}" / f"{number % 28 + 1:02}"
        day.mkdir(parents=True, exist_ok=True)
        (day / f"rollout-2026-01-01T00-00-00-{number:032x}.jsonl").write_text("{}\n")
    home.mkdir(exist_ok=True)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CODEX_HOME": str(home), "OPENAI_API_KEY": "x"}
    times = []
    for _ in range(8):
        began = time.perf_counter()
        subprocess.run(
            [str(PROGRAM), "debug", "prompt-input", "hello"], env=env, cwd=tmp_path, capture_output=True, check=True
        )
        times.append((time.perf_counter() - began) * 1000)
    print(f"\n{count} skills and sessions: first request ready after {statistics.median(times[1:]):.0f} ms")

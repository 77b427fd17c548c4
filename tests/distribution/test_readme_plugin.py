"""The plugin in README.md works, word by word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
ROLL = """
import asyncio
from codex_plugin_sdk import ToolCall
import dice

(spec,) = dice.codex_tools()
tool = spec.factory(None)
call = ToolCall(call_id="c", name=tool.definition.name, input="", arguments={"sides": 1})
print(asyncio.run(tool.run(call, None)).output, spec.name == tool.definition.name)
asyncio.run(tool.aclose())
"""


@pytest.fixture
def dice(tmp_path: Path) -> Path:
    """The two files of README's section, in a folder."""
    section = README.partition("## Write a plugin")[2].partition("\n## ")[0]
    (code,) = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    (project,) = re.findall(r"^```toml\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    folder = tmp_path / "dice"
    folder.mkdir()
    (folder / "dice.py").write_text(code)
    (folder / "pyproject.toml").write_text(project)
    assert len([line for line in code.splitlines() if line.strip()]) <= 25
    return folder


def test_plugin_of_the_readme_installs_registers_and_rolls(dice: Path, wheels, clean_venv, build_wheel) -> None:
    venv = clean_venv(wheels["codex-kernel"], wheels["codex-plugin-sdk"], build_wheel(dice))
    listed = venv.plugins()
    assert set(listed) == {"dice"}
    assert {key: listed["dice"][key] for key in ("dist", "version", "kinds", "status")} == {
        "dist": "acme-dice",
        "version": "1.0",
        "kinds": ["tool"],
        "status": "ok",
    }
    rolled = venv.run("python", "-c", ROLL)
    assert rolled.stdout == "1 True\n", rolled.stderr

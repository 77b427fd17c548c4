"""The examples of the README run as they stand, on their own `codex` on PATH."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from codex_plugin_sdk.testing.model import call, say

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
# What the model says for each, and what must be in the output.
PLAYED = [
    ([[say("three bullets", "m1")]], "three bullets"),
    ([[call("exec_command", "c1", cmd="true")], [say("they pass", "m2")]], "they pass"),
    ([[say("fine", "m1")], [say("fine", "m1")]], "['fine', 'fine']"),
    ([[call("exec_command", "c1", cmd="touch made")], [say("no", "m2")]], "touch made"),
]


@pytest.mark.parametrize("number", range(len(PLAYED)))
def test_example_of_the_readme_runs(number, place):
    assert len(BLOCKS) == len(PLAYED)
    answers, wanted = PLAYED[number]
    place.script(*answers)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BLOCKS[number]],
        cwd=place.work,
        env=place.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert wanted in done.stdout


def test_the_package_stands_alone_and_starts_fast():
    code = (
        "import sys, codex_sdk\n"
        "heavy = {'codex_kernel', 'codex_plugin_sdk', 'codex_app_server', 'websockets', 'asyncio.subprocess', 'orjson'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "print(sorted(name for name in codex_sdk.__all__ if not hasattr(codex_sdk, name)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["[]", "[]"]


def test_every_error_is_named_in_the_readme():
    from codex_sdk import errors

    kinds = [name for name in vars(errors) if name.endswith("Error")]
    assert [name for name in kinds if name not in README] == []

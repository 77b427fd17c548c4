"""How much faster than its recording a replay is: 300 calls, with a model that answers after 50 ms.

Tools run for real in both. So the figure depends on them, and it is told for commands alone and for a mixture. What the
machine does besides would count twice in the replay and less in the recording, which mostly waits: the ratio that is
held is that of the time which each needs at least, its CPU and the model's time. The wall times are printed as well.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
from pathlib import Path
from time import monotonic

import pytest

from codex_plugin_sdk import CustomToolCall, FunctionCall, ResponseItem, text_message
from codex_plugin_sdk.testing.scripted_http import Delay
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

from .harness import ours

CALLS, REPLY_S = 300, 0.05
WANTED = 5.0


def command(number: int) -> ResponseItem:
    """A command that changes the workspace."""
    arguments = json.dumps({"cmd": f"echo {number} >> log.txt; wc -l < log.txt"})
    return FunctionCall(call_id=f"c{number}", name="exec_command", arguments=arguments, id=f"fc_{number}")


def mixed(number: int) -> ResponseItem:
    """A command, a patch, a plan, and again."""
    if number % 3 == 0:
        return command(number)
    if number % 3 == 1:
        patch = f"*** Begin Patch\n*** Add File: n{number}.txt\n+new\n*** End Patch"
        return CustomToolCall(call_id=f"c{number}", name="apply_patch", input=patch, id=f"ct_{number}")
    arguments = json.dumps({"plan": [{"step": f"step {number}", "status": "pending"}]})
    return FunctionCall(call_id=f"c{number}", name="update_plan", arguments=arguments, id=f"fc_{number}")


def timed(folder: Path, *args: str) -> tuple[float, float]:
    """Wall time and CPU of a run with all that it starts, in seconds."""
    env = {**os.environ, "CODEX_HOME": str(folder / "home"), "HOME": str(folder), "NO_PROXY": "*"}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), monotonic()
    done = subprocess.run(
        [*ours(), *args],
        cwd=folder / "work",
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    after, took = resource.getrusage(resource.RUSAGE_CHILDREN), monotonic() - began
    assert done.returncode == 0, done.stdout + done.stderr
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("call", [command, mixed])
def test_replay_is_five_times_faster_than_its_recording(tmp_path: Path, call) -> None:
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    name = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    for words in (["init", "-q", "."], [*name, "commit", "-q", "--allow-empty", "-m", "empty"]):
        subprocess.run(["git", *words], cwd=tmp_path / "work", check=True)
    with ScriptedResponsesServer() as server:
        answers = [server.answer(call(number)) for number in range(CALLS)]
        answers.append(server.answer(text_message("assistant", "ok", id="m")))
        server.play(*(answer.replace(steps=(Delay(seconds=REPLY_S), *answer.steps)) for answer in answers))
        provider = f'name="x"\nbase_url="{server.base_url}"\nwire_api="responses"\n'
        (tmp_path / "home" / "config.toml").write_text(f'model_provider="x"\n[model_providers.x]\n{provider}')
        wall, cpu = timed(tmp_path, "exec", "-s", "workspace-write", "go")
    (trace,) = (tmp_path / "home" / "kernel" / "trace").glob("*.jsonl")
    again_wall, again_cpu = timed(tmp_path, "replay", trace.stem)
    ratio = (REPLY_S * (CALLS + 1) + cpu) / again_cpu
    print(
        f"\n{call.__name__}: recorded in {wall:.1f} s ({cpu:.1f} s CPU), replayed in {again_wall:.1f} s "
        f"({again_cpu:.1f} s CPU): {ratio:.1f}x, by the clock {wall / again_wall:.1f}x"
    )
    assert ratio >= WANTED

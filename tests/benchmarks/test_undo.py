"""What the undo journal costs: a turn with 20 commands in a repository of 5,000 files, with and without, in turn."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from pathlib import Path

import pytest

from codex_plugin_sdk import FunctionCall, text_message
from codex_plugin_sdk.testing.scripted_http import Delay, Reply
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

from .harness import ours

LIMIT = 0.10
ROUNDS = 5
COMMANDS = 20
FILES = 5000


def repository(folder: Path) -> Path:
    """5,000 files of some KB in 500 folders."""
    for number in range(FILES // 10):
        sub = folder / f"pkg{number % 50}" / f"sub{number}"
        sub.mkdir(parents=True)
        for name in range(10):
            (sub / f"module{name}.py").write_text(f"def f{name}(x):\n    return x + {number}  # a line\n" * 60)
    return folder


def run(home: Path, work: Path, table: str, delay_s: float) -> tuple[float, float]:
    """A run of `codex exec` whose commands each write a file: ms from the first request to the end of the program, and
    ms of CPU of all of it. The model takes `delay_s` for an answer."""
    calls = [
        FunctionCall(call_id=f"c{n}", name="exec_command", arguments=json.dumps({"cmd": f"echo {n} > out"}), id=f"f{n}")
        for n in range(COMMANDS)
    ]
    with ScriptedResponsesServer() as server:
        answers = [*(server.answer(call) for call in calls), server.answer(text_message("assistant", "ok", id="m"))]
        server.play(*(_late(answer, delay_s) for answer in answers))
        provider = f'name="x"\nbase_url="{server.base_url}"\nwire_api="responses"\n'
        (home / "config.toml").write_text(f'model_provider="x"\n[model_providers.x]\n{provider}{table}')
        args = [*ours(), "exec", "--skip-git-repo-check", "-s", "danger-full-access", "go"]
        env = {**os.environ, "CODEX_HOME": str(home), "NO_PROXY": "*", "HOME": str(home)}
        with subprocess.Popen(
            args, cwd=work, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            _, status, usage = os.wait4(process.pid, 0)
            ended = time.monotonic()
            process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        assert len(server.requests) == COMMANDS + 1
        return (ended - server.requests[0].arrived_s) * 1000, (usage.ru_utime + usage.ru_stime) * 1000


def _late(reply: Reply, delay_s: float) -> Reply:
    return reply.replace(steps=(Delay(seconds=delay_s), *reply.steps)) if delay_s else reply


@pytest.mark.timeout(900)
@pytest.mark.parametrize("delay_s", [0, 0.25])
def test_overhead_of_the_journal(tmp_path: Path, delay_s: float) -> None:
    """The first turn in a repository copies it; the others find out what has changed."""
    work = repository(tmp_path / "work")
    homes = {}
    for name in ("off", "on"):
        homes[name] = tmp_path / name
        homes[name].mkdir()
    tables = {"off": "[undo]\nenabled = false\nquarantine = false\n", "on": ""}
    time.sleep(0.2)
    figures: dict[str, list[tuple[float, float]]] = {"off": [], "on": []}
    for number in range(ROUNDS + 1):
        for name, table in tables.items():
            found = run(homes[name], work, table, delay_s)
            if number:
                figures[name].append(found)
            else:
                print(f"\n{name}: first turn {found[0]:.0f} ms, {found[1]:.0f} ms CPU")
    print(f"the model takes {delay_s} s for an answer:")
    for index, kind in enumerate(("wall from the first request to the end", "CPU of the whole run")):
        medians = {name: statistics.median(one[index] for one in found) for name, found in figures.items()}
        paired = statistics.median(
            on[index] / off[index] for on, off in zip(figures["on"], figures["off"], strict=True)
        )
        print(
            f"{kind}: off {medians['off']:.0f} ms, on {medians['on']:.0f} ms, {medians['on'] - medians['off']:+.0f} ms, "
            f"ratio of pairs {paired:.3f} (wanted <= {1 + LIMIT:.2f})"
        )

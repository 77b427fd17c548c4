"""`codex cost`: ten thousand sessions, a session of 200 MB, and what starting it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("codex")
BEGAN_MS = 1_795_000_000_000
MB = 1 << 20


def line(kind: str, payload: object) -> str:
    stamp = "2026-11-18T11:06:40.000Z"
    return (
        json.dumps({"timestamp": stamp, "ordinal": 1, "type": kind, "payload": payload}, separators=(",", ":")) + "\n"
    )


def usage(times: int) -> dict[str, int]:
    given = {"input_tokens": 1000, "cached_input_tokens": 400, "output_tokens": 50, "reasoning_output_tokens": 20}
    return {name: count * times for name, count in given.items()}


def session(path: Path, thread_id: str, turns: int, output: str) -> None:
    """A session of so many turns with one tool call and two requests each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = {"id": thread_id, "cwd": "/srv", "model_provider": "openai", "source": "exec"}
    text = line("response_item", {"type": "function_call_output", "call_id": "c", "output": output})
    call = line("response_item", {"type": "function_call", "call_id": "c", "name": "exec_command", "arguments": "{}"})
    with path.open("w") as file:
        file.write(line("session_meta", {**meta, "base_instructions": {"text": "x" * 20_000}}))
        for turn in range(turns):
            turn_id = f"01a1ed1b-{turn:04x}-7000-8000-000000000000"
            file.write(line("event_msg", {"type": "task_started", "turn_id": turn_id}))
            file.write(line("turn_context", {"turn_id": turn_id, "cwd": "/srv", "model": "gpt-5.5"}))
            for request in (1, 2):
                file.write(call + text)
                info = {"total_token_usage": usage(2 * turn + request), "last_token_usage": usage(1)}
                file.write(line("event_msg", {"type": "token_count", "info": info, "rate_limits": None}))


def measured(home: Path, *args: str) -> tuple[float, float, float, dict[str, object]]:
    """Wall and processor seconds, peak memory in MB, and the report."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "CODEX_HOME": str(home), "TZ": "UTC"}
    began = time.perf_counter()
    with subprocess.Popen(
        [str(PROGRAM), "cost", *args, "--json"], env=env, cwd=home, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        out = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    took = time.perf_counter() - began
    assert process.returncode == 0
    return took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, json.loads(out)


def show(title: str, home: Path, *args: str) -> dict[str, object]:
    runs = sorted((measured(home, *args) for _ in range(3)), key=lambda run: run[0])
    took, cpu, peak_mb, report = runs[1]
    print(f"\n{title}: {took:.2f} s (processor {cpu:.2f} s), {peak_mb:.0f} MB")
    return report


def test_an_empty_home(tmp_path: Path) -> None:
    show("nothing recorded", tmp_path, "--all")


@pytest.mark.timeout(600)
def test_ten_thousand_sessions(tmp_path: Path) -> None:
    for number in range(10_000):
        thread_id = f"01a1ed1a-0000-7000-8000-{number:012x}"
        day = tmp_path / f"sessions/2026/{number % 11 + 1:02}/{number % 28 + 1:02}"
        session(day / f"rollout-2026-11-18T11-06-40-{thread_id}.jsonl", thread_id, 5, "x" * 500)
    for by in ("model", "day", "tool"):
        total = show(f"10,000 sessions by {by}", tmp_path, "--all", "--by", by)["total"]
        assert isinstance(total, dict)
        assert (total["requests"], total["output_tokens"]) == (100_000, 5_000_000)
        # 600 at 5, 400 at 0.5, 50 at 30 USD per million, a hundred thousand times
        assert total["cost_usd"] == "470"
    old = time.time() - 90 * 86_400
    for path in tmp_path.rglob("*.jsonl"):
        os.utime(path, (old, old))
    show("10,000 sessions, none of this month", tmp_path, "--month")
    show("one of 10,000 with its sub-agents", tmp_path, thread_id)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("size_mb", [20, 200])
def test_a_large_session(tmp_path: Path, size_mb: int) -> None:
    thread_id = "01a1ed1a-0000-7000-8000-000000000000"
    path = tmp_path / f"sessions/2026/11/18/rollout-2026-11-18T11-06-40-{thread_id}.jsonl"
    session(path, thread_id, turns=size_mb * MB // 2 // 20_500, output='an "output" of a tool\n' * 870)
    print(f"\n{path.stat().st_size / MB:.0f} MB in {2 * (size_mb * MB // 2 // 20_500)} requests")
    for by in ("model", "tool"):
        show(f"a session of {size_mb} MB by {by}", tmp_path, thread_id, "--by", by)

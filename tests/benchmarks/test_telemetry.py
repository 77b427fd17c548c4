"""What telemetry costs: CPU of a whole turn of `codex exec` with 20 commands, with sinks on and off."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import process_time

import pytest

from codex_plugin_sdk import FunctionCall, TelemetrySetup, text_message
from codex_plugin_sdk.testing.event_samples import events, every_message
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

from .harness import ours

RECEIVER = Path(__file__).parents[2] / "plugins/codex-otel/tests/receiver.py"
LIMIT = 0.05
ROUNDS = 9
COMMANDS = 20


@pytest.fixture
def receiver() -> Iterator[str]:
    """The address of a receiver in a process of its own."""
    with subprocess.Popen([sys.executable, str(RECEIVER), "ok"], stdout=subprocess.PIPE, text=True) as process:
        port = process.stdout.readline().strip()
        with subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL) as drain:
            yield f"http://127.0.0.1:{port}"
            process.terminate()
            drain.wait()


def tables(address: str) -> dict[str, str]:
    """Names and their configuration."""
    otel = f'[otel]\nexporter = {{ otlp-http = {{ endpoint = "{address}", protocol = "binary" }} }}\n'
    local = "[local_analytics]\nenabled = true\n"
    return {"off": "", "otel": otel, "local_analytics": local, "both": otel + local}


def turn_cpu_ms(home: Path, table: str, commands: int = COMMANDS) -> float:
    """CPU of one run with its commands, in milliseconds."""
    argument = json.dumps({"cmd": "true"})
    calls = [
        FunctionCall(call_id=f"call_{n}", name="exec_command", arguments=argument, id=f"fc_{n}")
        for n in range(commands)
    ]
    with ScriptedResponsesServer() as server:
        server.play(*(server.answer(call) for call in calls), server.answer(text_message("assistant", "ok", id="m")))
        provider = f'name="x"\nbase_url="{server.base_url}"\nwire_api="responses"\n'
        (home / "config.toml").write_text(f'model_provider="x"\n[model_providers.x]\n{provider}{table}')
        args = [*ours(), "exec", "--skip-git-repo-check", "-s", "danger-full-access", "go"]
        env = {**os.environ, "CODEX_HOME": str(home), "NO_PROXY": "*", "HOME": str(home)}
        with subprocess.Popen(
            args, cwd=home, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
    return (usage.ru_utime + usage.ru_stime) * 1000


@pytest.mark.timeout(900)
def test_cpu_of_a_turn(tmp_path: Path, receiver: str) -> None:
    """Two lengths of a turn: their difference is what the turn costs, the rest what starting costs, once a process."""
    figures: dict[tuple[str, int], list[float]] = {}
    for number in range(ROUNDS + 1):
        for name, table in tables(receiver).items():
            for commands in (COMMANDS, 4 * COMMANDS):
                found = turn_cpu_ms(tmp_path, table, commands)
                if number:  # the first round warms caches
                    figures.setdefault((name, commands), []).append(found)
    medians = {key: statistics.median(found) for key, found in figures.items()}
    turns = {name: (medians[name, 4 * COMMANDS] - medians[name, COMMANDS]) / 3 for name in tables(receiver)}
    print(f"\nCPU of a turn with {COMMANDS} commands, and of a whole run with that turn:")
    for name, found in turns.items():
        whole = medians[name, COMMANDS]
        more = f"{found / turns['off'] - 1:+.1%} (wanted < {LIMIT:.0%})"
        print(f"  {name:16} turn {found:.0f} ms {more}; run {whole:.0f} ms, {whole - medians['off', COMMANDS]:+.0f} ms")


def test_cost_of_an_event(tmp_path: Path, receiver: str) -> None:
    """Each sink by itself, in a process that runs already; what a turn of a server pays."""
    from codex_analytics.sink import AnalyticsSink
    from codex_otel.sink import OtelSink

    for kind, options, rounds in (
        (OtelSink, {"exporter": {"otlp-http": {"endpoint": receiver}}}, 20),  # its queue holds them all
        (AnalyticsSink, {"enabled": True}, 400),
    ):
        setup = TelemetrySetup(thread_id="t", codex_home=str(tmp_path), environ={}, options=options)
        sink = kind(setup)
        told = events(every_message())
        before = process_time()
        for _ in range(rounds):
            for event in told:
                sink.emit(event)
        sink.close()
        spent = process_time() - before
        print(f"\n{kind.__name__}: {spent / rounds / len(told) * 1e6:.1f} µs CPU an event, sending or writing included")

"""Runs two programs in turn against a scripted server and reports medians and their ratio."""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

CONFIG = """
model = "gpt-5.5"
model_provider = "bench"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.bench]
name = "bench"
base_url = "{url}"
env_key = "BENCH_KEY"
wire_api = "responses"
"""


class Program:
    """One of the two programs, with its home and workspace."""

    def __init__(self, name: str, argv: Sequence[str], folder: Path) -> None:
        self.name = name
        self.argv = list(argv)
        self.home = folder / f"home-{name}"
        self.work = folder / f"work-{name}"
        self.home.mkdir()
        self.work.mkdir()
        subprocess.run(["git", "init", "-q", str(self.work)], check=True)

    @property
    def environ(self) -> dict[str, str]:
        """A home without a shell profile: what a profile costs is neither program's doing."""
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        return env | {"CODEX_HOME": str(self.home), "BENCH_KEY": "k", "HOME": str(self.home)}

    def run(self, server: ScriptedResponsesServer, *args: str, stdin: bytes = b"") -> Run:
        """One run of `exec`, with its figures."""
        (self.home / "config.toml").write_text(CONFIG.format(url=server.base_url))
        env = self.environ
        before = len(server.requests)
        started = time.monotonic()
        with subprocess.Popen(
            [*self.argv, *args],
            cwd=self.work,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            output = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        whole = time.monotonic() - started
        arrivals = [request.arrived_s for request in server.requests[before:]]
        return Run(
            status=process.returncode,
            whole_ms=whole * 1000,
            first_ms=(arrivals[0] - started) * 1000 if arrivals else float("nan"),
            gaps_ms=[(b - a) * 1000 for a, b in itertools.pairwise(arrivals)],
            cpu_ms=(usage.ru_utime + usage.ru_stime) * 1000,
            rss_mb=usage.ru_maxrss / 1024,
            output=output,
        )


class Run:
    """Figures of one run."""

    def __init__(self, **figures: object) -> None:
        self.__dict__.update(figures)


def ours() -> list[str]:
    """The program under test."""
    chosen = os.environ.get("CODEX_OURS")
    return [chosen] if chosen else [str(Path(sys.executable).with_name("codex"))]


def peer() -> list[str] | None:
    """The program to compare with, if there is one."""
    chosen = os.environ.get("CODEX_PEER")
    return [chosen] if chosen else None


def compare(
    title: str,
    programs: Sequence[Program],
    measure: Callable[[Program], float],
    *,
    unit: str = "ms",
    rounds: int = 9,
    target: float | None = None,
) -> float | None:
    """Measure the programs in turn; print medians, spread and the ratio of medians; return the ratio."""
    figures: dict[str, list[float]] = {program.name: [] for program in programs}
    for number in range(rounds + 1):
        for program in programs:
            figure = measure(program)
            if number:  # the first round warms caches
                figures[program.name].append(figure)
    medians = {name: statistics.median(found) for name, found in figures.items()}
    parts = [
        f"{name} {medians[name]:.1f} [{min(found):.1f}..{max(found):.1f}] {unit}" for name, found in figures.items()
    ]
    ratio = medians["ours"] / medians["peer"] if "peer" in medians else None
    if ratio is not None:
        parts.append(f"ratio {ratio:.3f}" + (f" (wanted {target})" if target is not None else ""))
    print(f"\n{title}: " + "; ".join(parts))
    return ratio

"""The figures of MCP servers: what many of them cost the first request, what a call and a connection cost us."""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from pathlib import Path

import anyio
import pytest

from codex_mcp_bridge.config import server_configs
from codex_mcp_bridge.servers import Servers
from codex_plugin_sdk import ToolSetup, ToolSourceSetup, text_message
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

from . import harness
from .harness import Program, ours

pytestmark = pytest.mark.timeout(600)
RAW = Path(__file__).parents[2] / "plugins" / "codex-mcp-bridge" / "tests" / "servers" / "raw_server.py"
SERVERS, HANGING = 20, 5
GRACE_MS = 1000
CALLS = 500


def table(name, mode="ok"):
    args = json.dumps(["-S", "-E", str(RAW), mode])
    return f"[mcp_servers.{name}]\ncommand = {json.dumps(sys.executable)}\nargs = {args}\n"


def first_request_ms(program, monkeypatch, tables):
    monkeypatch.setattr(harness, "CONFIG", ORIGINAL + tables)
    with ScriptedResponsesServer() as server:
        server.play(server.answer(text_message("assistant", "done", id="msg_1")))
        run = program.run(server, "exec", "--skip-git-repo-check", "hi")
    assert run.status == 0, run.output
    return run


ORIGINAL = harness.CONFIG


def test_many_servers_of_which_some_hang(tmp_path, monkeypatch):
    program = Program("ours", ours(), tmp_path)
    some = "".join(table(f"s{n}", "quiet" if n < HANGING else "ok") for n in range(SERVERS))
    healthy = "".join(table(f"s{n}") for n in range(SERVERS - HANGING))
    figures = {"no server": [], f"{SERVERS} servers, {HANGING} hang": [], f"{SERVERS - HANGING} servers": []}
    wholes = {name: [] for name in figures}
    for number in range(6):
        for name, tables in zip(figures, ("", some, healthy), strict=True):
            run = first_request_ms(program, monkeypatch, tables)
            if number:
                figures[name].append(run.first_ms)
                wholes[name].append(run.whole_ms)
    print()
    for name, found in figures.items():
        whole = statistics.median(wholes[name])
        print(f"first request, {name}: {statistics.median(found):.0f} ms (whole {whole:.0f} ms)")
    without, hanging, _ = (statistics.median(found) for found in figures.values())
    print(f"beyond the grace of {GRACE_MS} ms: {(hanging - GRACE_MS) / without:.2f} (wanted 1.2)")


def setup(tmp_path):
    tools = ToolSetup(thread_id="t", codex_home=str(tmp_path), spill_dir=str(tmp_path), environ={})
    return ToolSourceSetup(tools=tools, cwd=str(tmp_path), tell=lambda event: None, spawn=None)


def configs(count):
    tables = {f"s{n}": {"command": sys.executable, "args": ["-S", "-E", str(RAW)]} for n in range(count)}
    return server_configs({"mcp_servers": tables})


def rss_kib():
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1])


async def with_servers(tmp_path, count, work):
    made = Servers(configs(count), setup(tmp_path), handlers=None, changed=lambda: None)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.run)
        for server in made.values():
            await server.connected()
        await work(made)
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_call_over_stdio(tmp_path):
    times = []

    async def work(made):
        for _ in range(CALLS):
            began = time.perf_counter()
            await made["s0"].call_tool("echo", {"a": 1})
            times.append((time.perf_counter() - began) * 1000)

    await with_servers(tmp_path, 1, work)
    print(
        f"\na call over stdio: median {statistics.median(times):.2f} ms, p95 {sorted(times)[int(CALLS * 0.95)]:.2f} ms"
        " with the server's own time (wanted < 5)"
    )


@pytest.mark.anyio
async def test_memory_of_an_idle_connection(tmp_path):
    found = []

    async def weigh(_made):
        gc.collect()
        found.append(rss_kib())

    await with_servers(tmp_path, 1, weigh)  # imports, caches
    await with_servers(tmp_path, 1, weigh)
    await with_servers(tmp_path, 51, weigh)
    print(f"\nmemory of an idle stdio connection: {(found[2] - found[1]) / 50:.0f} KiB (wanted < 1024)")

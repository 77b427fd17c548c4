"""What servers cost and do in a real `codex exec`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from codex_plugin_sdk import text_message
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

PROGRAM = Path(sys.executable).with_name("codex")
RAW = Path(__file__).parent.parent / "servers" / "raw_server.py"
PROBE = """
import sys
from codex_kernel.main import run
try:
    status = run(["codex", *sys.argv[1:]])
finally:
    sys.stderr.write("IMPORTED " + " ".join(sys.modules) + "\\n")
sys.exit(status)
"""
PROBED = (sys.executable, "-c", PROBE)


def run_exec(
    home: Path, tables: str, *words: str, stdin: str | None = None, program: Sequence[str] = (str(PROGRAM),)
) -> tuple[int, set[str], str, Sequence[str]]:
    """Exit status, all modules that were imported (by `PROBED`), all that was printed, and the bodies of the requests."""
    with ScriptedResponsesServer() as server:
        server.play(server.answer(text_message("assistant", "hello", id="msg_1")))
        provider = f'[model_providers.x]\nname="x"\nbase_url="{server.base_url}"\nwire_api="responses"\n'
        (home / "config.toml").write_text(f'model_provider="x"\n{tables}\n{provider}')
        done = subprocess.run(
            [*program, "exec", "--skip-git-repo-check", "--json", *(words or ("hi",))],
            env={**os.environ, "CODEX_HOME": str(home), "NO_PROXY": "*"},
            cwd=home,
            **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        bodies = [request.body.decode() for request in server.requests]
    imported = {name for line in done.stderr.splitlines() if line.startswith("IMPORTED ") for name in line.split()[1:]}
    return done.returncode, imported, done.stdout + done.stderr, bodies


def table(name: str, mode: str, *more: str) -> str:
    args = json.dumps(["-S", "-E", str(RAW), mode])
    return "\n".join([f"[mcp_servers.{name}]", f"command = {json.dumps(sys.executable)}", f"args = {args}", *more])


@pytest.mark.parametrize("tables", ["", table("s", "ok", "enabled = false")])
def test_the_library_is_not_imported_without_a_server(tmp_path: Path, tables: str) -> None:
    status, imported, output, _ = run_exec(tmp_path, tables, program=PROBED)
    assert status == 0, output
    assert "codex_mcp_bridge.plugin" in imported
    assert sorted(imported & {"mcp", "mcp_types", "pydantic", "httpx2", "starlette"}) == []


def test_tools_of_a_server_are_in_the_first_request(tmp_path: Path) -> None:
    status, imported, output, bodies = run_exec(tmp_path, table("shed", "ok", "required = true"), program=PROBED)
    assert status == 0, output
    assert "mcp" in imported
    assert "mcp__shed" in bodies[0]


def test_a_required_server_that_fails_ends_it_without_a_request(tmp_path: Path) -> None:
    status, _, output, bodies = run_exec(tmp_path, table("shed", "dies", "required = true"))
    assert (status, bodies) == (1, [])
    assert "required MCP servers failed to initialize: shed: it ended with exit code 7" in output


def test_a_server_that_hangs_holds_up_neither_the_turn_nor_the_end(tmp_path: Path) -> None:
    status, _, output, bodies = run_exec(tmp_path, table("shed", "quiet"))
    assert (status, len(bodies)) == (0, 1), output


def user_texts(body: str) -> list[str]:
    """The parts of what the user sent."""
    return [part["text"] for part in json.loads(body)["input"][-1]["content"]]


def test_a_prompt_of_a_server_is_sent_in_place_of_its_command(tmp_path: Path) -> None:
    command = ("/mcp__shed__sum_up", "page='Late fees'")
    status, _, output, bodies = run_exec(tmp_path, table("shed", "prompts"), " ".join(command), stdin="More.\n")
    assert status == 0, output
    assert user_texts(bodies[0]) == ["Sum up Late fees.", "<stdin>\nMore.\n</stdin>"]


def test_a_prompt_that_lacks_an_argument_ends_it_without_a_request(tmp_path: Path) -> None:
    status, _, output, bodies = run_exec(tmp_path, table("shed", "prompts"), "/shed:sum_up")
    assert (status, bodies) == (1, [])
    assert "the prompt /shed:sum_up wants page" in output
    assert "/shed:sum_up page=…" in output


def test_a_prompt_waits_for_its_server_no_longer_than_the_start_may_take(tmp_path: Path) -> None:
    tables = table("shed", "quiet", "startup_timeout_sec = 0.2")
    status, _, output, bodies = run_exec(tmp_path, tables, "/shed:sum_up all")
    assert (status, bodies) == (1, [])
    assert "The MCP server shed is not there: it did not get ready within 0.2 s" in output

"""The way to the first request: what has been imported when it leaves."""

import json
import os
import subprocess
import sys

import pytest

from codex_plugin_sdk import text_message
from codex_plugin_sdk.testing.servers import ScriptedChatServer, ScriptedResponsesServer

PROBE = """
import socket, sys
connect = socket.create_connection
def probe(*args, **kwargs):
    sys.stderr.write("IMPORTED " + " ".join(sys.modules) + "\\n")
    return connect(*args, **kwargs)
socket.create_connection = probe
from codex_kernel.main import run
sys.exit(run(["codex", *sys.argv[1:]]))
"""
TOO_HEAVY = {
    "asyncio", "anyio", "ssl", "httpx", "httpcore", "h11", "cattrs", "structlog", "mcp", "rich", "textual", "sqlite3",
    "subprocess", "logging", "email", "importlib.metadata", "pydantic", "opentelemetry", "urllib.request",
}  # fmt: skip


@pytest.mark.parametrize(("kind", "wire_api"), [(ScriptedResponsesServer, "responses"), (ScriptedChatServer, "chat")])
def test_nothing_heavy_is_imported_before_the_first_request_leaves(tmp_path, kind, wire_api):
    with kind() as server:
        server.play(server.answer(text_message("assistant", "hello", id="msg_1")))
        table = f'name="x"\nbase_url="{server.base_url}"\nwire_api="{wire_api}"\n'
        (tmp_path / "config.toml").write_text(f'model_provider="x"\n[model_providers.x]\n{table}')
        env = {**os.environ, "CODEX_HOME": str(tmp_path), "NO_PROXY": "*"}
        args = ["exec", "--skip-git-repo-check", "--json", "hi"]
        done = subprocess.run(
            [sys.executable, "-c", PROBE, *args],
            env=env, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        requests = len(server.requests)
        connections = {request.connection for request in server.requests}
    (line,) = [text for text in done.stderr.splitlines() if text.startswith("IMPORTED ")]
    assert sorted(TOO_HEAVY & set(line.split())) == []
    assert (requests, len(connections)) == (1, 1)
    events = [json.loads(text) for text in done.stdout.splitlines()]
    assert events[-2]["item"]["text"] == "hello"

"""Clients of the app server that third parties publish complete turns against ours, unmodified."""

from __future__ import annotations

import sys

import pytest

from codex_plugin_sdk.testing.model import call, say

from .conftest import CLIENTS, Stage
from .installing import node_client, python_client


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("codex-app-server-client", "c1"),
        ("codex-python-sdk", "c1"),
        ("codex-python-sdk-unofficial", None),
        ("codex-agent-sdk", "c1"),
    ],
)
def test_a_python_client_completes_two_turns(stage: Stage, name: str, asked: str | None) -> None:
    stage.script([call("exec_command", "c1", cmd="touch made")], [say("It is made.")], [say("Rest.", "m2")])
    told = stage.run(python_client(name), CLIENTS / "others.py", name)
    assert told["first"] == ["completed", "It is made.", ["userMessage", "commandExecution", "agentMessage"]]
    assert told["second"] == "Rest."
    assert told.get("tokens", 240) == 240  # one of them does not tell
    assert told.get("asked") == asked
    assert (stage.work / "made").exists()
    assert stage.said(2) == ["Make it.", "And then?"]


def test_an_adapter_for_editors_completes_a_turn(stage: Stage) -> None:
    modules = node_client("codex-acp", "@agentclientprotocol/codex-acp@latest")
    outside = {"sandbox_permissions": "require_escalated", "justification": "Make it?"}
    stage.script([call("exec_command", "c1", cmd="touch made", **outside)], [say("It is made.")])
    adapter = ["node", modules / "@agentclientprotocol/codex-acp/dist/index.js"]
    told = stage.run(sys.executable, CLIENTS / "acp.py", *adapter, CODEX_PATH=stage.env["CODEX_BIN"])
    assert (told["stop"], told["text"]) == ("end_turn", "It is made.")
    assert told["asked"] == "c1"
    assert (stage.work / "made").exists()
    assert {"tool_call", "agent_message_chunk"} <= set(told["kinds"])
    assert stage.said(0)[-1] == "Make it."

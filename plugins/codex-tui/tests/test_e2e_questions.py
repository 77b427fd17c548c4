"""Questions of other kinds in a real terminal: a form of an MCP server, questions of the agent, a plan."""

from __future__ import annotations

import json
import sys

from codex_plugin_sdk.testing.model import call, say

from .e2e_kit import READY, World, has

SERVER = """
import json, sys
FORM = {"type": "object", "required": ["name", "size"], "properties": {
    "name": {"type": "string", "title": "Name", "minLength": 2},
    "size": {"type": "integer", "title": "Size", "minimum": 1, "maximum": 9},
    "colour": {"type": "string", "title": "Colour", "enum": ["red", "green"]},
    "sure": {"type": "boolean", "title": "Sure"}}}
TOOL = {"name": "order", "description": "Orders.", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}

def send(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)

called = None
for line in sys.stdin:
    message = json.loads(line)
    method, number, params = message.get("method"), message.get("id"), message.get("params") or {}
    if method == "initialize":
        send(id=number, result={"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}},
             "serverInfo": {"name": "shop", "version": "1"}})
    elif method == "tools/list":
        send(id=number, result={"tools": [TOOL]})
    elif method == "tools/call":
        called = number
        send(id="ask", method="elicitation/create", params={"message": "What shall it be?", "requestedSchema": FORM})
    elif number == "ask":
        send(id=called, result={"content": [{"type": "text", "text": json.dumps(message["result"], sort_keys=True)}]})
    elif number is not None:
        send(id=number, error={"code": -32601, "message": "no such method"})
"""
QUESTIONS = [
    {
        "id": "db",
        "header": "Storage",
        "question": "Where are rows kept?",
        "options": [
            {"label": "SQLite", "description": "One file"},
            {"label": "Postgres", "description": "A server"},
        ],
    },
    {
        "id": "why",
        "header": "Reason",
        "question": "And why?",
        "options": [{"label": "Speed", "description": "It is fast"}, {"label": "Habit", "description": "It is known"}],
    },
]
STEPS = [{"step": "Look around", "status": "completed"}, {"step": "Build it", "status": "in_progress"}]


def test_forms_of_servers_and_questions_of_the_agent_are_filled_in(tui: World) -> None:
    server = tui.home / "server.py"
    server.write_text(SERVER)
    tui.configure(
        tables=f"[mcp_servers.shop]\nrequired = true\ncommand = {json.dumps(sys.executable)}\nargs = [{json.dumps(str(server))}]"
    )
    with tui.start(rows=40) as terminal:
        terminal.until(READY)
        tui.answers(
            [call("update_plan", "u1", plan=STEPS), call("mcp__shop__order", "m1")], [say("it has been ordered")]
        )
        tui.enter(terminal, "order one")
        terminal.until(has("What shall it be?", "Name", "Size", "Colour", "Sure", "Build it"))
        tui.answer(terminal, "x")  # too short
        terminal.press("tab")
        terminal.until("✗")
        terminal.type("12")  # too much
        terminal.press("tab")
        terminal.until(lambda it: it.text().count("✗") == 2)
        terminal.press("shift+tab", "backspace", "shift+tab")
        terminal.type("yz")
        terminal.until(lambda it: "✗" not in it.text() and "xyz" in it.text())
        terminal.press("tab", "tab", "tab", "space")
        terminal.until("(•) green")
        terminal.press("tab", "space")
        terminal.until("(•) yes")
        terminal.press("tab", "tab", "enter")
        terminal.until("it has been ordered")
        assert len(tui.server.requests) == 2
        content = {"colour": "green", "name": "xyz", "size": 1, "sure": True}
        assert json.dumps({"action": "accept", "content": content}, sort_keys=True) in tui.outputs()[-1]

        tui.answers([call("request_user_input", "q1", questions=QUESTIONS)], [say("so be it")])
        tui.enter(terminal, "design it")
        terminal.until(has("The agent asks you 2 things", "Where are rows kept?", "SQLite", "Postgres", "And why?"))
        tui.answer(terminal, "down", "space")
        terminal.until("(•) Postgres")
        terminal.press("down", "down", "down", "down")
        terminal.type("my own reasons")
        terminal.until("my own reasons")
        terminal.press("down", "enter")
        terminal.until(has("so be it", "Answered: Storage, Reason"))
        answers = {"db": {"answers": ["Postgres"]}, "why": {"answers": ["my own reasons"]}}
        assert json.loads(tui.outputs()[-1]) == {"answers": answers}
        tui.leave(terminal)

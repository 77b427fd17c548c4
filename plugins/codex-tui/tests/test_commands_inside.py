"""Commands that tell what there is, and those of the account and the terminal."""

import sys
import tomllib
import zipfile
from pathlib import Path

import anyio
import pytest

from codex_plugin_sdk.testing.model import call, say
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer
from codex_tui.commands.line import completions, load_completions, run_line
from codex_tui.session.cells import AgentsCell

from .commands_kit import opened

pytestmark = pytest.mark.anyio


def config(place):
    return tomllib.loads((place.home / "config.toml").read_text())


# -- reports -------------------------------------------------------------------------------------------


async def test_status_tells_all_with_the_paths(place):
    await place.turn("hello", say("hi"))
    await place.run("/status")
    rows = place.ui.rows()
    assert rows["session"] == place.session.thread_id
    assert rows["rollout"].endswith(f"{place.session.thread_id}.jsonl")
    assert (rows["model"], rows["provider"]) == ("gpt-5.5", "scripted")
    assert rows["account"] == "none is needed"
    assert rows["folder"] == str(place.work)
    assert rows["sandbox"] == "read-only"
    assert rows["confined by"] not in ("nothing", "the server does not tell")
    assert rows["config"] == f"{place.home / 'config.toml'} (user)"
    assert " in" in rows["tokens"]


async def test_context_tells_how_full_the_window_is(place):
    await place.run("/context")
    assert "nothing was sent yet" in place.ui.rows()["window"]
    (place.work / "AGENTS.md").write_text("Be brief.\n")
    await place.turn("hello", say("hi"))
    await place.run("/context")
    rows = place.ui.rows()
    assert rows["turns"] == "1"
    assert rows["window"].partition(" ")[0] == f"{place.session.status.context_tokens:,}"
    assert rows["tokens"].startswith(f"{place.session.status.input_tokens:,} in")


async def test_cost_comes_from_the_server_and_without_it_from_the_status(place):
    await place.turn("hello", say("hi"))
    await place.run("/cost")
    rows = place.ui.rows()
    assert rows["requests"] == "1"
    assert rows["model"].startswith("gpt-5.5: ")
    known = place.session.link.request

    async def without(method, params=None):
        return await known("no/such" if method == "cost/read" else method, params)

    place.session.link.request = without
    await place.run("/usage")
    assert list(place.ui.rows()) == ["tokens"]
    assert "codex-cost" in place.ui.last()


async def test_the_configuration_is_told_with_its_layers_and_without_secrets(place):
    text = (place.home / "config.toml").read_text()
    (place.home / "config.toml").write_text(
        text + 'experimental_bearer_token = "sk-abcdefghijklmnopqrstuvwxyz123456"\n'
    )
    await place.run("/debug-config model_providers.scripted")
    told = str(place.ui.cards[-1])
    assert f"model_providers.scripted.name = 'Scripted'  ({place.home / 'config.toml'} (user))" in dict(
        map(reversed, place.ui.cards[-1][1])
    )
    assert "experimental_bearer_token" in told
    assert "sk-abcdefghijkl" not in told
    assert "nothing sets" in await place.fails("/debug-config no.such.key")


# -- inside --------------------------------------------------------------------------------------------


async def test_skills_are_listed_and_switched(place):
    await place.run("/skills")
    assert "there are no skills" in place.ui.last()
    folder = place.home / "skills" / "greet"
    folder.mkdir(parents=True)
    (folder / "SKILL.md").write_text("---\nname: greet\ndescription: Says hello\n---\nSay hello.\n")
    place.ui.answers.extend([lambda options: options[0].value, None])
    await place.run("/skills")
    assert [[one.label for one in options] for _, options in place.ui.asked] == [["[x] greet"], ["[ ] greet"]]
    assert config(place)["skills"]["config"][0]["enabled"] is False
    await place.run("/skills on greet")
    listed = await place.ask("skills/list", cwds=[str(place.work)])
    assert [skill["enabled"] for skill in listed["data"][0]["skills"]] == [True]
    place.ui.interactive = False
    await place.run("/skills")
    assert place.ui.rows() == {"on": "greet: Says hello (user)"}
    assert "one of: greet" in await place.fails("/skills off gret")
    assert "on NAME, off NAME" in await place.fails("/skills greet")


async def test_plugins_tell_how_they_fare(place):
    await place.run("/plugins")
    title, rows, _ = place.ui.cards[-1]
    assert title.endswith("0 with a problem")
    assert dict(rows)["tui"].startswith("codex-tui ")
    await place.run("/plugins undo")
    assert place.ui.rows()["dist"] == "codex-undo"
    assert "one of" in await place.fails("/plugins undoo")


async def test_an_mcp_server_that_does_not_start_tells_why(tmp_path, plugins):
    table = 'mcp_servers = { broken = { command = "/no/such/program" }, off = { command = "x", enabled = false } }'
    with ScriptedResponsesServer() as model:
        async with opened(tmp_path, model, plugins, table) as place:
            place.ui.interactive = False
            await place.run("/mcp")
            rows = place.ui.rows()
            assert rows["broken"].startswith("failed, 0 tools, ")
            assert rows["off"].startswith("disabled, 0 tools")
            place.ui.interactive = True
            place.ui.answers.append(lambda options: options[0].value)
            await place.run("/mcp")
            assert place.ui.cards[-1][0] == "MCP server broken"
            await place.run("/mcp off")
            await place.run("/mcp reload")
            assert "one of: broken, off" in await place.fails("/mcp brokn")
            assert "OAuth" in await place.fails("/mcp login broken")


SERVER = """
import json, sys
TOOL = {"name": "add", "description": "Adds numbers", "inputSchema": {"type": "object"}}
PROMPT = {"name": "greet", "description": "Says hello", "arguments": [{"name": "who", "required": True}]}
for line in sys.stdin:
    message = json.loads(line)
    method, params = message.get("method"), message.get("params") or {}
    if "id" not in message:
        continue
    if method == "initialize":
        info = {"name": "demo", "title": "A demo", "version": "3"}
        result = {"protocolVersion": params["protocolVersion"], "serverInfo": info}
        result["capabilities"] = {"tools": {}, "prompts": {}}
    elif method == "tools/list":
        result = {"tools": [TOOL]}
    elif method == "prompts/list":
        result = {"prompts": [PROMPT]}
    elif method == "prompts/get":
        content = {"type": "text", "text": "Greet " + params["arguments"]["who"]}
        result = {"messages": [{"role": "user", "content": content}]}
    else:
        result = {}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


async def test_tools_and_prompts_of_an_mcp_server_are_told_and_its_prompts_sent(tmp_path, plugins):
    (tmp_path / "server.py").write_text(SERVER)
    program = f'command = "{sys.executable}", args = ["-I", "-S", "{tmp_path / "server.py"}"]'
    with ScriptedResponsesServer() as model:
        async with opened(tmp_path, model, plugins, f"mcp_servers = {{ demo = {{ {program} }} }}") as place:
            await place.run("/mcp demo")
            rows = place.ui.rows()
            assert rows["status"].startswith("ready, 1 tool")
            assert (rows["server"], rows["tool"]) == ("A demo 3", "add: Adds numbers")
            await load_completions(place.ui)
            ((name, help, _),) = completions(place.ui, "greet")
            assert help == "Says hello"
            outcome = await run_line(place.ui, f"/{name} Bo")
            assert (outcome.result, outcome.text) == ("send", "Greet Bo")
            assert (await run_line(place.ui, "/demo:greet Bo")).text == "Greet Bo"
            assert "who" in await place.fails("/demo:greet")
            await place.run("/context")
            assert place.ui.rows()["MCP"] == "demo: 1 tool"


async def test_there_may_be_no_servers_hooks_agents_or_memories(place):
    for line, text in (
        ("/mcp", "no MCP servers"),
        ("/hooks", "no hooks"),
        ("/agents", "no sub-agents"),
        ("/memories", "memories are not kept"),
    ):
        await place.run(line)
        assert text in place.ui.last()


async def test_hooks_are_told_with_their_trust(tmp_path, plugins):
    table = 'hooks = { Stop = [ { hooks = [ { type = "command", command = "true" } ] } ] }'
    with ScriptedResponsesServer() as model:
        async with opened(tmp_path, model, plugins, table) as place:
            await place.run("/hooks")
            ((event, text),) = place.ui.cards[-1][1]
            assert event == "stop"
            assert text.startswith("true (on, trusted; user /")


async def test_sub_agents_are_shown_with_their_state(place):
    cell = AgentsCell(key="c", tool="spawnAgent", agents=(("t-1", "running", ""), ("t-2", "completed", "found it")))
    place.session.transcript.add(cell)
    place.ui.interactive = False
    await place.run("/agents")
    assert place.ui.rows() == {"t-1": "running  t-1", "t-2": "completed, found it  t-2"}
    place.ui.interactive = True
    place.ui.can = {"agents"}
    place.ui.answers.append("t-2")
    await place.run("/agent")
    await place.run("/agents t-1")
    assert place.ui.performed == [("agents", "t-2"), ("agents", "t-1")]
    assert "one of: t-1, t-2" in await place.fails("/agents t-3")


async def test_a_sub_agent_of_the_session_is_listed_and_stands_in_the_tree(place):
    place.script([call("spawn_agent", "c1", message="look")], [say("same")], [say("same", "m2")])
    await place.turn("divide the work")
    while not (found := (await place.ask("thread/list", parentThreadId=place.session.thread_id))["data"]):
        await anyio.lowlevel.checkpoint()
    (agent,) = found
    place.ui.answers.append(None)
    await place.run("/agents")
    ((_, (option,)),) = place.ui.asked
    assert (option.value, option.label) == (agent["id"], agent["agentNickname"])
    await place.run(f"/agents {agent['agentNickname']}")
    assert place.ui.performed == [("agents", agent["id"])]
    assert place.ui.rows()["task"] == "look"
    place.ui.interactive = False
    await place.run("/tree")
    assert f"{agent['agentNickname']}: look  {agent['id']}" in place.ui.cards[-1][2]


async def test_feature_flags_are_switched_in_the_configuration(place):
    place.ui.interactive = False
    await place.run("/experimental")
    assert any(state == "on" and text.startswith("multi_agent: stable") for state, text in place.ui.cards[-1][1])
    await place.run("/features off multi_agent")
    assert config(place)["features"] == {"multi_agent": False}
    assert "one of" in await place.fails("/experimental on multi_agnt")


# -- account and terminal ------------------------------------------------------------------------------


async def test_a_key_is_kept_and_forgotten(place):
    assert "does not belong" in await place.fails("/login sk-1")
    place.ui.answers.append("sk-secret")
    await place.run("/login")
    assert "sk-secret" in (place.home / "auth.json").read_text()
    assert "sk-secret" not in str(place.ui.said)
    place.ui.answers.append(False)
    await place.run("/logout")
    assert (place.home / "auth.json").exists()
    await place.run("/logout yes")
    assert not (place.home / "auth.json").exists()
    place.ui.interactive = False
    assert "codex login" in await place.fails("/login")


async def test_feedback_becomes_a_file_that_says_what_is_in_it(place):
    await place.turn("hello", say("hi"))
    place.ui.answers.extend(["bug", "it broke", True])
    await place.run("/feedback")
    rows = place.ui.rows()
    with zipfile.ZipFile(rows["file"]) as archive:
        assert b"it broke" in archive.read("report.json")
        assert len([name for name in archive.namelist() if name.startswith("attachments/")]) == 1
    assert rows["sent"].startswith("nothing")
    assert rows["record"].startswith("the whole session")
    place.ui.interactive = False
    await place.run("/feedback in words")
    assert place.ui.rows()["record"] == "left out"


async def test_before_a_server_elsewhere_nothing_is_looked_for_on_this_machine(place):
    place.session.link.is_local = False
    (place.home / "prompts").mkdir()
    (place.home / "prompts" / "fix.md").write_text("Mend $1 well.\n")
    assert (await run_line(place.ui, "/prompts:fix a.py")).text.strip() == "Mend a.py well."
    place.ui.interactive = False
    await place.run("/feedback words")
    assert Path(place.ui.rows()["file"]).parent == place.work


async def test_what_needs_a_screen_says_so_without_one(place):
    for name in ("theme", "keymap", "vim", "transcript", "rewind"):
        assert f"/{name} needs a screen" in await place.fails(f"/{name}")
    assert f"codex trust {place.work}" in await place.fails("/trust")
    place.ui.can = {"theme", "copy", "trust"}
    await place.run("/theme dark")
    await place.run("/trust")
    await place.run("/copy")
    assert "no answer" in place.ui.last()
    await place.turn("hello", say("the answer"))
    await place.run("/copy")
    assert place.ui.performed[-3:] == [("theme", "dark"), ("trust", ""), ("copy", "the answer")]
    await place.run("/mention src/a.py")
    assert place.ui.composer == "@src/a.py "
    await place.run("/exit")
    assert place.ui.left

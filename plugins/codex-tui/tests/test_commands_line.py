"""From a line to a command: names, completions, prompts."""

import pytest

from codex_plugin_sdk.testing.model import say
from codex_tui.commands.line import Outcome, completions, load_completions, run_line
from codex_tui.commands.table import COMMANDS, SECTIONS, find, names

pytestmark = pytest.mark.anyio
ISSUE = (
    "help model effort approvals permissions sandbox new resume fork tree rename compact context diff review undo plan "
    "mcp skills plugins agents hooks memories cost status theme keymap vim feedback logout quit"
)


def test_every_command_is_there_once_with_a_section_and_help():
    assert set(ISSUE.split()) <= {command.name for command in COMMANDS}
    every = [name for command in COMMANDS for name in (command.name, *command.aliases)]
    assert len(every) == len(set(every)) == len(names())
    for command in COMMANDS:
        assert command.section in SECTIONS
        assert command.help
        assert not command.help.endswith(".")
    assert find("EXIT") is find("quit")
    assert find("nothing") is None


async def test_what_is_no_command_is_for_the_agent(place):
    for text in ("hello", " /model", "/usr/bin/env is there", "/tmp: what is in it?", "/etc/hosts:3 says", "/ x", "/"):
        assert await run_line(place.ui, text) == Outcome(result="send", text=text)
    assert place.ui.said == []


async def test_an_unknown_command_is_kept_and_the_nearest_are_named(place):
    assert "did you mean /model?" in await place.fails("/modl gpt-5.5")
    assert "/permissions" in await place.fails("/perm")
    assert "/help lists all" in await place.fails("/xyzzyx")
    assert "takes no arguments" in await place.fails("/diff main")


async def test_a_command_with_a_fault_ends_nothing(place, caplog):
    async def broken(method, params=None):
        return {}

    place.session.link.request = broken
    assert "has a fault: KeyError" in await place.fails("/status")
    assert "a slash command has a fault" in caplog.text


async def test_a_prompt_file_stands_for_its_text(place):
    folder = place.home / "prompts"
    folder.mkdir()
    (folder / "fix.md").write_text("---\ndescription: Mend it\nargument-hint: FILE\n---\nMend $1 well.\n")
    await load_completions(place.ui)
    assert completions(place.ui, "fix") == [("prompts:fix", "Mend it", "FILE")]
    outcome = await run_line(place.ui, "/prompts:fix a.py")
    assert (outcome.result, outcome.text.strip()) == ("send", "Mend a.py well.")
    assert "none" in await place.fails("/prompts:none")
    place.script([say("done")])
    await place.turn(outcome.text)
    assert "Mend a.py well." in str(place.sent()["input"])


async def test_prompt_files_are_found_by_the_user_interface_when_the_server_cannot(place):
    folder = place.home / "prompts"
    folder.mkdir()
    (folder / "fix.md").write_text("Mend $1 well.\n")
    known = place.session.link.request

    async def older(method, params=None):
        if method.startswith("slashCommands/"):
            return await known("no/such/method", params)
        return await known(method, params)

    place.session.link.request = older
    await load_completions(place.ui)
    assert [name for name, _, _ in completions(place.ui, "prompts")] == ["prompts:fix"]
    assert (await run_line(place.ui, "/prompts:fix a.py")).text.strip() == "Mend a.py well."
    assert (await run_line(place.ui, "/mcp__s__p x")) == Outcome(result="send", text="/mcp__s__p x")


async def test_completions_are_ranked_and_load_the_rest_once_in_the_background(place):
    found = [name for name, _, _ in completions(place.ui, "/re")]
    assert found[:2] == ["resume", "rename"]
    assert found[-1] != "resume"
    assert [name for name, _, _ in completions(place.ui, "exit")] == ["quit"]
    assert [name for name, _, _ in completions(place.ui, "config")] == ["debug-config"]
    assert len(completions(place.ui, "")) == len(COMMANDS)
    assert completions(place.ui, "zzz") == []
    (work,) = place.ui.later
    (place.home / "prompts").mkdir()
    (place.home / "prompts" / "zzz.md").write_text("text\n")
    await work()
    assert [name for name, _, _ in completions(place.ui, "zz")] == ["prompts:zzz"]
    assert len(place.ui.later) == 1


async def test_help_lists_every_command_and_explains_one(place):
    await place.run("/help")
    listed = [name for name, _ in place.ui.cards[-1][1]]
    assert {f"/{command.name}" for command in COMMANDS} <= set(listed)
    await place.run("/help /quit")
    assert place.ui.rows()["also"] == "/exit, /q"
    await place.run("/help undo")
    assert place.ui.rows()["note"] == "only while no turn runs"
    assert "did you mean" in await place.fails("/help modl")

"""/skills."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..link import Message
from .asking import need_thread, request, short, wrong
from .ui import Option

if TYPE_CHECKING:
    from .ui import Ui

SWITCHES = {"on": True, "off": False}


async def skills(ui: Ui, arguments: str) -> None:
    """Show skills, and switch one on or off."""
    need_thread(ui)
    entry = (await request(ui, "skills/list", cwds=[ui.session.status.cwd], forceReload=True))["data"][0]
    found: list[Message] = list(entry["skills"])
    for problem in entry["errors"]:
        ui.say("warning", f"{problem['path']}: {problem['message']}")
    word, _, name = arguments.partition(" ")
    if arguments:
        if word not in SWITCHES or not name.strip():
            raise wrong(arguments, ["on NAME", "off NAME"], "switch of a skill")
        await _switch(ui, _named(found, name.strip()), on=SWITCHES[word])
    elif not found:
        ui.say("info", "there are no skills", "a folder with a SKILL.md below .codex/skills is one")
    elif ui.interactive:
        await _pick(ui, found)
    else:
        ui.card("Skills", [("on" if skill["enabled"] else "off", _about(skill)) for skill in found])


async def _pick(ui: Ui, found: list[Message]) -> None:
    """Let the user switch one after the other, until they leave."""
    states = {skill["path"]: bool(skill["enabled"]) for skill in found}
    while True:
        options = [
            Option(
                value=skill,
                label=f"{'[x]' if states[skill['path']] else '[ ]'} {skill['name']}",
                detail=f"{short(skill['description'])} ({skill['scope']})",
            )
            for skill in found
        ]
        picked = await ui.pick("Skills", options, note="enter switches one on or off; the agent is told of those on")
        if picked is None:
            return
        wanted = not states[picked["path"]]
        states[picked["path"]] = await _switch(ui, picked, on=wanted)


def _named(found: list[Message], name: str) -> Message:
    for skill in found:
        if skill["name"] == name:
            return skill
    raise wrong(name, [skill["name"] for skill in found], "skill")


def _about(skill: Message) -> str:
    return f"{skill['name']}: {short(skill['description'])} ({skill['scope']})"


async def _switch(ui: Ui, skill: Message, *, on: bool) -> bool:
    """Whether it is on now."""
    done = await request(ui, "skills/config/write", enabled=on, path=skill["path"])
    now = bool(done["effectiveEnabled"])
    if now != on:
        ui.say("warning", f"the skill {skill['name']} stays {'on' if now else 'off'}: something stronger says so")
    else:
        ui.say("info", f"the skill {skill['name']} is {'on' if now else 'off'} for sessions from now on")
    return now

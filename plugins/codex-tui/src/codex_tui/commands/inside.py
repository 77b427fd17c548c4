"""/plugins, /agents, /hooks, /memories, /experimental."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_plugin_sdk import ProtocolError, UserError

from ..link import Message
from ..measures import counted
from ..session.cells import AgentsCell
from .asking import every, extension, is_not_served, need_thread, request, short, wrong
from .choices import keep
from .ui import Option

if TYPE_CHECKING:
    from .ui import Ui

SWITCHES = {"on": True, "off": False}


# -- plugins -----------------------------------------------------------------------------------------


async def plugins(ui: Ui, arguments: str) -> None:
    """How each plugin of the server fares, those with a problem first."""
    found = (await extension(ui, "plugins/report", "codex plugin list tells it"))["data"]
    if arguments:
        named = [one for one in found if arguments in (one["name"], one["dist"])]
        if not named:
            raise wrong(arguments, [one["name"] for one in found], "plugin")
        for one in named:
            rows = [(key, _words(one[key])) for key in ("dist", "version", "status", "kinds", "reason", "cure")]
            ui.card(f"Plugin {one['name']}", [row for row in rows if row[1]])
        return
    ordered = sorted(found, key=lambda one: (one["status"] == "ok", one["name"]))
    bad = len([one for one in found if one["status"] != "ok"])
    ui.card(f"{counted(len(found), 'plugin')}, {bad} with a problem", [(one["name"], _plugin(one)) for one in ordered])


def _plugin(one: Message) -> str:
    if one["status"] == "ok":
        return f"{one['dist']} {one['version']}: {_words(one['kinds']) or 'nothing loaded yet'}"
    cure = f" ({one['cure']})" if one["cure"] else ""
    return f"{one['status']}: {one['reason']}{cure}"


def _words(found: object) -> str:
    return ", ".join(map(str, found)) if isinstance(found, list | tuple) else str(found or "")


# -- sub-agents --------------------------------------------------------------------------------------


async def agents(ui: Ui, arguments: str) -> None:
    """Show the sub-agents of this session, and look at one."""
    here = need_thread(ui)
    found = await every(ui, "thread/list", ancestorThreadId=here, sourceKinds=["subAgent"], modelProviders=[])
    states = _states(ui)
    known = {thread["id"] for thread in found}
    rows = [(thread["id"], _called(thread), _agent(thread, states)) for thread in found]
    rows += [(id, id, _told(state)) for id, state in states.items() if id not in known]
    if arguments:
        chosen = [id for id, called, _ in rows if arguments in (id, called.partition(" ")[0])]
        if not chosen:
            raise wrong(arguments, [called for _, called, _ in rows], "sub-agent")
        await _look(ui, chosen[0])
    elif not rows:
        ui.say("info", "this session has no sub-agents", "the agent starts them itself: ask it to divide the work")
    elif not ui.interactive:
        ui.card("Sub-agents", [(called, f"{text}  {id}") for id, called, text in rows])
    else:
        options = [Option(value=id, label=called, detail=text) for id, called, text in rows]
        picked = await ui.pick("Sub-agents", options, note="enter shows what one does")
        if picked is not None:
            await _look(ui, picked)


def _states(ui: Ui) -> dict[str, tuple[str, str]]:
    """State and message of each sub-agent that the transcript tells of, the last ones."""
    found: dict[str, tuple[str, str]] = {}
    for cell in ui.session.transcript:
        if isinstance(cell, AgentsCell):
            found |= {id: (state, message) for id, state, message in cell.agents}
    return found


def _called(thread: Message) -> str:
    words = [word for word in (thread.get("agentNickname"), thread.get("agentRole")) if word]
    return " ".join(words) or thread["id"]


def _agent(thread: Message, states: dict[str, tuple[str, str]]) -> str:
    state = states.get(thread["id"])
    text = _told(state) if state is not None else thread["status"]["type"]
    return f"{text}: {short(thread['preview'])}" if thread["preview"] else text


def _told(state: tuple[str, str]) -> str:
    return f"{state[0]}, {short(state[1])}" if state[1] else state[0]


async def _look(ui: Ui, thread_id: str) -> None:
    if await ui.perform("agents", thread_id):
        return
    found = (await request(ui, "thread/read", threadId=thread_id, includeTurns=True))["thread"]
    items = [item for turn in found["turns"] for item in turn["items"]]
    said = [item["text"] for item in items if item["type"] == "agentMessage"]
    rows = [("status", found["status"]["type"]), ("task", short(found["preview"], 400)), ("items", str(len(items)))]
    ui.card(f"Sub-agent {_called(found)}", rows, said[-1] if said else "")


# -- hooks and memories ------------------------------------------------------------------------------


async def hooks(ui: Ui, arguments: str) -> None:
    """Hooks of lifecycle events, with what became of their trust."""
    entry = (await request(ui, "hooks/list", threadId=need_thread(ui)))["data"][0]
    for text in entry["warnings"]:
        ui.say("warning", text)
    for problem in entry["errors"]:
        ui.say("error", f"{problem['path']}: {problem['message']}")
    if not entry["hooks"]:
        ui.say("info", "there are no hooks", "[hooks] in config.toml has them")
        return
    ui.card("Hooks", [(hook["eventName"], _hook(hook)) for hook in entry["hooks"]])


def _hook(hook: Message) -> str:
    matched = f" on {hook['matcher']}" if hook["matcher"] else ""
    state = f"{'on' if hook['enabled'] else 'off'}, {hook['trustStatus']}"
    return f"{short(hook['command'], 200)}{matched} ({state}; {hook['source']} {hook['sourcePath']})"


async def memories(ui: Ui, arguments: str) -> None:
    """What is remembered across sessions: what the server says of it."""
    try:
        found = await request(ui, "thread/memory/read", threadId=need_thread(ui))
    except ProtocolError as error:
        if not is_not_served(error):
            raise
        reason = error.message.partition(": ")[2] or error.message
        ui.say("info", f"nothing is remembered across sessions: {reason}", "AGENTS.md is read in every session: /init")
        return
    ui.card("Memories", [(key, _words(value)) for key, value in found.items()])


# -- feature flags -----------------------------------------------------------------------------------


async def features(ui: Ui, arguments: str) -> None:
    """Feature flags; switching one is written into config.toml."""
    found = await every(ui, "experimentalFeature/list", threadId=need_thread(ui))
    known = {one["name"]: one for one in found}
    word, _, name = arguments.partition(" ")
    name = name.strip()
    if arguments:
        if word not in SWITCHES or not name:
            raise wrong(arguments, ["on NAME", "off NAME"], "switch of a feature")
        if name not in known:
            raise wrong(name, list(known), "feature")
        await _switch(ui, known[name], on=SWITCHES[word])
        return
    shown = [one for one in found if one["stage"] != "removed"]
    if not ui.interactive:
        ui.card(
            "Feature flags", [("on" if one["enabled"] else "off", f"{one['name']}: {_feature(one)}") for one in shown]
        )
        return
    options = [
        Option(value=one, label=f"{'[x]' if one['enabled'] else '[ ]'} {one['name']}", detail=_feature(one))
        for one in shown
    ]
    picked = await ui.pick("Feature flags", options, note="enter switches one in config.toml")
    if picked is not None:
        await _switch(ui, picked, on=not picked["enabled"])


def _feature(one: Message) -> str:
    return ", ".join(filter(None, (one["stage"], short(one["description"] or ""))))


async def _switch(ui: Ui, one: Message, *, on: bool) -> None:
    if one["stage"] == "removed":
        raise UserError(f"{one['name']} was removed: it cannot be switched on")
    await keep(ui, {f"features.{one['name']}": on})
    ui.say("info", f"{one['name']} is {'on' if on else 'off'} for sessions from now on", "/new begins one")

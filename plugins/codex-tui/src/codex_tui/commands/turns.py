"""What has to do with turns: compaction, plans, goals, what runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ProtocolError

from ..session.cells import RUNNING, CommandCell, PlanCell
from ..session.controller import Draft
from .asking import count, need_thread, request, short

if TYPE_CHECKING:
    from .ui import Ui

PLAN = (
    "Before you change anything, look around as far as you need, write down your plan with the plan tool if you have "
    "one, and tell me in a few sentences what you are going to do and what is open. Then stop and wait for my answer: "
    "change no file and run nothing that changes something. The task:\n\n"
)
INIT = (
    "Write a file AGENTS.md in this folder: what somebody who works on this project for the first time has to know. "
    "Look at the project first. Name the commands that build, test and lint it, and check that they exist; say how the "
    "code is laid out, which conventions it follows that one would not guess, and what must not be done. At most one "
    "page, short sentences, nothing that is true of every project, nothing that you have not seen."
)
BETTER = (
    "There is an AGENTS.md in this folder already. Read it, compare it with the project as it is, and correct what is "
    "wrong or missing; leave the rest as it stands.\n\n"
)
MARKS = {"completed": "[x]", "inProgress": "[>]", "pending": "[ ]"}


async def compact(ui: Ui, arguments: str) -> None:
    """Shorten the history now."""
    await request(ui, "thread/compact/start", threadId=need_thread(ui))


async def plan(ui: Ui, arguments: str) -> None:
    """Show the plan; with a task, ask for a plan first. There is no mode that keeps the agent from more than that."""
    need_thread(ui)
    if arguments:
        ui.say("info", "the agent is asked to plan first and to wait for your answer", "it is asked, not forced")
        await ui.submit(Draft(text=PLAN + arguments))
        return
    cells = [cell for cell in ui.session.transcript if isinstance(cell, PlanCell)]
    if not cells:
        ui.say("info", "the agent has made no plan yet", "/plan TASK asks for one first")
        return
    steps = "\n".join(f"- {MARKS.get(status, '[ ]')} {text}" for status, text in cells[-1].steps)
    ui.card("Plan", text=f"{cells[-1].explanation}\n\n{steps}".strip())


async def init(ui: Ui, arguments: str) -> None:
    """Have the agent write AGENTS.md."""
    need_thread(ui)
    text = INIT
    if await _exists(ui, f"{ui.session.status.cwd}/AGENTS.md"):
        if ui.interactive and not await ui.confirm("There is an AGENTS.md already. Have it improved?"):
            return
        text = BETTER + INIT
    await ui.submit(Draft(text=f"{text}\n\n{arguments}".strip()))


async def _exists(ui: Ui, path: str) -> bool:
    try:
        await request(ui, "fs/getMetadata", path=path)
    except ProtocolError:
        return False
    return True


async def goal(ui: Ui, arguments: str) -> None:
    """Show, set, pause or clear the goal."""
    thread_id = need_thread(ui)
    words: dict[str, dict[str, Any]] = {"pause": {"status": "paused"}, "go": {"status": "active"}}
    if arguments == "clear":
        cleared = (await request(ui, "thread/goal/clear", threadId=thread_id))["cleared"]
        ui.say("info", "the goal is gone" if cleared else "there was no goal")
        return
    if arguments:
        wanted = words.get(arguments, {"objective": arguments})
        found = (await request(ui, "thread/goal/set", threadId=thread_id, **wanted))["goal"]
    else:
        found = (await request(ui, "thread/goal/get", threadId=thread_id))["goal"]
    if found is None:
        ui.say("info", "there is no goal", "/goal TEXT sets one")
        return
    budget = f" of {count(found['tokenBudget'])}" if found.get("tokenBudget") else ""
    spent = f"{count(found['tokensUsed'])}{budget} tokens, {count(found['timeUsedSeconds'])} s"
    ui.card("Goal", [("goal", found["objective"]), ("status", found["status"]), ("spent", spent)])


async def ps(ui: Ui, arguments: str) -> None:
    """Commands of the transcript that run."""
    running = [cell for cell in ui.session.transcript if isinstance(cell, CommandCell) and cell.status == RUNNING]
    if not running:
        ui.say("info", "no command runs", "what a turn leaves running ends with the session")
        return
    ui.card("Commands that run", [(_since(cell), short(cell.command, 200)) for cell in running])


def _since(cell: CommandCell) -> str:
    return f"{time.monotonic() - cell.started_at:.0f} s" if cell.started_at is not None else "running"


async def stop(ui: Ui, arguments: str) -> None:
    """Stop the turn, with what it runs."""
    if not await ui.session.interrupt():
        ui.say("info", "nothing runs")

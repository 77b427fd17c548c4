"""/undo and /redo: what would be done first, then whether it is to be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import UserError

from ..link import Message
from ..measures import counted
from .asking import agreed, extension, need_thread, sure

if TYPE_CHECKING:
    from .ui import Ui

CURE = "pip install codex-undo, where the server runs"
SHOWN = 30
CONVERSATION = ("--conversation", "--rewind", "conversation")
PARTIAL = ("--partial", "partial")


async def undo(ui: Ui, arguments: str) -> None:
    """Take back the files of the last turn, or of the last turns; with the conversation if that is wanted."""
    thread_id = need_thread(ui)
    words, yes = agreed(arguments.split())
    turns, conversation, partial = _read(words)
    wanted: dict[str, Any] = {"threadId": thread_id, "turns": turns, "partial": partial}
    if conversation:
        if partial:
            raise UserError("--partial and --conversation exclude each other: the files would not fit what was said")
        wanted["conversation"] = True
    seen = await extension(ui, "undo/preview", CURE, **wanted)
    _show("What undo would do", ui, seen)
    _refuse(seen, partial=partial)
    title = _question(seen, conversation=conversation)
    if not await sure(ui, yes, title):
        return
    if conversation:
        done = await ui.session.rewind(seen["beforeTurnId"], files=True)
    else:
        done = await extension(ui, "undo/apply", CURE, **wanted)
    _tell(ui, done, "taken back", "/redo brings the files back")


async def redo(ui: Ui, arguments: str) -> None:
    """Bring back what the last undo took back."""
    thread_id = need_thread(ui)
    words, yes = agreed(arguments.split())
    partial = bool(words) and words[0] in PARTIAL
    if len(words) > int(partial):
        raise UserError(f"{' '.join(words)!r} cannot stand there", hint="/redo [--partial] [yes]")
    if not await sure(ui, yes, "Bring back what the last undo took back?", "files that were changed since are kept"):
        return
    done = await extension(ui, "undo/redo", CURE, threadId=thread_id, partial=partial)
    if done["refused"]:
        _show("What redo cannot do", ui, done)
        _refuse(done, partial=partial)
    _tell(ui, done, "brought back", "/undo takes them back again")


def _read(words: list[str]) -> tuple[int | None, bool, bool]:
    """Turns, conversation, partial. Raises `UserError`."""
    turns, conversation, partial = None, False, False
    for word in words:
        if word.isdecimal() and int(word) > 0 and turns is None:
            turns = int(word)
        elif word in CONVERSATION:
            conversation = True
        elif word in PARTIAL:
            partial = True
        else:
            raise UserError(f"{word!r} cannot stand there", hint="/undo [TURNS] [--conversation] [--partial] [yes]")
    return turns, conversation, partial


def _show(title: str, ui: Ui, seen: Message) -> None:
    files = seen["files"]
    rows = [
        ("conflict" if file["conflict"] else file["action"], f"{file['path']}{_why(file)}") for file in files[:SHOWN]
    ]
    if len(files) > SHOWN:
        rows.append(("…", f"{counted(len(files) - SHOWN, 'file')} more"))
    rows += [("not kept", said) for said in seen["leftOut"]]
    if seen["cutOff"]:
        rows.append(("note", "a turn was cut off: what changed since counts as its doing"))
    if rows:
        ui.card(title, rows)


def _why(file: Message) -> str:
    return f" ({file['why']})" if file.get("why") else ""


def _refuse(seen: Message, *, partial: bool) -> None:
    if seen["conflicts"] and not partial:
        raise UserError(
            f"nothing was changed: {counted(seen['conflicts'], 'file')} changed since, or cannot be restored",
            hint="--partial leaves them alone and does the rest",
        )


def _question(seen: Message, *, conversation: bool) -> str:
    files = len([file for file in seen["files"] if not file["conflict"]])
    what = f"{counted(files, 'file')} of {counted(len(seen['turnIds']), 'turn')}"
    return f"Take back {what}{', and what was said since' if conversation else ''}?"


def _tell(ui: Ui, done: Message, what: str, hint: str) -> None:
    if done.get("refused"):
        _show("What cannot be done", ui, done)
        _refuse(done, partial=False)
    files = len([file for file in done["files"] if not file["conflict"]])
    talk = ", and the conversation" if done["conversationCut"] else ""
    ui.say("info", f"{counted(files, 'file')} {what}{talk}", hint)

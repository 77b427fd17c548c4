"""What the commands do, and what they print."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import click
import orjson

from codex_plugin_sdk import UserError
from codex_plugin_sdk.command_line import working_folder

from .conversation import Conversation
from .journal import Journal
from .quarantine import Held, drop, held_things, restore
from .recorder import limits_of
from .section import section_of
from .undo import Outcome, Undoing

if TYPE_CHECKING:
    from codex_plugin_sdk import Config, Invocation

    from .journal import Entry

_SHOWN = 40


def undo_files(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """`codex undo`; 0, or 1 when there were conflicts and nothing was done. Raises `UserError`, `StoreError`."""
    cwd = _cwd(invocation)
    config = _config(invocation, cwd)
    talk = Conversation(invocation, config)
    with closing(_journal(config)) as journal, undoing_of(journal, config) as undoing:
        thread = _thread(undoing, talk, given, cwd, "turn")
        undoing.settle(thread)
        entries, turn = _wanted(undoing, talk, thread, given)
        then = partial(talk.rewind, thread, turn) if turn else None
        if turn and not given["dry_run"]:
            talk.require_free(thread)
        outcome = undoing.undo(thread, entries, dry=given["dry_run"], partial=given["partial"], then=then)
    _show(outcome, given, "undo", rewound=turn if outcome.applied else "")
    return 1 if outcome.refused else 0


def _wanted(undoing: Undoing, talk: Conversation, thread: str, given: Mapping[str, Any]) -> tuple[list[Entry], str]:
    """The entries to take back, and the turn before which the conversation shall end, if it shall."""
    number = given["turn"]
    if number is None and not given["rewind"]:
        return undoing.last(thread), ""
    turns = talk.turns(thread)
    if not turns or (number is not None and number > len(turns)):
        raise UserError(f"session {thread} has {len(turns)} turns", hint="codex sessions show tells them")
    first = len(turns) - 1 if number is None else number - 1
    entries = undoing.of_turns(thread, turns[first:])
    if not entries and not given["rewind"]:
        raise UserError(f"turn {first + 1} of session {thread} and those after it changed no files that are kept")
    return entries, turns[first] if given["rewind"] else ""


def redo_files(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """`codex redo`; as `undo_files`."""
    cwd = _cwd(invocation)
    config = _config(invocation, cwd)
    with closing(_journal(config)) as journal, undoing_of(journal, config) as undoing:
        thread = _thread(undoing, Conversation(invocation, config), given, cwd, "undo")
        undoing.settle(thread)
        outcome = undoing.redo(thread, dry=given["dry_run"], partial=given["partial"])
    _show(outcome, given, "redo")
    return 1 if outcome.refused else 0


def _cwd(invocation: Invocation) -> str:
    return working_folder(invocation.flags.get("cwd"))


def _config(invocation: Invocation, cwd: str) -> Config:
    return invocation.load_config(cwd=cwd)


def _journal(config: Config) -> Journal:
    journal = Journal.open(config.codex_home, make=False)
    if journal is None:
        raise UserError(
            "there is no undo journal yet", hint="it is begun by the first turn that may change files ([undo] enabled)"
        )
    return journal


def undoing_of(journal: Journal, config: Config) -> Undoing:
    """What undoes with a journal, as a configuration has it; to be entered."""
    home = os.fsencode(os.path.realpath(config.codex_home))
    return Undoing(journal, limits_of(section_of(config.data)), frozenset({home, os.path.join(home, b"kernel")}))


def _thread(undoing: Undoing, talk: Conversation, given: Mapping[str, Any], cwd: str, kind: str) -> str:
    wanted = given["session"]
    if wanted is None:
        return undoing.newest_thread(os.fsencode(os.path.realpath(cwd)), kind)
    if given["last"]:
        raise UserError("a session and --last exclude each other")
    if len(wanted) >= 6:
        found = undoing.threads(wanted)
        if len(found) > 1:
            raise UserError(f"{len(found)} sessions begin with {wanted!r}", hint="give more of the id")
        if found:
            return found[0]
    return talk.named(wanted)


# -- printing -----------------------------------------------------------------------------------------------------


def _show(outcome: Outcome, given: Mapping[str, Any], command: str, rewound: str = "") -> None:
    if given["as_json"]:
        click.echo(orjson.dumps(_body(outcome, command, rewound)).decode())
        return
    turns = len(outcome.entries)
    what = f"{turns} turn{'' if turns == 1 else 's'} of session {outcome.thread}"
    steps = [step for step in outcome.steps if step.verdict != "done"]
    for step in steps[:_SHOWN]:
        why = f"  ({step.why})" if step.why else ""
        click.echo(f"{step.word:9}{plain(os.fsdecode(step.path))}{why}")
    if len(steps) > _SHOWN:
        click.echo(f"… and {len(steps) - _SHOWN} more")
    for said in outcome.left_out:
        click.echo(f"not kept when it ran: {plain(said)}")
    if outcome.cut_off:
        click.echo("The turn was cut off: what was changed in its folders since cannot be told from what it did.")
    if outcome.refused:
        hint = "nothing was changed; --partial does the rest" if not given["dry_run"] else "--partial would do the rest"
        click.echo(f"{len(outcome.unsolved)} cannot be {_PAST[command]}: {hint}", err=True)
    elif outcome.applied:
        back = f", and its conversation ends before turn {rewound}" if rewound else ""
        other = "codex redo" if command == "undo" else "codex undo"
        click.echo(f"{_PAST[command].capitalize()}: {what}{back}. `{other} {outcome.thread}` takes it back.")
    else:
        click.echo(f"Would be {_PAST[command]}: {what}.")


_PAST = {"undo": "undone", "redo": "redone"}


def _body(outcome: Outcome, command: str, rewound: str) -> dict[str, Any]:
    return {
        "schema": 1,
        "command": command,
        "session": outcome.thread,
        "turns": [entry.turn for entry in outcome.entries],
        "applied": outcome.applied,
        "refused": outcome.refused,
        "cut_off": outcome.cut_off,
        "rewound_before": rewound or None,
        "left_out": outcome.left_out,
        "files": [
            {"path": encodable(step.path), "action": step.word, **({"why": step.why} if step.why else {})}
            for step in outcome.steps
        ],
    }


def plain(text: str) -> str:
    """Text that cannot steer a terminal."""
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in encodable(os.fsencode(text)))


def encodable(path: bytes) -> str:
    """A path as JSON can hold it: undecodable bytes become replacement characters."""
    return path.decode("utf-8", "replace")


# -- the quarantine -----------------------------------------------------------------------------------------------


def list_held(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """`codex quarantine list`; 0."""
    things = held_things(_config(invocation, _cwd(invocation)).codex_home)
    if given["as_json"]:
        click.echo(orjson.dumps({"schema": 1, "entries": [_held_body(held) for held in things]}).decode())
        return 0
    for held in things:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(held.moved_at))
        click.echo(f"{held.id}  {when}  {plain(os.fsdecode(held.path))}{'/' if held.folder else ''}")
    if not things:
        click.echo("The quarantine is empty.")
    return 0


def restore_held(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """`codex quarantine restore`; 0."""
    held = restore(_config(invocation, _cwd(invocation)).codex_home, given["entry"])
    if given["as_json"]:
        click.echo(orjson.dumps({"schema": 1, "restored": _held_body(held)}).decode())
    else:
        click.echo(f"Restored {plain(os.fsdecode(held.path))}.")
    return 0


def drop_held(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """`codex quarantine gc`; 0. Raises `UserError` where nobody can be asked."""
    config = _config(invocation, _cwd(invocation))
    days = section_of(config.data).quarantine_days if given["days"] is None else given["days"]
    limit = time.time() - days * 86400
    old = [held for held in held_things(config.codex_home) if held.moved_at < limit]
    if old and not given["yes"]:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UserError(f"{len(old)} things would be deleted for good, and nobody can be asked", hint="add --yes")
        if not click.confirm(f"Delete {len(old)} things for good?", default=False, err=True):
            return 0
    click.echo(f"Deleted {len(drop(config.codex_home, limit))} things for good.")
    return 0


def _held_body(held: Held) -> dict[str, Any]:
    return {
        "id": held.id,
        "path": encodable(held.path),
        "kind": "folder" if held.folder else "file",
        "session": held.thread,
        "moved_at": held.moved_at,
    }

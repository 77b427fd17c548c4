"""`codex sessions show`: a session on a terminal, or as JSON, a turn at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click
import orjson

from codex_plugin_sdk import UserError

from .home import Home, summary_body
from .transcript import Transcript, Turn
from .wording import moment, one_line, plain, size, tokens, took

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation, ThreadSummary

SCHEMA = 1
_LINES = 8
_WIDE = 240
_MARKS = {"add": "A", "delete": "D", "update": "M"}


def print_session(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Print a session; 0. Raises `UserError` for one, or a turn, that is not there."""
    home = Home(invocation)
    found = home.require(given["session"])
    transcript = Transcript(home.read(found))
    if given["as_json"]:
        for piece in json_pieces(found, transcript, given["turn"]):
            click.echo(piece, nl=False)
        return 0
    for row in head_rows(found):
        click.echo(row)
    count = 0
    for turn in _chosen(transcript, given["turn"]):
        count += 1
        click.echo()
        for row in turn_rows(turn, full=given["full"]):
            click.echo(row)
    if given["turn"] and not count:
        raise _no_such_turn(given["turn"], transcript)
    if transcript.usage:
        click.echo(f"\nthe whole session: {tokens(transcript.usage)}")
    return 0


def json_pieces(found: ThreadSummary, transcript: Transcript, turn: int | None = None) -> Iterator[bytes]:
    """One JSON object, in pieces, so that a long session is never held whole."""
    head = {"schema": SCHEMA, "session": summary_body(found)}
    yield orjson.dumps(head)[:-1] + b',"turns":['
    separator = b""
    for one in _chosen(transcript, turn):
        yield separator + orjson.dumps(one.body())
        separator = b","
    if turn and not separator:
        raise _no_such_turn(turn, transcript)
    yield b'],"usage":' + orjson.dumps(transcript.usage or None) + b"}\n"


def _chosen(transcript: Transcript, number: int | None) -> Iterator[Turn]:
    return (turn for turn in transcript.turns() if number in (None, turn.number))


def _no_such_turn(number: int, transcript: Transcript) -> UserError:
    return UserError(f"the session has no turn {number}: it has {transcript.count}", hint="leave out --turn to see all")


def head_rows(found: ThreadSummary) -> Iterator[str]:
    """What a session is, a line each."""
    body = summary_body(found)
    git = body["git"] if isinstance(body["git"], dict) else {}
    commit = " ".join(str(git[name])[:40] for name in ("branch", "commit_hash") if git.get(name))
    rows = {
        "session": found.thread_id + ("  (archived)" if found.archived else ""),
        "name": found.name,
        "folder": found.cwd,
        "git": commit,
        "model": " of ".join(part for part in (found.model, found.model_provider) if part),
        "by": " ".join(body[name] for name in ("originator", "cli_version") if body[name]),
        "forked from": body["forked_from"] or "",
        "began": moment(found.created_at_ms),
        "changed": moment(found.updated_at_ms),
        "file": f"{found.path} ({size(found.size_bytes)})",
    }
    for name, shown in rows.items():
        if shown:
            yield f"{name + ':':<13}{one_line(shown)}"


def turn_rows(turn: Turn, *, full: bool) -> Iterator[str]:
    """A turn, line by line."""
    facts = [moment(turn.started_ms), turn.status, took(turn.duration_ms), one_line(turn.model)]
    yield f"turn {turn.number}  " + "  ".join(fact for fact in facts if fact)
    for entry in turn.entries:
        yield from _entry_rows(entry, full=full)
    if turn.error:
        yield f"  ! {one_line(turn.error)}"
    if turn.usage:
        yield f"  {tokens(turn.usage)}"


def _entry_rows(entry: Mapping[str, Any], *, full: bool) -> Iterator[str]:
    match entry["type"]:
        case "user_message":
            images = f"\n[{entry['images']} images]" if entry.get("images") else ""
            yield from _block("> ", entry["text"] + images, full=True)
        case "agent_message":
            yield from _block("  ", entry["text"], full=True)
        case "reasoning":
            yield from _block("~ ", entry["text"], full=full)
        case "command_execution":
            code = entry["exit_code"]
            facts = [entry["status"] if code is None else f"exit {code}", took(entry["duration_ms"])]
            yield from _block("$ ", entry["command"], full=full)
            yield "    [" + ", ".join(fact for fact in facts if fact) + "]"
            yield from _block("    ", entry["aggregated_output"], full=full)
        case "file_change":
            for change in entry["changes"]:
                yield from _change_rows(change, entry["status"], full=full)
        case "tool_call" | "mcp_tool_call":
            tool = ".".join(part for part in (entry.get("server"), entry["tool"]) if part)
            arguments = orjson.dumps(entry["arguments"]).decode()
            yield f"  * {one_line(tool)} {one_line(arguments, 0 if full else _WIDE)} [{one_line(entry['status'])}]"
            yield from _block("    ", entry["output"] or "", full=full)
        case "todo_list":
            for step in entry["steps"]:
                yield f"  - [{'x' if step['status'] == 'completed' else ' '}] {one_line(step['step'])}"
        case kind:
            rest = " ".join(str(entry[name]) for name in ("query", "path", "text", "message") if entry.get(name))
            yield f"  * {kind.replace('_', ' ')} {one_line(rest, 0 if full else _WIDE)}".rstrip()


def _change_rows(change: Mapping[str, Any], status: str, *, full: bool) -> Iterator[str]:
    moved = f" -> {one_line(change['move_path'])}" if change["move_path"] else ""
    rows = change["diff"].splitlines()
    if change["kind"] == "update":
        added = sum(row.startswith("+") for row in rows)
        counts = f"+{added} -{sum(row.startswith('-') for row in rows)}"
    else:
        counts = f"{'+' if change['kind'] == 'add' else '-'}{len(rows)}"
    state = "" if status == "completed" else f" [{one_line(status)}]"
    yield f"  {_MARKS.get(change['kind'], '?')} {one_line(change['path'])}{moved} ({counts}){state}"
    if full:
        yield from _block("    ", change["diff"], full=True)


def _block(mark: str, text: str, *, full: bool) -> Iterator[str]:
    """The lines of a text, indented; some of them unless all are wanted."""
    rows = text.rstrip("\n").split("\n") if text.strip() else []
    shown = rows if full else rows[:_LINES]
    for at, row in enumerate(shown):
        cut = row if full or len(row) <= _WIDE else row[:_WIDE] + "…"
        yield f"  {mark if at == 0 else ' ' * len(mark)}{plain(cut)}".rstrip()
    if len(rows) > len(shown):
        yield f"  {' ' * len(mark)}… {len(rows) - len(shown)} more lines (--full)"

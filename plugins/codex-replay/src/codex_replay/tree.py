"""`codex debug trace`: a recorded session as a tree, in text or as a page."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
import orjson

from codex_plugin_sdk import StoreError, UserError, Value, field, value

from .comparing import exit_code
from .recording import COMPACT, Body, RecordedTurn, Recording, Reply, TracedCall

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

_CHARS = 160


@value
class Node(Value):
    """A line of the tree: what `kind` of thing, its `title`, `facts` in few words, the whole `text` where there is more
    to read, and what lies below it. `is_bad` marks failures."""

    kind: str
    title: str
    facts: str = ""
    text: str = ""
    is_bad: bool = False
    below: tuple[Node, ...] = field(default=())


def print_tree(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out the command; 0. Raises `UserError`, `StoreError`."""
    from .replaying import opened

    output = given["html"]
    if output and os.path.lexists(output) and not given["force"]:
        raise UserError(f"{output} is there already", hint="choose another name, or replace it with --force")
    with opened(invocation, given["session"]) as source:
        root = tree_of(source.recording)
    if not output:
        for line in text_lines(root):
            click.echo(line)
        return 0
    from .page import render

    try:
        fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8", errors="replace") as file:
            file.writelines(render(root))
    except OSError as error:
        why = error.strerror or str(error)
        raise StoreError(f"cannot write {output}: {why}", path=output, operation="write the page") from error
    return 0


def tree_of(recording: Recording) -> Node:
    """The tree of a thread."""
    trace = recording.trace
    facts = [recording.cwd, f"{len(recording.turns)} turns"]
    below = []
    if trace is not None:
        below.append(_platform(trace.facts))
    below += [_turn(recording, turn, number) for number, turn in enumerate(recording.turns, 1)]
    facts.append("traced" if trace is not None else "no trace: times, decisions and requests are not known")
    return Node(kind="session", title=recording.thread_id, facts=", ".join(facts), below=tuple(below))


def _platform(facts: Body) -> Node:
    platform = facts.get("platform")
    table = platform if isinstance(platform, Mapping) else {}
    plugins = facts.get("plugins")
    names = [f"{name} {found}" for name, found in plugins.items()] if isinstance(plugins, Mapping) else []
    words = f"codex {facts.get('version')}, python {table.get('python')}, {table.get('system')}"
    return Node(kind="platform", title=words, facts=f"{len(names)} plugins", text="\n".join(names))


def _turn(recording: Recording, turn: RecordedTurn, number: int) -> Node:
    said = " ".join(getattr(part, "text", "<image>") for part in turn.input or ())
    facts = [str(turn.context.get("model") or ""), turn.state, "inherited" if turn.inherited else ""]
    below: list[Node] = []
    for at, reply in enumerate(turn.replies):
        below += [_steer(given) for given in turn.steers.get(at, ())]
        below.append(_reply(recording, turn, reply, at + 1))
    below += [_steer(given) for given in turn.steers.get(len(turn.replies), ())]
    if turn.error:
        below.append(Node(kind="error", title=one_line(turn.error), text=turn.error, is_bad=True))
    return Node(
        kind="turn",
        title=f"turn {number}: {one_line(said) or 'compaction'}",
        facts=", ".join(filter(None, facts)),
        text=said,
        is_bad=turn.state in ("failed", "interrupted"),
        below=tuple(below),
    )


def _steer(given: Sequence[Any]) -> Node:
    said = " ".join(getattr(part, "text", "<image>") for part in given)
    return Node(kind="steer", title=f"the user adds: {one_line(said)}", text=said)


def _reply(recording: Recording, turn: RecordedTurn, reply: Reply, number: int) -> Node:
    request = reply.request
    facts = [_tokens(reply.usage), "" if reply.took_ms is None else f"{reply.took_ms} ms"]
    if request is not None:
        facts.append(f"{request.keep + len(request.added)} entries, {len(request.added)} new")
    below = tuple(filter(None, (_item(recording, turn, item) for item in reply.items)))
    if reply.error:
        below = (*below, Node(kind="error", title=one_line(reply.error), text=reply.error, is_bad=True))
    kind = "compaction" if reply.kind == COMPACT else "request"
    return Node(
        kind="request",
        title=f"{kind} {number}",
        facts=", ".join(filter(None, facts)),
        is_bad=bool(reply.error),
        below=below,
    )


def _tokens(usage: Body | None) -> str:
    if usage is None:
        return ""
    cached = usage.get("cached_input_tokens") or 0
    return f"{usage.get('input_tokens', 0):,} in ({cached:,} cached), {usage.get('output_tokens', 0):,} out"


def _item(recording: Recording, turn: RecordedTurn, item: Body) -> Node | None:
    match item.get("type"):
        case "message":
            text = _text(item.get("content"))
            return Node(kind="message", title=f"says: {one_line(text)}", text=text)
        case "reasoning":
            text = _text(item.get("summary"))
            return Node(kind="reasoning", title=f"thinks: {one_line(text)}", text=text) if text else None
        case "function_call" | "custom_tool_call":
            return _call(recording, turn, item)
        case kind:
            return Node(kind="item", title=str(kind), text=orjson.dumps(dict(item)).decode())


def _call(recording: Recording, turn: RecordedTurn, item: Body) -> Node:
    call_id = str(item.get("call_id") or "")
    known = recording.trace.calls.get(call_id, TracedCall()) if recording.trace is not None else TracedCall()
    given = str(item.get("arguments") or item.get("input") or "")
    output = turn.outputs.get(call_id)
    code = exit_code(output) if output is not None else None
    is_bad = known.ok is False or code not in (None, "0")
    took = "" if known.took_ms is None else f"{known.took_ms} ms"
    result = _text(output.get("output")) if output is not None else ""
    ended = "no result" if output is None else f"exit {code}" if code is not None else "result"
    below = [_decision(decision) for decision in known.decisions]
    if known.edits:
        paths = "\n".join(str(edit.get("path")) for edit in known.edits)
        below.append(Node(kind="edit", title=f"changes {len(known.edits)} files", text=paths))
    body = result.partition("\nOutput:\n")[2] or result
    below.append(Node(kind="result", title=f"{ended}: {one_line(body)}" if body else ended, text=result, is_bad=is_bad))
    return Node(
        kind="call",
        title=f"{item.get('namespace') or ''}{item.get('name')} {one_line(given)}",
        facts=", ".join(filter(None, (call_id, took, known.mode))),
        text=given,
        is_bad=is_bad,
        below=tuple(below),
    )


def _decision(decision: Body) -> Node:
    verdict, refusal = decision.get("verdict"), str(decision.get("refusal") or "")
    table = verdict if isinstance(verdict, Mapping) else {}
    words = refusal or " ".join(str(table.get(name) or "") for name in ("source", "reason")).strip()
    title = f"{'refused' if refusal else table.get('decision', 'allow')}: {one_line(words)}"
    return Node(kind="decision", title=title, text=words, is_bad=bool(refusal))


# -- text ---------------------------------------------------------------------------------------------


def text_lines(node: Node, indent: str = "", branch: str = "") -> Iterator[str]:
    """The tree as lines."""
    mark = "! " if node.is_bad and not node.below else ""
    yield indent + branch + mark + node.title + (f"  ({node.facts})" if node.facts else "")
    deeper = indent + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch]
    for at, child in enumerate(node.below):
        yield from text_lines(child, deeper, "└─ " if at == len(node.below) - 1 else "├─ ")


def one_line(text: str) -> str:
    """The beginning of a text on one line, without control characters."""
    words = " ".join("".join(char if char.isprintable() else " " for char in text[: _CHARS * 4]).split())
    return words if len(words) <= _CHARS else words[: _CHARS - 1] + "…"


def _text(found: Any) -> str:
    if isinstance(found, str):
        return found
    parts = found if isinstance(found, list) else []
    return "".join(str(part.get("text") or f"<{part.get('type')}>") for part in parts if isinstance(part, dict))

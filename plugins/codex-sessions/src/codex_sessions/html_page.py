"""A session as one HTML page: no script, no address of elsewhere, every recorded text escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from html import escape
from typing import Any

import orjson

from .markdown import facts, when
from .wording import one_line, plain, tokens

Body = Mapping[str, Any]
_STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; border-top: 1px solid var(--line); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; } dd { margin: 0; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: .5rem .75rem; margin: .5rem 0; border-radius: .4rem; }
pre { unicode-bidi: isolate; background: var(--soft); font: 13px/1.45 ui-monospace, monospace; }
.user pre, .agent pre { font: inherit; } .user pre { border-left: 4px solid #36c; } .agent pre { background: none; }
.label { font-size: .8rem; opacity: .75; } .add { color: #080; } .del { color: #b00; } .error { color: #b00; }
@media (prefers-color-scheme: dark) { .add { color: #6c6; } .del, .error { color: #f77; } }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render_html(session: Body, turns: Iterable[Body], usage: Callable[[], Body]) -> Iterator[str]:
    """The page in pieces; arguments as in `export.Render`."""
    title = _line(session["name"] or session["preview"] or session["id"])
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
    yield '<meta name="viewport" content="width=device-width">\n<meta name="referrer" content="no-referrer">\n'
    yield f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<dl>\n"
    for name, shown in facts(session):
        yield f"<dt>{_line(name)}</dt><dd>{_line(shown)}</dd>\n"
    yield "</dl>\n"
    for turn in turns:
        yield f'<section id="turn-{int(turn["number"])}">\n<h2>Turn {int(turn["number"])}</h2>\n'
        yield f'<div class="label">{_line(when(turn))}</div>\n'
        for entry in turn["items"]:
            yield from _entry(entry)
        if turn["error"]:
            yield f'<div class="error">{_pre(turn["error"])}</div>\n'
        if turn["usage"]:
            yield f'<div class="label">{_line(tokens(turn["usage"]))}</div>\n'
        yield "</section>\n"
    if usage():
        yield f"<footer><p>The whole session: {_line(tokens(usage()))}</p></footer>\n"
    yield "</body>\n</html>\n"


def _entry(entry: Body) -> Iterator[str]:
    match entry["type"]:
        case "user_message":
            yield _block("user", "User", _pre(entry["text"]))
        case "agent_message":
            yield _block("agent", "Agent", _pre(entry["text"]))
        case "reasoning":
            yield f"<details><summary>Reasoning</summary>{_pre(entry['text'])}</details>\n"
        case "command_execution":
            code = entry["exit_code"]
            label = f"Command, {entry['status'] if code is None else f'exit {code}'}"
            output = _folded("Output", entry["aggregated_output"])
            yield _block("command", label, _pre(entry["command"]) + output)
        case "file_change":
            for change in entry["changes"]:
                moved = f" to {change['move_path']}" if change["move_path"] else ""
                yield _block("change", f"{change['kind']} {change['path']}{moved}", _diff(change))
        case "tool_call" | "mcp_tool_call":
            tool = ".".join(part for part in (entry.get("server"), entry["tool"]) if part)
            arguments = orjson.dumps(entry["arguments"], option=orjson.OPT_INDENT_2).decode()
            output = _folded("Output", entry["output"] or "")
            yield _block("tool", f"Tool {tool}, {entry['status']}", _pre(arguments) + output)
        case "todo_list":
            steps = (f"[{'x' if step['status'] == 'completed' else ' '}] {step['step']}" for step in entry["steps"])
            yield _block("plan", "Plan", _pre("\n".join(steps)))
        case kind:
            rest = " ".join(str(entry[name]) for name in ("query", "path", "text", "message") if entry.get(name))
            yield _block("other", kind.replace("_", " ").capitalize(), _pre(rest) if rest else "")


def _block(kind: str, label: str, body: str) -> str:
    """A block; `kind` is a word of ours and `body` is escaped already."""
    return f'<div class="{kind}"><div class="label">{_line(label)}</div>{body}</div>\n'


def _folded(label: str, text: str) -> str:
    if not text:
        return ""
    shown = "" if text.count("\n") > 30 else " open"
    return f"<details{shown}><summary>{_line(label)}</summary>{_pre(text)}</details>"


def _diff(change: Body) -> str:
    if change["kind"] != "update":
        return _pre(change["diff"])
    rows = []
    for row in plain(change["diff"]).rstrip("\n").split("\n"):
        kind = {"+": "add", "-": "del"}.get(row[:1], "")
        rows.append(f'<span class="{kind}">{escape(row)}</span>' if kind else escape(row))
    return "<pre>" + "\n".join(rows) + "</pre>"


def _pre(text: str) -> str:
    return f"<pre>{escape(plain(text).rstrip())}</pre>"


def _line(text: str) -> str:
    return escape(one_line(text))

"""A session as Markdown. What was said is quoted and what was run is fenced, so that neither passes for the frame."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import orjson

from .wording import one_line, plain, tokens, took

Body = Mapping[str, Any]


def render_markdown(session: Body, turns: Iterable[Body], usage: Callable[[], Body]) -> Iterator[str]:
    """The document in pieces; arguments as in `export.Render`."""
    yield f"# {_inline(session['name'] or session['preview'] or session['id'])}\n\n"
    for name, shown in facts(session):
        yield f"- {name}: {_code(shown)}\n"
    for turn in turns:
        yield f"\n## Turn {turn['number']}\n\n{_code(when(turn))}\n"
        for entry in turn["items"]:
            yield from _entry(entry)
        if turn["error"]:
            yield f"\n**Error**\n\n{_fence(turn['error'])}"
        if turn["usage"]:
            yield f"\n*{tokens(turn['usage'])}*\n"
    if usage():
        yield f"\n---\n\nThe whole session: {tokens(usage())}\n"


def facts(session: Body) -> Iterator[tuple[str, str]]:
    """What is said of a session in the head of a document."""
    git = session["git"] if isinstance(session["git"], dict) else {}
    rows = {
        "session": session["id"],
        "folder": session["cwd"],
        "git": " ".join(str(git[name]) for name in ("branch", "commit_hash") if git.get(name)),
        "model": session["model"],
        "recorded by": " ".join(session[name] for name in ("originator", "cli_version") if session[name]),
        "forked from": session["forked_from"],
        "began": session["created_at"],
        "changed": session["updated_at"],
    }
    return ((name, str(shown)) for name, shown in rows.items() if shown)


def when(turn: Body) -> str:
    """Begin, status and length of a turn."""
    parts = (turn["started_at"], turn["status"], took(turn["duration_ms"]), turn["model"])
    return ", ".join(str(part) for part in parts if part)


def _entry(entry: Body) -> Iterator[str]:
    match entry["type"]:
        case "user_message":
            yield f"\n**User**\n\n{_quote(entry['text'])}"
        case "agent_message":
            yield f"\n**Agent**\n\n{_quote(entry['text'])}"
        case "reasoning":
            yield f"\n**Reasoning**\n\n{_quote(entry['text'])}"
        case "command_execution":
            code = entry["exit_code"]
            yield f"\n**Command** ({_inline(entry['status'] if code is None else f'exit {code}')})\n\n"
            yield _fence(entry["command"], "sh")
            if entry["aggregated_output"]:
                yield "\n" + _fence(entry["aggregated_output"])
        case "file_change":
            for change in entry["changes"]:
                moved = f" to {_code(change['move_path'])}" if change["move_path"] else ""
                yield f"\n**{_inline(change['kind']).capitalize()}** {_code(change['path'])}{moved}\n\n"
                yield _fence(change["diff"], "diff" if change["kind"] == "update" else "")
        case "tool_call" | "mcp_tool_call":
            tool = ".".join(part for part in (entry.get("server"), entry["tool"]) if part)
            arguments = orjson.dumps(entry["arguments"], option=orjson.OPT_INDENT_2).decode()
            yield f"\n**Tool** {_code(tool)} ({_inline(entry['status'])})\n\n{_fence(arguments, 'json')}"
            if entry["output"]:
                yield "\n" + _fence(entry["output"])
        case "todo_list":
            steps = (("x" if step["status"] == "completed" else " ", step["step"]) for step in entry["steps"])
            yield "\n**Plan**\n\n" + "".join(f"- [{done}] {_inline(step)}\n" for done, step in steps)
        case kind:
            rest = " ".join(str(entry[name]) for name in ("query", "path", "text", "message") if entry.get(name))
            yield f"\n**{kind.replace('_', ' ').capitalize()}**" + (f"\n\n{_fence(rest)}" if rest else "\n")


def _quote(text: str) -> str:
    # Raw HTML within a quotation would end it; an ampersand stays, so that code in it reads well.
    rows = plain(text).rstrip("\n").replace("<", "&lt;").split("\n")
    return "".join(f"> {row}".rstrip() + "\n" for row in rows)


def _fence(text: str, language: str = "") -> str:
    """A block of code, behind a fence longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    body = plain(text).rstrip("\n")
    return f"{fence}{language}\n{body}\n{fence}\n"


def _code(text: str) -> str:
    """A span of code."""
    line = one_line(text)
    mark = "`" * (max((len(run) for run in re.findall(r"`+", line)), default=0) + 1)
    return f"{mark} {line} {mark}" if "`" in line else f"`{line}`"


def _inline(text: str) -> str:
    """Words that stand in the frame, on one line, with nothing that Markdown would act on."""
    return re.sub(r"([\\`*_{}\[\]()<>#!|~&])", r"\\\1", one_line(text, 200))

"""A project's description as text. Whatever comes from the project passes `clean`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_STATES = {
    "trusted": "as it was agreed to",
    "changed": "changed since it was agreed to",
    "first-use": "not agreed to yet",
}
_MAX_VALUE = 300
MAX_FILES_SHOWN = 200


def clean(text: str) -> str:
    """Text that no terminal obeys: everything but printable characters and line ends is shown as an escape."""
    return "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)


def as_text(found: Mapping[str, Any]) -> str:
    """Several lines for a person."""
    level = found["trustLevel"] or "not set"
    lines = [f"{found['root']}: {_STATES[found['state']]} (trust_level: {level})"]
    lines += _rows("settings", [(row, f"{row['key']} = {_short(row['value'])}") for row in found["settings"]])
    lines += _rows("left out", [(row, f"{row['key']}: {row['reason']}") for row in found["leftOut"]])
    lines += _rows("handlers", [(row, _hook(row)) for row in found["hooks"]])
    lines += _rows("MCP servers", [(row, _server(row)) for row in found["mcpServers"]])
    files = found["files"]
    if files:
        lines += ["", f"files ({len(files)}):"]
        marks = {"same": " ", "new": "+", "changed": "~", "gone": "-"}
        lines += [f"  {marks[row['state']]} {row['kind']:<8} {row['path']}" for row in files[:MAX_FILES_SHOWN]]
    if len(files) > MAX_FILES_SHOWN:
        lines.append(f"  … {len(files) - MAX_FILES_SHOWN} more: --json lists all")
    if not files:
        lines.append("nothing in it is obeyed: there is no .codex and no .agents")
    return "".join(clean(line.replace("\n", "\\n")) + "\n" for line in lines) + "\n"


def _rows(title: str, rows: list[tuple[Mapping[str, Any], str]]) -> Iterator[str]:
    source = None
    if rows:
        yield ""
    for row, text in rows:
        if row["source"] != source:
            source = row["source"]
            yield f"{title} of {source}:"
        yield f"  {text}"


def _hook(row: Mapping[str, Any]) -> str:
    matcher = f" ({row['matcher']})" if row["matcher"] else ""
    return f"{row['event']}{matcher} runs {row['command']}"


def _server(row: Mapping[str, Any]) -> str:
    if "command" not in row:
        return f"{row['name']} at {row.get('url', '?')}"
    args = row.get("args")
    words = [row["command"], *(args if isinstance(args, list) else ())]
    return f"{row['name']} runs {' '.join(map(str, words))}"


def _short(found: object) -> str:
    text = repr(found)
    return text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 1] + "…"

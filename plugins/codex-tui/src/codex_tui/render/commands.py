"""Commands: what ran, the ends of what it said, and how it came out."""

from __future__ import annotations

import os.path
import shlex
from collections.abc import Mapping
from typing import Any

from ..measures import duration
from ..session.cells import COMPLETED, DECLINED, RUNNING, CommandCell
from .frame import FOLDED_HEAD, FOLDED_TAIL, INDENT, gutter, left_out, titled
from .highlight import Highlighter
from .safe import OutputText, one_line
from .safe import lines as safe_lines
from .theme import Theme
from .width import NULL, Line, Piece, chop, clip, wrap

_EXPLORES = frozenset({"read", "listFiles", "search"})
_SHELLS = frozenset({"bash", "sh", "zsh", "dash", "fish"})
_COMMAND_ROWS = 3
_RUNNING_ROWS = 5


def command_rows(cell: CommandCell, width: int, theme: Theme, *, unfolded: bool, joined: bool = False) -> list[Line]:
    """The rows of a command. `joined`: it goes on with what the cell before explored."""
    if explores(cell) and not unfolded:
        return _explored(cell, width, theme, joined=joined)
    rows = _title(cell, width, theme, unfolded=unfolded)
    inner = width - 4
    below = _typed(cell, inner, theme)
    below += output_rows(cell.output.text, inner, theme, unfolded=unfolded, running=cell.status == RUNNING)
    outcome = _outcome(cell, theme)
    if outcome:
        below += [clip(outcome, inner)]
    elif not below and cell.status == COMPLETED:
        below = wrap([("(no output)", theme.dim)], inner)
    return rows + gutter(below, theme)


def explores(cell: CommandCell) -> bool:
    """Whether a command only looked at files."""
    return bool(cell.actions) and not cell.by_user and all(action.get("type") in _EXPLORES for action in cell.actions)


def script_of(command: str) -> str:
    """What a shell was told to run: `pytest -q` of `bash -lc 'pytest -q'`; other commands as they are."""
    if "-" not in command:
        return command
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    if len(words) == 3 and os.path.basename(words[0]) in _SHELLS and words[1] in ("-c", "-lc"):
        return words[2]
    return command


def _title(cell: CommandCell, width: int, theme: Theme, *, unfolded: bool) -> list[Line]:
    verb, style = _verb(cell, theme)
    script = script_of(cell.command).strip("\n")
    shown = safe_lines(script)
    highlighter = Highlighter("bash", theme)
    lines = [highlighter.line(line) for line in shown[: None if unfolded else _COMMAND_ROWS]]
    lead: list[Piece] = [("• ", style), (verb, theme.strong), (" ", NULL)]
    rows: list[Line] = []
    for number, line in enumerate(lines):
        bar: list[Piece] = [("  │ ", theme.dim)]
        rows += wrap(line, width, bar if number else lead, bar)
    over = len(shown) - len(lines)
    if not unfolded and len(rows) > _COMMAND_ROWS:
        over += len(rows) - _COMMAND_ROWS
        rows = rows[:_COMMAND_ROWS]
    return [*rows, clip([("  │ ", theme.dim), *left_out(over, theme)], width)] if over else rows


def _verb(cell: CommandCell, theme: Theme) -> tuple[str, Any]:
    """A word for the state of a command, and the style of its bullet."""
    if cell.status == RUNNING:
        return "Running", theme.accent
    if cell.status == DECLINED:
        return "Declined", theme.warning
    style = theme.success if cell.status == COMPLETED and not cell.exit_code else theme.error
    return ("You ran" if cell.by_user else "Ran"), style


def _outcome(cell: CommandCell, theme: Theme) -> Line:
    """`exit 1 · 3.2s`, where there is something to say."""
    row: Line = []
    if cell.status == DECLINED:
        return [("not run", theme.warning)]
    if cell.exit_code:
        row.append((f"exit {cell.exit_code}", theme.error))
    elif cell.status not in (RUNNING, COMPLETED):
        row.append(("failed", theme.error))
    if cell.elapsed_s is not None and cell.elapsed_s >= 1:
        row.append((f"{' · ' if row else ''}{duration(cell.elapsed_s)}", theme.dim))
    return row


def _typed(cell: CommandCell, width: int, theme: Theme) -> list[Line]:
    """What was written to its terminal."""
    return [
        clip([("⌨ ", theme.dim), (one_line(text.rstrip("\n")) or "⏎", theme.command)], width, "…")
        for text in cell.typed
    ]


def output_rows(text: str, width: int, theme: Theme, *, unfolded: bool, running: bool = False) -> list[Line]:
    """An output: all of it, or its first and last rows; of one that still runs the last ones. Only what is shown is
    looked at."""
    text = text.rstrip("\n")
    if not text.strip():
        return []
    if unfolded:
        reader = OutputText(theme.output, theme.colours)
        return [row for line in text.split("\n") for row in chop(reader.line(line), width)]
    head, tail = (0, _RUNNING_ROWS) if running else (FOLDED_HEAD, FOLDED_TAIL)
    total = text.count("\n") + 1
    if total <= head + tail + 1:
        rows = _few_rows(text.split("\n"), width, theme)
        over = len(rows) - head - tail
        return rows if over < 2 else [*rows[:head], clip(left_out(over, theme), width), *rows[len(rows) - tail :]]
    first = _few_rows(text.split("\n", head)[:head], width, theme)[:head]
    last = _few_rows(text.rsplit("\n", tail)[1:], width, theme)[-tail:]
    return [*first, clip(left_out(total - head - tail, theme), width), *last]


def _few_rows(lines: list[str], width: int, theme: Theme) -> list[Line]:
    reader = OutputText(theme.output, theme.colours)
    most = max(2000, width * 10)
    return [row for line in lines for row in chop(reader.line(line[-most:]), width)]


def output_tail(text: str, width: int, theme: Theme, rows: int) -> list[Line]:
    """The last rows of an output, without looking at the rest."""
    lines = text[-rows * max(width, 200) :].rstrip("\n").rsplit("\n", rows)
    return _few_rows(lines[-rows:], width, theme)[-rows:] if text.strip() else []


def _explored(cell: CommandCell, width: int, theme: Theme, *, joined: bool) -> list[Line]:
    """`Explored`, with what was read, listed and searched."""
    running = cell.status == RUNNING
    style = theme.accent if running else theme.dim
    title: list[Piece] = [("Exploring" if running else "Explored", theme.strong)]
    rows: list[Line] = []
    for verb, what in _steps(cell.actions):
        rows += wrap([(verb, theme.accent), (" ", NULL), *what(theme)], width - 4, (), [INDENT])
    if joined:
        return [[("    ", NULL), *row] for row in rows]
    return [*titled(title, width, theme, style=style), *gutter(rows, theme)]


def _steps(actions: tuple[Mapping[str, Any], ...]) -> list[tuple[str, Any]]:
    """What was done in a row, reads that follow each other together."""
    steps: list[tuple[str, Any]] = []
    reads: list[str] = []
    for action in actions:
        if action.get("type") == "read":
            name = one_line(str(action.get("name") or action.get("path") or action.get("command") or ""))
            if not reads:
                steps.append(("Read", lambda theme, reads=reads: [(", ".join(reads), theme.text)]))
            if name not in reads:
                reads.append(name)
            continue
        reads = []
        steps.append(_step(action))
    return steps


def _step(action: Mapping[str, Any]) -> tuple[str, Any]:
    path = one_line(str(action.get("path") or ""))
    query = one_line(str(action.get("query") or ""))
    command = one_line(str(action.get("command") or ""))
    if action.get("type") == "listFiles":
        return "List", lambda theme: [(path or command, theme.text)]
    if not query:
        return "Search", lambda theme: [(command, theme.text)]
    return "Search", lambda theme: [(query, theme.text), *([(" in ", theme.dim), (path, theme.text)] if path else [])]

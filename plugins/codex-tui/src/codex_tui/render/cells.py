"""Cells as rows. Each row is at most as wide as asked for, and harmless."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.text import Text

from ..measures import duration, short_count
from ..session import cells as kinds
from ..session.cells import COMPLETED, DECLINED, FAILED, RUNNING, Cell
from .commands import command_rows, explores, output_rows, output_tail
from .frame import INDENT, fold, gutter, left_out, paragraph, titled
from .safe import lines as safe_lines
from .safe import one_line
from .sturdy import sturdy
from .theme import Theme
from .width import NULL, Line, Piece, cells, clip, pad, room, shorten, text_of, wrap

MIN_WIDTH = 10
_ASIDE = "┊ "


@sturdy
def render_cell(cell: Cell, width: int, theme: Theme, *, unfolded: bool = False, joined: bool = False) -> list[Text]:
    """The rows of a cell, none wider than `width` (10 at least), without empty rows around them. `unfolded` shows all
    of it. `joined`: the row above belongs to a cell that this one goes on with (see `joins`)."""
    width = max(width, MIN_WIDTH)
    if cell.sub_agent is not None:
        return _aside(cell, width, theme, unfolded=unfolded)
    if isinstance(cell, kinds.AgentCell):
        from .streams import stream_of  # what reads Markdown is loaded when there is some

        return list(stream_of(cell, width, theme).rows())
    return [text_of(row) for row in _rows(cell, width, theme, unfolded=unfolded, joined=joined)]


@sturdy
def render_tail(cell: Cell, width: int, theme: Theme, rows: int) -> list[Text]:
    """The last `rows` rows of a cell that grows, at no more cost than these."""
    width = max(width, MIN_WIDTH)
    if rows <= 0:
        return []
    if isinstance(cell, kinds.AgentCell) and cell.sub_agent is None:
        from .streams import stream_of

        stream = stream_of(cell, width, theme)
        return stream.rows(max(0, stream.stable_rows - rows))[-rows:]
    if isinstance(cell, kinds.CommandCell) and cell.sub_agent is None and cell.status == RUNNING:
        return _command_tail(cell, width, theme, rows)
    return render_cell(cell, width, theme)[-rows:]


def joins(before: Cell | None, cell: Cell) -> bool:
    """Whether a cell goes on with what the one before it began (reading and searching), without a row between."""
    return (
        isinstance(before, kinds.CommandCell)
        and isinstance(cell, kinds.CommandCell)
        and before.sub_agent == cell.sub_agent
        and explores(before)
        and explores(cell)
    )


def _aside(cell: Cell, width: int, theme: Theme, *, unfolded: bool) -> list[Text]:
    """A cell of a sub-agent: behind a bar."""
    inner = width - len(_ASIDE)
    if isinstance(cell, kinds.AgentCell):
        from .markdown import markdown

        plain = markdown(cell.text, max(inner - 2, 4), theme, [("• ", theme.agent)], [INDENT])
        return [Text.assemble((_ASIDE, theme.dim), row, end="", no_wrap=True) for row in plain]
    rows = _rows(cell, inner, theme, unfolded=unfolded, joined=False)
    return [text_of([(_ASIDE, theme.dim), *row]) for row in rows]


def _command_tail(cell: kinds.CommandCell, width: int, theme: Theme, rows: int) -> list[Text]:
    bare = kinds.CommandCell(key="", command=cell.command, status=cell.status, typed=cell.typed, by_user=cell.by_user)
    above = command_rows(bare, width, theme, unfolded=False)
    source = cell.output.tail or cell.output.head
    below = output_tail(source, width - 4, theme, max(1, rows - len(above)))
    return [text_of(row) for row in (above + gutter(below, theme))[-rows:]]


def _rows(cell: Cell, width: int, theme: Theme, *, unfolded: bool, joined: bool) -> list[Line]:
    match cell:
        case kinds.CommandCell():
            return command_rows(cell, width, theme, unfolded=unfolded, joined=joined)
        case kinds.PatchCell():
            from .diffs import patch_rows

            return patch_rows(cell, width, theme, unfolded=unfolded)
        case kinds.DiffCell():
            from .diffs import whole_diff_rows

            return whole_diff_rows(cell, width, theme, unfolded=unfolded)
        case kinds.ReasoningCell():
            return _reasoning(cell, width, theme, unfolded=unfolded)
        case kinds.ToolCell():
            return _tool(cell, width, theme, unfolded=unfolded)
        case kinds.AgentsCell():
            return _agents(cell, width, theme, unfolded=unfolded)
        case _:
            draw = _SIMPLE.get(type(cell))
            return draw(cell, width, theme) if draw else titled([(type(cell).__name__, theme.dim)], width, theme)


def _header(cell: kinds.HeaderCell, width: int, theme: Theme) -> list[Line]:
    """A box with the name of the program and what the session runs with."""
    names = [one_line(name) for name, _ in cell.rows]
    size = max((cells(name) for name in names), default=0) + 2
    inside: list[Line] = [[(">_ ", theme.accent), (one_line(cell.title), theme.title)]]
    if cell.rows:
        inside.append([])
    for name, (_, value) in zip(names, cell.rows, strict=True):
        inside.append([*pad([(f"{name}:", theme.dim)], size), (one_line(value), theme.text)])
    most = min(width - 4, max(sum(room(text) for text, _ in line) for line in inside))
    bar: Piece = ("│", theme.border)
    edge = "─" * (most + 2)
    rows = [[bar, (" ", NULL), *pad(clip(line, most, "…"), most, measure=room), (" ", NULL), bar] for line in inside]
    return [[(f"╭{edge}╮", theme.border)], *rows, [(f"╰{edge}╯", theme.border)]]


def _user(cell: kinds.UserCell, width: int, theme: Theme) -> list[Line]:
    bar: Piece = ("▌ ", theme.user)
    rows = paragraph(cell.text.strip("\n"), width, theme.text, [bar], [bar]) if cell.text.strip() else []
    for image in cell.images:
        name = "pasted image" if image.startswith("data:") else one_line(image)
        rows += wrap([("image ", theme.dim), (name, theme.path)], width, [bar], [bar])
    if cell.mentions:
        rows += wrap([("with ", theme.dim), (one_line(", ".join(cell.mentions)), theme.path)], width, [bar], [bar])
    if cell.steered:
        rows += wrap([("while it worked", theme.dim)], width, [bar], [bar])
    return rows or [[bar]]


def _reasoning(cell: kinds.ReasoningCell, width: int, theme: Theme, *, unfolded: bool) -> list[Line]:
    """The headings of thoughts on one line; unfolded with all that was thought."""
    after = f" ({duration(cell.elapsed_s)})" if cell.elapsed_s else ""
    headings = [heading for part in cell.summary if (heading := _heading(part))]
    if not unfolded:
        words = " · ".join(headings) or ("Thought" if cell.done else "Thinking")
        return titled([(words, theme.thought), (after, theme.dim)], width, theme, style=theme.dim)
    rows = titled(
        [("Thought" if cell.done else "Thinking", theme.thought), (after, theme.dim)], width, theme, style=theme.dim
    )
    for part in [*cell.summary, *cell.content]:
        rows.append([])
        rows += _markdown_rows(part, width, theme)
    return rows


def _heading(part: str) -> str:
    """The bold words that a thought begins with, or its first line."""
    first = one_line(part.strip().split("\n", 1)[0])
    if first.startswith("**"):
        return first[2:].split("**", 1)[0].strip()
    return shorten(first, 80)


def _markdown_rows(text: str, width: int, theme: Theme) -> list[Line]:
    """Markdown below a title, indented."""
    from .markdown import markdown

    made = markdown(text.strip("\n"), width - 2, theme, [INDENT], [INDENT])
    return [_pieces(row) for row in made]


def _pieces(row: Text) -> Line:
    """A row of Markdown as pieces again."""
    line: Line = []
    place = 0
    for span in row.spans:  # they follow each other and do not overlap
        if span.start > place:
            line.append((row.plain[place : span.start], NULL))
        assert not isinstance(span.style, str)
        line.append((row.plain[span.start : span.end], span.style))
        place = span.end
    if place < len(row.plain):
        line.append((row.plain[place:], NULL))
    return line


def _plan(cell: kinds.PlanCell, width: int, theme: Theme) -> list[Line]:
    rows: list[Line] = []
    if cell.explanation.strip():
        rows += paragraph(cell.explanation.strip(), width - 4, theme.thought)
    for status, text in cell.steps:
        mark, style = {
            "completed": (("✔ ", theme.success), theme.plan_done),
            "inProgress": (("▸ ", theme.plan_now), theme.plan_now),
        }.get(status, (("☐ ", theme.dim), theme.text))
        rows += wrap([(one_line(text), style)], width - 4, [mark], [INDENT])
    done = sum(status == "completed" for status, _ in cell.steps)
    title: list[Piece] = [("Plan", theme.strong), (f" {done}/{len(cell.steps)} done", theme.dim)]
    return [*titled(title, width, theme), *gutter(rows, theme)]


def _tool(cell: kinds.ToolCell, width: int, theme: Theme, *, unfolded: bool) -> list[Line]:
    """`Called server.tool(arguments)` with the ends of its result."""
    verb, style = {
        RUNNING: ("Calling", theme.accent),
        COMPLETED: ("Called", theme.success),
        DECLINED: ("Declined", theme.warning),
    }.get(cell.status, ("Called", theme.error))
    name = one_line(f"{cell.server}.{cell.tool}" if cell.server else cell.tool)
    arguments = _arguments(cell.arguments)
    title: list[Piece] = [(verb, theme.strong), (" ", NULL), (name, theme.command), (f"({arguments})", theme.dim)]
    rows = titled(title, width, theme, style=style)
    if not unfolded and len(rows) > 3:
        rows = [*rows[:2], clip([INDENT, *left_out(len(rows) - 2, theme)], width)]
    below: list[Line] = []
    if cell.status == RUNNING and cell.progress:
        below.append(clip([(one_line(cell.progress), theme.dim)], width - 4, "…"))
    below += output_rows(cell.result, width - 4, theme, unfolded=unfolded)
    if cell.error:
        errors = paragraph(cell.error.strip(), width - 4, theme.error)
        below += errors if unfolded else fold(errors, width - 4, theme)
    if cell.elapsed_s is not None and cell.elapsed_s >= 1:
        below.append([(duration(cell.elapsed_s), theme.dim)])
    return [*rows, *gutter(below, theme)]


def _arguments(value: Any) -> str:
    if value in (None, "", {}):
        return ""
    if isinstance(value, str):
        return one_line(value)
    import json

    return one_line(json.dumps(value, ensure_ascii=False, default=str))


def _search(cell: kinds.SearchCell, width: int, theme: Theme) -> list[Line]:
    verb = "Searched the web" if cell.done else "Searching the web"
    queries = [query for query in (cell.queries or (cell.query,)) if query]
    title: list[Piece] = [(verb, theme.strong)]
    if len(queries) == 1:
        title += [(" for ", theme.text), (one_line(queries[0]), theme.command)]
        return titled(title, width, theme)
    below = [row for query in queries for row in wrap([(one_line(query), theme.command)], width - 4, (), [INDENT])]
    return [*titled(title, width, theme), *gutter(below, theme)]


def _image(cell: kinds.ImageCell, width: int, theme: Theme) -> list[Line]:
    return titled([("Looked at ", theme.strong), (one_line(cell.path), theme.path)], width, theme)


_AGENT_CALLS = {
    "spawnAgent": ("Starting an agent", "Started an agent"),
    "sendInput": ("Writing to an agent", "Wrote to an agent"),
    "resumeAgent": ("Resuming an agent", "Resumed an agent"),
    "wait": ("Waiting for agents", "Waited for agents"),
    "closeAgent": ("Closing an agent", "Closed an agent"),
}
_AGENT_STATES = {
    "pendingInit": "starting",
    "running": "running",
    "completed": "done",
    "errored": "failed",
    "interrupted": "interrupted",
    "shutdown": "closed",
    "notFound": "not found",
}


def _agents(cell: kinds.AgentsCell, width: int, theme: Theme, *, unfolded: bool) -> list[Line]:
    """A call to do with sub-agents, its prompt, and how each of them is."""
    words = _AGENT_CALLS.get(cell.tool, (one_line(cell.tool), one_line(cell.tool)))
    style = {RUNNING: theme.accent, COMPLETED: theme.success}.get(cell.status, theme.error)
    title: list[Piece] = [(words[0] if cell.status == RUNNING else words[1], theme.strong)]
    if cell.status in (FAILED, DECLINED):
        title.append((" (failed)" if cell.status == FAILED else " (declined)", theme.error))
    below: list[Line] = []
    if cell.prompt.strip():
        prompt = paragraph(cell.prompt.strip(), width - 4, theme.text)
        below += prompt if unfolded else fold(prompt, width - 4, theme, head=2, tail=0)
    for thread, status, message in cell.agents:
        look = {"completed": theme.success, "running": theme.accent}.get(
            status, theme.error if status in ("errored", "notFound") else theme.dim
        )
        row: list[Piece] = [(one_line(thread)[-8:], theme.path), (" ", NULL)]
        row.append((_AGENT_STATES.get(status, one_line(status)), look))
        if message.strip():
            row += [(": ", theme.dim), (one_line(message.strip()), theme.text)]
        lines = wrap(row, width - 4, (), [INDENT])
        below += lines if unfolded or len(lines) < 3 else [*lines[:2], clip(left_out(len(lines) - 2, theme), width - 4)]
    return [*titled(title, width, theme, style=style), *gutter(below, theme)]


def _review(cell: kinds.ReviewCell, width: int, theme: Theme) -> list[Line]:
    title = "Review begins" if cell.entered else "Review ended"
    rows = titled([(title, theme.strong)], width, theme, mark="»" if cell.entered else "«")
    return rows + _markdown_rows(cell.text, width, theme) if cell.text.strip() else rows


def _compaction(cell: kinds.CompactionCell, width: int, theme: Theme) -> list[Line]:
    words = "The history was shortened to make room" if cell.done else "Shortening the history"
    return titled([(words, theme.dim)], width, theme, style=theme.dim)


def _notice(cell: kinds.NoticeCell, width: int, theme: Theme) -> list[Line]:
    mark, style = {"warning": ("▲", theme.warning), "error": ("■", theme.error)}.get(cell.level, ("•", theme.text))
    if cell.retrying:
        mark, style = "↻", theme.warning
    rows = paragraph(cell.text.strip("\n"), width, style, [(f"{mark} ", style)], [INDENT])
    if cell.hint:
        rows += paragraph(cell.hint.strip("\n"), width, theme.dim, [INDENT], [INDENT])
    return rows


def _decision(cell: kinds.DecisionCell, width: int, theme: Theme) -> list[Line]:
    mark, style = "•", theme.dim
    if cell.approved is not None:
        mark, style = ("✔", theme.success) if cell.approved else ("✗", theme.error)
    return titled([(one_line(cell.text), theme.text)], width, theme, mark=mark, style=style)


def _turn_end(cell: kinds.TurnEndCell, width: int, theme: Theme) -> list[Line]:
    """A rule that says how long it took."""
    verb = {"completed": "worked", "interrupted": "interrupted", "failed": "failed"}.get(
        cell.status, one_line(cell.status)
    )
    word = " for " if cell.status == "completed" else " after "
    said = verb + (word + duration(cell.elapsed_s) if cell.elapsed_s is not None else "")
    if cell.tokens:
        said += f" · {short_count(cell.tokens)} tokens"
    said = shorten(said, width - 6)
    style = theme.dim if cell.status == "completed" else theme.warning
    return [[("── ", theme.rule), (said, style), (" " + "─" * (width - 4 - room(said)), theme.rule)]]


def _card(cell: kinds.CardCell, width: int, theme: Theme) -> list[Line]:
    """The answer of a slash command: names with values in columns, then Markdown."""
    rows = titled([(one_line(cell.title), theme.title)], width, theme)
    size = min(max((room(one_line(name)) for name, _ in cell.rows), default=0) + 2, max(8, width // 3))
    for name, value in cell.rows:
        lead = pad(clip([(one_line(name), theme.dim)], size - 1, "…"), size)
        under: list[Piece] = [(" " * (size + 2), NULL)]
        for number, line in enumerate(safe_lines(value)):
            rows += wrap([(line, theme.text)], width, under if number else [INDENT, *lead], under)
    if cell.text.strip():
        if cell.rows:
            rows.append([])
        rows += _markdown_rows(cell.text, width, theme)
    return rows


_SIMPLE: dict[type[Cell], Callable[[Any, int, Theme], list[Line]]] = {
    kinds.HeaderCell: _header,
    kinds.UserCell: _user,
    kinds.PlanCell: _plan,
    kinds.SearchCell: _search,
    kinds.ImageCell: _image,
    kinds.ReviewCell: _review,
    kinds.CompactionCell: _compaction,
    kinds.NoticeCell: _notice,
    kinds.DecisionCell: _decision,
    kinds.TurnEndCell: _turn_end,
    kinds.CardCell: _card,
}

"""Cells in words, for those who hear them, and for terminals that show nothing but text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..measures import counted
from ..render import StreamingMarkdown, Theme, one_line, shown
from ..render.commands import explores, script_of
from ..render.markdown import markdown
from ..render.safe import output_lines
from ..session import cells as kinds
from ..session.cells import COMPLETED, DECLINED, RUNNING, Cell, FileDiff

TAIL_LINES = 5
"""Lines of an output that are told: the last ones."""
MAX_LINE = 400
INDENT = "  "
SPEAKER = "Codex:"


def in_words(cell: Cell, width: int, theme: Theme) -> list[str]:
    """The lines that tell of a cell that is done. Empty for one that says nothing."""
    say = _WORDS.get(type(cell))
    found = list(say(cell, width, theme)) if say else [type(cell).__name__]
    if cell.sub_agent is not None and found:
        found[0] = f"Sub-agent {cell.sub_agent[-8:]}: {found[0]}"
    return found


def plain_markdown(text: str, width: int, theme: Theme) -> list[str]:
    """Markdown as lines."""
    return [row.plain.rstrip() for row in markdown(text.strip("\n"), width, theme)]


class Speech:
    """What the agent says, by lines that are complete."""

    def __init__(self, cell: kinds.AgentCell, width: int, theme: Theme) -> None:
        self.cell = cell
        self._made = StreamingMarkdown(width, theme)
        self._told = 0

    def more(self) -> list[str]:
        """The lines that have come since."""
        self._made.feed(self.cell.text)
        if self.cell.done:
            self._made.finish()
        count = self._made.stable_rows
        if count <= self._told:  # less: the whole text is another one than what streamed
            self._told = count
            return []
        rows = [row.plain.rstrip() for row in self._made.rows(self._told)[: count - self._told]]
        lead = [] if self._told else ["", self._speaker]
        self._told = count
        return lead + rows

    @property
    def _speaker(self) -> str:
        return SPEAKER if self.cell.sub_agent is None else f"Sub-agent {self.cell.sub_agent[-8:]}:"


def diff_words(change: FileDiff) -> str:
    """`File changed: a.py, 3 lines added, 1 removed`."""
    path = one_line(change.path)
    if change.kind == "add":
        return f"File added: {path}, {counted(change.diff.rstrip(chr(10)).count(chr(10)) + bool(change.diff), 'line')}"
    if change.kind == "delete":
        return f"File deleted: {path}"
    lines = [line for line in change.diff.split("\n") if not line.startswith(("+++", "---"))]
    added, removed = (sum(line.startswith(mark) for line in lines) for mark in "+-")
    moved = f", moved to {one_line(change.move_path)}" if change.move_path else ""
    return f"File changed: {path}{moved}, {counted(added, 'line')} added, {removed} removed"


def seconds(value: float) -> str:
    """`3 seconds`, `2 minutes 5 seconds`."""
    whole = round(value)
    if whole < 60:
        return counted(whole, "second")
    minutes, rest = divmod(whole, 60)
    return counted(minutes, "minute") + (f" {counted(rest, 'second')}" if rest else "")


def tail_of(text: str, most: int = TAIL_LINES) -> Iterator[str]:
    """The last lines of an output, indented, after a word on those before them."""
    text = text.strip("\n")
    if not text.strip():
        return
    over = text.count("\n") + 1 - most
    if over > 0:
        yield f"{INDENT}({counted(over, 'line')} before these left out)"
    last = "\n".join(line[-MAX_LINE * 4 :] for line in text.rsplit("\n", most)[-most if over > 0 else 0 :])
    for row in output_lines(last, colours="none"):
        yield INDENT + "".join(piece[0] for piece in row).rstrip()[:MAX_LINE]


def _lines(lead: str, text: str) -> Iterator[str]:
    """Text of others behind a word of ours, its lines kept."""
    for number, line in enumerate(shown(text.strip("\n")).split("\n")):
        yield f"{INDENT if number else lead}{line}"


# -- kinds ---------------------------------------------------------------------------------------------


def _header(cell: kinds.HeaderCell, width: int, theme: Theme) -> Iterator[str]:
    yield one_line(cell.title)
    for name, text in cell.rows:
        yield f"{one_line(name)}: {one_line(text)}"


def _user(cell: kinds.UserCell, width: int, theme: Theme) -> Iterator[str]:
    yield ""
    yield from _lines("You: ", cell.text)
    for image in cell.images:
        yield f"{INDENT}with an image: {'pasted' if image.startswith('data:') else one_line(image)}"
    if cell.mentions:
        yield f"{INDENT}with: {one_line(', '.join(cell.mentions))}"


def _agent(cell: kinds.AgentCell, width: int, theme: Theme) -> Iterator[str]:
    yield from Speech(cell, width, theme).more()


def _reasoning(cell: kinds.ReasoningCell, width: int, theme: Theme) -> Iterator[str]:
    headings = [one_line(part.strip().split("\n", 1)[0]).strip("*# ") for part in cell.summary if part.strip()]
    if headings:
        yield f"Thought: {'; '.join(headings)}"


def _command(cell: kinds.CommandCell, width: int, theme: Theme) -> Iterator[str]:
    if explores(cell) and not cell.exit_code and cell.status == COMPLETED:
        yield from (_looked(action) for action in cell.actions)
        return
    lead = "Your command: " if cell.by_user else "Command: "
    yield from _lines(lead, script_of(cell.command))
    for typed in cell.typed:
        yield f"{INDENT}typed into it: {one_line(typed.rstrip(chr(10))) or 'enter'}"
    if cell.status == DECLINED:
        yield "Command not run: it was refused"
        return
    yield from tail_of(cell.output.text)
    took = f", {seconds(cell.elapsed_s)}" if cell.elapsed_s is not None and cell.elapsed_s >= 1 else ""
    if cell.exit_code is not None:
        yield f"Command finished, exit code {cell.exit_code}{took}"
    else:
        yield f"Command {'finished' if cell.status == COMPLETED else 'failed'}{took}"


def _looked(action: Any) -> str:
    path, query = one_line(str(action.get("path") or "")), one_line(str(action.get("query") or ""))
    command = one_line(str(action.get("command") or ""))
    match action.get("type"):
        case "read":
            return f"Read file: {path or one_line(str(action.get('name') or command))}"
        case "listFiles":
            return f"Listed files: {path or command}"
    return f"Searched for: {query}{f' in {path}' if path else ''}" if query else f"Searched: {command}"


def _patch(cell: kinds.PatchCell, width: int, theme: Theme) -> Iterator[str]:
    lead = {DECLINED: "Not done, it was refused. ", COMPLETED: ""}.get(cell.status, "Not done, it failed. ")
    for change in cell.changes:
        yield lead + diff_words(change)
    if cell.status != COMPLETED:
        yield from tail_of(cell.output)


def _diff(cell: kinds.DiffCell, width: int, theme: Theme) -> Iterator[str]:
    yield one_line(cell.title)
    yield from shown(cell.diff.rstrip("\n")).split("\n")


_STEPS = {"completed": "done", "inProgress": "now", "pending": "to do"}


def _plan(cell: kinds.PlanCell, width: int, theme: Theme) -> Iterator[str]:
    done = sum(status == "completed" for status, _ in cell.steps)
    if cell.steps:
        yield f"Plan: {done} of {len(cell.steps)} done"
    if cell.explanation.strip():
        yield from plain_markdown(cell.explanation, width, theme)
    for status, text in cell.steps:
        yield f"{INDENT}{_STEPS.get(status, one_line(status))}: {one_line(text)}"


def _tool(cell: kinds.ToolCell, width: int, theme: Theme) -> Iterator[str]:
    name = one_line(f"{cell.server}.{cell.tool}" if cell.server else cell.tool)
    word = {COMPLETED: "finished", DECLINED: "not run, it was refused"}.get(cell.status, "failed")
    yield f"Tool {name} {word}"
    yield from tail_of(cell.result)
    if cell.error:
        yield from _lines(f"{INDENT}error: ", cell.error)


def _search(cell: kinds.SearchCell, width: int, theme: Theme) -> Iterator[str]:
    queries = [one_line(query) for query in (cell.queries or (cell.query,)) if query]
    yield f"Searched the web{': ' if queries else ''}{'; '.join(queries)}"


def _image(cell: kinds.ImageCell, width: int, theme: Theme) -> Iterator[str]:
    yield f"Looked at image: {one_line(cell.path)}"


_AGENT_CALLS = {
    "spawnAgent": "Started a sub-agent",
    "sendInput": "Wrote to a sub-agent",
    "resumeAgent": "Resumed a sub-agent",
    "wait": "Waited for sub-agents",
    "closeAgent": "Closed a sub-agent",
}


def _agents(cell: kinds.AgentsCell, width: int, theme: Theme) -> Iterator[str]:
    failed = "" if cell.status in (COMPLETED, RUNNING) else " (failed)"
    prompt = f": {one_line(cell.prompt.strip())[:MAX_LINE]}" if cell.prompt.strip() else ""
    yield f"{_AGENT_CALLS.get(cell.tool, one_line(cell.tool))}{failed}{prompt}"
    for thread, status, message in cell.agents:
        said = f", {one_line(message.strip())[:MAX_LINE]}" if message.strip() else ""
        yield f"{INDENT}{one_line(thread)[-8:]}: {one_line(status)}{said}"


def _review(cell: kinds.ReviewCell, width: int, theme: Theme) -> Iterator[str]:
    yield "Review begins" if cell.entered else "Review ended"
    if cell.text.strip():
        yield from plain_markdown(cell.text, width, theme)


def _compaction(cell: kinds.CompactionCell, width: int, theme: Theme) -> Iterator[str]:
    yield "The history was shortened to make room"


def _notice(cell: kinds.NoticeCell, width: int, theme: Theme) -> Iterator[str]:
    lead = {"warning": "Warning: ", "error": "Error: "}.get(cell.level, "")
    yield from _lines(lead, cell.text + (" (trying again)" if cell.retrying else ""))
    if cell.hint:
        yield from _lines(f"{INDENT}Hint: " if lead else INDENT, cell.hint)


def _decision(cell: kinds.DecisionCell, width: int, theme: Theme) -> Iterator[str]:
    yield from _lines("", cell.text)


def _turn_end(cell: kinds.TurnEndCell, width: int, theme: Theme) -> Iterator[str]:
    word = {"interrupted": "Interrupted", "failed": "The turn failed"}.get(cell.status, "Done")
    yield word + (f", {seconds(cell.elapsed_s)}" if cell.elapsed_s is not None and cell.elapsed_s >= 1 else "")


def _card(cell: kinds.CardCell, width: int, theme: Theme) -> Iterator[str]:
    yield one_line(cell.title)
    for name, text in cell.rows:
        yield from _lines(f"{INDENT}{one_line(name)}: " if name else "", text)
    if cell.text.strip():
        yield from plain_markdown(cell.text, width, theme)


_WORDS: dict[type[Cell], Callable[[Any, int, Theme], Iterator[str]]] = {
    kinds.HeaderCell: _header,
    kinds.UserCell: _user,
    kinds.AgentCell: _agent,
    kinds.ReasoningCell: _reasoning,
    kinds.CommandCell: _command,
    kinds.PatchCell: _patch,
    kinds.DiffCell: _diff,
    kinds.PlanCell: _plan,
    kinds.ToolCell: _tool,
    kinds.SearchCell: _search,
    kinds.ImageCell: _image,
    kinds.AgentsCell: _agents,
    kinds.ReviewCell: _review,
    kinds.CompactionCell: _compaction,
    kinds.NoticeCell: _notice,
    kinds.DecisionCell: _decision,
    kinds.TurnEndCell: _turn_end,
    kinds.CardCell: _card,
}

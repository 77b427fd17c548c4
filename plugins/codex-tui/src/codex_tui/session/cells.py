"""What a transcript is made of. A cell is one thing that happened; it changes until it is `done`.

Cells are mutable, since what streams would otherwise be copied for each delta. Whoever changes one calls `touch`, so
that what was rendered of it counts no more. Text of the model and of commands is kept as it came: `render` makes it
harmless.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .output import Output

RUNNING = "inProgress"
COMPLETED = "completed"
FAILED = "failed"
DECLINED = "declined"
"""States of items, in the words of the protocol."""


@attrs.define(kw_only=True, eq=False)
class Cell:
    """`key` is the item's id, or one that we made up; `version` grows with each change. One that is `done` never
    changes again, so that it may be handed to the terminal's scrollback. `sub_agent` names the thread of a sub-agent
    that it belongs to, None for the thread that is shown."""

    key: str
    turn_id: str | None = None
    done: bool = False
    version: int = 0
    sub_agent: str | None = None

    def touch(self) -> None:
        """Say that something in it has changed."""
        self.version += 1


@attrs.define(kw_only=True, eq=False)
class HeaderCell(Cell):
    """The first thing of a session. `rows` are names with what they stand for (model, folder, approvals, sandbox)."""

    title: str
    rows: tuple[tuple[str, str], ...] = ()
    done: bool = True


@attrs.define(kw_only=True, eq=False)
class UserCell(Cell):
    """What the user said. `images` are paths or URLs; `mentions` names of files and skills; `steered` while a turn
    ran."""

    text: str
    images: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()
    steered: bool = False


@attrs.define(kw_only=True, eq=False)
class AgentCell(Cell):
    """Markdown of the agent, which grows while it streams. `final` is the answer of the turn, not what is said on the
    way (None: the model does not say). What streams is joined when `text` is read, not with each delta."""

    _text: str = ""
    final: bool | None = None
    _more: list[str] = attrs.field(factory=list, init=False, repr=False)

    @property
    def text(self) -> str:
        """All of it so far."""
        if self._more:
            self._text += "".join(self._more)
            self._more.clear()
        return self._text

    @text.setter
    def text(self, text: str) -> None:
        self._text = text
        self._more.clear()

    def add(self, delta: str) -> None:
        """Take more of it."""
        self._more.append(delta)


@attrs.define(kw_only=True, eq=False)
class ReasoningCell(Cell):
    """Summaries of what the model thought, one part each (Markdown, a bold heading first), and the thoughts
    themselves where the provider gives them. `elapsed_s` once it is done and known."""

    _summary: list[str] = attrs.field(factory=list)
    _content: list[str] = attrs.field(factory=list)
    elapsed_s: float | None = None
    _growing: tuple[list[str], int] | None = attrs.field(default=None, init=False, repr=False)
    _more: list[str] = attrs.field(factory=list, init=False, repr=False)

    @property
    def summary(self) -> list[str]:
        """The parts of the summary."""
        self._join()
        return self._summary

    @summary.setter
    def summary(self, parts: list[str]) -> None:
        self._join()
        self._summary = parts

    @property
    def content(self) -> list[str]:
        """The parts of the thoughts."""
        self._join()
        return self._content

    @content.setter
    def content(self, parts: list[str]) -> None:
        self._join()
        self._content = parts

    def add_summary(self, part: int, delta: str) -> None:
        """Take more of a part, which may be a new one. It is joined when somebody looks."""
        self._add(self._summary, part, delta)

    def add_content(self, part: int, delta: str) -> None:
        """The same for the thoughts."""
        self._add(self._content, part, delta)

    def _add(self, parts: list[str], part: int, delta: str) -> None:
        growing = self._growing
        if growing is None or growing[0] is not parts or growing[1] != part:
            self._join()
            parts.extend([""] * (part + 1 - len(parts)))
            self._growing = (parts, part)
        self._more.append(delta)

    def _join(self) -> None:
        if self._growing is not None:
            parts, part = self._growing
            parts[part] += "".join(self._more)
            self._more.clear()
            self._growing = None


@attrs.define(kw_only=True, eq=False)
class CommandCell(Cell):
    """A command. `actions` are what it does as far as the server could tell: mappings with `type` read, listFiles,
    search or unknown, and `name`, `path`, `query`, `command`. `by_user` is one of `!`. `typed` is what was written to
    its terminal."""

    command: str
    cwd: str = ""
    status: str = RUNNING
    exit_code: int | None = None
    elapsed_s: float | None = None
    started_at: float | None = None
    """By `time.monotonic`, of one that runs in front of us."""
    actions: tuple[Mapping[str, Any], ...] = ()
    output: Output = attrs.field(factory=Output)
    by_user: bool = False
    typed: list[str] = attrs.field(factory=list)


@attrs.define(kw_only=True, eq=False)
class FileDiff:
    """A change of one file. `kind` is add, delete or update; `diff` a unified diff for an update, else the content."""

    path: str
    kind: str
    diff: str
    move_path: str | None = None


@attrs.define(kw_only=True, eq=False)
class PatchCell(Cell):
    """Changes of files, proposed or made; paths below `folder` are shown from there. `output` is what was printed by
    one that failed, where that is told."""

    changes: tuple[FileDiff, ...] = ()
    status: str = RUNNING
    output: str = ""
    folder: str = ""


@attrs.define(kw_only=True, eq=False)
class DiffCell(Cell):
    """The output of `/diff`: a unified diff of several files."""

    title: str
    diff: str
    done: bool = True


@attrs.define(kw_only=True, eq=False)
class PlanCell(Cell):
    """The plan: `steps` are status (pending, inProgress, completed) and text."""

    explanation: str = ""
    steps: tuple[tuple[str, str], ...] = ()


@attrs.define(kw_only=True, eq=False)
class ToolCell(Cell):
    """A call of an MCP tool (`server` is set), or of another one. `arguments` is any JSON value."""

    server: str | None = None
    tool: str
    arguments: Any = None
    status: str = RUNNING
    result: str = ""
    error: str = ""
    progress: str = ""
    elapsed_s: float | None = None


@attrs.define(kw_only=True, eq=False)
class SearchCell(Cell):
    """A search in the web."""

    query: str = ""
    queries: tuple[str, ...] = ()


@attrs.define(kw_only=True, eq=False)
class ImageCell(Cell):
    """An image that the agent looked at."""

    path: str


@attrs.define(kw_only=True, eq=False)
class AgentsCell(Cell):
    """A call that has to do with sub-agents. `agents` are thread id, status (pendingInit, running, completed, errored,
    interrupted, shutdown, notFound) and message."""

    tool: str
    status: str = RUNNING
    prompt: str = ""
    agents: tuple[tuple[str, str, str], ...] = ()


@attrs.define(kw_only=True, eq=False)
class ReviewCell(Cell):
    """A review begins (`entered`) or ends, with what it is about or what it found (Markdown)."""

    entered: bool
    text: str = ""


@attrs.define(kw_only=True, eq=False)
class CompactionCell(Cell):
    """The history was shortened."""


@attrs.define(kw_only=True, eq=False)
class NoticeCell(Cell):
    """Something to know. `level` is info, warning or error; `hint` says what to try; `retrying` is an error after
    which it goes on by itself."""

    level: str
    text: str
    hint: str = ""
    retrying: bool = False
    done: bool = True


@attrs.define(kw_only=True, eq=False)
class DecisionCell(Cell):
    """How a question was answered: `approved` None where there is no yes or no. `text` is one sentence."""

    text: str
    approved: bool | None = None
    done: bool = True


@attrs.define(kw_only=True, eq=False)
class TurnEndCell(Cell):
    """A turn has ended: `status` is completed, interrupted or failed."""

    status: str
    elapsed_s: float | None = None
    tokens: int | None = None
    done: bool = True


@attrs.define(kw_only=True, eq=False)
class CardCell(Cell):
    """What a slash command answers: names with values, or Markdown, or both."""

    title: str
    rows: tuple[tuple[str, str], ...] = ()
    text: str = ""
    done: bool = True


AnyCell = (
    HeaderCell
    | UserCell
    | AgentCell
    | ReasoningCell
    | CommandCell
    | PatchCell
    | DiffCell
    | PlanCell
    | ToolCell
    | SearchCell
    | ImageCell
    | AgentsCell
    | ReviewCell
    | CompactionCell
    | NoticeCell
    | DecisionCell
    | TurnEndCell
    | CardCell
)

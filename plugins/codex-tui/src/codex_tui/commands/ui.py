"""What a slash command may do with the user interface it was typed into: the screen, or the line-based one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import attrs

from codex_plugin_sdk import Invocation

from ..session.cells import CardCell, DiffCell
from ..session.controller import Draft, Session


@attrs.frozen(kw_only=True)
class Option:
    """One thing that can be picked. `value` is what `pick` gives; one with `why_not` cannot be picked."""

    value: Any
    label: str
    detail: str = ""
    current: bool = False
    why_not: str = ""


class Ui(Protocol):
    """A user interface. What asks something returns None when the user leaves without an answer."""

    @property
    def session(self) -> Session:
        """The session that is shown."""
        ...

    @property
    def invocation(self) -> Invocation:
        """The command line."""
        ...

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment that we were started in."""
        ...

    @property
    def interactive(self) -> bool:
        """False where nothing can be asked: commands then need their arguments."""
        ...

    def say(self, level: str, text: str, hint: str = "") -> None:
        """A notice (info, warning or error) in the transcript."""
        ...

    def card(self, title: str, rows: Sequence[tuple[str, str]] = (), text: str = "") -> None:
        """Names with values, or Markdown, in the transcript."""
        ...

    def show_diff(self, title: str, diff: str) -> None:
        """A unified diff of several files."""
        ...

    async def pick(
        self,
        title: str,
        options: Sequence[Option],
        *,
        note: str = "",
        on_move: Callable[[Any], None] | None = None,
    ) -> Any:
        """Let the user pick one; `on_move` hears of the one that is pointed at (a preview)."""
        ...

    async def ask_text(self, title: str, *, initial: str = "", secret: bool = False) -> str | None:
        """A line of text."""
        ...

    async def confirm(self, title: str, detail: str = "") -> bool:
        """Yes or no; no when the user leaves."""
        ...

    async def pick_session(self, title: str, *, all_folders: bool = False) -> str | None:
        """The id of a recorded thread."""
        ...

    async def perform(self, action: str, argument: str = "") -> bool:
        """Something only a screen can do: transcript, clear, theme, keymap, vim, editor, rewind, login, onboarding,
        agents …; False where this one cannot."""
        ...

    def set_composer(self, text: str) -> None:
        """Put text where the user writes."""
        ...

    async def submit(self, draft: Draft) -> None:
        """Send input as if the user had typed it."""
        ...

    def run_later(self, work: Callable[[], Awaitable[None]]) -> None:
        """Go on with something while the user goes on typing; what it raises becomes a notice."""
        ...

    def quit(self) -> None:
        """Leave, as ctrl+c twice does."""
        ...


class SessionUi:
    """What both user interfaces do alike, with their session."""

    def __init__(self, invocation: Invocation) -> None:
        self.invocation = invocation
        self.environ: Mapping[str, str] = invocation.environ

    @property
    def session(self) -> Session:
        """See `Ui`."""
        raise NotImplementedError

    def say(self, level: str, text: str, hint: str = "") -> None:
        """See `Ui`."""
        self.session.notice(level, text, hint)

    def card(self, title: str, rows: Sequence[tuple[str, str]] = (), text: str = "") -> None:
        """See `Ui`."""
        key = self.session.new_key("card")
        self.session.transcript.add(CardCell(key=key, title=title, rows=tuple(rows), text=text))

    def show_diff(self, title: str, diff: str) -> None:
        """See `Ui`."""
        self.session.transcript.add(DiffCell(key=self.session.new_key("diff"), title=title, diff=diff))

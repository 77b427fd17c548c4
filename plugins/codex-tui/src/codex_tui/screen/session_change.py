"""A change to a recorded session that the user is asked about first: its new name, or whether it is meant."""

from __future__ import annotations

from collections.abc import Callable

from rich.style import Style
from rich.text import Text
from textual import events

from .drawn import Line, fitted, plain
from .session_pages import Thread

_SURE = {"delete": "delete for good", "archive": "put aside", "unarchive": "put back"}


class SessionChange:
    """What is asked about now, if anything is. `carry_out(method, thread_id, name)` is called with what the user has
    decided: the request that does it, for which session, and the name if it is a new one."""

    def __init__(self, carry_out: Callable[[str, str, str | None], None]) -> None:
        self._carry_out = carry_out
        self._asked, self._name = "", Line()
        self._thread: Thread = {}

    @property
    def is_asked(self) -> bool:
        """Whether the keys are for the question."""
        return bool(self._asked)

    def ask(self, what: str, thread: Thread) -> None:
        """Begin: `what` is rename, delete, archive or unarchive."""
        self._asked, self._thread = what, thread
        self._name = Line(thread.get("name") or "")

    def take(self, event: events.Key, action: str | None) -> None:
        """A key, which does `action` in a list."""
        if self._asked == "rename":
            self._take_name(event, action)
            return
        what, self._asked = self._asked, ""
        if event.key in ("y", "Y"):  # any other key leaves all as it is
            self._carry_out(f"thread/{what}", self._thread["id"], None)

    def _take_name(self, event: events.Key, action: str | None) -> None:
        if action == "cancel":
            self._asked = ""
        elif action == "accept":
            self._asked = ""
            if name := self._name.text.strip():
                self._carry_out("thread/name/set", self._thread["id"], name)
        else:
            self._name.take(event)

    def paste(self, text: str) -> None:
        """Add to the name; a paste decides nothing."""
        if self._asked == "rename":
            self._name.paste(text)

    def row(self, ink: Callable[[str], Style], width: int) -> Text:
        """The question."""
        if self._asked == "rename":
            return fitted(Text.assemble(("new name: ", ink("title")), self._name.text, "▏"), width)
        name = plain(str(self._thread.get("name") or self._thread.get("preview") or ""))[:40]
        return fitted(Text(f"y: {_SURE[self._asked]}, any other key: leave it · {name}", ink("bad")), width)

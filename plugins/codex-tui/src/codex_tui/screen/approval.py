"""Questions that are answered by picking a choice: approvals, permissions, tools and addresses of servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from rich.text import Text
from textual import events

from ..keymap import keymap_of
from ..render.safe import one_line
from ..session.asks import Ask, Choice
from ..session.asks_approval import ChangeAsk
from ..session.cells import PatchCell
from .drawn import Line, fitted
from .sheet import Sheet, barred

MAX_TYPED = 4000
"""Characters of what the model is told."""
FOLDED_ROWS = 12
"""Rows of a change that are shown before somebody wants all of it."""
HUNKS = "hunks"
"""What the dialog answers with when the change is to be gone through hunk by hunk."""


class ApprovalDialog(Sheet):
    """Answers with (`Choice`, text), or with `HUNKS` where a change is to be gone through.

    What is asked has been on the screen, whole, before something can be allowed, and so has the choice itself, with the
    rule that it writes. `theme` is how changes are drawn (`render.theme.Theme`); by default that of the application.
    `problem` is said at first: why what was wanted before could not be done.
    """

    def __init__(self, ask: Ask, theme: Any = None, *, problem: str = "") -> None:
        super().__init__()
        self.ask = ask
        self.announcement = ask.title
        self._theme = theme
        self._choices = ask.choices
        self._at = 0
        self._unfolded = False
        self._warning = one_line(problem)
        self._typing: Line | None = None
        self._facts = 0
        self._places: list[range] = []

    @property
    def can_review(self) -> bool:
        """Whether it is a change that can be gone through hunk by hunk."""
        return isinstance(self.ask, ChangeAsk) and bool(self.ask.changes)

    # -- keys ------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """All keys are the dialog's but those that the application keeps for itself."""
        taken = self._type(event) if self._typing is not None else self._take(event)
        if taken:
            event.stop()
            event.prevent_default()

    def _take(self, event: events.Key) -> bool:
        self._warning = ""
        action = keymap_of(self).action("approval", event.key) or keymap_of(self).action("list", event.key)
        if action in ("up", "down"):
            self._move(1 if action == "down" else -1)
        elif action in ("page-up", "page-down"):
            self.scroll_page(1 if action == "page-down" else -1)
        elif action in ("home", "end"):
            self.reveal(0, 0) if action == "home" else self.reveal(0, self.rows_in_all - 1)
        elif action == "accept":
            self._pick(self._choices[self._at])
        elif action == "cancel":
            self.answer((self.ask.cancel, ""))
        elif action == "details" or event.character == "d":
            self._unfolded = not self._unfolded
            self.changed()
        elif self.can_review and (action == "edit" or event.character == "e"):
            self.answer(HUNKS)
        else:
            return self._take_letter(event.character)
        return True

    def _take_letter(self, typed: str | None) -> bool:
        by_key = {choice.key: choice for choice in self._choices if choice.key}
        by_key |= {str(number): choice for number, choice in enumerate(self._choices, 1) if number < 10}
        choice = by_key.get(typed or "")
        if choice is None:
            return False
        self._at = self._choices.index(choice)
        self.changed()
        self._pick(choice)
        return True

    def _move(self, step: int) -> None:
        self._at = (self._at + step) % len(self._choices)
        self.changed()
        self._show_choice()

    def _show_choice(self) -> None:
        self._lay_out()
        place = self._places[self._at]
        self.reveal(place.start, place.stop - 1)

    def _pick(self, choice: Choice) -> None:
        self._lay_out()
        place = self._places[self._choices.index(choice)]
        if choice.allows and not self.has_seen(self._facts):
            self._warning = "read on first"
            self.read_on()
        elif choice.allows and not (self.is_shown(place) or self.has_seen(place.stop)):
            self._warning = "this is what it leads to: once more"
            self.read_on() if len(place) > self._page else self._show_choice()
        elif choice.wants_text:
            self._typing = Line()
            self.redraw(resized=True)
        else:
            self.answer((choice, ""))

    def _type(self, event: events.Key) -> bool:
        assert self._typing is not None
        action = keymap_of(self).action("approval", event.key)
        if action == "accept":
            self.answer((self._choices[self._at], self._typing.text.strip()))
        elif action == "cancel":
            self._typing = None
            self.redraw(resized=True)
        elif not self._typing.take(event):
            return False
        else:
            self._typing.text = self._typing.text[:MAX_TYPED]
            self.redraw()
        return True

    def on_paste(self, event: events.Paste) -> None:
        """Goes into what the model is told; nowhere else, since it would pick choices."""
        event.stop()
        if self._typing is not None:
            self._typing.text += " ".join(event.text.split())
            self._typing.text = self._typing.text[:MAX_TYPED]
            self.redraw()

    # -- drawing ---------------------------------------------------------------------------------

    @property
    def rows_in_all(self) -> int:
        """Rows of the body."""
        return len(self._rows(max(1, self.content_size.width)))

    def _lay_out(self) -> None:
        self._rows(max(1, self.content_size.width))

    def head(self, width: int) -> list[Text]:
        """The title."""
        return self.title_rows(self.ask.title, width)

    def body(self, width: int) -> list[Text]:
        """Facts, the change, the choices."""
        rows = self.fact_rows(self.ask.facts, width)
        self._facts = len(rows)
        rows += self._change_rows(width)
        if self._unfolded and not isinstance(self.ask, ChangeAsk):
            whole = orjson.dumps(self.ask.params, option=orjson.OPT_INDENT_2, default=repr).decode()
            rows += [Text(), *barred(whole, width, self.ink("muted"), code=True)]
        rows.append(Text())
        found, places = self.choice_rows(self._choices, self._at, width)
        self._places = [range(place.start + len(rows), place.stop + len(rows)) for place in places]
        return rows + found

    def _change_rows(self, width: int) -> list[Text]:
        if not isinstance(self.ask, ChangeAsk) or not self.ask.changes:
            return []
        rows = diff_rows(self.ask, width, self._theme or getattr(self.app, "colours", None))
        if not self._unfolded and len(rows) > FOLDED_ROWS + 2:
            more = f"… {len(rows) - FOLDED_ROWS} more rows of the change: d shows them"
            rows = [*rows[:FOLDED_ROWS], fitted(Text(more, self.ink("muted")), width)]
        return [Text(), *rows]

    def foot(self, width: int) -> list[Text]:
        """The line that is typed, or what keys do."""
        if self._typing is not None:
            room = max(1, width - 13)
            shown = Text(self._typing.text, no_wrap=True)
            while shown.cell_len > room:
                shown = shown[1:] if len(shown) < 2 * room else shown[-2 * room :]
            return [
                Text.assemble(("tell it why: ", self.ink("title")), shown, ("▏", self.ink("pointed"))),
                *self.hint_rows(("enter sends", "esc goes back"), width),
            ]
        if self._warning:
            return [fitted(Text(self._warning, self.ink("bad")), width)]
        keymap = keymap_of(self)
        parts = [f"{keymap.hint('approval', 'accept')} picks", f"{keymap.hint('approval', 'cancel')} {self._leaving}"]
        parts += ["e hunk by hunk"] if self.can_review else []
        return self.hint_rows([*parts, "d details", *self.more_hints], width)

    @property
    def _leaving(self) -> str:
        label = self.ask.cancel.label
        return "stops the turn" if "stop" in label else label[:1].lower() + label[1:]

    @property
    def more_hints(self) -> Sequence[str]:
        """Of those that add keys."""
        return ()


def diff_rows(ask: ChangeAsk, width: int, theme: Any) -> list[Text]:
    """A change as the transcript shows it."""
    from ..render import render_cell
    from ..render.theme import load_theme

    cell = PatchCell(key="", changes=ask.changes, folder=ask.folder)
    return list(render_cell(cell, width, theme or load_theme(environ={}), unfolded=True))

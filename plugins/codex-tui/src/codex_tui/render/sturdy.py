"""A cell that cannot be rendered costs its own rows, not the session."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from rich.text import Text

from ..session.cells import Cell
from .safe import one_line
from .theme import Theme
from .width import clip, text_of

P = ParamSpec("P")
Render = Callable[Concatenate[Cell, int, Theme, P], list[Text]]
MOST_TOLD = 100
_told: set[tuple[str, str]] = set()
log = logging.getLogger("codex.tui")


def sturdy(render: Render[P]) -> Render[P]:
    """What it raises becomes a row that says so, and an entry of the log: one for each kind of fault."""

    @wraps(render)
    def rendered(cell: Cell, width: int, theme: Theme, /, *args: P.args, **given: P.kwargs) -> list[Text]:
        try:
            return render(cell, width, theme, *args, **given)
        except Exception as error:  # a fault in one renderer must not end the session
            kind, fault = type(cell).__name__, f"{type(error).__name__}: {error}"
            if (kind, fault) not in _told and len(_told) < MOST_TOLD:
                _told.add((kind, fault))
                log.exception("a %s cannot be rendered", kind)
            words = one_line(f"\u25a0 this {kind} cannot be shown ({fault}): the log says more")
            return [text_of(clip([(words, theme.error)], width))]

    return rendered

"""The list of candidates below the composer, for what is being typed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from rich.segment import Segment
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from .completion import Candidate, Provider, Providers, Token, token_at
from .paste import clean

if TYPE_CHECKING:
    from rich.style import Style

MAX_ROWS = 8
DEBOUNCE_S = 0.02

__all__ = ["Candidate", "Popup", "Provider", "Providers", "Token"]


class Popup(Widget):
    """Asks the providers and shows what they give. The list of an older query stays until there is a new one, but
    nothing of it can be taken."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"popup--selected", "popup--detail", "popup--match"}
    DEFAULT_CSS = """
    Popup { height: auto; width: 100%; display: none; padding: 0 0 0 2; }
    Popup.-open { display: block; }
    Popup > .popup--selected { text-style: bold; color: $accent; }
    Popup > .popup--detail { color: $text-muted; }
    Popup > .popup--match { text-style: bold; }
    """

    def __init__(self, providers: Mapping[str, Provider]) -> None:
        super().__init__()
        self.providers = dict(providers)
        self.candidates: tuple[Candidate, ...] = ()
        self.index = 0
        self._fresh = False
        self._token: Token | None = None
        self._dismissed: tuple[str, int] | None = None
        self._top = 0
        self._notice = ""

    @property
    def is_open(self) -> bool:
        """Whether there is something to choose."""
        return bool(self.candidates)

    @property
    def chosen(self) -> tuple[Token, Candidate] | None:
        """What would be taken, and what for; None while the list is that of an older query."""
        if self._token is None or not self.candidates or not self._fresh:
            return None
        return self._token, self.candidates[self.index]

    def follow(self, text: str, cursor: int) -> None:
        """The text is now this: ask for candidates, or close. Returns at once; only the last answer counts."""
        token = token_at(text, cursor, self.providers)
        if token is None or (token.sign, token.start) != self._dismissed:
            self._dismissed = None
        if token is None or self._dismissed:
            self.close()
        elif token != self._token and self.is_attached:
            self._token = token
            self._fresh = False
            self.run_worker(cast(Any, partial(self._ask, token)), group="popup", exclusive=True)

    def dismiss(self) -> None:
        """Close, and stay closed for what is being completed."""
        if self._token is not None:
            self._dismissed = (self._token.sign, self._token.start)
        self.close()

    def close(self) -> None:
        """Show nothing."""
        if self._token is not None:
            self._token = None
            self.workers.cancel_group(self, "popup")
            self._show(())

    def move(self, by: int) -> None:
        """Select another, around the ends."""
        self.index = (self.index + by) % len(self.candidates)
        self._top = max(self.index - MAX_ROWS + 1, min(self._top, self.index))
        self.refresh()

    async def _ask(self, token: Token) -> None:
        if token.query:
            await asyncio.sleep(DEBOUNCE_S)  # who types on cancels this: most queries are never asked
        try:
            candidates = await self.providers[token.sign](token.query)
        except Exception as error:  # noqa: BLE001 - a plugin's provider: its fault is shown and typing goes on
            if token == self._token:
                self._show((), f"nothing to choose from: {error}")
            return
        if token == self._token:
            self._show(candidates, "" if token.sign == "/" else "no matches")

    def _show(self, candidates: Sequence[Candidate], notice: str = "") -> None:
        self.candidates = tuple(candidates)
        self._notice = "" if self.candidates else clean(notice).replace("\n", " ")
        self.index = self._top = 0
        self._fresh = True
        self.set_class(bool(self.candidates or self._notice), "-open")
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """At most eight rows, fewer where the terminal is low."""
        del container, width
        room = max(1, min(MAX_ROWS, viewport.height // 2))
        return min(room, len(self.candidates) or bool(self._notice))

    def render_line(self, y: int) -> Strip:
        """One candidate: its label, then what it is; a mark where the list goes on."""
        width, height = self.content_size
        top = max(self._top, self.index - height + 1)
        base = self.rich_style
        if not self.candidates:
            muted = self.get_component_rich_style("popup--detail")
            return Strip([Segment(self._notice if not y else "", muted)]).adjust_cell_length(width, base)
        place = top + y
        if place >= len(self.candidates):
            return Strip.blank(width, base)
        more = (y == 0 and top > 0) or (y == height - 1 and place + 1 < len(self.candidates))
        strip = Strip(self._row(self.candidates[place], chosen=place == self.index))
        mark = "↑" if y == 0 and top > 0 else "↓"
        strip = strip.adjust_cell_length(width - 2, base)
        return Strip([*strip, Segment(f" {mark if more else ' '}", base)]).adjust_cell_length(width, base)

    def _row(self, candidate: Candidate, *, chosen: bool) -> list[Segment]:
        style = self.get_component_rich_style("popup--selected") if chosen else self.rich_style
        # Names of files and words of servers are not ours: nothing in them may reach the terminal as a command.
        label = clean(candidate.label or candidate.value).replace("\n", " ").replace("\t", " ")
        detail = clean(candidate.detail).replace("\n", " ").replace("\t", " ")
        segments = [Segment("\u203a " if chosen else "  ", style), *self._label(label, candidate.matched, style)]
        if detail:
            segments.append(Segment("  " + detail, self.get_component_rich_style("popup--detail")))
        return segments

    def _label(self, label: str, matched: tuple[int, ...], style: Style) -> list[Segment]:
        if not matched:
            return [Segment(label, style)]
        hit = style + self.get_component_rich_style("popup--match", partial=True)
        places = set(matched)
        return [Segment(character, hit if place in places else style) for place, character in enumerate(label)]

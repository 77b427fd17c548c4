"""Picking one of several things, or several of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
from rich.cells import cell_len
from rich.text import Text
from textual import events

from .drawn import MOVES, NO_POINTER, POINTER, Drawn, Line, Pointer, between, fitted, plain
from .fuzzy import Match, match

MOST_ROWS = 12
"""Entries that are shown at once unless there is more of them to see beside them (a preview)."""
WIDE, PREVIEW_WIDE = 60, 84
"""Cells from which details stand beside the labels, and a preview beside the list."""
NUMBERED = 9
MOST_NOTE_ROWS = 5
FILTER_FROM = 6
CURRENT = " (current)"


@attrs.frozen
class PickItem:
    """`value` is what picking it gives. One with a `disabled_reason` cannot be picked: the reason is shown instead of
    its detail. `current` is marked; with `multi` it is chosen at the start. `search` is more that it is found by."""

    value: Any
    label: str
    detail: str = ""
    current: bool = False
    disabled_reason: str = ""
    search: str = ""


Preview = Callable[[PickItem, int, int], Sequence[Text]]


class Picker(Drawn):
    """Answers with the `value` of an item; with `multi` with a tuple of values, those chosen by space, in their order;
    None when left. `on_move` is told the value that is pointed at (None: nothing fits), at the start too. `preview`
    gives rows for an item, a width and a height; it is shown where there is room. Typing filters; of nine items or
    fewer, a number picks one."""

    def __init__(
        self,
        title: str,
        items: Sequence[PickItem],
        *,
        note: str = "",
        multi: bool = False,
        on_move: Callable[[Any], None] | None = None,
        preview: Preview | None = None,
        empty: str = "nothing there",
    ) -> None:
        super().__init__()
        self.announcement = title
        self._title, self._note, self._empty = title, note, empty
        self._items, self._multi = list(items), multi
        self._on_move, self._preview = on_move, preview
        self._filter = Line()
        self._shown: list[tuple[int, Match | None]] = [(number, None) for number in range(len(self._items))]
        self._chosen = {number for number, item in enumerate(self._items) if item.current} if multi else set()
        self._pointer = Pointer()
        self._pointer.at = 0 if multi else next((n for n, item in enumerate(self._items) if item.current), 0)
        self._told: Any = self
        self._warning = ""
        self._page, self._first_row = MOST_ROWS, 0

    def on_mount(self) -> None:
        """Tell what is pointed at from the start."""
        self._tell()

    # -- what is there ---------------------------------------------------------------------------

    @property
    def pointed(self) -> PickItem | None:
        """The item that is pointed at; None if nothing fits the filter."""
        return self._items[self._shown[self._pointer.at][0]] if self._shown else None

    def _refilter(self, before: str) -> None:
        wanted = self._filter.text.strip()
        everything = range(len(self._items))
        if not wanted:
            self._shown = [(number, None) for number in everything]
        else:
            grown = bool(before) and wanted.startswith(before)
            numbers = sorted(number for number, _ in self._shown) if grown else everything
            found = [(number, fit) for number in numbers if (fit := self._match(wanted, self._items[number]))]
            found.sort(key=lambda entry: -entry[1].score)
            self._shown = list(found)
        self._pointer = Pointer()
        self._warning = ""

    @staticmethod
    def _match(wanted: str, item: PickItem) -> Match | None:
        found = match(wanted, item.label)
        if found is None and (more := item.search or item.detail):
            elsewhere = match(wanted, more)
            contiguous = elsewhere is not None and wanted.casefold() in more.casefold()
            found = Match(-1, ()) if contiguous else None
        return found

    def _tell(self) -> None:
        item = self.pointed
        now = None if item is None else item.value
        if self._on_move is not None and (self._told is self or now != self._told):
            self._told = now
            self._on_move(now)

    # -- keys ------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """All keys are for the picker while it is there, but those that the application keeps for itself."""
        if self._take_key(event):
            event.stop()
            event.prevent_default()

    def _take_key(self, event: events.Key) -> bool:
        if self._is_numbered and event.character and event.character in "123456789":
            self._pick_number(int(event.character))
            return True
        if event.key == "space" and self._multi:
            self._toggle()
            return True
        action = self.list_action(event.key)
        if action in MOVES:
            self._pointer.move(action, len(self._shown), self._page)
            self._moved()
            return True
        if action in ("accept", "cancel"):
            self._accept() if action == "accept" else self._cancel()
            return True
        before = self._filter.text.strip()
        if self._filter.take(event):
            self._refilter(before)
            self._moved()
            return True
        return False

    def on_paste(self, event: events.Paste) -> None:
        """Text is filtered by, as if it was typed."""
        before = self._filter.text.strip()
        self._filter.paste(event.text)
        self._refilter(before)
        self._moved()
        event.stop()

    def _moved(self) -> None:
        self._warning = ""
        self.redraw()
        self._tell()

    @property
    def _is_numbered(self) -> bool:
        return not self._multi and not self._filter.text and len(self._items) <= NUMBERED

    def _pick_number(self, number: int) -> None:
        if number <= len(self._items):
            self._pointer.at = number - 1
            self._moved()
            self._accept()

    def _toggle(self) -> None:
        item = self.pointed
        if item is None or self._refused(item):
            return
        self._chosen ^= {self._shown[self._pointer.at][0]}
        self.redraw()

    def _refused(self, item: PickItem) -> bool:
        if item.disabled_reason:
            self._warning = item.disabled_reason
            self.redraw()
        return bool(item.disabled_reason)

    def _accept(self) -> None:
        if self._multi:
            self.answer(tuple(self._items[number].value for number in sorted(self._chosen)))
            return
        item = self.pointed
        if item is not None and not self._refused(item):
            self.answer(item.value)

    def _cancel(self) -> None:
        """A filter is left first where it left nothing over; else the picker."""
        if self._filter.text and not self._shown:
            self._filter.text = ""
            self._refilter("")
            self._moved()
        else:
            self.answer(None)

    # -- mouse -----------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        """A click picks, or with `multi` chooses."""
        offset = event.get_content_offset(self)
        place = -1 if offset is None else self._pointer.top + offset.y - self._first_row
        if offset is not None and offset.y >= self._first_row and 0 <= place < len(self._shown):
            self._pointer.at = place
            self._moved()
            self._toggle() if self._multi else self._accept()

    def wheel(self, step: int) -> None:
        """The wheel moves the pointer, without going round."""
        if 0 <= self._pointer.at + step < len(self._shown):
            self._pointer.at += step
            self._moved()

    # -- drawing ---------------------------------------------------------------------------------

    def wanted_height(self, width: int) -> int:
        """As many rows as all items need, up to `MOST_ROWS` of them; it does not shrink with the filter."""
        most = MOST_ROWS + 6 if self._preview is not None and width >= PREVIEW_WIDE else MOST_ROWS
        few = max(1, min(len(self._items), most))
        return 3 + len(self._note_rows(width)) + (most if self._preview is not None and width >= PREVIEW_WIDE else few)

    def draw(self, width: int, height: int) -> Sequence[Text]:
        """See `Drawn`."""
        head = [between(self.title_row(self._title), self._count(), width)]
        head += self._note_rows(width)[: max(0, height - 6)]
        if self._filter.text or (len(self._items) > FILTER_FROM and height >= 5):
            head.append(self.typed_row(self._filter.text, "type to filter", width))
        foot = [self._foot(width)] if height > len(head) + 2 or self._warning else []
        self._first_row = len(head)
        self._page = max(1, height - len(head) - len(foot))
        rows = self._list(width, self._page)
        return [*head, *rows, *foot][:height]

    def _note_rows(self, width: int) -> list[Text]:
        if not self._note or width < 1:
            return []
        rows = Text(plain(self._note), self.ink("muted")).wrap(self.app.console, width)
        return [fitted(row, width) for row in rows[:MOST_NOTE_ROWS]]

    def _list(self, width: int, room: int) -> list[Text]:
        if self._preview is None or width < PREVIEW_WIDE:
            return self._rows(width)
        left = max(30, width * 2 // 5)
        rows, item = self._rows(left), self.pointed
        beside = list(self._preview(item, width - left - 3, room)) if item is not None else []
        return self.side_by_side(rows, beside, left, width, room)

    def _rows(self, width: int) -> list[Text]:
        if not self._shown:
            return [Text(NO_POINTER + ("nothing fits" if self._filter.text else self._empty), self.ink("muted"))]
        seen = self._pointer.show(len(self._shown), self._page)
        label_width = min(max(self._label_width(place) for place in seen), max(20, width // 2))
        return [self._row(place, width, label_width) for place in seen]

    def _label_width(self, place: int) -> int:
        number, _ = self._shown[place]
        item = self._items[number]
        more = len(CURRENT) if item.current and not self._multi else 0
        return len(POINTER) + len(self._mark(number, place)) + cell_len(item.label) + more

    def _row(self, place: int, width: int, label_width: int) -> Text:
        number, found = self._shown[place]
        item, pointed = self._items[number], place == self._pointer.at
        ink = self.ink("muted") if item.disabled_reason else self.ink("pointed") if pointed else ""
        row = Text((POINTER if pointed else NO_POINTER) + self._mark(number, place), ink)
        row.append_text(self._label(item, found, ink))
        if item.current and not self._multi:
            row.append(CURRENT, self.ink("good"))
        detail = plain(item.disabled_reason or item.detail)
        if detail and width >= WIDE:
            row = fitted(row, label_width)
            row.pad_right(max(0, label_width - row.cell_len) + 1)
            row.append(detail, self.ink("muted"))
        return fitted(row, width)

    def _mark(self, number: int, place: int) -> str:
        if self._multi:
            return "[x] " if number in self._chosen else "[ ] "
        return f"{place + 1}. " if self._is_numbered else ""

    def _label(self, item: PickItem, found: Match | None, ink: Any) -> Text:
        # What cannot be printed becomes a space each, so that places stay what they are.
        label = Text("".join(c if c.isprintable() else " " for c in item.label), ink)
        for place in found.places if found is not None else ():
            label.stylize(self.ink("match"), place, place + 1)
        return label

    def _count(self) -> Text:
        if len(self._items) <= NUMBERED and not self._filter.text:
            return Text()
        at = self._pointer.at + 1 if self._shown else 0
        return Text(f"{at}/{len(self._shown)}", self.ink("muted"))

    def _foot(self, width: int) -> Text:
        if self._warning:
            return fitted(Text(plain(self._warning), self.ink("bad")), width)
        item = self.pointed
        if width < WIDE and item is not None and (detail := item.disabled_reason or item.detail):
            return fitted(Text(plain(detail), self.ink("muted")), width)
        keys = "space choose · enter done · esc leave" if self._multi else "enter pick · esc leave"
        return fitted(Text(keys, self.ink("muted")), width)

"""Dialogues that are filled in: lines of text, choices, and buttons at the end."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from rich.style import Style
from rich.text import Text
from textual import events

from ..keymap import keymap_of
from ..render.safe import lines, one_line
from ..render.width import text_of, wrap
from ..session.asks import Choice, Fact
from .drawn import NO_POINTER, POINTER, Line, fitted
from .sheet import BAR, Sheet, barred

MAX_TYPED = 20_000


@attrs.define(kw_only=True, eq=False)
class Group:
    """One thing to fill in. `options` are value, label and description, of which one or (`many`) several are `picked`;
    `line` is text that is typed, beside them (`line_label` says what it is then) or instead. `error` stands below."""

    name: str
    label: str
    hint: str = ""
    description: str = ""
    options: Sequence[tuple[str, str, str]] = ()
    many: bool = False
    picked: list[str] = attrs.field(factory=list)
    line: Line | None = None
    line_label: str = ""
    secret: bool = False
    error: str = ""

    def toggle(self, value: str) -> None:
        """Pick an option, or take it back."""
        if value in self.picked:
            self.picked.remove(value)
        elif self.many:
            self.picked.append(value)
        else:
            self.picked[:] = [value]


@attrs.frozen
class _Entry:
    """Something that can be pointed at: an option, a line, or a button."""

    group: Group | None = None
    option: str | None = None
    button: Choice | None = None

    @property
    def line(self) -> Line | None:
        """What is typed into."""
        return self.group.line if self.group is not None and self.option is None else None


class Filling(Sheet):
    """Arrows and tab move, space picks, enter goes on; the buttons answer. What is typed goes where the pointer is."""

    def __init__(self, title: str, facts: Sequence[Fact], groups: Sequence[Group], buttons: Sequence[Choice]) -> None:
        super().__init__()
        self.announcement = title
        self.title_text, self.facts, self.groups, self.buttons = title, tuple(facts), list(groups), tuple(buttons)
        self._entries = [entry for group in self.groups for entry in _entries(group)]
        self._entries += [_Entry(button=button) for button in self.buttons]
        self._at = 0
        self._places: list[range] = []
        self._warning = ""

    def check(self) -> bool:
        """Whether it can be sent; sets the errors of the groups."""
        raise NotImplementedError

    def press(self, button: Choice) -> None:
        """A button was pressed: one that sends only if `check` agreed."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Left with esc."""
        raise NotImplementedError

    # -- keys ------------------------------------------------------------------------------------

    @property
    def _entry(self) -> _Entry:
        return self._entries[self._at]

    def on_key(self, event: events.Key) -> None:
        """All keys are the dialog's but those that the application keeps for itself."""
        if self._take(event):
            event.stop()
            event.prevent_default()

    def _take(self, event: events.Key) -> bool:
        self._warning = ""
        entry, action = self._entry, keymap_of(self).action("list", event.key)
        if action in ("up", "down") or event.key in ("tab", "shift+tab"):
            self._go(self._at + (1 if action == "down" or event.key == "tab" else -1))
        elif action in ("page-up", "page-down"):
            self.scroll_page(1 if action == "page-down" else -1)
        elif action == "cancel":
            self.cancel()
        elif action == "accept":
            self._accept(entry)
        elif entry.line is not None:
            if not entry.line.take(event):
                return False
            self._typed(entry)
        elif event.key == "space" and entry.option is not None and entry.group is not None:
            entry.group.toggle(entry.option)
            self._filled(entry.group)
        else:
            return self._take_letter(entry, event.character)
        return True

    def _take_letter(self, entry: _Entry, typed: str | None) -> bool:
        if entry.group is not None and typed and typed in "123456789" and int(typed) <= len(entry.group.options):
            entry.group.toggle(entry.group.options[int(typed) - 1][0])
            self._filled(entry.group)
            return True
        button = next((button for button in self.buttons if button.key == typed), None)
        if button is None or entry.button is None:
            return False
        self._push(button)
        return True

    def _accept(self, entry: _Entry) -> None:
        if entry.button is not None:
            self._push(entry.button)
            return
        group = entry.group
        if group is not None and entry.option is not None and entry.option not in group.picked:
            group.toggle(entry.option)
            self._filled(group)
        after = [place for place in range(self._at, len(self._entries)) if self._entries[place].group is not group]
        self._go(after[0] if after else self._at)

    def _push(self, button: Choice) -> None:
        if not button.allows:
            self.press(button)
        elif not self.has_seen(self._facts_end):
            self._warning = "read on first"
            self.read_on()
        elif self.check():
            self.press(button)
        else:
            wrong = next(group for group in self.groups if group.error)
            self._warning = "not sent: see what is marked"
            self.changed()
            self._go(next(place for place, entry in enumerate(self._entries) if entry.group is wrong))

    def _go(self, place: int) -> None:
        left = self._entry.group
        self._at = place % len(self._entries)
        if left is not None and left is not self._entry.group and (left.error or left.picked or _text(left)):
            self.check_one(left)
        self.changed()
        self._rows(max(1, self.content_size.width))
        rows = self._places[self._at]
        self.reveal(0 if self._at == 0 else rows.start, rows.stop - 1)

    def check_one(self, group: Group) -> None:
        """The pointer has left a group that something is in."""

    def _typed(self, entry: _Entry) -> None:
        if entry.line is not None and entry.group is not None:
            entry.line.text = entry.line.text[:MAX_TYPED]
            self._filled(entry.group)

    def _filled(self, group: Group) -> None:
        if group.error:
            self.check_one(group)
        self.changed()

    def on_paste(self, event: events.Paste) -> None:
        """Goes into the line that is pointed at."""
        event.stop()
        if self._entry.line is not None:
            self._entry.line.paste(event.text)
            self._typed(self._entry)

    # -- drawing ---------------------------------------------------------------------------------

    def head(self, width: int) -> list[Text]:
        """The title."""
        return self.title_rows(self.title_text, width)

    def body(self, width: int) -> list[Text]:
        """What is said, the groups, the buttons."""
        rows = self.fact_rows(self.facts, width)
        self._facts_end = len(rows)
        self._places = []
        for group in self.groups:
            rows += [Text(), *self._heading(group, width)]
            for entry in _entries(group):
                found = self._entry_rows(group, entry, width)
                self._places.append(range(len(rows), len(rows) + len(found)))
                rows += found
            if group.error:
                rows += _rows_of(f"    ✗ {group.error}", width, self.ink("bad"))
                self._places[-1] = range(self._places[-1].start, len(rows))
        rows.append(Text())
        at = self._at - (len(self._entries) - len(self.buttons))
        found, places = self.choice_rows(self.buttons, at, width)
        self._places += [range(place.start + len(rows), place.stop + len(rows)) for place in places]
        return rows + found

    def _heading(self, group: Group, width: int) -> list[Text]:
        muted = self.ink("muted")
        label = [(one_line(group.label), self.ink("title"))]
        if group.hint:
            label.append((f"  {one_line(group.hint)}", muted))
        rows = [text_of(row) for row in wrap(label, width, [(BAR, muted)], [(BAR, muted)])]
        return rows + (barred(group.description, width, muted) if group.description else [])

    def _entry_rows(self, group: Group, entry: _Entry, width: int) -> list[Text]:
        pointed = entry == self._entry or (entry.group is self._entry.group and entry.option == self._entry.option)
        style = self.ink("pointed") if pointed else Style.null()
        mark = POINTER if pointed else NO_POINTER
        if entry.option is not None:
            _, label, description = next(row for row in group.options if row[0] == entry.option)
            signs = ("[x]", "[ ]") if group.many else ("(•)", "( )")
            first = f"{mark}{signs[entry.option not in group.picked]} "
            rows = _rows_of(one_line(label), width, style, first, " " * len(first))
            for line in lines(description) if description else ():
                rows += _rows_of(line, width, self.ink("muted"), " " * len(first), " " * len(first))
            return rows
        assert group.line is not None
        label = f"{mark}{group.line_label}{': ' if group.line_label else ''}"
        text = "•" * len(group.line.text) if group.secret else one_line(group.line.text)
        shown = Text(text, no_wrap=True)
        room = max(1, width - len(label) - 2)
        while shown.cell_len > room:  # the end is where one types
            shown = shown[max(1, len(shown) - 2 * room) :] if len(shown) > 2 * room else shown[1:]
        cursor = "▏" if pointed else ""
        return [Text.assemble((label, style), ("│", self.ink("muted")), shown, (cursor, self.ink("pointed")))]

    def foot(self, width: int) -> list[Text]:
        """What keys do where the pointer is."""
        if self._warning:
            return [fitted(Text(self._warning, self.ink("bad")), width)]
        entry = self._entry
        here = (
            ("enter presses",)
            if entry.button
            else ("type", "enter next")
            if entry.line
            else ("space picks", "enter next")
        )
        return self.hint_rows((*here, "↑↓ move", "esc leaves"), width)


def _entries(group: Group) -> list[_Entry]:
    found = [_Entry(group, option[0]) for option in group.options]
    return [*found, _Entry(group)] if group.line is not None else found


def _text(group: Group) -> str:
    return group.line.text if group.line is not None else ""


def _rows_of(text: str, width: int, style: Style, first: str = "", rest: str = "") -> list[Text]:
    return [text_of(row) for row in wrap([(text, style)], width, [(first, style)], [(rest, style)])]

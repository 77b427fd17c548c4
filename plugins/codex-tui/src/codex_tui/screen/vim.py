"""The vi mode of the composer: a state machine on text and cursor. No terminal, no textual.

Keys are characters as they are typed, and names for the rest (`escape`, `ctrl+r`, `left`). What is not handled is
the composer's, such as enter; in insert mode that is everything but escape.
"""

from __future__ import annotations

import attrs

from . import vim_motions as motions
from .buffer import next_cluster, previous_cluster

INSERT, NORMAL, VISUAL = "insert", "normal", "visual"
MAX_COUNT = 9_999
_UP = frozenset({"k", "up"})


@attrs.frozen(kw_only=True)
class Step:
    """What a key does: `edit` (start, end, what comes there), then the cursor is at `cursor`. `undo` and `redo` are how
    often; `edge` is -1 or 1 when a move up or down has nowhere to go."""

    cursor: int
    edit: tuple[int, int, str] | None = None
    undo: int = 0
    redo: int = 0
    edge: int = 0


@attrs.define(eq=False)
class Vim:
    """`mode` is insert, normal or visual; `pending` what is typed of a command so far, for the status line."""

    mode: str = INSERT
    register: str = ""
    register_lines: bool = False
    anchor: int = 0
    _count: str = ""
    _operator: str = ""
    _operator_count: int = 1
    _prefix: str = ""
    _last_find: tuple[str, str] | None = None

    @property
    def pending(self) -> str:
        """The beginning of a command, such as `2d`."""
        return self._operator + self._count + self._prefix

    def press(self, key: str, text: str, cursor: int) -> Step | None:
        """What a key does, None if it is not for us."""
        if self.mode == INSERT:
            if key != "escape":
                return None
            self.mode = NORMAL
            return self._stay(motions.left(text, cursor))
        if key == "escape":
            idle = self.mode == NORMAL and not self.pending
            self.mode = NORMAL
            return None if idle else self._stay(motions.settled(text, cursor))
        return self._after_prefix(key, text, cursor) if self._prefix else self._key(key, text, cursor)

    def selection(self, text: str, cursor: int) -> tuple[int, int] | None:
        """What is selected in visual mode."""
        if self.mode != VISUAL:
            return None
        first, last = sorted((min(self.anchor, len(text)), cursor))
        return first, next_cluster(text, last)

    def start_insert(self) -> None:
        """Begin afresh in insert mode: the text was sent."""
        self.mode = INSERT
        self._reset()

    def _reset(self) -> None:
        self._count = self._operator = self._prefix = ""
        self._operator_count = 1

    def _stay(self, place: int) -> Step:
        """End the command there."""
        self._reset()
        return Step(cursor=place)

    @property
    def _times(self) -> int:
        return min(MAX_COUNT, int(self._count or 1) * self._operator_count)

    def _key(self, key: str, text: str, cursor: int) -> Step | None:
        if key.isdigit() and key.isascii() and (key != "0" or self._count):
            self._count = str(min(MAX_COUNT, int(self._count + key)))
            return Step(cursor=cursor)
        if (key in "fFtTg" and len(key) == 1) or (key == "r" and not self._operator):
            self._prefix = key
            return Step(cursor=cursor)
        if self.mode == VISUAL and (step := self._visual(key, text, cursor)) is not None:
            return step
        if key in ("d", "c", "y"):
            return self._operator_key(key, text, cursor)
        if key in motions.LINEWISE:
            return self._vertical(key, text, cursor)
        if key == "G":
            number = int(self._count) if self._count else text.count("\n") + 1
            return self._to_line(motions.line_number(text, number), text, cursor)
        if key in (";", ",") and self._last_find:
            way, character = self._last_find
            return self._find(way if key == ";" else way.swapcase(), character, text, cursor)
        if (span := self._motion(key, text, cursor)) is not None:
            return self._apply(*span, text, cursor)
        if self._operator:
            return self._stay(cursor)
        return self._command(key, text, cursor)

    def _after_prefix(self, key: str, text: str, cursor: int) -> Step:
        prefix, self._prefix = self._prefix, ""
        if prefix == "g" and key == "g":
            return self._to_line(motions.line_number(text, int(self._count or 1)), text, cursor)
        if prefix == "g" or len(key) != 1:
            return self._stay(cursor)
        if prefix == "r":
            return self._overwrite(key, text, cursor)
        self._last_find = (prefix, key)
        return self._find(prefix, key, text, cursor)

    def _find(self, way: str, character: str, text: str, cursor: int) -> Step:
        place: int | None = cursor
        for left in reversed(range(self._times)):
            # All but the last find the character itself, t and T too.
            place = motions.find(text, place or 0, way if not left else {"t": "f", "T": "F"}.get(way, way), character)
            if place is None:
                return self._stay(cursor)
        return self._apply(place or 0, way in "ft", text, cursor)

    def _motion(self, key: str, text: str, cursor: int) -> tuple[int, bool] | None:
        """Where a motion within the text leads, and whether the character there belongs to it."""
        if key == "w" and self._operator:
            return self._operator_word(text, cursor)
        inclusive = key in motions.INCLUSIVE
        motion = motions.INCLUSIVE.get(key) or motions.EXCLUSIVE.get(key)
        if motion is None:
            return None
        place = cursor
        for _ in range(self._times):
            place = motion(text, place)
        return place, inclusive

    def _operator_word(self, text: str, cursor: int) -> tuple[int, bool]:
        """`cw` ends with the word; `dw` on the last word of a line leaves the newline."""
        change = self._operator == "c" and cursor < len(text) and not text[cursor].isspace()
        place = cursor
        for left in reversed(range(self._times)):
            place = (
                motions.word_end(text, place - (place == cursor)) if change and not left else motions.word(text, place)
            )
        if change:
            return place, True
        gone = text[cursor:place]
        return (cursor + len(gone.rstrip()) if "\n" in gone and gone.strip() else place), False

    def _vertical(self, key: str, text: str, cursor: int) -> Step:
        motion, up = motions.LINEWISE[key], key in _UP
        beyond = "\n" not in (text[:cursor] if up else text[cursor:])
        if beyond:
            edge = 0 if self._operator or self.mode == VISUAL else (-1 if up else 1)
            self._reset()
            return Step(cursor=cursor, edge=edge)
        place = cursor
        for _ in range(self._times):
            place = motion(text, place)
        return self._to_line(place, text, cursor)

    def _to_line(self, place: int, text: str, cursor: int) -> Step:
        """A move by lines, or the operator on all lines from here to there."""
        if not self._operator:
            return self._stay(motions.settled(text, place))
        return self._lines(self._operator, text, cursor, *sorted((cursor, place)))

    def _apply(self, place: int, inclusive: bool, text: str, cursor: int) -> Step:
        """A move, or the operator on what lies between."""
        if not self._operator:
            return self._stay(motions.settled(text, place))
        start, end = sorted((cursor, place))
        if inclusive:
            end = next_cluster(text, end) if text[end : end + 1] != "\n" else end
        return self._operate(self._operator, text, start, end)

    def _operator_key(self, key: str, text: str, cursor: int) -> Step:
        if not self._operator:
            self._operator, self._operator_count, self._count = key, int(self._count or 1), ""
            return Step(cursor=cursor)
        if key != self._operator:
            return self._stay(cursor)
        last = cursor
        for _ in range(self._times - 1):
            last = motions.line_below(text, last)
        return self._lines(key, text, cursor, cursor, last)

    def _operate(self, operator: str, text: str, start: int, end: int) -> Step:
        self._reset()
        self.register, self.register_lines = text[start:end], False
        if operator == "y":
            return Step(cursor=motions.settled(text, start))
        if operator == "c":
            self.mode = INSERT
            return Step(cursor=start, edit=(start, end, ""))
        return Step(cursor=motions.settled(text[:start] + text[end:], start), edit=(start, end, ""))

    def _lines(self, operator: str, text: str, cursor: int, first: int, last: int) -> Step:
        self._reset()
        start, end = motions.line_start(text, first), motions.line_end(text, last)
        self.register, self.register_lines = text[start:end], True
        if operator == "y":
            return Step(cursor=motions.settled(text, min(cursor, first)))
        if operator == "c":
            self.mode = INSERT
            return Step(cursor=start, edit=(start, end, ""))
        if end < len(text):
            end += 1
        elif start:
            start -= 1  # the last lines go with the newline before them
        rest = text[:start] + text[end:]
        return Step(cursor=motions.first_non_blank(rest, start), edit=(start, end, ""))

    def _visual(self, key: str, text: str, cursor: int) -> Step | None:
        start, end = self.selection(text, cursor) or (cursor, cursor)
        if key == "v":
            self.mode = NORMAL
            return self._stay(cursor)
        if key == "o":
            self.anchor, cursor = cursor, self.anchor
            return self._stay(min(cursor, len(text)))
        if key in ("d", "x", "y", "c", "s"):
            self.mode = NORMAL
            return self._operate({"x": "d", "s": "c"}.get(key, key), text, start, end)
        if key == "~":
            self.mode = NORMAL
            self._reset()
            return Step(cursor=start, edit=(start, end, text[start:end].swapcase()))
        return None if key in motions.KNOWN or len(key) > 1 else self._stay(cursor)

    def _overwrite(self, character: str, text: str, cursor: int) -> Step:
        times = self._times
        self._reset()
        start, end = self.selection(text, cursor) or (cursor, cursor)
        if self.mode == VISUAL:
            self.mode = NORMAL
            new = "".join(old if old == "\n" else character for old in text[start:end])
            return Step(cursor=start, edit=(start, end, new))
        for _ in range(times):
            if end >= motions.line_end(text, cursor):
                return Step(cursor=cursor)  # fewer characters than asked for: nothing, as in vi
            end = next_cluster(text, end)
        return Step(cursor=cursor + times - 1, edit=(cursor, end, character * times))

    def _command(self, key: str, text: str, cursor: int) -> Step | None:
        """What is neither a motion nor waits for one."""
        if key in ("u", "ctrl+r"):
            times = self._times
            self._reset()
            return Step(cursor=cursor, undo=times) if key == "u" else Step(cursor=cursor, redo=times)
        if key in ("p", "P"):
            return self._put(text, cursor, before=key == "P")
        if (insert := self._inserting(key, text, cursor)) is not None:
            self.mode = INSERT
            self._reset()
            return insert
        if (edit := self._editing(key, text, cursor)) is not None:
            return edit
        self._reset()
        # A letter without a meaning does nothing; any other key is the composer's.
        return Step(cursor=cursor) if len(key) == 1 else None

    def _inserting(self, key: str, text: str, cursor: int) -> Step | None:
        """The keys that lead to insert mode without taking anything away."""
        if key == "o":
            end = motions.line_end(text, cursor)
            return Step(cursor=end + 1, edit=(end, end, "\n"))
        if key == "O":
            start = motions.line_start(text, cursor)
            return Step(cursor=start, edit=(start, start, "\n"))
        places = {
            "i": lambda: cursor,
            "I": lambda: motions.first_non_blank(text, cursor),
            "a": lambda: motions.right(text, cursor),
            "A": lambda: motions.line_end(text, cursor),
        }
        return Step(cursor=places[key]()) if key in places else None

    def _editing(self, key: str, text: str, cursor: int) -> Step | None:
        """The keys that change without a motion."""
        end = motions.line_end(text, cursor)
        if key in ("x", "delete", "s", "~"):
            stop = cursor
            for _ in range(self._times):
                stop = min(end, next_cluster(text, stop))
            if key == "~":
                self._reset()
                new = text[:cursor] + text[cursor:stop].swapcase() + text[stop:]
                place = cursor + len(new) - len(text) + stop - cursor
                return Step(cursor=motions.settled(new, place), edit=(cursor, stop, text[cursor:stop].swapcase()))
            return self._operate("c" if key == "s" else "d", text, cursor, stop)
        if key == "X":
            start = cursor
            for _ in range(self._times):
                start = motions.left(text, start)
            return self._operate("d", text, start, cursor)
        if key in ("D", "C"):
            return self._operate(key.lower(), text, cursor, end)
        if key in ("S", "Y"):
            return self._lines("c" if key == "S" else "y", text, cursor, cursor, cursor)
        if key == "J":
            return self._join(text, cursor)
        if key == "v":
            self.mode, self.anchor = VISUAL, cursor
            return self._stay(cursor)
        return None

    def _join(self, text: str, cursor: int) -> Step:
        """This line and those below in one, a blank between them."""
        start = stop = motions.line_end(text, cursor)
        joined, place = "", start
        for _ in range(max(1, self._times - 1)):
            if stop >= len(text):
                break
            first, stop = motions.first_non_blank(text, stop + 1), motions.line_end(text, stop + 1)
            blank = "" if first == stop or (start + len(joined) and (text[:start] + joined)[-1].isspace()) else " "
            place = start + len(joined)
            joined += blank + text[first:stop]
        self._reset()
        if stop == start:
            return Step(cursor=cursor)
        rest = text[:start] + joined + text[stop:]
        return Step(cursor=motions.settled(rest, place), edit=(start, stop, joined))

    def _put(self, text: str, cursor: int, *, before: bool) -> Step:
        times = self._times
        self._reset()
        if not self.register:
            return Step(cursor=cursor)
        if self.register_lines:
            lines = "\n".join([self.register] * times)
            if before:
                start = motions.line_start(text, cursor)
                return Step(cursor=motions.first_non_blank(lines, 0) + start, edit=(start, start, lines + "\n"))
            end = motions.line_end(text, cursor)
            return Step(cursor=end + 1 + motions.first_non_blank(lines, 0), edit=(end, end, "\n" + lines))
        place = cursor if before else motions.right(text, cursor)
        put = self.register * times
        whole = text[:place] + put + text[place:]
        return Step(cursor=motions.settled(whole, previous_cluster(whole, place + len(put))), edit=(place, place, put))

"""Text of others made harmless: of the model, of files, of commands. What `render` gives to a terminal passes here.

Two ways. `shown` is for text that somebody reads in order to judge it (messages, commands, diffs): what would be
invisible or would act is shown as a sign. `output_lines` is for the output of commands: it is taken as a terminal
takes it (overwriting, colours), and what acts on anything but the text is dropped.
"""

from __future__ import annotations

import re
from functools import lru_cache

from rich.color import Color, ColorSystem
from rich.style import Style

from .theme import Colours
from .width import NULL, Line, cells, expand_tabs, graphemes

_SUSPECT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000ffffe\U000fffff\U0010fffe\U0010ffff]"
)
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f")
_EMOJI = "[\U0001f000-\U0001faff\u2190-\u2bff\u203c\u2049\u2122\u2139\u3030\u303d\u3297\u3299\xa9\xae]"
_JOINED = re.compile(f"(?<={_EMOJI})\ufe0f?[\U0001f3fb-\U0001f3ff]?\u200d(?={_EMOJI})")
_COMPLEX = "[\u0600-\u0dff\u1000-\u109f\u1780-\u18af\u0e00-\u0fff]"
_JOINERS = re.compile(f"(?<={_COMPLEX})[\u200c\u200d](?={_COMPLEX})")
_VARIANT = re.compile("(?<=[^\x00-\x22\x24-\x29\x2b-\x2f\x3a-\xa8\ufe00-\ufe0f ])[\ufe00-\ufe0f](?![\ufe00-\ufe0f])")
_HARMLESS = (_FLAG, _JOINED, _JOINERS, _VARIANT)


def shown(text: str) -> str:
    """All that acts or hides made visible: C0 as control pictures (␛), the rest as `<U+202E>`: C1, overrides and
    isolates of direction, what has no width, tags, lone surrogates. What belongs to an emoji or to the joining of a
    script stays. Newlines and tabs stay; CR LF becomes a newline."""
    if not _SUSPECT.search(text):
        return text
    text = text.replace("\r\n", "\n")
    kept = {place for form in _HARMLESS for match in form.finditer(text) for place in range(*match.span())}
    return _SUSPECT.sub(lambda match: match[0] if match.start() in kept else _sign(match[0]), text)


def _sign(char: str) -> str:
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"<U+{code:04X}>"


def lines(text: str, tab: int = 4) -> list[str]:
    """The lines of a text, `shown`, with tabs as spaces."""
    return [expand_tabs(line, tab) for line in shown(text).split("\n")]


def one_line(text: str) -> str:
    """A text `shown` on one line: newlines and tabs are spaces."""
    return shown(text).replace("\n", " ").replace("\t", " ")


_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)(?P<args>[0-?]*)(?P<mid>[ -/]*)(?P<final>[@-~])"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c|\x1b?$)"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*$"
    r"|\x1b[ -/]*[0-~]?"
)
_ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MOVES = re.compile("[\r\b]|(?:\x1b\\[|\x9b)[0-2]?K")


class OutputText:
    """Lines of a command's output, one after the other, since a colour lasts until it is changed. `base` is what the
    text looks like where the command does not say; colours are cut down to what the theme keeps."""

    def __init__(self, base: Style = NULL, colours: Colours = "full", tab: int = 8) -> None:
        self._base = base
        self._colours: Colours = colours
        self._tab = tab
        self._look = _Look()

    def line(self, text: str) -> Line:
        """The next line (no newline in it), as a terminal would leave it."""
        text = text.rstrip("\r")
        if not _ACTS.search(text):
            return [(expand_tabs(shown(text), self._tab), self._style())] if text else []
        return self._overwritten(text) if _MOVES.search(text) else self._straight(text)

    def _style(self) -> Style:
        return self._base if self._look == _Look() else _style(self._base, self._colours, self._look)

    def _parts(self, text: str) -> list[tuple[str, str, str]]:
        """Plain text, and sequences as their final letter with arguments."""
        parts: list[tuple[str, str, str]] = []
        place = 0
        for match in _SEQUENCE.finditer(text):
            parts.append((text[place : match.start()], "", ""))
            if match["final"] and not match["mid"]:
                parts.append(("", match["final"], match["args"]))
            place = match.end()
        parts.append((text[place:], "", ""))
        return [part for part in parts if part[0] or part[1]]

    def _straight(self, text: str) -> Line:
        row: Line = []
        for part, final, args in self._parts(text):
            if final == "m":
                self._look = self._look.after(args)
            elif part := shown(_ACTS.sub("", part)):
                row.append((part, self._style()))
        if any("\t" in part for part, _ in row):
            return _tabs_out(row, self._tab)
        return row

    def _overwritten(self, text: str) -> Line:
        """What is left of a line that was written over: the last writer of each cell wins."""
        slots: list[tuple[str, Style] | None] = []  # None: the second half of a wide character
        column = 0
        for part, final, args in self._parts(text):
            if final == "m":
                self._look = self._look.after(args)
            elif final == "K":
                column = _erase(slots, column, args)
            for run in re.split("([\r\b\t])", part):
                if run == "\r":
                    column = 0
                elif run == "\b":
                    column = max(0, column - 1)
                elif run == "\t":
                    column += self._tab - column % self._tab
                else:
                    column = self._write(slots, column, shown(_ACTS.sub("", run)))
        return _joined(slots)

    def _write(self, slots: list[tuple[str, Style] | None], column: int, text: str) -> int:
        style = self._style()
        for grapheme, size in graphemes(text):
            slots += [(" ", self._base)] * (column + size - len(slots))
            if not size:
                continue
            if slots[column] is None:
                slots[column - 1] = (" ", style)
            after = column + size
            if after < len(slots) and slots[after] is None:
                slots[after] = (" ", style)
            slots[column:after] = [(grapheme, style), *[None] * (size - 1)]
            column = after
        return column


def _erase(slots: list[tuple[str, Style] | None], column: int, args: str) -> int:
    """Erase in line: to its end, to its beginning, or all of it."""
    if args in ("", "0", "2"):
        del slots[0 if args == "2" else column :]
    if args == "1":
        slots[: column + 1] = [(" ", NULL)] * min(column + 1, len(slots))
    return column


def _joined(slots: list[tuple[str, Style] | None]) -> Line:
    row: Line = []
    for cell in slots:
        if cell is None:
            continue
        if row and row[-1][1] == cell[1]:
            row[-1] = (row[-1][0] + cell[0], cell[1])
        else:
            row.append(cell)
    return row


def _tabs_out(row: Line, size: int) -> Line:
    """Tabs as spaces in a line of several pieces."""
    spread: Line = []
    for part, style in row:
        done = ""
        for run in re.split("(\t)", part):
            gap = " " * (size - _column(spread, done) % size)
            done += gap if run == "\t" else run
        spread.append((done, style))
    return spread


def _column(before: Line, here: str) -> int:
    return sum(cells(text) for text, _ in before) + cells(here)


_ON = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse", 9: "strike", 21: "underline"}
_OFF = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("reverse",), 29: ("strike",)}


class _Look:
    """What SGR has set. Text is never hidden: concealing and blinking are left out."""

    __slots__ = ("back", "flags", "fore")

    def __init__(self, fore: str = "", back: str = "", flags: frozenset[str] = frozenset()) -> None:
        self.fore, self.back, self.flags = fore, back, flags

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Look) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, str, frozenset[str]]:
        return self.fore, self.back, self.flags

    def after(self, args: str) -> _Look:
        """The look after one sequence; what is no SGR of ours changes nothing."""
        if re.fullmatch(r"[0-9;:]*", args) is None or len(args) > 256:
            return self
        groups = [[int(part or 0) if len(part) < 6 else 0 for part in group.split(":")] for group in args.split(";")]
        look = _Look(self.fore, self.back, self.flags)
        while groups:
            look._take(groups)
        return look

    def _take(self, groups: list[list[int]]) -> None:
        code, *sub = groups.pop(0)
        if code in (38, 48):
            colour = _extended(sub, groups)
            if colour and code == 38:
                self.fore = colour
            elif colour:
                self.back = colour
        elif code == 0:
            self.fore, self.back, self.flags = "", "", frozenset()
        elif code == 4 and sub == [0]:
            self.flags -= {"underline"}
        elif code in _ON:
            self.flags |= {_ON[code]}
        elif code in _OFF:
            self.flags -= set(_OFF[code])
        elif 30 <= code <= 37 or 90 <= code <= 97:
            self.fore = f"color({code - 30 if code < 90 else code - 82})"
        elif 40 <= code <= 47 or 100 <= code <= 107:
            self.back = f"color({code - 40 if code < 100 else code - 92})"
        elif code == 39:
            self.fore = ""
        elif code == 49:
            self.back = ""


def _extended(sub: list[int], groups: list[list[int]]) -> str:
    """A colour of 256, or one of red, green and blue, in either spelling."""
    if not sub:
        kind = groups.pop(0)[0] if groups else 0
        sub = [kind] + [groups.pop(0)[0] for _ in range(min(len(groups), {5: 1, 2: 3}.get(kind, 0)))]
    elif sub[0] == 2 and len(sub) > 4:
        sub = [2, *sub[-3:]]  # 38:2:space:r:g:b
    if sub[0] == 5 and len(sub) == 2 and sub[1] < 256:
        return f"color({sub[1]})"
    if sub[0] == 2 and len(sub) == 4 and max(sub[1:]) < 256:
        return f"#{sub[1]:02x}{sub[2]:02x}{sub[3]:02x}"
    return ""


@lru_cache(1024)
def _style(base: Style, colours: Colours, look: _Look) -> Style:
    flags: dict[str, bool] = dict.fromkeys(look.flags, True)
    fore, back = look.fore, look.back
    if fore and fore == back:
        back = ""  # text in the colour of its ground would be hidden
    if colours == "none":
        fore = back = ""
    own = Style(color=_colour(fore, colours), bgcolor=_colour(back, colours), **flags)  # type: ignore[arg-type]
    return own if fore else base + own


def _colour(name: str, colours: Colours) -> Color | None:
    if not name:
        return None
    colour = Color.parse(name)
    return colour.downgrade(ColorSystem.STANDARD) if colours == "ansi" else colour


def output_lines(text: str, base: Style = NULL, colours: Colours = "full") -> list[Line]:
    """All lines of a command's output."""
    reader = OutputText(base, colours)
    return [reader.line(line) for line in text.split("\n")]

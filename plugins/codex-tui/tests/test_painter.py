from __future__ import annotations

import random

import pyte

from codex_tui.screen.capabilities import capabilities
from codex_tui.screen.painter import Painter, Row

from .effort import effort
from .terminal_screen import Screen, row_text


class _Emulator:
    def __init__(self, columns: int, lines: int) -> None:
        self.screen = Screen(columns, lines)
        self._stream = pyte.Stream(self.screen)

    def feed(self, data: str) -> None:
        self._stream.feed(data)

    def rows(self) -> list[str]:
        kept = [row_text(line, self.screen.columns) for line in self.screen.kept]
        shown = [row_text(self.screen.buffer[y], self.screen.columns) for y in range(self.screen.lines)]
        while shown and not shown[-1]:
            shown.pop()
        return kept + shown


def _rows(*texts: str) -> list[Row]:
    return [Row(text, len(text)) for text in texts]


def test_any_sequence_of_frames_leaves_what_was_written_above_once_and_the_region_below_it() -> None:
    for seed in range(effort(5)):
        chance = random.Random(seed)
        columns, lines = chance.randint(8, 30), chance.randint(4, 12)
        emulator, painter, above = _Emulator(columns, lines), Painter(), ["$ codex"]
        painter.columns = columns
        emulator.feed("$ codex\r\n")
        for step in range(40):
            region = [
                chance.choice("abc") * chance.choice([1, columns // 2, columns])
                for _ in range(chance.randint(1, lines))
            ]
            new = [
                f"{step}.{n}".ljust(chance.choice([1, columns]), "=") for n in range(chance.choice([0, 0, 1, 3, 20]))
            ]
            cursor = (chance.randrange(columns), chance.randrange(len(region)))
            emulator.feed(painter.frame(_rows(*region), cursor, _rows(*new)))
            above += new
            assert emulator.rows() == above + region, f"seed {seed}, step {step}"
            top = len(above) - len(emulator.screen.kept)
            assert (emulator.screen.cursor.x, emulator.screen.cursor.y) == (cursor[0], top + cursor[1])
        emulator.feed(painter.erase())
        assert emulator.rows() == above


def test_rows_that_are_wider_than_the_terminal_are_wrapped_by_it() -> None:
    emulator, painter = _Emulator(10, 6), Painter()
    painter.columns = 10
    emulator.feed(painter.frame(_rows("one", "two", "three"), (0, 0)))
    emulator.feed(painter.frame(_rows("four"), (0, 0), _rows("x" * 25, "next")))
    assert emulator.rows() == ["x" * 10, "x" * 10, "x" * 5, "next", "four"]


def test_a_frame_writes_only_the_rows_that_have_changed() -> None:
    painter = Painter()
    painter.frame(_rows("one", "two", "three"), (0, 0))
    frame = painter.frame(_rows("one", "2", "three"), (0, 0))
    assert "2" in frame
    assert "one" not in frame
    assert "three" not in frame


def test_after_a_change_of_width_the_region_is_found_by_how_the_terminal_wraps() -> None:
    painter = Painter()
    painter.columns = 20
    painter.frame(_rows("a" * 20, "b" * 20, "c"), (0, 2), _rows("x" * 20, "y"))
    # Two rows of the region above the cursor and three above the region, some of them in two pieces now.
    assert painter.tops(9, 10, reflows=True) == (5, 2)
    assert painter.tops(9, 10, reflows=False) == (7, 5)
    assert painter.tops(5, 10, reflows=True) == (1, None)


def test_capabilities_are_told_from_the_environment() -> None:
    assert capabilities({"TERM": "xterm"}, False).kind == "not-a-terminal"
    assert capabilities({"TERM": "dumb"}, True).kind == "dumb"
    plain = capabilities({"TERM": "xterm-256color"}, True)
    assert (plain.kind, plain.colours, plain.reflows) == ("usable", "256", True)
    assert capabilities({"TERM": "xterm", "COLORTERM": "truecolor"}, True).colours == "truecolour"
    assert capabilities({"TERM": "xterm", "NO_COLOR": "1"}, True).colours == "none"
    assert not capabilities({"TERM": "xterm", "XTERM_VERSION": "XTerm(1)"}, True).reflows
    assert capabilities({"TERM": "screen-256color", "TMUX": "x"}, True).reflows

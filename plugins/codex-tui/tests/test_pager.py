"""The pager and the transcript in full-screen mode."""

from __future__ import annotations

import pytest
from rich.console import Console
from rich.text import Text
from textual import events

from codex_tui.render import joins, load_theme, render_cell
from codex_tui.screen.pager import Pager
from codex_tui.screen.transcript_view import TranscriptSource, TranscriptView
from codex_tui.screen.viewport import Viewport
from codex_tui.session.cells import AgentCell, CommandCell, NoticeCell
from codex_tui.session.transcript import Transcript

from .screens import shown
from .snapshots import check


class RowBlocks:
    """Texts that are wrapped to the width, each a block."""

    generation = 0

    def __init__(self, rows):
        self._rows = rows

    def __len__(self):
        return len(self._rows)

    def key(self, index):
        return index

    def stamp(self, index):
        return None

    def rows(self, index, width):
        return tuple(self._rows[index].wrap(Console(width=width), width))


class Counting:
    """Renders a cell as rows, and counts what it has rendered."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def __call__(self, cell, width, theme, *, unfolded=False):
        self.keys.append(cell.key)
        lines = cell.text.split("\n")
        return [Text(line) for line in (lines if unfolded else lines[:3])]


def transcript(count, rows=3):
    """A transcript of so many cells."""
    found = Transcript()
    for number in range(count):
        found.add(NoticeCell(key=f"c{number}", level="info", text="\n".join(f"{number}.{n}" for n in range(rows))))
    return found


def plain_rows(count):
    """Rows that tell their numbers."""
    return RowBlocks([Text(f"row {number}") for number in range(count)])


STEPS = [
    ([], "row 0", "0 %"),
    (["j", "j", "down", "k"], "row 2", "0 %"),
    (["g", "space"], "row 10", "1 %"),
    (["b"], "row 0", "0 %"),
    (["G"], "row 989", "end"),
    (["up"], "row 988", "98 %"),
    (["g", "ctrl+d", "d", "u"], "row 5", "0 %"),
    ([*"/row 77", "enter"], "row 77", "7 %"),
    (["n"], "row 770", "77 %"),
    (["N"], "row 77", "7 %"),
    (["N"], "row 779", "77 %"),
    ([*"/ROW 4x", "backspace", "2", "enter"], "row 42", "4 %"),
]


@pytest.mark.anyio
async def test_keys_of_less():
    async with shown(Pager("Diff", plain_rows(1000)), (80, 12)) as (pilot, host):
        for keys, first, percent in STEPS:
            await pilot.press(*keys)
            await host.workers.wait_for_complete()
            await pilot.pause()
            assert host.rows()[0].strip("▌ ") == first
            assert host.rows()[-1].split("  ")[:2] == ["Diff", percent]


@pytest.mark.anyio
async def test_what_is_not_found_is_said_and_the_place_stays():
    async with shown(Pager("Diff", plain_rows(100)), (80, 12)) as (pilot, host):
        await pilot.press("j", *"/nowhere", "enter")
        await host.workers.wait_for_complete()
        await pilot.pause()
        assert host.rows()[0].strip() == "row 1"
        assert "not found" in host.rows()[-1]
        check("pager-80x12", host.rows())
        await pilot.press("escape", "q")
        await pilot.pause()
        assert host.heard == ["closed"]


@pytest.mark.anyio
async def test_long_rows_are_wrapped_again_when_the_width_changes_and_the_place_stays():
    blocks = RowBlocks([Text(f"{number} " + "word " * 30) for number in range(50)])
    async with shown(Pager("Help", blocks), (40, 12)) as (pilot, host):
        await pilot.press(*"/25 ", "enter")
        await host.workers.wait_for_complete()
        await pilot.pause()
        assert host.rows()[0].strip("▌ ").split()[0] == "25"
        await pilot.resize_terminal(100, 12)
        await pilot.pause()
        assert host.rows()[0].strip("▌ ").split()[0] == "25"
        assert all(len(row) <= 100 for row in host.rows())


@pytest.mark.anyio
async def test_of_ten_thousand_cells_only_those_near_the_window_are_rendered():
    render = Counting()
    view = TranscriptView(TranscriptSource(transcript(10_000), render, None))
    async with shown(view) as (pilot, host):
        assert host.rows()[-1].strip() == "9999.2"
        view.act("scroll-top")
        await pilot.pause()
        assert host.rows()[0].strip() == "0.0"
        for _ in range(20):
            view.act("scroll-down")
        await pilot.pause()
        # 22 rows a page are less than six cells.
        assert len(set(render.keys)) < 150


@pytest.mark.anyio
async def test_the_end_is_followed_until_somebody_scrolls_up():
    cells = transcript(20)
    view = TranscriptView(TranscriptSource(cells, Counting(), None))
    cells.on_change = view.changed
    async with shown(view, (40, 12)) as (pilot, host):
        cells.add(NoticeCell(key="new", level="info", text="news"))
        await pilot.pause()
        assert host.rows()[-1].strip() == "news"
        await pilot._post_mouse_events([events.MouseScrollUp], view)
        await pilot.pause()
        above = host.rows()[:-1]
        assert "↓ more below" in host.rows()[-1]
        cells.add(NoticeCell(key="newer", level="info", text="newer"))
        await pilot.pause()
        assert "↓ new below" in host.rows()[-1]
        assert host.rows()[:-1] == above
        await pilot.click(TranscriptView, offset=(2, 11))
        await pilot.pause()
        assert host.rows()[-1].strip() == "newer"


@pytest.mark.anyio
async def test_cells_that_grow_above_the_window_do_not_move_it():
    cells = transcript(100)
    view = TranscriptView(TranscriptSource(cells, Counting(), None))
    cells.on_change = view.changed
    async with shown(view, (40, 12)) as (pilot, host):
        view.viewport.go(50)
        view.changed()
        await pilot.pause()
        before = host.rows()
        for index in range(len(cells)):
            view.source.toggle(index)
        cells.cells[10].text += "\nx" * 50
        cells.touch(cells.cells[10])
        await pilot.pause()
        assert host.rows() == before


@pytest.mark.anyio
async def test_older_cells_that_come_in_before_the_window_do_not_move_it():
    cells = transcript(100)
    view = TranscriptView(TranscriptSource(cells, Counting(), None))
    async with shown(view, (40, 12)) as (pilot, host):
        view.viewport.go(50)
        view.changed()
        await pilot.pause()
        before = host.rows()[:-1]
        cells.cells[:0] = [NoticeCell(key=f"o{n}", level="info", text="old") for n in range(30)]
        cells.generation += 1
        view.changed()
        await pilot.pause()
        assert host.rows()[:-1] == before


@pytest.mark.anyio
async def test_a_cell_is_unfolded_by_a_click_and_by_enter():
    cells = transcript(3, rows=5)
    view = TranscriptView(TranscriptSource(cells, Counting(), None))
    async with shown(view, (40, 24)) as (pilot, host):
        assert [row.strip() for row in host.rows()[:4]] == ["0.0", "0.1", "0.2", ""]
        await pilot.click(TranscriptView, offset=(3, 1))
        await pilot.pause()
        assert [row.strip("▌ ") for row in host.rows()[:6]] == ["0.0", "0.1", "0.2", "0.3", "0.4", ""]
        await pilot.press("down", "enter")
        assert [row.strip("▌ ") for row in host.rows()[6:11]] == ["1.0", "1.1", "1.2", "1.3", "1.4"]
        assert host.rows()[6].startswith("▌")
        await pilot.press("escape")
        await pilot.pause()
        assert host.heard == ["left"]


@pytest.mark.anyio
async def test_a_rewind_leaves_the_window_within_what_is_left():
    cells = transcript(100)
    view = TranscriptView(TranscriptSource(cells, Counting(), None))
    cells.on_change = view.changed
    async with shown(view, (40, 12)) as (pilot, host):
        view.viewport.go(80)
        view.changed()
        await pilot.pause()
        cells.cut(5)
        await pilot.pause()
        assert "4.2" in "".join(host.rows())
        cells.clear()
        await pilot.pause()
        assert not any(row.strip("▌ ") for row in host.rows()[:-1])


@pytest.mark.anyio
async def test_a_search_through_many_cells_lets_others_go_on_and_can_be_given_up():
    import anyio

    viewport = Viewport(TranscriptSource(transcript(6_000), Counting(), None))
    viewport.page(80, 24)
    turns = 0
    async with anyio.create_task_group() as tasks:

        async def others():
            nonlocal turns
            while True:
                turns += 1
                await anyio.sleep(0)

        tasks.start_soon(others)
        assert await viewport.find("5999.2", (0, 0)) == (5999, 2)
        assert await viewport.find("not there", (0, 0)) is None
        tasks.cancel_scope.cancel()
    assert turns > 3


def test_a_cell_that_streams_is_rendered_once_for_each_change():
    cells, render = Transcript(), Counting()
    cells.add(AgentCell(key="a", text="x", done=True))
    viewport = Viewport(TranscriptSource(cells, render, None), follow=True)
    for _ in range(5):
        viewport.page(40, 10)
    assert render.keys == ["a"]
    cells.cells[0].text = "x\ny"
    cells.touch(cells.cells[0])
    assert [row.text.plain for row in viewport.page(40, 10)] == ["x", "y", ""]
    assert render.keys == ["a", "a"]


@pytest.mark.anyio
async def test_cells_are_shown_as_they_are_rendered_and_those_that_join_without_a_row_between():
    cells = Transcript()
    for number in range(3):
        read = {"type": "read", "name": f"file{number}.py", "path": f"file{number}.py", "command": "cat"}
        cells.add(CommandCell(key=f"r{number}", command="cat", status="completed", actions=(read,), done=True))
    cells.add(AgentCell(key="a", text="All **three** are read.", done=True))
    source = TranscriptSource(cells, render_cell, load_theme("none", environ={}), joins=joins)
    async with shown(TranscriptView(source), (60, 20)) as (pilot, host):
        rows = host.rows()
        assert [number for number, row in enumerate(rows) if "file" in row] == [1, 2, 3]
        assert rows[4:] == ["", " • All three are read."]
        check("transcript-60x20", rows)
        cells.add(AgentCell(key="b", text="And more."))
        host.widget.changed()
        await pilot.pause()
        assert host.rows()[-1] == " • And more."

from __future__ import annotations

from codex_tui.render import load_theme, render_cell, render_tail
from codex_tui.session.cells import PlanCell

THEME = load_theme("none", environ={})


def test_cell_that_cannot_be_rendered_is_a_row_that_says_so_and_is_logged_once(caplog) -> None:
    broken = PlanCell(key="p", steps=((None, object()),))  # type: ignore[arg-type]
    for _ in range(3):
        (row,) = render_cell(broken, 60, THEME)
        assert row.plain.startswith("\u25a0 this PlanCell cannot be shown (")
        assert row.cell_len <= 60
        assert render_tail(broken, 60, THEME, 5) == [row]
    assert [record.message for record in caplog.records] == ["a PlanCell cannot be rendered"]

"""Snapshots of rows of text, kept as files beside the tests. `CODEX_TUI_UPDATE_SNAPSHOTS=1` writes them anew."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "snapshots"
UPDATE = "CODEX_TUI_UPDATE_SNAPSHOTS"


def check(name, rows):
    """Compare rows with those of the snapshot of a name (which may hold a slash). Spaces at the end do not count.

    A snapshot that is missing fails the test, unless they are being written."""
    text = "\n".join(row.rstrip() for row in rows) + "\n"
    file = FOLDER / f"{name}.txt"
    if os.environ.get(UPDATE) == "1":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return
    assert file.exists(), f"no snapshot {name}: run with {UPDATE}=1 and look at it"
    assert text == file.read_text(encoding="utf-8"), f"snapshot {name} differs: {UPDATE}=1 writes it anew"


def styled(rows):
    """Rows of rich's Text with their styles: below each row, the pieces that have one."""
    out = []
    for row in rows:
        out.append(row.plain)
        for span in row.spans:
            out.append(f"    ~ {row.plain[span.start : span.end]!r}: {span.style}")
    return out

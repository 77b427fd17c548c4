"""The unified diff of an update, made from the edits themselves and not by comparing files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .document import Document, Edit

CONTEXT = 1
"""Lines of context; Codex shows one."""


def unified_diff(document: Document, edits: Sequence[Edit]) -> str:
    """What `document.edited(edits)` changes, as hunks without file headers; empty if nothing.

    `@@ -START,LENGTH +START,LENGTH @@` counts from 1 and leaves out a length of 1. Takes time linear in the
    edits, however long the file is.
    """
    blocks = list(_blocks(document, edits))
    out: list[str] = []
    shift = 0
    first = 0
    for index, (start, removed, _added) in enumerate(blocks):
        if index + 1 == len(blocks) or blocks[index + 1][0] - (start + len(removed)) > 2 * CONTEXT:
            shift = _hunk(document, blocks[first : index + 1], shift, out)
            first = index + 1
    return "".join(out)


_Block = tuple[int, list[str], list[str]]
"""Where it starts, the lines that go, the lines that come; with their endings."""


def _blocks(document: Document, edits: Sequence[Edit]) -> Iterable[_Block]:
    """What really changes: neighbouring edits joined, lines that come back as they were left out."""
    for start, stop, added in _joined(document, edits):
        removed = document.raw(start, stop)
        if not document.terminated and added and stop == len(document.lines) and start == stop:
            removed = []
        same = 0
        while same < min(len(removed), len(added)) and removed[same] == added[same]:
            same += 1
        tail = 0
        while tail < min(len(removed), len(added)) - same and removed[-1 - tail] == added[-1 - tail]:
            tail += 1
        removed, added = removed[same : len(removed) - tail], added[same : len(added) - tail]
        if removed or added:
            yield start + same, removed, added

"""The unified diff of an update, made from the edits themselves and not by comparing files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .document import Document, Edit

CONTEXT = 1
"""Lines of context; Codex shows one."""


_Block = tuple[int, list[str], list[str]]
"""Where it starts, the lines that go, the lines that come; lines with their endings."""


def unified_diff(document: Document, edits: Sequence[Edit]) -> str:
    """What `document.edited(edits)` changes, as hunks without file headers; empty if nothing.

    `@@ -START,LENGTH +START,LENGTH @@` counts from 1 and leaves out a length of 1. Takes time linear in the
    edits, however long the file is.
    """
    blocks = [block for block in map(_trimmed, _joined(document, edits)) if block[1] or block[2]]
    out: list[str] = []
    shift = first = 0
    for index, (start, removed, _added) in enumerate(blocks):
        is_last = index + 1 == len(blocks)
        if is_last or blocks[index + 1][0] - (start + len(removed)) > 2 * CONTEXT:
            shift = _write_hunk(document, blocks[first : index + 1], shift, out)
            first = index + 1
    return "".join(out)


def _joined(document: Document, edits: Sequence[Edit]) -> Iterator[_Block]:
    """The edits as blocks, those that touch each other as one."""
    pending: _Block | None = None
    for edit in _with_last_newline(document, edits):
        removed = document.raw(edit.start, edit.start + edit.removed)
        added = [line + document.newline for line in edit.added]
        if pending is not None and pending[0] + len(pending[1]) == edit.start:
            pending[1].extend(removed)
            pending[2].extend(added)
            continue
        if pending is not None:
            yield pending
        pending = (edit.start, removed, added)
    if pending is not None:
        yield pending


def _with_last_newline(document: Document, edits: Sequence[Edit]) -> Iterator[Edit]:
    """The edits, and the one that nobody asked for: a last line that stays gets the newline that it lacked."""
    last = len(document.lines) - 1
    missing = not document.terminated
    for edit in edits:
        if missing and edit.start > last:
            yield Edit(start=last, removed=1, added=(document.lines[last],))
            missing = False
        yield edit
        missing = missing and edit.start + edit.removed <= last
    if missing:
        yield Edit(start=last, removed=1, added=(document.lines[last],))


def _trimmed(block: _Block) -> _Block:
    """Without the lines at both ends that come back as they were."""
    start, removed, added = block
    shorter = min(len(removed), len(added))
    head = 0
    while head < shorter and removed[head] == added[head]:
        head += 1
    tail = 0
    while tail < shorter - head and removed[-1 - tail] == added[-1 - tail]:
        tail += 1
    return start + head, removed[head : len(removed) - tail], added[head : len(added) - tail]


def _write_hunk(document: Document, blocks: Sequence[_Block], shift: int, out: list[str]) -> int:
    """Append a hunk; `shift` is how much longer the new file is before it, and is returned for after it."""
    begin = max(blocks[0][0] - CONTEXT, 0)
    body: list[str] = []
    at = begin
    growth = 0
    for start, removed, added in blocks:
        body += [_line(" ", raw) for raw in document.raw(at, start)]
        body += [_line("-", raw) for raw in removed]
        body += [_line("+", raw) for raw in added]
        at = start + len(removed)
        growth += len(added) - len(removed)
    end = min(at + CONTEXT, len(document.lines))
    body += [_line(" ", raw) for raw in document.raw(at, end)]
    length = end - begin
    out.append(f"@@ -{_range(begin, length)} +{_range(begin + shift, length + growth)} @@\n")
    out += body
    return shift + growth


def _range(start: int, length: int) -> str:
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


def _line(sign: str, raw: str) -> str:
    return f"{sign}{raw}" if raw.endswith(("\n", "\r")) else f"{sign}{raw}\n\\ No newline at end of file\n"

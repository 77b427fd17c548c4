"""Changes of files: coloured lines with numbers, and what differs within a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

import attrs

from ..session.cells import COMPLETED, DECLINED, RUNNING, DiffCell, FileDiff, PatchCell
from .frame import INDENT, gutter, left_out, titled
from .safe import lines as safe_lines
from .safe import one_line
from .theme import Theme
from .width import NULL, Line, Piece, chop, clip, wrap

FOLDED_LINES = 40
"""So many lines of a file's change are shown when it is folded."""
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@ ?(.*)")
_FILE = re.compile(r"diff --git (?:\"?a/(.*?)\"?) (?:\"?b/(.*?)\"?)$")
_MARKED_CHARS = 400


@attrs.define
class DiffLine:
    """One line: `sign` is `+`, `-`, a space, or `@` for a gap between hunks. `number` is that in the file it is of;
    `marked` the part that differs from its counterpart."""

    sign: str
    text: str
    number: int = 0
    marked: tuple[int, int] | None = None


def lines_of(change: FileDiff) -> list[DiffLine]:
    """The lines of a change, with numbers and marks."""
    if change.kind == "update" or _HUNK.match(change.diff) or change.diff.startswith("diff --git "):
        found = list(_hunks(change.diff.split("\n")))
    else:
        sign = "-" if change.kind == "delete" else "+"
        content = change.diff.removesuffix("\n")
        found = [DiffLine(sign, text, place) for place, text in enumerate(content.split("\n"), 1)] if content else []
    _mark(found)
    return found


def _hunks(source: Sequence[str]) -> Iterator[DiffLine]:
    old = new = 0
    begun = False
    for number, text in enumerate(source):
        sign = text[:1]
        if hunk := _HUNK.match(text):
            if begun:
                yield DiffLine("@", hunk[3])
            old, new, begun = int(hunk[1]), int(hunk[2]), True
        elif not begun or sign == "\\":
            continue
        elif sign == "+":
            yield DiffLine("+", text[1:], new)
            new += 1
        elif sign == "-":
            yield DiffLine("-", text[1:], old)
            old += 1
        elif sign == " " or (not text and number < len(source) - 1):
            yield DiffLine(" ", text[1:], new)
            old, new = old + 1, new + 1


def _mark(found: list[DiffLine]) -> None:
    """Mark what differs where as many lines were removed as were added."""
    place = 0
    while place < len(found):
        removed = _run(found, place, "-")
        added = _run(found, place + removed, "+")
        if removed and removed == added:
            for number in range(place, place + removed):
                _mark_pair(found[number], found[number + removed])
        place += max(1, removed + added)


def _run(found: list[DiffLine], place: int, sign: str) -> int:
    count = 0
    while place + count < len(found) and found[place + count].sign == sign:
        count += 1
    return count


def _mark_pair(one: DiffLine, other: DiffLine) -> None:
    old, new = one.text, other.text
    most = min(len(old), len(new))
    if max(len(old), len(new)) > _MARKED_CHARS or old == new:
        return
    begin = next((place for place in range(most) if old[place] != new[place]), most)
    while begin and old[begin - 1].isalnum() and begin > 0:
        begin -= 1  # whole words
    end = next((place for place in range(most - begin) if old[-1 - place] != new[-1 - place]), most - begin)
    while end and old[len(old) - end].isalnum():
        end -= 1
    shared = len((old[:begin] + old[len(old) - end :]).strip())
    if shared * 3 < len(old.strip()):
        return  # another line altogether
    one.marked = (begin, len(old) - end)
    other.marked = (begin, len(new) - end)


def counts(found: Sequence[DiffLine]) -> tuple[int, int]:
    """Lines added and removed."""
    return sum(line.sign == "+" for line in found), sum(line.sign == "-" for line in found)


def diff_rows(found: Sequence[DiffLine], width: int, theme: Theme, *, most: int | None = None) -> list[Line]:
    """The lines of one file as rows; `most` of them, then how many are left."""
    digits = len(str(max((line.number for line in found), default=0)))
    rows: list[Line] = []
    for line in islice(found, most):
        rows += _line_rows(line, digits, width, theme)
    if most is not None and len(found) > most:
        rows.append(clip(left_out(len(found) - most, theme), width))
    return rows


def _line_rows(line: DiffLine, digits: int, width: int, theme: Theme) -> list[Line]:
    if line.sign == "@":
        heading: list[Piece] = [(f" {one_line(line.text)}", theme.dim)] if line.text else []
        return [clip([("⋮".rjust(digits), theme.hunk), *heading], width)]
    style, mark = {
        "+": (theme.added, theme.added_mark),
        "-": (theme.removed, theme.removed_mark),
    }.get(line.sign, (theme.text, theme.text))
    number: Piece = (f"{line.number:>{digits}} ", theme.line_number)
    pieces = _pieces(line, style, mark)
    return chop(pieces, width, [number, (line.sign, style)], [(" " * (digits + 2), NULL)])


def _pieces(line: DiffLine, style: object, mark: object) -> Line:
    """The text of a line, its marked part in another style."""
    begin, end = line.marked or (0, 0)
    parts = ((line.text[:begin], style), (line.text[begin:end], mark), (line.text[end:], style))
    made: Line = []
    for text, look in parts:
        if text:
            made.append((" ".join(safe_lines(text)), look))  # type: ignore[arg-type]
    return made


def _verb(change: FileDiff) -> str:
    return {"add": "Added", "delete": "Deleted"}.get(
        change.kind, "Renamed" if change.move_path and not change.diff else "Edited"
    )


def _named(change: FileDiff, plus: int, minus: int, theme: Theme, folder: str) -> Line:
    """`src/a.py → src/b.py (+3 -1)`."""
    row: Line = [(_short(change.path, folder), theme.path)]
    if change.move_path and change.move_path != change.path:
        row += [(" → ", theme.dim), (_short(change.move_path, folder), theme.path)]
    return [*row, *_counted(plus, minus, theme)]


def _short(path: str, folder: str) -> str:
    return one_line(path.removeprefix(f"{folder.rstrip('/')}/") if folder else path)


def _counted(plus: int, minus: int, theme: Theme) -> Line:
    return [
        (" (", theme.dim),
        (f"+{plus}", theme.added),
        (" ", NULL),
        (f"-{minus}", theme.removed),
        (")", theme.dim),
    ]


def patch_rows(cell: PatchCell, width: int, theme: Theme, *, unfolded: bool) -> list[Line]:
    """The rows of a patch: one file with its name in the title, several below a summary."""
    state, style = {
        RUNNING: ("Editing", theme.accent),
        COMPLETED: ("", theme.success),
        DECLINED: ("Declined", theme.warning),
    }.get(cell.status, ("Failed", theme.error))
    files = [(change, lines_of(change)) for change in cell.changes]
    return _files(files, state, style, width, theme, most=None if unfolded else FOLDED_LINES, folder=cell.folder)


def _files(
    files: Sequence[tuple[FileDiff, list[DiffLine]]],
    state: str,
    style: object,
    width: int,
    theme: Theme,
    *,
    most: int | None,
    folder: str = "",
) -> list[Line]:
    lead: list[Piece] = [("• ", style)]  # type: ignore[list-item]
    if len(files) == 1:
        change, found = files[0]
        verb = _verb(change) if not state else f"{state}:" if state != "Editing" else state
        title = [(verb, theme.strong), (" ", NULL), *_named(change, *counts(found), theme, folder)]
        body = diff_rows(found, width - 4, theme, most=most)
        return [*wrap(title, width, lead, [INDENT]), *([("    ", NULL), *row] for row in body)]
    totals = [counts(found) for _, found in files]
    plus, minus = sum(one for one, _ in totals), sum(other for _, other in totals)
    title = [(state or "Edited", theme.strong), (f" {len(files)} files", theme.text), *_counted(plus, minus, theme)]
    rows = wrap(title, width, lead, [INDENT])
    share = None if most is None else max(6, most // max(1, len(files)))
    for (change, found), total in zip(files, totals, strict=True):
        verb = "" if _verb(change) == "Edited" else f"{_verb(change)} "
        rows += wrap(
            [(verb, theme.strong), *_named(change, *total, theme, folder)],
            width,
            [("  └ ", theme.dim)],
            [("    ", NULL)],
        )
        rows += [[("    ", NULL), *row] for row in diff_rows(found, width - 4, theme, most=share)]
    return rows


def whole_diff_rows(cell: DiffCell, width: int, theme: Theme, *, unfolded: bool) -> list[Line]:
    """The rows of a diff of several files."""
    files = [(change, lines_of(change)) for change in split_diff(cell.diff)]
    if not files:
        nothing = wrap([("no changes", theme.dim)], width - 4)
        return [*titled([(one_line(cell.title), theme.title)], width, theme), *gutter(nothing, theme)]
    return _files(files, one_line(cell.title), theme.accent, width, theme, most=None if unfolded else 200)


def split_diff(diff: str) -> list[FileDiff]:
    """The files of a unified diff, as git writes it or plain."""
    files: list[FileDiff] = []
    held: list[str] = []
    source = diff.split("\n")
    start = "diff --git " if any(line.startswith("diff --git ") for line in source) else "--- "
    for number, line in enumerate(source):
        header = start != "--- " or any(text.startswith("+++ ") for text in source[number + 1 : number + 2])
        if held and header and line.startswith(start):
            files += _file(held)
            held = []
        held.append(line)
    return files + _file(held)


def _file(held: list[str]) -> list[FileDiff]:
    old = new = ""
    for line in held:
        if found := _FILE.match(line):
            old, new = found[1], found[2]
        elif line.startswith("--- ") and not line.startswith("--- /dev/null"):
            old = line[4:].split("\t")[0].removeprefix("a/")
        elif line.startswith("+++ ") and not line.startswith("+++ /dev/null"):
            new = line[4:].split("\t")[0].removeprefix("b/")
        elif line.startswith("@@ "):
            break
    if not old and not new:
        return []
    kind = (
        "add"
        if _has(held, "--- /dev/null", "new file")
        else "delete"
        if _has(held, "+++ /dev/null", "deleted file")
        else "update"
    )
    body = "\n".join(held)
    moved = new if old and new and old != new else None
    return [FileDiff(path=old if old and kind != "add" else new, kind=kind, diff=body, move_path=moved)]


def _has(held: list[str], *starts: str) -> bool:
    return any(line.startswith(starts) for line in held[:8])

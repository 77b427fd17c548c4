"""From chunks to a new text. Nothing here reads or writes a file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from .document import Document, Edit
from .hunks import AddFile, Chunk, DeleteFile, Hunk, PatchError, UpdateFile
from .matching import Seeker

SUCCESS = "Success. Updated the following files:\n"


def resolve(cwd: str, path: str) -> str:
    """A path of a patch as an absolute one. `..` is taken by the letter, without asking the file system."""
    absolute = os.path.normpath(os.path.join(cwd, path))
    return absolute[1:] if absolute.startswith("//") else absolute


def summary(hunks: Iterable[Hunk], heading: str = SUCCESS) -> str:
    """The lines that tell what was written: added, then modified, then deleted files, paths as in the patch."""
    letters: dict[str, list[str]] = {"A": [], "M": [], "D": []}
    for hunk in hunks:
        match hunk:
            case AddFile():
                letters["A"].append(hunk.path)
            case UpdateFile():
                letters["M"].append(hunk.move_to or hunk.path)
            case DeleteFile():
                letters["D"].append(hunk.path)
    return heading + "".join(f"{letter} {path}\n" for letter, paths in letters.items() for path in paths)


def updated(hunk: UpdateFile, path: str, text: str) -> tuple[str, Document, list[Edit]]:
    """The new text of the file at `path`, and how it comes about. Raises `PatchError`."""
    document = Document(text)
    edits = locate(document, hunk.chunks, path)
    return document.edited(edits), document, edits


def locate(document: Document, chunks: Sequence[Chunk], path: str) -> list[Edit]:
    """Where the chunks go, in the order of the file. Each is sought after the one before it.

    Raises `PatchError` with the anchor or the lines that are not there; `path` is for its text.
    """
    seeker = Seeker(document.lines, (line for chunk in chunks for line in _sought(chunk)))
    edits: list[Edit] = []
    position = 0
    for chunk in chunks:
        if chunk.anchor is not None:
            found = seeker.find((chunk.anchor,), position)
            if found is None:
                raise PatchError(f"Failed to find context '{chunk.anchor}' in {path}")
            position = found + 1
        old = _old(chunk.lines)
        if not old:
            place = len(document.lines) if chunk.anchor is None or chunk.end_of_file else position
            edits.append(Edit(start=place, removed=0, added=tuple(line[1:] for line in chunk.lines)))
            continue
        lines: Sequence[str] = chunk.lines
        found = seeker.find(old, position, at_end=chunk.end_of_file)
        if found is None and not old[-1]:
            lines = _without_last_blank(lines)
            found = seeker.find(_old(lines), position, at_end=chunk.end_of_file)
        if found is None:
            raise PatchError(f"Failed to find expected lines in {path}:\n" + "\n".join(old))
        position = _append_edits(edits, lines, found)
    # Additions at the end of the file may stand anywhere among the chunks; the sort keeps their order.
    return sorted(edits, key=_start)


def _start(edit: Edit) -> int:
    return edit.start


def _sought(chunk: Chunk) -> Iterable[str]:
    if chunk.anchor is not None:
        yield chunk.anchor
    yield from _old(chunk.lines)


def _old(lines: Iterable[str]) -> list[str]:
    return [line[1:] for line in lines if line[0] != "+"]


def _without_last_blank(lines: Sequence[str]) -> list[str]:
    """Models like to end a chunk with an empty line that the file does not have. The same chunk without it, on
    the old side and, if it ends there too, on the new one."""
    kept = list(lines)
    last_old = max(index for index, line in enumerate(kept) if line[0] != "+")
    kept[last_old : last_old + 1] = ["+"] if kept[last_old][0] == " " else []
    last_new = max((index for index, line in enumerate(kept) if line[0] != "-"), default=None)
    if last_new is not None and len(kept[last_new]) == 1:
        kept[last_new : last_new + 1] = ["-"] if kept[last_new][0] == " " else []
    return kept


def _append_edits(edits: list[Edit], lines: Sequence[str], start: int) -> int:
    """Add one edit for each run of `-` and `+` lines; gives the place after the chunk. Kept lines stay as the file
    has them, which matters where they matched only leniently."""
    at = begin = start
    added: list[str] = []
    for line in (*lines, " "):
        if line[0] == "-":
            at += 1
        elif line[0] == "+":
            added.append(line[1:])
        else:
            if added or at > begin:
                edits.append(Edit(start=begin, removed=at - begin, added=tuple(added)))
                added = []
            at += 1
            begin = at
    return at - 1

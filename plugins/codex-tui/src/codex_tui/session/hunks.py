"""A change of files, gone through hunk by hunk: each is taken, refused, or written in another way.

Servers that offer `acceptWithChanges` write exactly what is left. Others know only yes and no for all of it: they are
told no, and the model is told in words what to do instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from codex_plugin_sdk.unified import Hunk, edited, parse, write

from .asks_approval import PARTS
from .cells import FileDiff


@attrs.define(kw_only=True, eq=False)
class Piece:
    """A hunk of a file (`hunk` is set), or a whole file that is added, deleted or only moved. `taken` None: not decided
    yet. `text` is what it was and `now` what it is: the body of the hunk, or the content of the new file."""

    change: FileDiff
    hunk: Hunk | None
    text: str
    now: str
    taken: bool | None = None
    number: int = 1
    of: int = 1

    @property
    def title(self) -> str:
        """Which it is, in words."""
        path = self.change.path
        moved = f" → {self.change.move_path}" if self.change.move_path else ""
        if self.hunk is None:
            return f"{ {'add': 'add', 'delete': 'delete'}.get(self.change.kind, 'move') } {path}{moved}"
        return f"{path}{moved}, hunk {self.number} of {self.of}, line {self.hunk.start + 1}"

    @property
    def editable(self) -> bool:
        """Whether it can be written in another way."""
        return self.hunk is not None or self.change.kind == "add"

    @property
    def is_edited(self) -> bool:
        """Whether it was."""
        return self.now != self.text

    def edit(self, text: str) -> None:
        """Write it in another way, and take it. Raises `ValueError` for what would not apply."""
        if not self.editable:
            raise ValueError("there is nothing in it to edit")
        if self.hunk is not None:
            text = edited(self.hunk, text).body
        elif text and not text.endswith("\n"):
            text += "\n"
        self.now, self.taken = text, True

    def _final(self) -> Hunk:
        assert self.hunk is not None
        return edited(self.hunk, self.now) if self.is_edited else self.hunk


@attrs.define(eq=False)
class PatchReview:
    """The pieces of `changes`, in their order. Raises `ValueError` where a diff cannot be taken apart: then only all of
    it can be taken or refused."""

    changes: Sequence[FileDiff]
    pieces: list[Piece] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.pieces = [piece for change in self.changes for piece in _pieces(change)]
        if not self.pieces:
            raise ValueError("nothing is known of what it changes")

    @property
    def undecided(self) -> int:
        """How many pieces are to be decided still."""
        return sum(piece.taken is None for piece in self.pieces)

    def decide_all(self, taken: bool) -> None:
        """The same for all that are not decided."""
        for piece in self.pieces:
            if piece.taken is None:
                piece.taken = taken

    @property
    def is_whole(self) -> bool:
        """Whether all of it is taken as it was."""
        return all(piece.taken and not piece.is_edited for piece in self.pieces)

    @property
    def is_nothing(self) -> bool:
        """Whether nothing of it is taken."""
        return not any(piece.taken for piece in self.pieces)

    def left(self) -> tuple[FileDiff, ...]:
        """The changes that are to be made. What is not decided is refused."""
        found = []
        for change in self.changes:
            taken = [piece for piece in self.pieces if piece.change is change and piece.taken]
            if not taken:
                continue
            hunks = [piece._final() for piece in taken if piece.hunk is not None]
            diff = write(hunks) if hunks else taken[0].now
            whole = all(piece.taken and not piece.is_edited for piece in self.pieces if piece.change is change)
            found.append(change if whole else attrs.evolve(change, diff=diff))
        return tuple(found)

    def answer(self, *, takes_parts: bool) -> tuple[Any, str | None]:
        """The result on the wire, and what to tell the model beside it: where the server takes no parts, that is the
        whole of it. Raises `ValueError` while something is not decided."""
        if self.undecided:
            raise ValueError(f"{self.undecided} of {len(self.pieces)} are not decided yet")
        if self.is_whole:
            return {"decision": "accept"}, None
        if self.is_nothing:
            return {"decision": "decline"}, None
        if takes_parts:
            return {"decision": {PARTS: {"changes": [_wire(change) for change in self.left()]}}}, None
        return {"decision": "decline"}, self.in_words()

    def in_words(self) -> str:
        """For the model: do this instead."""
        refused = [piece for piece in self.pieces if not piece.taken]
        parts = ["I went through your patch hunk by hunk. It was not applied. Send it again, with this only:\n"]
        parts += [f"{change.kind} {change.path}\n{change.diff.rstrip()}\n" for change in self.left()]
        if refused:
            parts.append("Without: " + "; ".join(piece.title for piece in refused))
        return "\n".join(parts).rstrip()

    def outcome(self) -> str:
        """One sentence for the transcript."""
        taken = sum(bool(piece.taken) for piece in self.pieces)
        changed = sum(bool(piece.taken) and piece.is_edited for piece in self.pieces)
        edits = f", {changed} of them edited" if changed else ""
        return f"Took {taken} of {len(self.pieces)} parts of the patch{edits}"


def _pieces(change: FileDiff) -> Iterator[Piece]:
    if change.kind == "update":
        hunks = parse(change.diff)
        for number, hunk in enumerate(hunks, 1):
            yield Piece(change=change, hunk=hunk, text=hunk.body, now=hunk.body, number=number, of=len(hunks))
        if hunks or not change.move_path:
            return
    yield Piece(change=change, hunk=None, text=change.diff, now=change.diff)


def _wire(change: FileDiff) -> Mapping[str, Any]:
    kind: dict[str, Any] = {"type": change.kind}
    if change.kind == "update":
        kind["move_path"] = change.move_path
    return {"path": change.path, "kind": kind, "diff": change.diff}

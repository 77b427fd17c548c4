"""Unified diffs of one file: taking them apart, putting some of their hunks together again, and applying them.

Nothing is looked for: a hunk applies where it says, or not at all. Lines end with a newline; a lone carriage return is
a character like any other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from . import Value, value

CONTEXT = 1
"""Lines of context that `between` shows; Codex shows one."""
_HEADER = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_NO_NEWLINE = "\\ No newline at end of file\n"


@value
class Hunk(Value):
    """One place. `start` is the index of its first old line, counted from 0; `lines` begin with ` ` (stays), `-`
    (goes) or `+` (comes) and end with a newline, but for a last line of the file that has none."""

    start: int
    lines: tuple[str, ...]

    @property
    def old(self) -> tuple[str, ...]:
        """The lines that are there before."""
        return tuple(line[1:] for line in self.lines if line[0] != "+")

    @property
    def new(self) -> tuple[str, ...]:
        """The lines that are there after."""
        return tuple(line[1:] for line in self.lines if line[0] != "-")

    @property
    def body(self) -> str:
        """Its text without the header."""
        return "".join(line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}" for line in self.lines)


def parse(diff: str) -> tuple[Hunk, ...]:
    """The hunks of a diff of one file; what stands before the first is passed over. Raises `ValueError` for a text that
    is no diff."""
    lines = _lines(diff)
    at = next((index for index, line in enumerate(lines) if line.startswith("@@")), len(lines))
    hunks = []
    while at < len(lines):
        found = _HEADER.match(lines[at])
        if found is None:
            raise ValueError(f"line {at + 1} is no header of a hunk: {lines[at].rstrip()!r:.80}")
        end = next((i for i in range(at + 1, len(lines)) if lines[i][0] not in " +-\\"), len(lines))
        first, length, _, new_length = found.groups()
        hunk = Hunk(start=max(int(first) - (length != "0"), 0), lines=_signed(lines[at + 1 : end], at + 1))
        if (len(hunk.old), len(hunk.new)) != (int(length or 1), int(new_length or 1)):
            raise ValueError(f"the hunk of line {at + 1} has not as many lines as its header says")
        hunks.append(hunk)
        at = end
    return tuple(hunks)


def write(hunks: Sequence[Hunk]) -> str:
    """The diff of these hunks alone, which are in order: where they come to lie is worked out anew."""
    out: list[str] = []
    shift = 0
    for hunk in hunks:
        old, new = len(hunk.old), len(hunk.new)
        out.append(f"@@ -{_range(hunk.start, old)} +{_range(hunk.start + shift, new)} @@\n{hunk.body}")
        shift += new - old
    return "".join(out)


def apply(text: str, hunks: Sequence[Hunk]) -> str:
    """The text with the hunks in it. Raises `ValueError` naming the line that is not as a hunk has it."""
    lines = _lines(text)
    out: list[str] = []
    at = 0
    for hunk in hunks:
        old = hunk.old
        if hunk.start < at or hunk.start > len(lines):
            raise ValueError(f"there is no place for the hunk of line {hunk.start + 1}")
        for offset, line in enumerate(old):
            place = hunk.start + offset
            if place >= len(lines) or lines[place] != line:
                raise ValueError(f"line {place + 1} is not {line.rstrip()!r:.80} (any more)")
        out += lines[at : hunk.start]
        out += hunk.new
        at = hunk.start + len(old)
    out += lines[at:]
    if any(not line.endswith("\n") for line in out[:-1]):
        raise ValueError("something comes after a last line without a newline")
    return "".join(out)


def edited(hunk: Hunk, body: str) -> Hunk:
    """The hunk with another body, as `Hunk.body` writes it. What it finds has to stay what is there: lines that begin
    with ` ` or `-`. Raises `ValueError` with the first line that is wrong."""
    new = hunk.replace(lines=_signed(_lines(body if body.endswith("\n") or not body else body + "\n"), 0))
    found, there = new.old, hunk.old
    for index, line in enumerate(found):
        if index >= len(there):
            raise ValueError(f"{line.rstrip()!r:.80} is not in the file: lines that come begin with +")
        if line != there[index]:
            raise ValueError(f"the file has {there[index].rstrip()!r:.80} where this has {line.rstrip()!r:.80}")
    if len(found) < len(there):
        raise ValueError(f"{there[len(found)].rstrip()!r:.80} is missing: lines that go begin with -")
    return new


def between(old: str, new: str) -> tuple[Hunk, ...]:
    """What leads from one text to the other."""
    from difflib import SequenceMatcher

    before, after = _lines(old), _lines(new)
    pairs = enumerate(zip(before, after, strict=False))
    head = next((index for index, (one, other) in pairs if one != other), min(len(before), len(after)))
    head = max(head - CONTEXT, 0)  # what is alike at the beginning need not be compared
    found = []
    for group in SequenceMatcher(None, before[head:], after[head:]).get_grouped_opcodes(CONTEXT):
        lines: list[str] = []
        for tag, start, stop, first, last in group:
            if tag == "equal":
                lines += [f" {line}" for line in before[head + start : head + stop]]
                continue
            lines += [f"-{line}" for line in before[head + start : head + stop]]
            lines += [f"+{line}" for line in after[head + first : head + last]]
        found.append(Hunk(start=head + group[0][1], lines=tuple(lines)))
    return tuple(found)


def _signed(lines: Sequence[str], offset: int) -> tuple[str, ...]:
    found: list[str] = []
    for index, line in enumerate(lines):
        if line.startswith("\\") and found:
            found[-1] = found[-1].removesuffix("\n")
        elif line[0] in " +-":
            found.append(line)
        elif line == "\n":  # editors like to take the blank away that stands for an empty line
            found.append(" \n")
        else:
            raise ValueError(f"line {offset + index + 1} begins with none of ' ', '+' and '-': {line.rstrip()!r:.80}")
    return tuple(found)


def _lines(text: str) -> list[str]:
    lines = [f"{line}\n" for line in text.split("\n")]
    last = lines.pop().removesuffix("\n")
    return [*lines, last] if last else lines


def _range(start: int, length: int) -> str:
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"

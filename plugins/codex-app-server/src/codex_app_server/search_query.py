"""The best matches of a query in an index.

A query of one plain word is looked for in file names first: these matches come before those in whole paths. Several
words, or one with `^`, `$`, `'` or `!`, are looked for in whole paths; all of them must fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from codex_plugin_sdk import Value, value

from .search_best import MOST_PATHS, STEP, Best, Stopped
from .search_index import Index, Part, Stop
from .search_score import Found, fold, score, score_at

LIMIT = 50
FILE, EXACT_FOLDER, EXACT_FILE = 1 << 16, 2 << 16, 3 << 16
"""What is added for a match in a file's name, and for a name that is the query."""


@value
class Hit(Value):
    """One result. `indices` are the places of the matched characters in `path`."""

    root: str
    path: str
    is_file: bool
    score: int
    indices: tuple[int, ...]


def search(indexes: Sequence[Index], query: str, stop: Stop, limit: int = LIMIT) -> list[Hit]:
    """The best hits in all indexes, the best first, equal ones by path. Raises `Stopped`."""
    atoms = parse(query)
    if not atoms:
        return []
    hits: list[Hit] = []
    for index in indexes:
        if len(atoms) == 1 and atoms[0].kind == "fuzzy":
            hits += _one_word(index, atoms[0].text, stop, limit)
        else:
            hits += _several(index, atoms, stop, limit)
    hits.sort(key=lambda hit: (-hit.score, hit.path))
    return hits[:limit]


# -- queries -----------------------------------------------------------------------------------------


@value
class Atom(Value):
    """A word of a query, folded. `kind` is fuzzy, within, start, end or whole; `negated` ones must not fit."""

    text: str
    kind: str = "fuzzy"
    negated: bool = False


def parse(query: str) -> list[Atom]:
    """The words of a query; `\\ ` is a blank within one."""
    found = (_atom(word) for word in re.findall(r"(?:\\.|\S)+", query, re.DOTALL))
    return [atom for atom in found if atom.text]


def _atom(word: str) -> Atom:
    negated = word.startswith("!")
    rest = word[1:] if negated else word
    kind = "within" if negated else "fuzzy"
    if rest.startswith("'"):
        rest, kind = rest[1:], "within"
    elif rest.startswith("^"):
        rest, kind = rest[1:], "start"
    if rest.endswith("$") and not rest.endswith("\\$"):
        rest, kind = rest[:-1], "whole" if kind == "start" else "end"
    return Atom(text=fold(re.sub(r"\\([\s!^$'])", r"\1", rest)), kind=kind, negated=negated)


# -- one word ----------------------------------------------------------------------------------------


def _one_word(index: Index, query: str, stop: Stop, limit: int) -> list[Hit]:
    if "\n" in query:
        return []
    hits: list[Hit] = []
    exact = [*_whole(index.names, query, limit)]
    hits += [
        _named(index, index.files[place], True, EXACT_FILE, score(*_at(index.names, place), query)) for place in exact
    ]
    for place in _whole(index.folder_names, query, limit):
        hit = score(*_at(index.folder_names, place), query)
        hits.append(_named(index, index.folders[place], False, EXACT_FOLDER, hit))
    if len(hits) >= limit:
        return hits[:limit] if len(exact) < limit else hits
    best = Best(index.names, query, limit, stop, at_start=True)
    best.skip(exact)
    for place, found in best.all():
        hits.append(_named(index, index.files[place], True, FILE, found))
    if len(hits) >= limit:
        return hits
    named = {(hit.path, hit.is_file) for hit in hits}
    part, is_file = index.whole()
    rest = Best(part, query, limit - len(hits) + len(named), stop, at_start=False)
    for place, (total, indices) in rest.all():
        if (part.texts[place], is_file[place]) not in named:
            hits.append(
                Hit(root=index.root, path=part.texts[place], is_file=is_file[place], score=total, indices=indices)
            )
    return hits


def _named(index: Index, path: str, is_file: bool, more: int, found: Found | None) -> Hit:
    """A hit of which the name was scored. A match in the name alone counts."""
    assert found is not None
    offset = path.rfind("/") + 1
    indices = tuple(at + offset for at in found[1])
    return Hit(root=index.root, path=path, is_file=is_file, score=found[0] + more, indices=indices)


def _at(part: Part, place: int) -> tuple[str, str]:
    return part.texts[place], part.folded[place]


def _whole(part: Part, query: str, limit: int) -> Iterator[int]:
    """Places of texts that are the query, at most `limit`."""
    blob, wanted = part.blob, f"\n{query}\n"
    line = before = at = 0
    for _ in range(limit):
        at = blob.find(wanted, at)
        if at < 0:
            return
        line += blob.count("\n", before, at + 1)
        before = at + 1
        yield line - 1
        at += 1


# -- several words -----------------------------------------------------------------------------------


def _several(index: Index, atoms: Sequence[Atom], stop: Stop, limit: int) -> list[Hit]:
    part, is_file = index.whole()
    hits: list[tuple[int, int, tuple[int, ...]]] = []
    scored = 0
    for place, folded in enumerate(part.folded):
        if not place % STEP and stop():
            raise Stopped
        if not all(_fits(atom, folded) for atom in atoms):
            continue
        found = [_score_atom(atom, part.texts[place], folded) for atom in atoms if not atom.negated]
        indices = sorted({at for each in found for at in each[1]})
        hits.append((-sum(each[0] for each in found), place, tuple(indices)))
        scored += 1
        if scored == MOST_PATHS:
            break
    hits.sort()
    return [
        Hit(root=index.root, path=part.texts[place], is_file=is_file[place], score=-worth, indices=indices)
        for worth, place, indices in hits[:limit]
    ]


def _fits(atom: Atom, folded: str) -> bool:
    match atom.kind:
        case "fuzzy":
            at = -1
            fits = all((at := folded.find(char, at + 1)) >= 0 for char in atom.text)
        case "start":
            fits = folded.startswith(atom.text)
        case "end":
            fits = folded.endswith(atom.text)
        case "whole":
            fits = folded == atom.text
        case _:
            fits = atom.text in folded
    return fits != atom.negated


def _score_atom(atom: Atom, text: str, folded: str) -> Found:
    count = len(atom.text)
    match atom.kind:
        case "fuzzy":
            found = score(text, folded, atom.text)
            assert found is not None
            return found
        case "start" | "whole":
            start = 0
        case "end":
            start = len(text) - count
        case _:
            starts = [at for at in range(len(folded)) if folded.startswith(atom.text, at)]
            start = max(starts, key=lambda at: (score_at(text, at, count), -at))
    return score_at(text, start, count), tuple(range(start, start + count))

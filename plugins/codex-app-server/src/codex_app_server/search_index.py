"""The paths below some folders, ready to be searched: sorted, folded, in one text."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from .ignored import Ignored, rules_above
from .search_score import fold

Stop = Callable[[], bool]
SKIPPED = frozenset({".git"})
Trail = tuple[tuple[int, int], ...]
"""The folders that symlinks led to on the way."""
_MARKS = frozenset({".git", ".gitignore", ".ignore"})


class Part:
    """Texts in order of their paths. `blob` is all of them folded, each after a line feed, with one at the end;
    `cased` is the same unfolded."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts
        joined = "\n".join(texts)
        folded = joined.lower() if joined.isascii() else "\n".join(map(fold, texts))
        self.folded = folded.split("\n") if texts else []
        self.blob = f"\n{folded}\n"
        self.cased = f"\n{joined}\n"


class Index:
    """One root. `files` and `folders` are relative paths in order; `names` the last parts of `files`."""

    def __init__(self, root: str, files: list[str], folders: list[str]) -> None:
        self.root, self.files, self.folders = root, files, folders
        self.names = Part([path.rpartition("/")[2] for path in files])
        self.folder_names = Part([path.rpartition("/")[2] for path in folders])
        self._all: tuple[Part, list[bool]] | None = None

    def whole(self) -> tuple[Part, list[bool]]:
        """All paths, and whether each is a file; made when first needed."""
        if self._all is None:
            both = sorted([(path, True) for path in self.files] + [(path, False) for path in self.folders])
            self._all = Part([path for path, _ in both]), [is_file for _, is_file in both]
        return self._all


def read_index(root: str, stop: Stop) -> Index:
    """Walk a folder: hidden files are found, what is ignored by git (in a repository) or `.ignore` is not, symlinks are
    followed. What cannot be read is left out; so is a name with a line feed."""
    files: list[str] = []
    folders: list[str] = []
    pending: list[tuple[str, str, Ignored, Trail]] = [(root, "", rules_above(root), ())]
    while pending and not stop():
        folder, prefix, rules, trail = pending.pop()
        try:
            with os.scandir(folder) as found:
                entries = list(found)
        except OSError:
            continue
        if not _MARKS.isdisjoint(names := {entry.name for entry in entries}):
            rules = rules.inside(folder, names)
        free = rules.empty
        for entry in entries:
            name = entry.name
            is_folder = entry.is_dir()
            if "\n" in name or not (free or not rules.ignores(entry.path, name, is_folder=is_folder)):
                continue
            if not is_folder:
                if not entry.is_symlink() or os.path.exists(entry.path):
                    files.append(prefix + name)
            elif name not in SKIPPED:
                followed = _followed(entry, trail)
                if followed is not None:
                    folders.append(prefix + name)
                    pending.append((entry.path, f"{prefix}{name}/", rules, followed))
    files.sort()
    folders.sort()
    return Index(root, files, folders)


def _followed(entry: os.DirEntry[str], trail: Trail) -> Trail | None:
    """The trail behind a folder; None where it leads in a circle. Only symlinks are looked at: nothing else leads
    back."""
    if not entry.is_symlink():
        return trail
    try:
        found = entry.stat()
        real, here = os.path.realpath(entry.path), os.path.realpath(os.path.dirname(entry.path))
    except OSError:
        return None
    key = (found.st_dev, found.st_ino)
    if key in trail or os.path.commonpath([real, here]) == real:
        return None
    return (*trail, key)


def roots_of(roots: Sequence[str]) -> list[str]:
    """Each root once, those that are folders."""
    return [root for root in dict.fromkeys(roots) if os.path.isdir(root)]

"""The paths below some folders, ready to be searched: sorted, folded, in one text."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from stat import S_ISDIR

from .ignored import Ignored, rules_above
from .search_score import fold

Stop = Callable[[], bool]
SKIPPED = frozenset({".git"})
Trail = tuple[tuple[int, int], ...]
"""The folders that symlinks led to on the way."""
_MARKS = frozenset({".git", ".gitignore", ".ignore"})
_NONE: frozenset[str] = frozenset()
_TICK_NS = 2_000_000_000


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
            both, folders = sorted(self.files + self.folders), frozenset(self.folders)
            self._all = Part(both), [path not in folders for path in both]
        return self._all


Change = tuple[int, int]
"""Time of change of a folder, and which folder it is."""


class Folder:
    """What one folder held: paths of files below the root, and the folders to go on with (path, relative path with a
    slash behind it, trail)."""

    __slots__ = ("above", "change", "files", "inner", "linked", "marks", "rules", "trail")

    def __init__(self, above: Ignored, rules: Ignored, marks: frozenset[str], trail: Trail) -> None:
        self.above, self.rules, self.marks, self.trail = above, rules, marks, trail
        self.files: list[str] = []
        self.inner: list[tuple[str, str, Trail]] = []
        self.linked = False
        self.change: Change | None = None
        """None if the folder's time does not tell whether it is as it was."""


class Walk:
    """Keeps what is below a root and looks again at what has changed: a folder's time of change tells. Files with
    rules are looked at themselves. To be used by one thread at a time."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._above = Ignored()
        self._folders: dict[str, Folder] = {}
        self._rules: dict[str, Change | None] = {}
        self._index: Index | None = None

    def index(self, stop: Stop) -> Index:
        """The index as of now; of a part only, if it is stopped."""
        same_rules = bool(self._rules) and all(_signature(path) == known for path, known in self._rules.items())
        if self._index is not None and same_rules and self._as_before():
            return self._index
        known: Mapping[str, Folder] = self._folders
        if not same_rules:
            known, self._rules = {}, {}
            self._note_rules_above()
            self._above = rules_above(self._root)
        self._folders, self._index = {}, None
        index = self._read(known, stop)
        if not stop():
            self._index = index
        return index

    @property
    def size(self) -> int:
        """How many paths are kept."""
        return 0 if self._index is None else len(self._index.files) + len(self._index.folders)

    def _as_before(self) -> bool:
        stat = os.stat
        try:
            for path, folder in self._folders.items():
                found = stat(path)
                if (found.st_mtime_ns, found.st_ino) != folder.change:
                    return False
        except OSError:
            return False
        return True

    def _read(self, known: Mapping[str, Folder], stop: Stop) -> Index:
        files: list[str] = []
        folders: list[str] = []
        pending: list[tuple[str, str, Ignored, Trail]] = [(self._root, "", self._above, ())]
        while pending and not stop():
            path, prefix, above, trail = pending.pop()
            found = self._folder(path, prefix, above, trail, known.get(path))
            if found is None:
                continue
            files += found.files
            for inner, below, behind in found.inner:
                folders.append(below[:-1])
                pending.append((inner, below, found.rules, behind))
        files.sort()
        folders.sort()
        return Index(self._root, files, folders)

    def _folder(self, path: str, prefix: str, above: Ignored, trail: Trail, known: Folder | None) -> Folder | None:
        if known is not None and (known.above is not above or known.trail != trail):
            known = None
        try:
            stat = os.stat(path)
            change = stat.st_mtime_ns, stat.st_ino
            if known is not None and known.change == change:
                self._folders[path] = known
                return known
            began_ns = time.time_ns()
            with os.scandir(path) as entries:
                found = self._sorted_out(path, prefix, list(entries), known or Folder(above, above, _NONE, trail))
        except OSError:
            return None
        # Two changes within one tick of the clock have one time: what is so young is looked at again. What is behind
        # a symlink changes without its folder.
        if not found.linked and began_ns - stat.st_mtime_ns > _TICK_NS:
            found.change = change
        self._folders[path] = found
        return found

    def _sorted_out(self, path: str, prefix: str, entries: list[os.DirEntry[str]], before: Folder) -> Folder:
        files = [prefix + entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        text = "\n".join(files)
        marks = _NONE
        if len(files) != len(entries) or ".git" in text or ".ignore" in text:
            marks = _MARKS.intersection(entry.name for entry in entries)
        if marks == before.marks:  # and what they say is the same
            rules = before.rules
        else:
            self._note_rules(path, marks)
            rules = before.above.inside(path, marks)
        found = Folder(before.above, rules, marks, before.trail)
        if text.count("\n") >= max(1, len(files)):
            files = [file for file in files if "\n" not in file]
        if not rules.empty:
            skip = len(prefix)
            files = [file for file in files if not rules.ignores(f"{path}/{file[skip:]}", file[skip:], is_folder=False)]
        found.files = files
        if len(files) != len(entries):
            for entry in entries:
                if not entry.is_file(follow_symlinks=False):
                    self._special(entry, prefix, found)
        return found

    def _special(self, entry: os.DirEntry[str], prefix: str, found: Folder) -> None:
        """Take in a folder, or a symlink."""
        name, is_folder = entry.name, entry.is_dir()
        if entry.is_symlink():
            found.linked = True
        if "\n" in name or (not found.rules.empty and found.rules.ignores(entry.path, name, is_folder=is_folder)):
            return
        if not is_folder:
            if not entry.is_symlink() or os.path.exists(entry.path):
                found.files.append(prefix + name)
        elif name not in SKIPPED and (trail := _followed(entry, found.trail)) is not None:
            found.inner.append((entry.path, f"{prefix}{name}/", trail))

    def _note_rules_above(self) -> None:
        self._note_rules(self._root, (".git",))
        folder = os.path.abspath(self._root)
        while (above := os.path.dirname(folder)) != folder:
            self._note_rules(above, _MARKS)
            folder = above

    def _note_rules(self, folder: str, marks: Iterable[str]) -> None:
        for name in marks:
            path = f"{folder}/{name}"
            self._rules[path] = _signature(path)
            if name == ".git":
                exclude = f"{path}/info/exclude"
                self._rules[exclude] = _signature(exclude)


def _signature(path: str) -> Change | None:
    """Time of change and size; None for what is not there. Of a folder, only that it is there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (0, 0) if S_ISDIR(found.st_mode) else (found.st_mtime_ns, found.st_size)


def read_index(root: str, stop: Stop) -> Index:
    """Walk a folder: hidden files are found, what is ignored by git (in a repository) or `.ignore` is not, symlinks are
    followed. What cannot be read is left out; so is a name with a line feed."""
    return Walk(root).index(stop)


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

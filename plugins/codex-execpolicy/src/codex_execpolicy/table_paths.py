"""What a path on a command line stands for: inside the workspace, outside of it, or a place to keep away from."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import NamedTuple

HARMLESS_WRITES = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr"})

_PROTECTED_NAMES = frozenset({".git", ".codex", ".agents"})
_QUIET_DEVICES = re.compile(r"/dev/(?:null|zero|full|tty|stdin|stdout|stderr|fd/\d+|shm/.+|pts/\d+)\Z")
_SYSTEM = (
    "/etc", "/boot", "/sys", "/proc", "/dev", "/bin", "/sbin", "/lib", "/lib32", "/lib64",
    "/usr/bin", "/usr/sbin", "/usr/lib", "/var/spool/cron", "/System", "/Library",
)  # fmt: skip
_HOME_VARIABLE = re.compile(r"\$(?:HOME\b|\{HOME\})")
_UNKNOWN = re.compile(r"[$`]|[<>]\(")
_GLOB = re.compile(r"[*?\[]|\{[^}]*(?:,|\.\.)")
_ALL_NAMES = re.compile(r"[.*?]*[*?\[][.*?\[\]!^]*\Z|\{.*")


class Places(NamedTuple):
    """Where a command runs, the folders in which it may change files, and the user's home; all paths normal."""

    cwd: str
    bases: tuple[str, ...]
    home: str

    @classmethod
    def of(cls, cwd: str, roots: Sequence[str], home: str) -> Places:
        """The places of a command line that starts in `cwd`, which may be changed as the `roots` may."""
        start = _normal(cwd or "/")
        bases = dict.fromkeys((start, *(_normal(root) for root in roots if root)))
        return cls(start, tuple(bases), _normal(home) if home else "")

    def absolute(self, word: str) -> str:
        """The normal absolute path for a word of a command line, `~` and `$HOME` expanded; symlinks stay."""
        text = word.replace('"', "") if _UNKNOWN.search(word) else word
        text = _HOME_VARIABLE.sub(lambda match: self.home or match.group(), text)
        if self.home and (text == "~" or text.startswith("~/")):
            text = self.home + text[1:]
        return _normal(posixpath.join(self.cwd, text))


def _normal(path: str) -> str:
    normal = posixpath.normpath(path)
    return normal[1:] if normal.startswith("//") else normal


def below(path: str, folder: str) -> bool:
    """Whether `path` lies strictly inside of `folder`; both normal."""
    return path != folder and path.startswith(folder if folder == "/" else folder + "/")


def bad_removal(word: str, places: Places) -> str:
    """Why removing the files that `word` names would do more than tidy up the workspace; empty if it would not."""
    path = places.absolute(word)
    if _UNKNOWN.search(path) or (word.startswith("~") and path.startswith(places.cwd + "/~")):
        return f"what {word} stands for is not known"
    glob = _GLOB.search(path)
    if glob:
        folder, _, pattern = path[: glob.start()].rpartition("/")
        component = pattern + path[glob.start() :].partition("/")[0]
        # `build/*` empties `build`, and `*` the workspace; `*.pyc` is a choice of files.
        path = (folder or "/") if _ALL_NAMES.match(component) else path[: glob.start()] + "x"
    return _bad_place(path, word, places)


def _bad_place(path: str, word: str, places: Places) -> str:
    bases = places.bases
    if any(path == base or below(base, path) for base in bases) or path == "/":
        return f"{word} is the workspace or holds it"
    inside = [base for base in bases if below(path, base)]
    if not inside:
        return f"{word} lies outside of the workspace"
    relative = path[len(max(inside, key=len)) :].split("/")
    if _PROTECTED_NAMES.intersection(relative):
        return f"{word} holds the project's own records"
    if posixpath.dirname(path) == "/" or path == places.home or below(places.home, path):
        return f"{word} is a folder of the system"
    return bad_write(word, places)


def bad_write(word: str, places: Places) -> str:
    """Why writing to `word` changes the user's or the system's settings or devices; empty if it does not."""
    path = places.absolute(word)
    if _QUIET_DEVICES.match(path):
        return ""
    for folder in _SYSTEM:
        if path == folder or below(path, folder):
            if any(below(base, folder) and (path == base or below(path, base)) for base in places.bases):
                return ""
            return f"{word} belongs to the system"
    if places.home and below(path, places.home):
        first = path[len(places.home.rstrip("/")) + 1 :].partition("/")[0]
        own = places.home.rstrip("/") + "/" + first
        shielded = any(base == own or below(base, own) for base in places.bases)
        if first.startswith(".") and not shielded:
            return f"{word} is a setting of the user"
    return ""


def system_or_home(word: str, places: Places) -> bool:
    """Whether a word names `/`, a folder directly in it, the home or a folder that holds it."""
    path = places.absolute(word)
    stem = path.rstrip("*").rstrip("/") or "/"
    return stem == "/" or posixpath.dirname(stem) == "/" or stem == places.home or below(places.home, stem)

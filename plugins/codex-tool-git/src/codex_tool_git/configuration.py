"""What git would obey and run: its configuration files, read for programs, and the programs themselves.

A broker that runs outside the sandbox may run what the user set up, but nothing that a confined command could have
written. git has no switch for "no filters" or "no signing program from there", so the files are looked through.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from .repository import Repository, within

SYSTEM = "/etc/gitconfig"
"""Given to git as its system configuration, so that what is looked through is what is used."""
_MOST_INCLUDES = 50
_HEADER = re.compile(r"""\s*\[\s*([\w.-]+)\s*(?:"(?:[^"\\]|\\.)*")?\s*\]""")
_ENTRY = re.compile(r"\s*([\w-]+)\s*(?:=\s*(.*?))?\s*$")
_LFS = re.compile(r'"?git[- ]lfs (?:clean|smudge|filter-process)[\w %-]*"?')
_FILTERS = frozenset({"clean", "smudge", "process"})
_REFUSED = frozenset({("core", "worktree"), ("core", "sparsecheckout")})
_UNPLAIN = frozenset('"\\#;')


def harmless(repository: Repository, environ: Mapping[str, str], roots: tuple[str, ...]) -> bool:
    """Whether the configuration runs nothing from a writable root and lies in none, apart from the protected
    repository itself. A content filter other than Git LFS is not harmless: filters run in the work tree, and
    who knows what they import from there. Neither are hooks that the configuration names."""
    home = environ.get("HOME", "")
    keys = environ.get("GNUPGHOME", "")  # holds the name of the program that asks for passwords
    if keys and within(os.path.realpath(keys), roots):
        return False
    own = (repository.gitdir, repository.common)
    todo = [os.path.join(folder, name) for folder in own for name in ("config", "config.worktree")]
    todo.append(SYSTEM)
    if home:
        todo.append(os.path.join(home, ".gitconfig"))
    xdg = environ.get("XDG_CONFIG_HOME") or (os.path.join(home, ".config") if home else "")
    if xdg:
        todo.append(os.path.join(xdg, "git", "config"))
    seen: set[str] = set()
    while todo:
        path = os.path.realpath(todo.pop())
        if path in seen:
            continue
        seen.add(path)
        if len(seen) > _MOST_INCLUDES or (within(path, roots) and not within(path, own)):
            return False
        try:
            included = _included(path, home, roots)
        except OSError:  # git would not read it either, and say so
            return False
        if included is None:
            return False
        todo += included
    return True


def _included(path: str, home: str, roots: tuple[str, ...]) -> list[str] | None:
    """The files that one includes, whatever their condition; None if it holds something that is not harmless."""
    found = []
    for section, key, text in _entries(path):
        if section in ("include", "includeif") and key == "path":
            name = _plain(text)
            if name is None or name.startswith("%") or (name.startswith("~") and not (home and name[1:2] == "/")):
                return None
            name = os.path.join(home, name[2:]) if name.startswith("~") else name
            found.append(os.path.join(os.path.dirname(path), name))
        elif not _fits(section, key, text, roots):
            return None
    return found


def _fits(section: str, key: str, text: str, roots: tuple[str, ...]) -> bool:
    if section == "hook" or (section, key) in _REFUSED:
        return False
    if section in ("filter", "lfs") and key in _FILTERS:
        return _LFS.fullmatch(text) is not None
    if key == "defaultkeycommand":
        return _plain(text) == "ssh-add -L"  # a shell command; others could run anything
    if key == "program":
        program = (_plain(text) or "./").partition(" ")[0]
        # A bare name is found on the path that we give.
        return "/" not in program or (program.startswith("/") and not within(os.path.realpath(program), roots))
    return True


def _plain(text: str) -> str | None:
    """A value that means itself; None if it is continued, quoted in the middle, or followed by a comment."""
    if text[:1] == text[-1:] == '"' and len(text) > 1:
        text = text[1:-1]
        return None if '"' in text or "\\" in text else text
    return None if not text or not _UNPLAIN.isdisjoint(text) else text


def _entries(path: str) -> Iterator[tuple[str, str, str]]:
    """(section, key, value), the first two in lower case. Lines that continue a value are taken for entries of
    their own, which can only make the judgement stricter."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return
    section = ""
    for line in text.removeprefix("\ufeff").split("\n"):
        rest = line
        while header := _HEADER.match(rest):
            section = header[1].lower().partition(".")[0]
            rest = rest[header.end() :]
        if entry := _ENTRY.match(rest):
            yield section, entry[1].lower(), entry[2] or ""


def search_path(environ: Mapping[str, str], roots: tuple[str, ...]) -> str:
    """The program folders that no confined command can write."""
    folders = environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(
        folder for folder in folders if folder.startswith("/") and not within(os.path.realpath(folder), roots)
    )


def find_program(name: str, path: str, roots: tuple[str, ...]) -> str | None:
    """A program on a path, unless it leads into a writable root."""
    for folder in path.split(os.pathsep):
        candidate = os.path.join(folder, name)
        if folder and os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return None if within(os.path.realpath(candidate), roots) else candidate
    return None

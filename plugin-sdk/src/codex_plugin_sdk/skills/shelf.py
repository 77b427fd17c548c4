"""What is known of one root: a shelf of skills, whose entries are read when they are needed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from codex_kernel.protocol.value import Value, value

from .files import NAME, read_text, within
from .front_matter import examine
from .problems import Problem, UnusableError
from .roots import Root
from .scan import RACY_NS, Stamp, scan, stamp_of

HEAD_SIZE = 128
"""How many skills of a root are kept in mind; more do not fit into the list that the model sees."""
SURVEY_LIMIT = 1000
"""How many further ones are read to find a skill whose folder has another name."""

Signature = tuple[int, int, int]


@value
class Skill(Value):
    """A skill as its file tells it; `problem` says why it cannot be used."""

    folder: str
    path: str
    root: Root
    signature: Signature
    name: str = ""
    description: str = ""
    problem: Problem | None = None


def by_name(skills: Iterable[Skill]) -> dict[str, Skill]:
    """The skill that each name means, of skills in the order of their roots: that of the strongest root, and of
    several in one root the one whose folder has the name."""
    found: dict[str, Skill] = {}
    for skill in skills:
        known = found.setdefault(skill.name, skill)
        if known.root.path == skill.root.path and not _is_named(known) and _is_named(skill):
            found[skill.name] = skill
    return found


class Shelf:
    """One root. `total` counts the folders with a `SKILL.md`, `changed` says that the index is out of date."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self.stamps: dict[str, Stamp] = {}
        self.total = 0
        self.problems: list[Problem] = []
        self.changed = False
        self._head: list[str] = []
        self._read: dict[str, Skill] = {}
        self._aliases: dict[str, str] | None = None

    def refresh(self) -> None:
        """Walk the root again if a folder has changed since."""
        if not self.stamps or any(self._moved(*known) for known in self.stamps.items()):
            self._scan()

    def head(self, limit: int) -> list[Skill]:
        """The first skills in the order of their folders, each as its file is now."""
        found = [self._current(folder) for folder in self._head[:limit]]
        if any(skill is None for skill in found):  # a file was removed, which its folder's folder does not show
            self._scan()
            found = [self._current(folder) for folder in self._head[:limit]]
        return [skill for skill in found if skill is not None]

    def find(self, name: str) -> Skill | None:
        """The skill of a name, as its file is now; one that cannot be used if only its folder has the name."""
        folders = [f"{folder}/{name}" if folder else name for folder in self.stamps]
        folders += [skill.folder for skill in self._read.values() if skill.name == name]
        unusable = None
        for folder in folders:
            skill = self._current(folder)
            if skill is not None and skill.problem is not None:
                unusable = unusable or skill
            elif skill is not None and skill.name == name:
                return skill
        return unusable or self._by_alias(name)

    def everything(self) -> Iterator[Skill]:
        """All skills, read anew."""
        found = scan(self.root)
        self.problems = found.problems
        for folder in found.skills:
            skill = _load(self.root, folder)
            if skill is not None:
                yield skill

    # -- keeping up ------------------------------------------------------------------------------------

    def _moved(self, folder: str, known: Stamp) -> bool:
        try:
            return stamp_of(os.path.join(self.root.path, folder), time.time_ns()) != known or not known[0]
        except OSError:
            return True

    def _scan(self) -> list[str]:
        found = scan(self.root)
        self.stamps, self.total, self.problems = found.stamps, len(found.skills), found.problems
        self._head = found.skills[:HEAD_SIZE]
        self._read = {folder: self._read[folder] for folder in self._head if folder in self._read}
        self._aliases = None
        self.changed = True
        return found.skills

    def _current(self, folder: str) -> Skill | None:
        path = os.path.join(self.root.path, folder, NAME)
        known = self._read.get(folder)
        try:
            signature = _signature(os.lstat(path))
        except OSError:
            return None
        if known is not None and known.signature == signature and signature[0]:
            return known
        skill = _load(self.root, folder)
        if skill is not None and folder in self._head:
            self._read[folder] = skill
            self.changed = True
        return skill

    def _by_alias(self, name: str) -> Skill | None:
        for known in self.head(HEAD_SIZE):
            if known.name == name:
                return known
        if self.total <= len(self._head):
            return None
        if self._aliases is None:
            rest = self._scan()[HEAD_SIZE : HEAD_SIZE + SURVEY_LIMIT]
            read = (skill for folder in rest if (skill := _load(self.root, folder)) is not None)
            self._aliases = {s.name: s.folder for s in read if s.name and not _is_named(s)}
        folder = self._aliases.get(name)
        skill = self._current(folder) if folder is not None else None
        return skill if skill is not None and skill.name == name else None

    # -- on disk ---------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Plain data for the index."""
        skills = [_skill_to_json(self._read[folder]) if folder in self._read else [folder] for folder in self._head]
        return {
            "scope": self.root.scope,
            "stamps": self.stamps,
            "total": self.total,
            "problems": [_problem_to_json(problem) for problem in self.problems],
            "skills": skills,
            "aliases": self._aliases,
        }

    @classmethod
    def from_json(cls, root: Root, given: Mapping[str, Any]) -> Shelf:
        """The shelf that `to_json` told. Raises `LookupError`, `TypeError` or `ValueError` for anything else."""
        shelf = cls(root)
        if given["scope"] != root.scope:
            return shelf  # other rules hold now
        shelf.stamps = {str(folder): (int(at), int(inode)) for folder, (at, inode) in given["stamps"].items()}
        shelf.total = int(given["total"])
        shelf.problems = [_problem_from_json(entry) for entry in given["problems"]]
        shelf._head = [str(entry[0]) for entry in given["skills"]]
        shelf._read = {entry[0]: _skill_from_json(root, entry) for entry in given["skills"] if len(entry) > 1}
        aliases = given["aliases"]
        shelf._aliases = None if aliases is None else {str(name): str(folder) for name, folder in aliases.items()}
        return shelf


def _is_named(skill: Skill) -> bool:
    return os.path.basename(skill.folder) == skill.name


def _load(root: Root, folder: str) -> Skill | None:
    """Read a skill; None when it vanished meanwhile."""
    place = os.path.join(root.path, folder)
    path = os.path.join(place, NAME)
    try:
        signature = _signature(os.lstat(path))
    except OSError:
        return None
    try:
        if root.confined and not within(place, root.path):
            raise UnusableError("leads out of its folder of skills", "copy the skill")
        examined = examine(path, read_text(path)[0], os.path.basename(folder))
    except UnusableError as error:
        problem = Problem(path=path, line=error.line, message=error.message, cure=error.cure)
        return Skill(folder=folder, path=path, root=root, signature=signature, problem=problem)
    if examined.error is not None:
        return Skill(folder=folder, path=path, root=root, signature=signature, problem=examined.error)
    name, description = examined.name, examined.description
    return Skill(folder=folder, path=path, root=root, signature=signature, name=name, description=description)


def _signature(found: os.stat_result) -> Signature:
    settled = found.st_mtime_ns < time.time_ns() - RACY_NS
    return (found.st_mtime_ns if settled else 0), found.st_ino, found.st_size


def _skill_to_json(skill: Skill) -> list[Any]:
    problem = _problem_to_json(skill.problem) if skill.problem is not None else None
    return [skill.folder, skill.signature, skill.name, skill.description, problem]


def _skill_from_json(root: Root, entry: Sequence[Any]) -> Skill:
    folder, (at, inode, size), name, description, problem = entry
    return Skill(
        folder=str(folder),
        path=os.path.join(root.path, folder, NAME),
        root=root,
        signature=(int(at), int(inode), int(size)),
        name=str(name),
        description=str(description),
        problem=None if problem is None else _problem_from_json(problem),
    )


def _problem_to_json(problem: Problem) -> list[Any]:
    return [problem.path, problem.line, problem.message, problem.cure]


def _problem_from_json(entry: Sequence[Any]) -> Problem:
    path, line, message, cure = entry
    return Problem(path=str(path), line=int(line), message=str(message), cure=str(cure))

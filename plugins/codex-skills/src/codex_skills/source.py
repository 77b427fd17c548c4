"""The context source `skills`: a list for the model, and the bodies of skills that the user names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from codex_plugin_sdk import ContextRequest, Fragment
from codex_plugin_sdk.skills.roots import Root, skill_roots

if TYPE_CHECKING:
    from codex_plugin_sdk.skills.problems import Problem
    from codex_plugin_sdk.skills.section import Switches
    from codex_plugin_sdk.skills.shelf import Shelf, Skill

    from .index import Index

MAX_PROBLEMS = 10
MAX_MENTIONS = 10
MAX_WORDS = 50
"""How many different `$words` of a message are looked up: a pasted script has many, and no skills."""
_MENTION = r"(?<![\w$\\])\$([A-Za-z0-9][A-Za-z0-9_:-]*)"


class SkillsSource:
    """One developer fragment that lists the skills, a notice for each faulty one, a user fragment for each `$name`."""

    def __init__(self) -> None:
        self._index: Index | None = None

    def fragments(self, request: ContextRequest) -> Sequence[Fragment]:
        """Reads only what has changed since the last turn, of any process. Nothing of a project that is not trusted
        is opened."""
        roots = skill_roots(
            cwd=request.cwd,
            codex_home=request.codex_home,
            environ=request.environ,
            config=request.config,
            trusted=request.trusted,
            plugin_folders=request.skill_folders,
        )
        return self._of_roots(request, roots) if roots else ()

    def _of_roots(self, request: ContextRequest, roots: Sequence[Root]) -> Sequence[Fragment]:
        from codex_plugin_sdk.skills.section import Switches

        from .index import Index

        if self._index is None:
            self._index = Index(request.codex_home)
        shelves = self._index.shelves(roots)
        switches = Switches(request.config, request.environ.get("HOME", ""))
        fragments = list(_overview(shelves, switches, listed=_wants_list(request.config)))
        if "$" in request.user_text:
            fragments += _mentioned(request.user_text, shelves, switches)
        self._index.save()
        return fragments


def _wants_list(config: Mapping[str, object]) -> bool:
    skills = config.get("skills")
    return not (isinstance(skills, Mapping) and skills.get("include_instructions") is False)


def _overview(shelves: Sequence[Shelf], switches: Switches, *, listed: bool) -> Iterator[Fragment]:
    from codex_plugin_sdk.skills.shelf import HEAD_SIZE, by_name

    usable: list[Skill] = []
    problems = [problem for shelf in shelves for problem in shelf.problems]
    looked_at = 0
    for shelf in shelves:
        for skill in shelf.head(HEAD_SIZE - looked_at):
            looked_at += 1
            if not switches.enabled(skill.name, skill.path):
                continue
            if skill.problem is not None:
                problems.append(skill.problem)
            else:
                usable.append(skill)
    if listed and usable:
        yield _list(list(by_name(usable).values()), sum(shelf.total for shelf in shelves) - looked_at)
    yield from _complaints(problems)


def _list(skills: Sequence[Skill], more: int) -> Fragment:
    from .wording import MAX_CHARS, list_text

    text, shown = list_text(skills, more)
    left = len(skills) - shown + more
    notice = ""
    if left:
        notice = (
            f"the model is told of {shown:,} skills; {left:,} more do not fit into {MAX_CHARS:,} characters "
            "(name one by $name, or switch others off with [[skills.config]])"
        )
    return Fragment(kind="list", role="developer", text=text, notice=notice)


def _complaints(problems: Sequence[Problem]) -> Iterator[Fragment]:
    for problem in problems[:MAX_PROBLEMS]:
        yield _complaint(problem)
    rest = len(problems) - MAX_PROBLEMS
    if rest > 0:
        notice = f"{rest:,} more skills are left out: codex skills list shows why"
        yield Fragment(kind="problems", text="", notice=notice)


def _complaint(problem: Problem) -> Fragment:
    return Fragment(kind=f"problem:{problem.path}", text="", notice=f"skill left out: {problem}")


def _mentioned(user_text: str, shelves: Sequence[Shelf], switches: Switches) -> list[Fragment]:
    fragments: list[Fragment] = []
    found: set[str] = set()
    for word in _words(user_text):
        skill = _find(word, shelves, switches) or _find(word.rstrip(":-_"), shelves, switches)
        if skill is None or skill.path in found:
            continue
        if len(found) == MAX_MENTIONS:
            notice = f"only the first {MAX_MENTIONS} skills that you name are sent along; ${word} is not"
            text = f"The user also names the skill ${word}; read {skill.path} if you use it."
            fragments.append(Fragment(kind=f"mention:{word}", text=text, notice=notice))
            break
        found.add(skill.path)
        fragments.append(_complaint(skill.problem) if skill.problem is not None else _body(skill))
    return fragments


def _words(user_text: str) -> list[str]:
    import re

    words: dict[str, None] = {}
    for match in re.finditer(_MENTION, user_text):
        words[match[1]] = None
        if len(words) == MAX_WORDS:
            break
    return list(words)


def _find(name: str, shelves: Sequence[Shelf], switches: Switches) -> Skill | None:
    for shelf in shelves:
        skill = shelf.find(name)
        if skill is not None and switches.enabled(name, skill.path):
            return skill
    return None


def _body(skill: Skill) -> Fragment:
    from codex_plugin_sdk.skills.files import HEAD_BYTES, read_text
    from codex_plugin_sdk.skills.problems import Problem, UnusableError

    from .wording import body_text

    try:
        text, found = read_text(skill.path)
    except UnusableError as error:  # it changed a moment ago
        return _complaint(Problem(path=skill.path, line=error.line, message=error.message, cure=error.cure))
    cut = found.st_size > HEAD_BYTES
    notice = ""
    if cut:
        notice = f"{skill.path} was cut after {HEAD_BYTES:,} of its {found.st_size:,} bytes; move details out of it"
    return Fragment(kind=f"skill:{skill.name}", text=body_text(skill, text, cut=cut), notice=notice)

"""All skills that could be used in a folder, and what is wrong with others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from codex_kernel.protocol.value import Value, value

from .problems import Problem
from .roots import Root, skill_roots
from .section import Switches
from .shelf import Shelf, Skill, by_name

if TYPE_CHECKING:
    from codex_kernel.config import Config
    from codex_kernel.invocation import Invocation


@value
class Listed(Value):
    """A skill that can be used. `shadowed_by` is the path of the stronger one that has its name."""

    skill: Skill
    enabled: bool
    shadowed_by: str = ""


def list_skills(invocation: Invocation, config: Config, cwd: str) -> tuple[list[Listed], list[Problem]]:
    """The skills of a folder, those of the strongest root first; reads them all. `config` is that folder's."""
    problems: list[Problem] = []
    roots = roots_of(invocation, config, cwd, problems)
    return collect(roots, Switches(config.data, invocation.environ.get("HOME", "")), problems), problems


def roots_of(invocation: Invocation, config: Config, cwd: str, problems: list[Problem]) -> Sequence[Root]:
    """The roots that exist; what is wrong with those of plugins is added to `problems`."""
    folders: dict[str, str] = {}
    for name, offer in invocation.plugins.skill_folders().items():
        try:
            folders[name] = offer.spec.path()
        except Exception as error:  # noqa: BLE001 - one plugin must not hide the skills of others
            message = f"its folder of skills is unknown: {type(error).__name__}: {error}"
            problems.append(Problem(path=offer.origin, line=0, message=message, cure="tell its author"))
    return skill_roots(
        cwd=cwd,
        codex_home=config.codex_home,
        environ=invocation.environ,
        config=config.data,
        trusted=config.trusted,
        plugin_folders=folders,
    )


def collect(roots: Sequence[Root], switches: Switches, problems: list[Problem]) -> list[Listed]:
    """The skills of these roots; what is wrong with others is added to `problems`."""
    skills: list[Skill] = []
    for root in roots:
        shelf = Shelf(root)
        found = list(shelf.everything())
        problems += shelf.problems
        problems += [skill.problem for skill in found if skill.problem is not None]
        skills += [skill for skill in found if skill.problem is None]
    enabled = {skill.path: switches.enabled(skill.name, skill.path) for skill in skills}
    meant = by_name(skill for skill in skills if enabled[skill.path])
    listed = []
    for skill in skills:
        other = meant.get(skill.name, skill)
        shadow = "" if other.path == skill.path else other.path
        listed.append(Listed(skill=skill, enabled=enabled[skill.path], shadowed_by=shadow))
    return listed

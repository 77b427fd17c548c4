"""The table `[skills]` of config.toml, and which skills it switches off."""

from __future__ import annotations

import os
from collections.abc import Mapping

from codex_kernel.protocol.value import Value, field, value

from .files import NAME


@value
class SkillSwitch(Value):
    """One `[[skills.config]]`: a skill, by the path of its `SKILL.md` (or its folder) or by its name."""

    path: str | None = None
    name: str | None = None
    enabled: bool = True


@value
class BundledSkills(Value):
    """`[skills.bundled]`: the skills in `$CODEX_HOME/skills/.system`."""

    enabled: bool = True


@value
class SkillsSection(Value):
    """`include_instructions` false keeps the list of skills from the model; a `$name` still works."""

    include_instructions: bool = True
    bundled: BundledSkills = field(factory=BundledSkills)
    config: tuple[SkillSwitch, ...] = ()


class Switches:
    """What `[[skills.config]]` says, the last word about a skill counting; a path is stronger than a name."""

    def __init__(self, config: Mapping[str, object], home: str) -> None:
        table = config.get("skills")
        entries = table.get("config") if isinstance(table, Mapping) else None
        self._names: dict[str, bool] = {}
        self._paths: dict[str, bool] = {}
        for entry in entries if isinstance(entries, list | tuple) else ():
            if isinstance(entry, Mapping):
                self._add(entry, home)

    def _add(self, entry: Mapping[str, object], home: str) -> None:
        enabled = entry.get("enabled") is not False
        path, name = entry.get("path"), entry.get("name")
        if isinstance(path, str):
            if path.startswith("~/") and home:
                path = os.path.join(home, path[2:])
            folder = os.path.dirname(path) if os.path.basename(path) == NAME else path
            self._paths[os.path.realpath(folder)] = enabled
        elif isinstance(name, str):
            self._names[name] = enabled

    def enabled(self, name: str, path: str) -> bool:
        """Whether the skill of this name in this `SKILL.md` may be used."""
        if self._paths:
            found = self._paths.get(os.path.realpath(os.path.dirname(path)))
            if found is not None:
                return found
        return self._names.get(name, True)

"""What the model is told of skills, in Codex's tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from codex_plugin_sdk.skills.shelf import Skill

MAX_CHARS = 8000
"""Of the whole list; it is part of every request."""
SHORTENED_CHARS = (1024, 400, 200, 120, 60)

_HEAD = """<skills_instructions>
## Skills
A skill is a folder with instructions for one kind of task, in a file `SKILL.md`. These can be used. Each is listed with
its name, what it is for, and its file; the file's path begins with an alias from the table of roots."""
_HOW = """### How to use skills
- When: the user names a skill (`$name`, or in plain words), or the task is what its description speaks of. A skill
  counts for the turn in which it is called for. Of several that fit, take the fewest that cover the task.
- First replace the alias, then read the whole `SKILL.md` before you act. What a user names as `$name` is sent along
  with the message, and need not be read again unless it was cut.
- Paths in a `SKILL.md` are relative to its folder. Read of the files beside it only those that it calls for, and each
  of these to its end; run its scripts and use its templates rather than writing them anew.
- Say in a few words which skill you use. If one is missing or its files cannot be read, say so and go on without it.
</skills_instructions>"""


def list_text(skills: Sequence[Skill], more: int) -> tuple[str, int]:
    """The fragment for these skills, at most `MAX_CHARS`, and how many are listed. Where not all fit, descriptions
    are shortened before skills are left out. `more` counts skills that exist beside these."""
    roots = dict.fromkeys(skill.root.path for skill in skills)
    aliases = {path: f"r{at}" for at, path in enumerate(roots)}
    table = "\n".join(f"- `{alias}` = `{path}`" for path, alias in aliases.items())
    head = f"{_HEAD}\n### Skill roots\n{table}\n### Available skills\n"
    room = MAX_CHARS - len(head) - len(_HOW) - len(_left_out(10**6))
    lines = _fitting(skills, aliases, room)
    left = len(skills) - len(lines) + more
    return head + "".join(lines) + (_left_out(left) if left else "") + _HOW, len(lines)


def body_text(skill: Skill, text: str, *, cut: bool) -> str:
    """The fragment for a skill that the user named."""
    note = f"\n[The file goes on. Read the rest of {skill.path} before you act on it.]" if cut else ""
    return f"<skill>\n<name>{skill.name}</name>\n<path>{skill.path}</path>\n{text}{note}\n</skill>"


def _left_out(count: int) -> str:
    return f"- … and {count:,} more, for which there is no room here; the folders of the roots hold them all.\n"


def _fitting(skills: Sequence[Skill], aliases: Mapping[str, str], room: int) -> list[str]:
    """The lines, with descriptions as long as there is room for, and no more of them than fit."""
    names = [f"- {skill.name}: " for skill in skills]
    files = [f" (file: {aliases[skill.root.path]}/{skill.folder}/SKILL.md)\n" for skill in skills]
    sizes = [len(skill.description) for skill in skills]
    spare = room - sum(map(len, names)) - sum(map(len, files))
    limit = next((n for n in SHORTENED_CHARS if sum(min(size, n) for size in sizes) <= spare), SHORTENED_CHARS[-1])
    texts = (_shortened(skill.description, limit) for skill in skills)
    lines = [f"{name}{text}{file}" for name, text, file in zip(names, texts, files, strict=True)]
    over = sum(map(len, lines)) - room
    while lines and over > 0:
        over -= len(lines.pop())
    return lines


def _shortened(description: str, limit: int) -> str:
    return description if len(description) <= limit else description[: limit - 1].rstrip() + "…"

"""The front matter of a `SKILL.md`: YAML between two lines of `---`, with a name and a description."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from codex_kernel.protocol.value import Value, value

from .problems import Problem, UnusableError

MAX_NAME_CHARS = 64
MAX_DESCRIPTION_CHARS = 1024
MAX_BYTES = 16 * 1024
KNOWN_KEYS = ("name", "description", "license", "compatibility", "metadata", "allowed-tools")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_:-]*\Z")
_PLAIN = re.compile(r"([A-Za-z][A-Za-z0-9_-]*:[ \t]+)([^\s\[\]{}\"'|>&*!%@`#,?-].*?)\s*\Z")
_NULL = "tag:yaml.org,2002:null"
_EXAMPLE = "begin the file with ---, name: …, description: …, ---, a line each"


@value
class Examined(Value):
    """What a file says of its skill. `name` and `description` (one line) are empty where they cannot be used;
    `problems` are in the order of the file, errors and warnings."""

    name: str
    description: str
    problems: tuple[Problem, ...]

    @property
    def error(self) -> Problem | None:
        """The first problem for which the skill is left out."""
        return next((problem for problem in self.problems if problem.severity == "error"), None)


def examine(path: str, text: str, folder: str) -> Examined:
    """Check the text of a `SKILL.md` that lies in a folder of this name. Never raises for what the text holds."""
    try:
        keys, lenient = _keys(text)
    except UnusableError as error:
        return Examined(name="", description="", problems=(_problem(path, error),))
    problems = [_unquoted(path, line) for line in lenient]
    name = _string(path, keys, "name", problems)
    description = _one_line(_string(path, keys, "description", problems))
    problems += _judge_name(path, name, keys, folder)
    if len(description) > MAX_DESCRIPTION_CHARS:
        message = f"`description` has {len(description):,} characters, where {MAX_DESCRIPTION_CHARS:,} are the most"
        problems.append(_at(path, keys, "description", message, "say when the skill is of use, and no more"))
    problems += _others(path, keys)
    problems.sort(key=lambda problem: problem.line)
    return Examined(name=name, description=description, problems=tuple(problems))


Keys = dict[str, tuple[int, Any]]
"""Key -> its line in the file, its YAML node."""


def _keys(text: str) -> tuple[Keys, list[int]]:
    """The keys, and the lines that only Codex's leniency lets pass. Raises `UnusableError`."""
    source = _source(text)
    node, lenient = _compose(source)
    if node is None:
        raise UnusableError("the front matter is empty", _EXAMPLE, 1)
    if node.id != "mapping":
        raise UnusableError("the front matter is not a list of `key: value` lines", _EXAMPLE, 2)
    return {key.value: (key.start_mark.line + 2, given) for key, given in node.value if key.id == "scalar"}, lenient


def _source(text: str) -> str:
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        raise UnusableError("there is no front matter", _EXAMPLE, 1)
    end = next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if end is None:
        raise UnusableError("the front matter does not end", "close it with a line of ---", 1)
    source = "\n".join(line.rstrip("\r") for line in lines[1:end])
    if len(source) > MAX_BYTES:
        message = f"the front matter has {len(source):,} characters, where {MAX_BYTES:,} are the most"
        raise UnusableError(message, "move what it says below it", 1)
    return source


def _compose(source: str) -> tuple[Any, list[int]]:
    """The root node. A plain value that holds `: ` is no YAML, but Codex takes it, and many skills have one."""
    yaml: Any = import_module("yaml")  # late: sixty milliseconds, and only a skill that is new is parsed
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    lines = source.split("\n")
    lenient: list[int] = []
    while True:
        try:
            return yaml.compose("\n".join(lines), Loader=loader), lenient
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
            at = min(mark.line, len(lines) - 1) if mark is not None else 0
            problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or type(error).__name__)
            fixed = _quoted(lines[at]) if "mapping values" in problem else None
            if fixed is None:
                message = f"the front matter is not YAML: {problem}"
                raise UnusableError(message, "put values with special characters into quotes", at + 2) from error
            lines[at] = fixed
            lenient.append(at + 2)


def _quoted(line: str) -> str | None:
    found = _PLAIN.match(line)
    return found[1] + json.dumps(found[2], ensure_ascii=False) if found else None


def _string(path: str, keys: Keys, key: str, problems: list[Problem]) -> str:
    if key not in keys:
        problems.append(Problem(path=path, line=1, message=f"`{key}` is missing", cure=f"add a line {key}: …"))
        return ""
    node = keys[key][1]
    # `off` and `2024` are texts here: nobody means a truth value or a number.
    if node.id == "scalar" and node.tag != _NULL and node.value.strip():
        return str(node.value).strip()
    message = f"`{key}` is empty" if node.id == "scalar" else f"`{key}` is not a text"
    problems.append(_at(path, keys, key, message, f"write a text after {key}:"))
    return ""


def _one_line(text: str) -> str:
    # Escapes such as "\x1b" in quotes are YAML, but no terminal should obey a description.
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _judge_name(path: str, name: str, keys: Keys, folder: str) -> Iterator[Problem]:
    if not name:
        return
    if len(name) > MAX_NAME_CHARS:
        message = f"`name` has {len(name):,} characters, where {MAX_NAME_CHARS} are the most"
        yield _at(path, keys, "name", message, "choose a shorter one")
    elif not _NAME.match(name):
        message = f"`name` {name!r} cannot be written as $name"
        yield _at(path, keys, "name", message, "use letters, digits, - and _")
    elif name != folder:
        message = f"`name` is {name!r}, but the folder is {folder!r}"
        yield _at(path, keys, "name", message, "give both the same name", severity="warning")


def _others(path: str, keys: Keys) -> Iterator[Problem]:
    for key in keys:
        if key not in KNOWN_KEYS:
            known = ", ".join(KNOWN_KEYS)
            yield _at(path, keys, key, f"`{key}` is not a known key", f"known are {known}", severity="warning")
    kinds = {"license": "scalar", "compatibility": "scalar", "metadata": "mapping"}
    for key, kind in kinds.items():
        if key in keys and keys[key][1].id != kind:
            wanted = "a text" if kind == "scalar" else "a table of `key: value` lines"
            yield _at(path, keys, key, f"`{key}` is not {wanted}", f"write {wanted}", severity="warning")


def _at(path: str, keys: Keys, key: str, message: str, cure: str, *, severity: str = "error") -> Problem:
    return Problem(path=path, line=keys[key][0], message=message, cure=cure, severity=severity)


def _problem(path: str, error: UnusableError) -> Problem:
    return Problem(path=path, line=error.line, message=error.message, cure=error.cure)


def _unquoted(path: str, line: int) -> Problem:
    message = "a value with `: ` in it is not YAML without quotes"
    return Problem(path=path, line=line, message=message, cure="put the value into quotes", severity="warning")

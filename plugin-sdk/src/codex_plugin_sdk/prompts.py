"""Custom prompts: Markdown files that a user invokes as `/prompts:NAME arguments`.

A file may begin with front matter (`description`, `argument-hint`; a `key: value` a line between two lines of
`---`). In its text `$1` to `$9` are arguments by position, `$ARGUMENTS` all of these, `$NAME` (capitals, digits, `_`)
the one that is given as `NAME=value`, and `$$` is a dollar sign.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence

from codex_kernel.errors import UserError
from codex_kernel.protocol.value import Value, value

PREFIX = "/prompts:"
MAX_PROMPT_BYTES = 256 * 1024
MAX_PROMPTS = 1000
"""How many files of a folder are looked at."""

_PLACEHOLDER = re.compile(r"\$(\$|[1-9]|[A-Z][A-Z0-9_]*)")
_KEY = re.compile(r"([A-Za-z][A-Za-z0-9_-]*):[ \t]*(.*?)[ \t]*\Z")
_NAMED = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)\Z", re.DOTALL)
_ALL = "ARGUMENTS"
# Without O_NONBLOCK the open of a pipe that nobody writes to would wait for ever.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


@value
class Prompt(Value):
    """A prompt of a user or a project. `name` is the file's without `.md`, `body` its text below the front matter;
    `problem` says why it cannot be used, in which case the rest is empty."""

    name: str
    path: str
    description: str = ""
    argument_hint: str = ""
    body: str = ""
    problem: str = ""


def find_prompts(codex_home: str, project_folders: Iterable[str] = ()) -> tuple[Prompt, ...]:
    """The prompts of a user (`$CODEX_HOME/prompts/*.md`) and of a project, by name.

    `project_folders` hold Markdown files as that one does (`.codex/prompts`), the strongest first: the caller names
    only those of a trusted project. Of two with one name the project's counts. Never raises for what a file holds.
    """
    found: dict[str, Prompt] = {}
    for folder in (*project_folders, os.path.join(codex_home, "prompts")):
        for path in _files(folder):
            name = os.path.basename(path).removesuffix(".md")
            if name not in found:
                found[name] = _read(name, path)
    return tuple(found[name] for name in sorted(found))


def expand_prompt(text: str, prompts: Sequence[Prompt]) -> str | None:
    """What `/prompts:NAME arguments` stands for, or None for any other text.

    Arguments are words, quoted as in a shell where they hold spaces. Those for which the prompt has no place are put
    below it, so that nothing the user wrote is lost. Raises `UserError`: an unknown prompt, one whose file cannot be
    used, arguments by name that are missing.
    """
    if not text.startswith(PREFIX):
        return None
    name, rest = _split_name(text.removeprefix(PREFIX))
    prompt = next((prompt for prompt in prompts if prompt.name == name), None)
    if prompt is None:
        raise UserError(f"there is no prompt {name!r}", hint=_suggestion(name, prompts))
    if prompt.problem:
        raise UserError(f"the prompt {name} cannot be used: {prompt.path} {prompt.problem}", hint="mend the file")
    return _fill(prompt, rest)


# -- files -----------------------------------------------------------------------------------------


def _files(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(".md") and entry.name[0] != ".")
    except OSError:
        return []  # absent, or not for us: there are no prompts then
    return [os.path.join(folder, name) for name in names[:MAX_PROMPTS] if _is_name(name.removesuffix(".md"))]


def _is_name(name: str) -> bool:
    return bool(name) and name.isprintable() and not any(char.isspace() for char in name)


def _read(name: str, path: str) -> Prompt:
    try:
        text = _text(path)
    except OSError as error:
        return Prompt(name=name, path=path, problem=f"cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        return Prompt(name=name, path=path, problem="is not UTF-8 text")
    except ValueError as error:
        return Prompt(name=name, path=path, problem=str(error))
    keys, body = _split_front_matter(text)
    hint = keys.get("argument-hint", keys.get("argument_hint", ""))
    return Prompt(name=name, path=path, description=keys.get("description", ""), argument_hint=hint, body=body)


def _text(path: str) -> str:
    """Raises `OSError`, and `ValueError` for what is no text of a prompt."""
    descriptor = os.open(path, _READ)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("is not a regular file")
        data = os.read(descriptor, MAX_PROMPT_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_PROMPT_BYTES:
        raise ValueError(f"is larger than {MAX_PROMPT_BYTES:,} bytes")
    if b"\0" in data:
        raise ValueError("is not text")
    return data.decode("utf-8-sig")


def _split_front_matter(text: str) -> tuple[Mapping[str, str], str]:
    """The keys and what is below. A text that does not begin with `---`, or does not end it, has none."""
    lines = text.splitlines(keepends=True)
    if not lines or lines[0].strip() != "---":
        return {}, text
    end = next((at for at, line in enumerate(lines[1:], 1) if line.strip() == "---"), None)
    if end is None:
        return {}, text
    matches = (_KEY.match(line.rstrip("\r\n")) for line in lines[1:end])
    keys = {match[1]: _unquoted(match[2]) for match in matches if match}
    return keys, "".join(lines[end + 1 :]).lstrip("\r\n")


def _unquoted(text: str) -> str:
    quoted = len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text


# -- expansion -------------------------------------------------------------------------------------


def _split_name(text: str) -> tuple[str, str]:
    parts = text.split(None, 1) if text and not text[0].isspace() else ["", text]
    return parts[0] if parts else "", parts[1].strip() if len(parts) > 1 else ""


def _suggestion(name: str, prompts: Sequence[Prompt]) -> str:
    import difflib

    names = [prompt.name for prompt in prompts]
    near = difflib.get_close_matches(name, names, 1)
    if near:
        return f"did you mean {PREFIX}{near[0]}?"
    if names:
        return f"known are {', '.join(names[:20])}{', …' if len(names) > 20 else ''}"
    return "put a Markdown file into $CODEX_HOME/prompts"


def _fill(prompt: Prompt, rest: str) -> str:
    places = {match[1] for match in _PLACEHOLDER.finditer(prompt.body)} - {"$"}
    wanted = {place for place in places if not place.isdigit() and place != _ALL}
    by_place, by_name = _sort(split_words(rest), wanted)
    missing = sorted(wanted - by_name.keys())
    if missing:
        given = " ".join(f"{name}=…" for name in missing)
        hint = prompt.argument_hint or f"{PREFIX}{prompt.name} {given}"
        raise UserError(f"the prompt {prompt.name} wants {', '.join(missing)}", hint=hint)

    def replaced(match: re.Match[str]) -> str:
        place = match[1]
        if place == "$":
            return "$"
        if place == _ALL:
            return " ".join(by_place)
        if place.isdigit():
            return by_place[int(place) - 1] if int(place) <= len(by_place) else ""
        return by_name[place]

    text = _PLACEHOLDER.sub(replaced, prompt.body)
    takes_words = any(place.isdigit() or place == _ALL for place in places)
    return text if takes_words or not by_place else f"{text.rstrip()}\n\n{' '.join(by_place)}"


def _sort(words: Sequence[str], wanted: set[str]) -> tuple[list[str], dict[str, str]]:
    by_name = {name: given for name, given in _named(words) if name in wanted}
    by_place = [word for word in words if not ((match := _NAMED.match(word)) and match[1] in wanted)]
    return by_place, by_name


def _named(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        match = _NAMED.match(word)
        if match:
            yield match[1], match[2]


def split_words(rest: str) -> list[str]:
    """The arguments behind a command: words, quoted as in a shell where they hold spaces."""
    if not any(char in rest for char in "\"'\\"):
        return rest.split()
    import shlex

    try:
        return shlex.split(rest)
    except ValueError:
        return rest.split()  # an apostrophe: the user wrote prose, not quotes

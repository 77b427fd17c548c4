"""What `.gitignore`, `.git/info/exclude` and `.ignore` leave out."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Sequence

from codex_plugin_sdk import Value, value

_MAX_BYTES = 1024 * 1024


@value
class Rule(Value):
    """One line. `regex` is for the name alone unless `anchored`: then for the path below the file's folder."""

    pattern: str
    regex: str
    anchored: bool
    only_folders: bool
    takes_back: bool


class Rules:
    """The lines of one file, made so that most names are let through by a look into a set."""

    def __init__(self, folder: str, rules: Sequence[Rule]) -> None:
        self._skip = len(folder.rstrip("/")) + 1
        self._ordered = [(re.compile(rule.regex, re.DOTALL), rule) for rule in reversed(rules)]
        self._for = {is_folder: _Quick(rules, is_folder=is_folder) for is_folder in (True, False)}
        self._simple = not any(rule.takes_back for rule in rules)

    def decide(self, path: str, name: str, *, is_folder: bool) -> bool | None:
        """Whether a path is left out (True) or kept (False) by these rules; None if they say nothing."""
        quick = self._for[is_folder]
        if self._simple:
            return True if quick.matches(path[self._skip :], name) else None
        if not quick.matches(path[self._skip :], name):
            return None
        below = path[self._skip :]
        for regex, rule in self._ordered:
            if (is_folder or not rule.only_folders) and regex.fullmatch(below if rule.anchored else name):
                return not rule.takes_back
        return None


class _Quick:
    """Whether any of some rules fits: plain names in a set, `*.suffix` by the end, the rest as one pattern."""

    def __init__(self, rules: Iterable[Rule], *, is_folder: bool) -> None:
        plain: set[str] = set()
        ends: list[str] = []
        others: list[str] = []
        paths: list[str] = []
        for rule in rules:
            if rule.only_folders and not is_folder:
                continue
            if rule.anchored:
                paths.append(rule.regex)
            elif not re.search(r"[*?\[\\]", rule.pattern):
                plain.add(rule.pattern)
            elif rule.pattern[0] == "*" and not re.search(r"[*?\[\\]", rule.pattern[1:]):
                ends.append(rule.pattern[1:])
            else:
                others.append(rule.regex)
        self._plain, self._ends = plain, tuple(ends)
        self._others, self._paths = _joined(others), _joined(paths)

    def matches(self, below: str, name: str) -> bool:
        if name in self._plain or (self._ends and name.endswith(self._ends)):
            return True
        if self._others is not None and self._others.fullmatch(name):
            return True
        return self._paths is not None and self._paths.fullmatch(below) is not None


class Ignored:
    """The rules that hold for what is in a folder: those of `.gitignore` files from the top of the repository down,
    and those of `.ignore` files, the nearest last."""

    def __init__(self, git: tuple[Rules, ...] = (), own: tuple[Rules, ...] = (), *, in_git: bool = False) -> None:
        self._git, self._own, self._in_git = git, own, in_git

    def inside(self, folder: str, names: Collection[str]) -> Ignored:
        """The rules for the entries `names` of a folder one deeper."""
        git, own, in_git = self._git, self._own, self._in_git
        if ".git" in names:
            git, in_git = (), True
            git += _read(folder, os.path.join(folder, ".git", "info", "exclude"))
        if in_git and ".gitignore" in names:
            git += _read(folder, os.path.join(folder, ".gitignore"))
        if ".ignore" in names:
            own += _read(folder, os.path.join(folder, ".ignore"))
        if git is self._git and own is self._own and in_git == self._in_git:
            return self
        return Ignored(git, own, in_git=in_git)

    @property
    def empty(self) -> bool:
        """Whether nothing is left out."""
        return not self._git and not self._own

    def ignores(self, path: str, name: str, *, is_folder: bool) -> bool:
        """Whether an entry is left out; the nearest file counts, and in it the last line that fits."""
        for levels in (self._own, self._git):
            for rules in reversed(levels):
                decision = rules.decide(path, name, is_folder=is_folder)
                if decision is not None:
                    return decision
        return False


def rules_above(root: str) -> Ignored:
    """The rules that hold in a folder because of those above it, as far up as its repository goes."""
    chain = [os.path.dirname(os.path.abspath(root))]
    while True:
        if os.path.exists(os.path.join(chain[-1], ".git")):
            break
        above = os.path.dirname(chain[-1])
        if above == chain[-1]:
            return Ignored()
        chain.append(above)
    if os.path.exists(os.path.join(root, ".git")):
        return Ignored()
    found = Ignored()
    for folder in reversed(chain):
        present = [name for name in (".git", ".gitignore", ".ignore") if os.path.exists(os.path.join(folder, name))]
        found = found.inside(folder, present)
    return found


def _read(folder: str, path: str) -> tuple[Rules, ...]:
    """The rules of a file; none if it cannot be read, as git does."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read(_MAX_BYTES).split("\n")
    except OSError:
        return ()
    rules = [rule for line in lines if (rule := parse_rule(line)) is not None]
    return (Rules(folder, rules),) if rules else ()


def parse_rule(line: str) -> Rule | None:
    """A line of such a file; None for a comment, an empty one, or one that is no pattern."""
    text = line.rstrip("\r")
    while text.endswith(" ") and not text.endswith("\\ "):
        text = text[:-1]
    if not text or text.startswith("#"):
        return None
    takes_back = text.startswith("!")
    text = text[1:] if takes_back else text
    only_folders = text.endswith("/")
    text = text.rstrip("/") if only_folders else text
    anchored = "/" in text
    if text.startswith("**/") and "/" not in text[3:]:
        text, anchored = text[3:], False
    text = text.removeprefix("/")
    if not text:
        return None
    try:
        regex = translate(text)
        re.compile(regex)
    except re.error:
        return None
    return Rule(pattern=text, regex=regex, anchored=anchored, only_folders=only_folders, takes_back=takes_back)


_TOKEN = re.compile(r"^\*\*/|/\*\*/|/\*\*$|\*+|\?|\[[!^]?\]?(?:\\.|[^\]])*\]|\\.|.", re.DOTALL)


def translate(pattern: str) -> str:
    """A pattern of git's as a regular expression."""
    return "".join(_piece(token) for token in _TOKEN.findall(pattern))


def _piece(token: str) -> str:
    match token:
        case "**/":
            return "(?:.*/)?"
        case "/**/":
            return "/(?:.*/)?"
        case "/**":
            return "/.*"
        case "?":
            return "[^/]"
        case _ if token[0] == "*":
            return "[^/]*"
        case _ if token[0] == "[" and len(token) > 1:
            inner = token[1:-1]
            negated = inner[:1] in ("!", "^")
            inner = inner[1:] if negated else inner
            inner = re.sub(r"\\(.)", r"\1", inner).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
            return f"(?!/)[{'^' if negated else ''}{inner.replace('^', chr(92) + '^')}]"
        case _:
            return re.escape(token[-1])


def _joined(patterns: list[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.DOTALL) if patterns else None

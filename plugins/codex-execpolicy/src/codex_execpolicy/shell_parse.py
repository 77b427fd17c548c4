"""Reads a command line into the simple commands that it executes.

`parse` looks into shells (`bash -lc "…"`, to any depth) and into programs that run other programs (`env`,
`sudo`, `find -exec`). A command line of which any part is not understood says so in `Parsed.opaque`; the parts
that were understood are reported all the same, so that a rule against `rm` sees the `rm` in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .shell_segments import Collector, Dialect, Parsed, Segment, Word, names
from .shell_wrappers import WRAPPERS, Inner, harmless_variable, program, unwrap

__all__ = ["Parsed", "Segment", "parse", "parse_fully"]

MAX_DEPTH = 12
"""Shells and wrappers inside each other beyond this count as not understood."""
MAX_WORDS = 20_000

_SHELLS = {
    "bash": "bash", "rbash": "bash", "zsh": "zsh",
    "sh": "posix", "dash": "posix", "ash": "posix", "ksh": "posix", "mksh": "posix",
}  # fmt: skip
_SHELL_FLAGS = {"bash": "cliexuvfpbnmhBET", "zsh": "cliexuvf", "posix": "cliexuvfnmb"}
_SHELL_LONG = frozenset({"--login", "--noprofile", "--norc", "--posix", "--verbose"})
_SHELL_MODES = frozenset({"pipefail", "errexit", "nounset", "xtrace", "noglob", "verbose", "posix", "noclobber"})

_RESERVED = names("if then else elif fi do done case esac while until for select function in coproc ! { } [[ ]] time")
_ZSH_MODIFIERS = names("repeat noglob nocorrect foreach end always - print autoload zmodload emulate")

_STATE = {
    "eval": "runs its arguments as a script",
    "source": "runs a file in this shell",
    ".": "runs a file in this shell",
    "trap": "runs a script later",
    "fc": "runs commands from the history",
    "bind": "can run commands",
    "complete": "can run commands",
    "compgen": "can run commands",
    "mapfile": "can run commands",
    "readarray": "can run commands",
    "enable": "changes the shell",
    "alias": "changes the shell",
    "unalias": "changes the shell",
    "shopt": "changes the shell",
    "setopt": "changes the shell",
    "unsetopt": "changes the shell",
    "hash": "changes where programs are found",
    "coproc": "runs a coprocess",
    "let": "evaluates arithmetic",
} | dict.fromkeys(
    ("export", "declare", "typeset", "local", "readonly", "unset", "read", "getopts", "integer", "float"),
    "changes variables",
)
_SCRIPT_RUNNERS = frozenset({"eval", "trap"})
_SET_LETTERS = re.compile(r"[-+][euxvfmbhC]+\Z")
_ARITHMETIC_NAME = re.compile(r"[\[$`]")

_RUNS_SCRIPT = re.compile(r"-[A-Za-z]*c[A-Za-z]*\Z")

_FAST = re.compile(r"[A-Za-z_./][A-Za-z0-9_./+-]*(?: [A-Za-z0-9_./,:@%+-][A-Za-z0-9_./,:@%+=-]*)*\Z")
_UNFAST = _RESERVED | _ZSH_MODIFIERS | set(_STATE) | set(WRAPPERS) | set(_SHELLS) | {"find", "set", "printf", "test"}


def parse(argv: Sequence[str]) -> Parsed:
    """The simple commands that executing `argv` runs, and what of it could not be understood. Never raises."""
    if len(argv) == 3 and argv[0] in ("bash", "/bin/bash", "sh", "zsh") and argv[1] in ("-lc", "-c"):
        segment = _plain_script(argv[2])
        if segment is not None:
            return Parsed(segments=(segment,))
    elif argv and argv[0] not in _UNFAST and "/" not in argv[0]:
        return _plain_argv(argv)
    return parse_fully(argv)


def _plain_argv(argv: Sequence[str]) -> Parsed:
    if not argv[0]:
        return Parsed(segments=(Segment(words=tuple(argv)),), opaque="the command has no name")
    return Parsed(segments=(Segment(words=tuple(argv)),))


def _plain_script(script: str) -> Segment | None:
    """The one command of a script that consists of nothing but plain words, None for every other script."""
    if len(script) > 1_000 or not _FAST.match(script):
        return None
    words = tuple(script.split(" "))
    if words[0] in _UNFAST or words[0].rpartition("/")[2] in _UNFAST:
        return None
    return Segment(words=words)


def parse_fully(argv: Sequence[str]) -> Parsed:
    """`parse` without its shortcuts."""
    found = Collector()
    if not argv:
        found.opaque("the command is empty")
    elif len(argv) > MAX_WORDS:
        found.opaque(f"more than {MAX_WORDS} words")
        found.add([Word(word) for word in argv[:MAX_WORDS]], (), -1)
    else:
        _Reader(found).command([Word(word) for word in argv], (), -1, shell=None)
    return found.parsed()


class _Reader:
    """Takes simple commands apart: shells, wrappers, and builtins that change what later words mean."""

    def __init__(self, found: Collector) -> None:
        self.found = found
        self.in_find = False

    def command(self, words: list[Word], writes: tuple[str, ...], pipe: int, *, shell: Dialect | None) -> None:
        """One simple command; `shell` reads it, or None where it is executed directly."""
        self.found.depth += 1
        if self.found.depth > MAX_DEPTH:
            self.found.opaque("commands nested too deeply", words[0].text)
            self.found.add(words, writes, pipe)
        else:
            self._take_apart(words, writes, pipe, shell)
        self.found.depth -= 1

    def _take_apart(self, words: list[Word], writes: tuple[str, ...], pipe: int, shell: Dialect | None) -> None:
        first = words[0]
        if first.loose:
            self.found.opaque("the command's name is not literal", first.text)
        elif not first.text:
            self.found.opaque("the command has no name")
        base = first.text.rpartition("/")[2]
        inners = unwrap(words)
        if base in _SHELLS:
            self._shell(words, writes, pipe, Dialect(_SHELLS[base]))
        elif inners is not None:
            self._wrapped(words, writes, pipe, inners, shell)
        else:
            if shell is not None:
                self._builtin(words, writes, pipe, shell)
            self.found.add(words, writes, pipe)

    def _wrapped(
        self, words: list[Word], writes: tuple[str, ...], pipe: int, inners: list[Inner], shell: Dialect | None
    ) -> None:
        for index, inner in enumerate(inners):
            if inner.why:
                self.found.opaque(inner.why)
            if inner.keep and not index:
                self.found.add(words, writes, pipe)
            if inner.words and words[0].text == "time" and inner.words[0].text in _RESERVED:
                self.found.opaque("time before a compound command", inner.words[0].text)
            if inner.words:
                runs_builtins = words[0].text in ("command", "builtin", "time")
                outer, self.in_find = self.in_find, self.in_find or words[0].text.rpartition("/")[2] == "find"
                self.command(inner.words, writes, pipe, shell=shell if runs_builtins else None)
                self.in_find = outer

    def _builtin(self, words: list[Word], writes: tuple[str, ...], pipe: int, shell: Dialect) -> None:
        """Report builtins after which the shell is not what it was."""
        name = words[0].text
        if name in _STATE:
            self.found.opaque(f"{name} {_STATE[name]}")
        elif name == "exec":
            self.found.opaque("exec changes the shell's own files")
        elif name == "set" and not all(_SET_LETTERS.match(word.text) for word in words[1:]):
            self._set(words)
        elif name in ("printf", "test", "[") and any(
            word.text in ("-v", "-eq", "-ne", "-lt", "-le", "-gt", "-ge") or word.text.startswith("-v")
            for word in words[1:]
        ):
            if name == "printf" or any(_ARITHMETIC_NAME.search(word.text) for word in words[1:]):
                self.found.opaque(f"{name} may evaluate a variable's index", " ".join(word.text for word in words))
        elif shell.name == "zsh" and name in _ZSH_MODIFIERS:
            self.found.opaque(f"{name} has a meaning of its own in zsh")
        if name in _SCRIPT_RUNNERS and len(words) > 1:
            script = words[1].text if name == "trap" else " ".join(word.text for word in words[1:])
            self.script(script, shell, pipe, writes)

    def _set(self, words: list[Word]) -> None:
        texts = [word.text for word in words[1:]]
        modes = [text for text in texts if not text.startswith(("-", "+"))]
        letters = [text for text in texts if text.startswith(("-", "+"))]
        plain = all(_SET_LETTERS.match(text.replace("o", "")) or text in ("-o", "+o") for text in letters)
        if not plain or not all(mode in _SHELL_MODES for mode in modes):
            self.found.opaque("set changes the shell", " ".join(texts))

    def _shell(self, words: list[Word], writes: tuple[str, ...], pipe: int, dialect: Dialect) -> None:
        at, letters, why = _shell_options(words, dialect)
        runs_script = "c" in letters
        if why:
            self.found.opaque(why)
        if not program(words[0].text) or not runs_script or at >= len(words) or words[at].loose:
            self.found.add(words, writes, pipe)
        if not runs_script:
            if "s" in letters or at >= len(words):
                self.found.opaque(f"{words[0].text} reads its commands from its input")
        elif at >= len(words):
            self.found.opaque(f"{words[0].text} -c has no script")
        else:
            if words[at].loose:
                self.found.opaque("a script that is not literal", words[at].text)
                return
            if self.in_find and "{}" in words[at].text:
                self.found.opaque("a script with {} in it, which find replaces", words[at].text)
            self.script(words[at].text, dialect._replace(interactive="i" in letters), pipe, writes)

    def script(self, script: str, dialect: Dialect, pipe: int, writes: tuple[str, ...]) -> None:
        """A script inside the command line; `writes` are where its output goes."""
        from .shell_tree import walk_script
        from .shell_words import Command

        def emit(command: Command, number: int, source: str) -> None:
            for assignment in command.assignments:
                name = re.split(r"[\[+=]", assignment.text, maxsplit=1)[0]
                if not harmless_variable(name) or dialect.name == "zsh":
                    self.found.opaque(f"the variable {name} is set for a command", source)
            if command.words:
                self._statement(command.words, command.writes + writes, number, dialect, source)
            elif command.writes:
                if dialect.name == "zsh":
                    self.found.opaque("a redirection without a command runs a program in zsh", source)
                self.found.add([Word(":")], command.writes + writes, number)

        self.found.depth += 1
        if self.found.depth > MAX_DEPTH:
            self.found.opaque("scripts nested too deeply")
        else:
            walk_script(script, dialect, self.found, emit, pipe)
        self.found.depth -= 1

    def _statement(self, words: list[Word], writes: tuple[str, ...], pipe: int, dialect: Dialect, source: str) -> None:
        name = words[0].text
        if name in _RESERVED and source.startswith(name) and name != "time":
            self.found.opaque("a reserved word that the parser took for a command", source)
        self.command(words, writes, pipe, shell=dialect)


def _shell_options(words: list[Word], dialect: Dialect) -> tuple[int, str, str]:
    """Where the script or script file stands, the letters of the options, and what is not understood."""
    letters, why, at = "", "", 1
    while at < len(words) and not why:
        text = words[at].text
        if len(text) < 2 or text[0] not in "-+":
            break
        at += 1
        if words[at - 1].loose:
            why = f"an option of {words[0].text} that is not literal"
        elif text in ("--", "-"):
            break
        elif text in _SHELL_LONG:
            continue
        elif text in ("-o", "+o") or (text[0] == "-" and text[-1] == "o" and set(text[1:-1]) <= set("ceux")):
            letters += text[1:-1]
            if at >= len(words) or words[at].text not in _SHELL_MODES:
                why = f"an option of {words[0].text}"
            at += 1
        elif set(text[1:]) <= set(_SHELL_FLAGS[dialect.name] + "s") and text[0] == "-":
            letters += text[1:]
        else:
            why = f"the option {text} of {words[0].text}"
            letters += text[1:] if not text.startswith("--") else ""
    if why and "c" not in letters:  # a guess, so that what is probably the script is still looked into
        for index in range(at, len(words)):
            if _RUNS_SCRIPT.match(words[index].text):
                return index + 1, letters + "c", why
    return at, letters, why

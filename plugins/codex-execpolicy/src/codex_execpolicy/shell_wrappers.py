"""Programs that run another command: where it begins among their words, as data.

An option that is not listed makes the command line count as not understood.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .shell_segments import Word, names

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=", re.ASCII)

_HARMLESS_VARIABLES = names(
    "LANG LANGUAGE TZ TERM COLUMNS LINES COLORTERM NO_COLOR FORCE_COLOR CLICOLOR CLICOLOR_FORCE PY_COLORS CI DEBUG "
    "VERBOSE RUST_BACKTRACE RUST_LOG CARGO_TERM_COLOR PYTHONDONTWRITEBYTECODE PYTHONUNBUFFERED PYTHONIOENCODING "
    "PYTHONUTF8 PYTHONHASHSEED NODE_ENV RAILS_ENV RACK_ENV APP_ENV DJANGO_DEBUG PORT SOURCE_DATE_EPOCH "
    "DEBIAN_FRONTEND OMP_NUM_THREADS CUDA_VISIBLE_DEVICES TOKENIZERS_PARALLELISM UV_OFFLINE MIX_ENV"
)

TRUSTED_FOLDERS = frozenset({"/bin", "/usr/bin", "/usr/local/bin", "/sbin", "/usr/sbin", "/usr/local/sbin"})


def program(word: str) -> str:
    """The name of the program that a command word starts: the word, or its base name where the word is a path
    into one of the system's folders. Empty for every other path."""
    if "/" not in word:
        return word
    folder, _, name = word.rpartition("/")
    return name if folder in TRUSTED_FOLDERS else ""


def harmless_variable(name: str) -> bool:
    """Whether a variable set for a command cannot change what the command executes. Only names known to be
    harmless: there is no complete list of the others (PATH, LD_PRELOAD, GIT_SSH, RUSTC_WRAPPER, …)."""
    return name in _HARMLESS_VARIABLES or name.startswith("LC_")


class Wrapper(NamedTuple):
    """How the options of a wrapper read. `flags` and `valued` are letters of short options, the latter with a
    value; `keep`: the wrapper is a segment of its own beside the command; `positionals` stand before the command."""

    flags: str = ""
    valued: str = ""
    long: tuple[str, ...] = ()
    long_valued: tuple[str, ...] = ()
    positionals: int = 0
    assignments: bool = False
    keep: bool = False
    opaque: str = ""


_SUDO = Wrapper(
    flags="AbEHknPSN",
    valued="ugpCrtT",
    long=("askpass", "background", "preserve-env", "set-home", "reset-timestamp", "non-interactive", "stdin"),
    long_valued=("user", "group", "prompt", "close-from", "role", "type", "command-timeout"),
    assignments=True,
    keep=True,
)

WRAPPERS: dict[str, Wrapper] = {
    "env": Wrapper(
        flags="i0v", valued="u", long=("ignore-environment", "null", "debug"), long_valued=("unset",), assignments=True
    ),
    "command": Wrapper(flags="p"),
    "builtin": Wrapper(),
    "exec": Wrapper(flags="cl", valued="a"),
    "time": Wrapper(flags="p", assignments=True),  # the keyword allows them
    "nice": Wrapper(flags="0123456789", valued="n", long_valued=("adjustment",)),
    "nohup": Wrapper(),
    "timeout": Wrapper(
        flags="fpv",
        valued="ks",
        long=("foreground", "preserve-status", "verbose"),
        long_valued=("kill-after", "signal"),
        positionals=1,
    ),
    "stdbuf": Wrapper(valued="ioe", long_valued=("input", "output", "error")),
    "setsid": Wrapper(flags="cfw", long=("ctty", "fork", "wait")),
    "ionice": Wrapper(flags="t", valued="cn", long=("ignore",), long_valued=("class", "classdata")),
    "xargs": Wrapper(
        flags="0rtx",
        valued="adEILnPs",
        long=("null", "no-run-if-empty", "verbose", "exit"),
        long_valued=("arg-file", "delimiter", "max-args", "max-chars", "max-lines", "max-procs", "replace"),
        opaque="xargs adds arguments that are not known",
    ),
    "sudo": _SUDO,
    "doas": Wrapper(flags="nL", valued="u", keep=True),
    "busybox": Wrapper(keep=True),
    "toybox": Wrapper(keep=True),
}

_QUERIES = {"command": ("-v", "-V"), "busybox": ("--list", "--help"), "toybox": ("--help",)}


class Inner(NamedTuple):
    """The command inside a wrapper (empty: none) and why the wrapper is not wholly understood."""

    words: list[Word]
    keep: bool
    why: str = ""


def unwrap(words: list[Word]) -> list[Inner] | None:
    """The commands that `words` runs beside itself; None if it is no wrapper, or runs nothing."""
    name = program(words[0].text) or words[0].text.rpartition("/")[2]
    foreign = not program(words[0].text)  # `./env` is whatever its author wrote
    if name == "find":
        return _find_commands(words) or None
    wrapper = WRAPPERS.get(name)
    if wrapper is None or (len(words) > 1 and words[1].text.startswith(_QUERIES.get(name, ("\0",)))):
        return None
    at, why = _inner_index(wrapper, words)
    why = why or wrapper.opaque
    if at >= len(words):
        return [Inner([], keep=True, why=why)] if why else None
    return [Inner(words[at:], wrapper.keep or foreign, why)]


def _inner_index(wrapper: Wrapper, words: list[Word]) -> tuple[int, str]:
    """Where the inner command begins (best guess if there is a reason), and why that is not certain."""
    at, why = 1, ""
    while at < len(words) and not why:
        text = words[at].text
        if text == "--":
            at += 1
            break
        assignment = _ASSIGNMENT.match(text) if wrapper.assignments else None
        if assignment:
            if not harmless_variable(assignment.group(1)):
                why = f"the variable {assignment.group(1)} is set for a command"
            at += 1
        elif text.startswith("-") and (len(text) > 1 or "i" in wrapper.flags):  # `env -` is `env -i`
            step = _option_words(wrapper, text)
            why = why or ("" if step else f"the option {text} of {words[0].text}")
            at += step or 1
        else:
            break
        if words[at - 1].loose:
            why = why or f"an option of {words[0].text} that is not literal"
    if why:
        while at < len(words) and (words[at].text.startswith("-") or _ASSIGNMENT.match(words[at].text)):
            at += 1
    at += wrapper.positionals
    if wrapper.positionals and any(word.loose for word in words[:at]):
        why = why or f"an argument of {words[0].text} that is not literal"
    return at, why


def _option_words(wrapper: Wrapper, text: str) -> int:
    """How many words the option takes up, 0 if it is not known."""
    if text.startswith("--"):
        name, given, _ = text[2:].partition("=")
        if name in wrapper.long_valued:
            return 1 if given else 2
        return 1 if name in wrapper.long else 0
    for index, letter in enumerate(text[1:], 2):
        if letter in wrapper.valued:
            return 1 if index < len(text) else 2
        if letter not in wrapper.flags:
            return 0
    return 1


def _ends_action(words: list[Word], at: int) -> bool:
    return words[at].text == ";" or (words[at].text == "+" and words[at - 1].text == "{}")


_FIND_ACTIONS = ("-exec", "-execdir", "-ok", "-okdir")


def _find_commands(words: list[Word]) -> list[Inner]:
    """The commands that `find` runs: each from its action to `;` or `+`."""
    found: list[Inner] = []
    at = 1
    while at < len(words):
        at += 1
        if words[at - 1].text in _FIND_ACTIONS:
            begin = at
            while at < len(words) and not _ends_action(words, at):
                at += 1
            if at > begin:
                found.append(Inner(words[begin:at], keep=True))
    return found

"""Programs that only read, and the options that would make them do more."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from .shell_segments import names


class Safe(NamedTuple):
    """When a program only reads.

    `short`: letters that must not occur in any short option (also inside of a cluster or an attached value: better
    one question too many). `long`: long options that must not be given, in any abbreviation. `prefixes`: how no
    word may begin. `positionals`: at most so many words that are no options; the words in `valued` take the next word
    with them. `check`: a last word on the arguments.
    """

    short: str = ""
    long: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    positionals: int | None = None
    valued: tuple[str, ...] = ()
    check: Callable[[tuple[str, ...]], bool] | None = None

    def refusal(self, arguments: tuple[str, ...]) -> str:
        """The argument that makes the command more than reading, described; empty if there is none."""
        for word in arguments:
            if (self.prefixes and word.startswith(self.prefixes)) or self._bad_option(word):
                return f"{word} does more than read"
        if self.positionals is not None and self._count(arguments) > self.positionals:
            return "more operands than it only reads"
        return "" if self.check is None or self.check(arguments) else "arguments that are not known to be harmless"

    def _bad_option(self, word: str) -> bool:
        if word.startswith("--"):
            return abbreviates(word, *self.long)
        return word.startswith("-") and any(letter in self.short for letter in word[1:])

    def _count(self, arguments: tuple[str, ...]) -> int:
        count, at = 0, 0
        while at < len(arguments):
            if arguments[at] == "--":
                return count + len(arguments) - at - 1
            count += arguments[at] == "-" or not arguments[at].startswith("-")
            at += 2 if arguments[at] in self.valued else 1
        return count


def abbreviates(word: str, *long: str) -> bool:
    """Whether `word` is one of the long options, given without the dashes, or may be an abbreviation of one."""
    name = word[2:].partition("=")[0] if word.startswith("--") else ""
    return bool(name) and any(option.startswith(name) for option in long)


_SED_SCRIPT = re.compile(r"(?:(?:\d+|\$)(?:,(?:\+?\d+|\$))?p;?[ ]?)+\Z")
_SET_WORDS = re.compile(r"[-+][euxvfo]+\Z|pipefail\Z|errexit\Z|nounset\Z|xtrace\Z")


def _prints_lines(arguments: tuple[str, ...]) -> bool:
    """`sed -n 'N,Mp' FILE…` and nothing else."""
    if len(arguments) < 2 or arguments[0] != "-n" or not _SED_SCRIPT.match(arguments[1]):
        return False
    return not any(word.startswith("-") for word in arguments[2:])


def _tells_the_time(arguments: tuple[str, ...]) -> bool:
    """Every operand of `date` is a format, or the value of an option that takes one."""
    before = ""
    for word in arguments:
        if not word.startswith(("+", "-")) and before not in ("-d", "-r", "-f", "--date", "--reference", "--file"):
            return False
        before = word
    return True


def _compares(arguments: tuple[str, ...]) -> bool:
    """A test without `-v`, and without an index, which some shells evaluate."""
    operands = arguments[:-1] if arguments[-1:] == ("]",) else arguments
    return not any(word == "-v" or re.search(r"[\[$`]", word) for word in operands)


ANY = Safe()
"""No argument makes the program do more than read."""

SAFE: dict[str, Safe] = dict.fromkeys(
    names(
        "ls dir cat head tail wc grep egrep fgrep pwd echo true false : which type basename dirname realpath readlink "
        "stat du df id whoami groups uname nl cut tr paste rev cmp comm fold expand unexpand md5sum sha1sum sha224sum "
        "sha256sum sha384sum sha512sum b2sum cksum sum od seq sleep tac expr nproc arch free uptime ps printenv "
        "jq strings tty factor cd exit break continue"
    ),
    ANY,
) | {
    "rg": Safe(short="z", long=("pre", "search-zip", "hostname-bin")),
    "find": Safe(prefixes=("-exec", "-ok", "-delete", "-fls", "-fprint")),
    "fd": Safe(short="xX", long=("exec", "exec-batch")),
    "fdfind": Safe(short="xX", long=("exec", "exec-batch")),
    "sed": Safe(check=_prints_lines),
    "sort": Safe(short="oT", long=("output", "compress-program", "temporary-directory")),
    "uniq": Safe(positionals=1, valued=("-f", "-s", "-w", "--skip-fields", "--skip-chars", "--check-chars")),
    "tree": Safe(short="oR", long=("output",)),
    "hostname": Safe(short="Fb", long=("file", "boot"), positionals=0),
    "date": Safe(short="s", long=("set",), check=_tells_the_time),
    "env": Safe(check=lambda arguments: not arguments),
    "wait": Safe(check=lambda arguments: not arguments),
    "file": Safe(short="CzZ", long=("compile", "uncompress", "uncompress-noreport")),
    "diff": Safe(short="l", long=("paginate",)),
    "base64": Safe(short="o", long=("output",)),
    "base32": Safe(short="o", long=("output",)),
    "xxd": Safe(short="r", positionals=1, valued=("-l", "-s", "-c", "-g", "-o", "-len", "-seek", "-cols")),
    "printf": Safe(check=lambda arguments: not arguments or not arguments[0].startswith("-v")),
    "test": Safe(check=_compares),
    "[": Safe(check=_compares),
    "set": Safe(check=lambda arguments: all(_SET_WORDS.match(word) for word in arguments)),
    "command": Safe(check=lambda arguments: arguments[:1] in (("-v",), ("-V",))),
}

_ASKS_VERSION: set[tuple[str, ...]] = {("--version",)}
VERSIONS: dict[str, set[tuple[str, ...]]] = {
    **dict.fromkeys(
        names(
            "cargo rustc npm node python python3 pip pip3 ruby perl php gcc g++ cc c++ clang make cmake git bash java "
            "docker uv ruff mypy jq rg curl wget tar gzip deno bun"
        ),
        _ASKS_VERSION,
    ),
    "python": {("--version",), ("-V",)},
    "python3": {("--version",), ("-V",)},
    "node": {("--version",), ("-v",)},
    "npm": {("--version",), ("-v",)},
    "rustc": {("--version",), ("-V",)},
    "cargo": {("--version",), ("-V",)},
    "go": {("version",)},
    "java": {("--version",), ("-version",)},
}
"""Programs that may run anything, but not when they are asked for their version."""

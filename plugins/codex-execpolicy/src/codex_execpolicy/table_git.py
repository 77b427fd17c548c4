"""What git commands do, by their arguments: reading, losing work for good, or something in between."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from .shell_segments import names
from .table_safe import abbreviates

_GLOBAL_FLAGS = frozenset({"--no-pager", "-P", "--no-optional-locks", "--literal-pathspecs"})
_GLOBAL_VALUED = frozenset({"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--super-prefix", "--config-env"})

# What runs a program, or writes a file, on behalf of a command that otherwise reads.
_DOES_MORE = (
    "output", "ext-diff", "textconv", "filters", "exec", "exec-path", "upload-pack", "open-files-in-pager",
    "show-signature",
)  # fmt: skip
_READERS = names(
    "status log diff show rev-parse ls-files ls-tree blame annotate cat-file describe rev-list merge-base "
    "for-each-ref show-ref count-objects whatchanged grep diff-tree diff-index diff-files cherry check-ignore "
    "check-attr name-rev show-branch shortlog version"
)

_BRANCH_LISTS = names("--list -l --contains --no-contains --merged --no-merged --points-at")
_BRANCH_OPTIONS = _BRANCH_LISTS | names("-a -r -v -vv -av -avv -rv --all --remotes --verbose --show-current --no-color")
_TAG_LISTS = names("--list -l --contains --no-contains --merged --no-merged --points-at")
_CONFIG_READS = names("--get --get-all --get-regexp --list -l list get")
_CONFIG_OPTIONS = _CONFIG_READS | names(
    "--global --local --system --worktree --show-origin --show-scope --name-only -z"
)

Arguments = tuple[str, ...]


class GitCommand(NamedTuple):
    """A git command line: whether its global options are harmless, the subcommand and its arguments."""

    plain: bool
    name: str
    arguments: Arguments


def read_command(words: Arguments) -> GitCommand:
    """Take the words behind `git` apart."""
    at, plain = 0, True
    while at < len(words) and words[at].startswith("-"):
        plain &= words[at] in _GLOBAL_FLAGS
        at += 2 if words[at] in _GLOBAL_VALUED else 1
    return GitCommand(plain, words[at] if at < len(words) else "", words[at + 1 :])


def refusal(words: Arguments) -> str:
    """Why the command may do more than read; empty if it only reads."""
    command = read_command(words)
    if not command.plain:
        return "an option of git that can change what it runs"
    for word in command.arguments:
        if abbreviates(word, *_DOES_MORE) or "%G" in word:
            return f"{word} does more than read"
    if command.name == "grep" and any(re.match(r"-[^-]*O", word) for word in command.arguments):
        return "a pager that git grep opens"
    if command.name in _READERS:
        return ""
    reads = _SOMETIMES.get(command.name)
    return "" if reads and reads(command.arguments) else f"git {command.name} is not known to only read"


def _lists(options: frozenset[str], lists: frozenset[str]) -> Callable[[Arguments], bool]:
    """Only known options; names only behind an option that makes them a filter."""

    def reads(arguments: Arguments) -> bool:
        given = [word for word in arguments if word.startswith("-")]
        known = all(word.partition("=")[0] in options or word.startswith(("--sort=", "--format=")) for word in given)
        filters = any(word.partition("=")[0] in lists for word in given)
        return known and (filters or len(given) == len(arguments))

    return reads


def _reads_config(arguments: Arguments) -> bool:
    options = [word for word in arguments if word.startswith("-")]
    return (
        all(word in _CONFIG_OPTIONS for word in options)
        and any(word in _CONFIG_READS for word in (*options, *arguments[:1]))
    )  # fmt: skip


def _first(*allowed: str) -> Callable[[Arguments], bool]:
    return lambda arguments: arguments[:1] in {(word,) for word in allowed if word} or ("" in allowed and not arguments)


_SOMETIMES: dict[str, Callable[[Arguments], bool]] = {
    "branch": _lists(_BRANCH_OPTIONS, _BRANCH_LISTS),
    "tag": _lists(_TAG_LISTS | {"-n"}, _TAG_LISTS),
    "remote": lambda arguments: arguments in ((), ("-v",), ("--verbose",)) or arguments[:1] == ("get-url",),
    "stash": lambda arguments: arguments[:1] in (("list",), ("show",)),
    "worktree": _first("list"),
    "submodule": lambda arguments: arguments == ("status",),
    "reflog": lambda arguments: not arguments or arguments[0] == "show" or arguments[0].startswith("-"),
    "config": _reads_config,
    "symbolic-ref": lambda arguments: len(arguments) == 1 and not arguments[0].startswith("-"),
    "--version": lambda arguments: not arguments,
}


def loss(words: Arguments) -> str:
    """What the command destroys for good, in words; empty if nothing that is known."""
    command = read_command(words)
    loses = _LOSES.get(command.name)
    return f"git {command.name} {loses[1]}" if loses and loses[0](command.arguments) else ""


def _short(arguments: Arguments, letters: str) -> bool:
    """Whether one of the letters is given as a short option, alone or in a cluster, before any `--`."""
    for word in arguments:
        if word == "--":
            return False
        if re.match(r"-[A-Za-z]", word) and any(letter in word[1:] for letter in letters):
            return True
    return False


def _long(arguments: Arguments, *long: str) -> bool:
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return any(abbreviates(word, *long) for word in options)


def _everything(arguments: Arguments) -> bool:
    return any(word in (".", "./", ":/", ":", "*", ":/*", "..", "./*", ":(top)") for word in arguments)


def _pushes_away(arguments: Arguments) -> bool:
    refspecs = any(re.match(r"[+:].", word) for word in arguments)
    forced = _long(arguments, "force", "delete", "mirror", "prune", "force-with-lease")
    return refspecs or forced or _short(arguments, "fd")


def _drops_branch(arguments: Arguments) -> bool:
    forced = _short(arguments, "f") or _long(arguments, "force")
    return _short(arguments, "DM") or forced


_LOSES: dict[str, tuple[Callable[[Arguments], bool], str]] = {
    "clean": (
        lambda a: (_short(a, "f") or _long(a, "force")) and not (_short(a, "n") or _long(a, "dry-run")),
        "removes files that are not in the history",
    ),
    "reset": (lambda a: _long(a, "hard"), "--hard throws uncommitted work away"),
    "checkout": (
        lambda a: _everything(a) or _short(a, "f") or _long(a, "force"),
        "overwrites uncommitted work",
    ),
    "switch": (
        lambda a: _short(a, "fC") or _long(a, "force", "discard-changes", "force-create"),
        "overwrites uncommitted work",
    ),
    "restore": (
        lambda a: (
            _everything(a) and (not (_short(a, "S") or _long(a, "staged")) or _short(a, "W") or _long(a, "worktree"))
        ),
        "overwrites uncommitted work",
    ),
    "push": (_pushes_away, "overwrites or deletes what others have"),
    "branch": (_drops_branch, "drops commits that no other branch holds"),
    "stash": (_first("drop", "clear"), "throws stashed work away"),
    "reflog": (_first("expire", "delete"), "drops the way back to lost commits"),
    "gc": (
        lambda a: any(abbreviates(word, "prune") and word.endswith(("=now", "=all")) for word in a),
        "drops the way back to lost commits",
    ),
    "prune": (lambda a: not (_short(a, "n") or _long(a, "dry-run")), "drops unreachable commits"),
    "update-ref": (lambda a: _short(a, "d") or _long(a, "delete", "stdin"), "deletes references"),
    "filter-branch": (lambda a: True, "rewrites history"),
    "filter-repo": (lambda a: True, "rewrites history"),
    "worktree": (
        lambda a: a[:1] == ("remove",) and (_short(a, "f") or _long(a, "force")),
        "removes a worktree with uncommitted work",
    ),
}

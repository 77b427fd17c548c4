"""Which git commands are brokered.

The line is drawn so: they write the repository and never the work tree. A command that writes files outside the
sandbox (`stash`, `merge`, `rebase`, `reset --hard`, `checkout` of another branch) could be led out of the workspace
by a folder that is swapped for a symlink meanwhile; those stay in the sandbox. What goes to the network does too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum

from codex_plugin_sdk import Value, value

from .options import Options, Parsed, parse, table


class Kind(Enum):
    """What a command of a chain is."""

    WRITES = "writes the repository"
    LOOKS = "only looks; taken along in a chain"
    MOVES = "changes the folder"


@value
class Command(Value):
    """One command of a chain. `folder` is what `cd` or `git -C` names; `arguments` follow `git` and are
    complete; `takes_files` tells whether contents of the work tree go into the repository."""

    kind: Kind
    folder: str = ""
    arguments: tuple[str, ...] = ()
    takes_files: bool = False


@value
class _Rule(Value):
    options: Options
    fits: Callable[[Parsed], bool]
    extra: tuple[str, ...] = ()
    kind: Kind = Kind.WRITES
    takes_files: Callable[[Parsed], bool] = lambda _: False


def read_command(words: Sequence[str]) -> Command | None:
    """A command of a chain, or None if it is none that may be in one."""
    if words[0] == "cd":
        plain = len(words) == 2 and not words[1].startswith("-") and words[1]
        return Command(kind=Kind.MOVES, folder=words[1]) if plain else None
    if words[0] != "git":
        return None
    folder, rest = "", list(words[1:])
    while rest and rest[0] in ("-C", "--no-pager"):
        if rest.pop(0) == "-C":
            if folder or not rest or not rest[0]:
                return None
            folder = rest.pop(0)
    rule = _RULES.get(rest[0]) if rest else None
    parsed = parse(rest[1:], rule.options) if rule is not None else None
    if rule is None or parsed is None or not rule.fits(parsed):
        return None
    arguments = (rest[0], *rule.extra, *rest[1:])
    return Command(kind=rule.kind, folder=folder, arguments=arguments, takes_files=rule.takes_files(parsed))


_MESSAGE = frozenset({"-m", "--message"})


def _add(parsed: Parsed) -> bool:
    return bool(parsed.rest or parsed.names & {"-A", "--all", "-u", "--update"})


def _commit(parsed: Parsed) -> bool:
    """Nothing that would open an editor."""
    amends = {"--amend", "--no-edit"} <= parsed.names
    return amends or bool(parsed.names & (_MESSAGE | {"--fixup"}))


def _branch(parsed: Parsed) -> bool:
    """New ones, renamed and removed ones; a list is for the sandbox."""
    return bool(parsed.rest)


def _tag(parsed: Parsed) -> bool:
    """An annotated one needs its text, or an editor would open."""
    annotated = bool(parsed.names & {"-a", "--annotate"})
    return bool(parsed.rest) and (not annotated or bool(parsed.names & _MESSAGE))


def _new_branch(parsed: Parsed) -> bool:
    """At the present commit, so that no file changes."""
    return bool(parsed.names & {"-b", "-c", "--create"}) and not parsed.rest and not parsed.separated


_RULES = {
    "add": _Rule(
        options=table(
            flags="-A --all -u --update -f --force -v --verbose -N --intent-to-add --ignore-errors", valued="--chmod"
        ),
        fits=_add,
        takes_files=lambda _: True,
    ),
    "commit": _Rule(
        options=table(
            flags="-a --all -q --quiet -s --signoff -n --no-verify --amend --no-edit --allow-empty"
            " --allow-empty-message --no-gpg-sign --no-status --reset-author",
            valued="-m --message --author --date --fixup",
        ),
        fits=_commit,
        extra=("--no-verify",),
        takes_files=lambda parsed: bool(parsed.rest or parsed.names & {"-a", "--all"}),
    ),
    "rm": _Rule(
        options=table(flags="--cached -r -f --force -q --quiet --ignore-unmatch"),
        fits=lambda parsed: "--cached" in parsed.names and bool(parsed.rest),
    ),
    "restore": _Rule(
        options=table(flags="--staged -S -q --quiet"),
        fits=lambda parsed: bool(parsed.names & {"--staged", "-S"} and parsed.rest),
    ),
    "reset": _Rule(options=table(flags="--soft --mixed -q --quiet"), fits=lambda _: True),
    "branch": _Rule(
        options=table(flags="-d -D --delete -m -M --move -q --quiet --no-track"),
        fits=_branch,
    ),
    "tag": _Rule(options=table(flags="-a --annotate -f --force -d --delete", valued="-m --message"), fits=_tag),
    "checkout": _Rule(options=table(flags="-q --quiet", valued="-b"), fits=_new_branch),
    "switch": _Rule(options=table(flags="-q --quiet", valued="-c --create"), fits=_new_branch),
    "status": _Rule(
        options=table(flags="-s --short -b --branch", optional="--porcelain"),
        fits=lambda _: True,
        kind=Kind.LOOKS,
    ),
    "log": _Rule(
        options=table(
            flags="--oneline --decorate --no-decorate --stat --name-only --name-status -NUMBER", valued="-n --max-count"
        ),
        fits=lambda _: True,
        extra=("--no-ext-diff", "--no-textconv"),
        kind=Kind.LOOKS,
    ),
    "diff": _Rule(
        options=table(flags="--cached --staged --stat --shortstat --name-only --name-status --check"),
        fits=lambda _: True,
        extra=("--no-ext-diff", "--no-textconv"),
        kind=Kind.LOOKS,
    ),
    "rev-parse": _Rule(
        options=table(flags="--abbrev-ref", optional="--short"),
        fits=lambda parsed: parsed.rest == ("HEAD",),
        kind=Kind.LOOKS,
    ),
}

"""Programs that destroy, by their arguments."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from .shell_segments import names
from .table_git import loss as git_loss
from .table_paths import Places, bad_removal, bad_write, system_or_home
from .table_safe import abbreviates

Arguments = tuple[str, ...]
Rule = Callable[[Arguments, Places], str]
"""What the arguments (without the program) destroy, in words; empty if nothing that is known."""

_FORK_BOMB = re.compile(r"\s*(?:function\s+)?([^\s(){}]+)\s*(?:\(\s*\))?\s*[{(](.*)[})]\s*\Z", re.DOTALL)
_DROPS = re.compile(
    r"\bdrop\s+(?:database|schema|table|role|user|owned|keyspace)\b|\btruncate\s+(?:table\s+)?[\w\"`]|dropDatabase\s*\("
    r"|\bdelete\s+from\s+[\w.\"`]+\s*(?:;|\Z)",
    re.IGNORECASE,
)
_SHOWS = frozenset({"-l", "--list", "print", "-V", "--version", "-h", "--help", "-n", "--no-act"})
_BROAD = re.compile(r"[.*^$?]*\Z|.{1,2}\Z")


def split(arguments: Arguments) -> tuple[list[str], list[str]]:
    """The options and the operands, of a program for which `--` ends the options."""
    options: list[str] = []
    operands: list[str] = []
    for index, word in enumerate(arguments):
        if word == "--":
            return options, [*operands, *arguments[index + 1 :]]
        (options if word.startswith("-") and len(word) > 1 else operands).append(word)
    return options, operands


def _given(options: list[str], letters: str, *long: str) -> bool:
    """Whether a short option (also in a cluster) or a long one (also abbreviated) is among the options."""
    return any(
        abbreviates(word, *long) if word.startswith("--") else any(letter in word[1:] for letter in letters)
        for word in options
    )


def _rm(arguments: Arguments, places: Places) -> str:
    options, operands = split(arguments)
    if not _given(options, "rRf", "recursive", "force"):
        return next((why for word in operands if (why := bad_write(word, places))), "")
    if not operands:
        return "rm removes what is not known here"
    if any(abbreviates(word, "no-preserve-root") and len(word) > len("--no-") for word in options):
        return "rm is told to remove even /"
    return next((f"rm: {why}" for word in operands if word and (why := bad_removal(word, places))), "")


def _find(arguments: Arguments, places: Places) -> str:
    removes = "-delete" in arguments or any(
        word in ("-exec", "-execdir") and program.rpartition("/")[2] in ("rm", "shred", "unlink")
        for word, program in pairwise(arguments)
    )
    if not removes:
        return ""
    starts: list[str] = []
    for word in arguments:
        if word.startswith(("-", "(", "!")) and word not in ("-H", "-L", "-P"):
            break
        starts.append(word)
    expression = arguments[len(starts) :]
    if expression[:1] == ("-delete",):
        return "find removes everything"
    inside = [start for start in starts if not start.startswith("-") and places.absolute(start) not in places.bases]
    return next((f"find removes files, and {why}" for start in inside if (why := bad_removal(start, places))), "")


def _dd(arguments: Arguments, places: Places) -> str:
    targets = [word[3:] for word in arguments if word.startswith("of=")]
    return "dd overwrites its target" if any(target != "/dev/null" for target in targets) else ""


def _writes(*, last: bool = False, valued: str = "", long: tuple[str, ...] = ()) -> Rule:
    """A program that writes its operands (or the last one), or the value of an option, is judged by where."""

    def rule(arguments: Arguments, places: Places) -> str:
        _, operands = split(arguments)
        targets = operands[-1:] if last else operands
        if last and len(operands) > 1:  # into a folder, under the old name
            targets += [f"{operands[-1]}/{source.rstrip('/').rpartition('/')[2]}" for source in operands[:-1]]
        for index, word in enumerate(arguments):
            if abbreviates(word, *long) and "=" in word:
                targets.append(word.partition("=")[2])
            elif abbreviates(word, *long) or re.fullmatch(rf"-[A-Za-z]*[{valued or '-'}]", word):
                targets += arguments[index + 1 : index + 2]
            elif valued and (attached := re.match(rf"-[A-Za-z]*?[{valued}](.+)", word)):
                targets.append(attached.group(1))
        return next((why for target in targets if target and (why := bad_write(target, places))), "")

    return rule


def _mv(arguments: Arguments, places: Places) -> str:
    if arguments[-1:] == ("/dev/null",):
        return "mv throws its operands away"
    _, operands = split(arguments)
    away = next((why for word in operands[:-1] if (why := bad_write(word, places))), "")
    return away or _COPIES(arguments, places)


_COPIES = _writes(last=True, valued="t", long=("target-directory",))


def _in_place(arguments: Arguments, places: Places) -> str:
    """`sed -i`, `perl -pi`: the operands are rewritten."""
    options, _ = split(arguments)
    return _writes()(arguments, places) if _given(options, "i", "in-place") else ""


def _changes_all(arguments: Arguments, places: Places) -> str:
    options, operands = split(arguments)
    if _given(options, "R", "recursive") and any(system_or_home(word, places) for word in operands[1:] or operands):
        return "changes the access to a whole system or home"
    return next((why for word in operands[1:] if (why := bad_write(word, places))), "")


def _kill(arguments: Arguments, places: Places) -> str:
    if "-1" in arguments[1:] or arguments[-1:] in (("1",),):
        return "kills every process"
    return ""


def _pkill(arguments: Arguments, places: Places) -> str:
    _, operands = split(arguments)
    return "pkill meets more than one program" if not operands or _BROAD.match(operands[-1]) else ""


def _always(why: str, *, shows: bool = False) -> Rule:
    """Destroys with any arguments; with `shows`, unless they only list."""

    def rule(arguments: Arguments, places: Places) -> str:
        return "" if shows and any(word in _SHOWS for word in arguments) else why

    return rule


def _options(why: str, letters: str, *long: str) -> Rule:
    return lambda arguments, places: why if _given(list(arguments), letters, *long) else ""


def _phrases(why: str, *phrases: str) -> Rule:
    """Destroys where its subcommand (the first or second operand) is one of the phrases."""
    wanted = [tuple(phrase.split()) for phrase in phrases]

    def rule(arguments: Arguments, places: Places) -> str:
        operands = tuple(word for word in arguments if not word.startswith("-"))
        for phrase in wanted:
            if any(operands[at : at + len(phrase)] == phrase for at in (0, 1)):
                return f"{' '.join(phrase)} {why}"
        return ""

    return rule


def _sql(arguments: Arguments, places: Places) -> str:
    return "drops data of a database" if any(_DROPS.search(word) for word in arguments) else ""


def _terraform(arguments: Arguments, places: Places) -> str:
    return "destroys infrastructure" if {"destroy", "-destroy", "--destroy"}.intersection(arguments) else ""


_CONTAINERS = _phrases(
    "removes data of containers",
    "system prune", "volume rm", "volume prune", "volume remove", "image prune", "container prune", "network prune",
)  # fmt: skip
_DISK = _always("changes a disk", shows=True)
_POWER = _always("stops the machine")

DESTRUCTIVE: dict[str, Rule] = {
    "git": lambda arguments, places: git_loss(arguments),
    "rm": _rm,
    "rmdir": lambda arguments, places: next(
        (why for word in split(arguments)[1] if (why := bad_write(word, places))), ""
    ),
    "unlink": lambda arguments, places: next(
        (why for word in split(arguments)[1] if (why := bad_write(word, places))), ""
    ),
    "find": _find,
    "dd": _dd,
    "mv": _mv,
    "cp": _COPIES,
    "ln": _COPIES,
    "install": _COPIES,
    "rsync": _COPIES,
    "tee": _writes(),
    "touch": _writes(),
    "sed": _in_place,
    "perl": _in_place,
    "curl": _writes(last=False, valued="o", long=("output",)),
    "wget": _writes(last=False, valued="O", long=("output-document",)),
    "chmod": _changes_all,
    "chown": _changes_all,
    "chgrp": _changes_all,
    "kill": _kill,
    "pkill": _pkill,
    "crontab": _options("crontab -r removes all jobs", "r"),
    "iptables": _options("opens the firewall", "FXP", "flush", "policy", "delete-chain"),
    "ip6tables": _options("opens the firewall", "FXP", "flush", "policy", "delete-chain"),
    "nft": _phrases("opens the firewall", "flush ruleset", "delete table"),
    "ufw": _phrases("opens the firewall", "disable", "reset"),
    "systemctl": _phrases("takes a service away", "stop", "disable", "mask", "kill", "poweroff", "reboot", "halt"),
    "docker": _CONTAINERS,
    "podman": _CONTAINERS,
    "kubectl": _phrases("changes a cluster", "delete", "drain"),
    "helm": _phrases("changes a cluster", "uninstall", "delete"),
    "terraform": _terraform,
    "tofu": _terraform,
    "npm": _phrases("takes a release away", "unpublish"),
    "cargo": _phrases("takes a release away", "yank"),
    "gh": _phrases("cannot be undone", "repo delete", "release delete"),
    "redis-cli": _phrases("drops data of a database", "flushall", "flushdb", "FLUSHALL", "FLUSHDB"),
    "zpool": _phrases("destroys a file system", "destroy"),
    "zfs": _phrases("destroys a file system", "destroy"),
    "cryptsetup": _phrases("destroys a file system", "luksFormat", "erase"),
    **dict.fromkeys(names("psql mysql mariadb sqlite3 duckdb mongosh mongo clickhouse-client cqlsh sqlcmd"), _sql),
    **dict.fromkeys(names("fdisk sfdisk cfdisk gdisk sgdisk parted wipefs blkdiscard mkswap"), _DISK),
    **dict.fromkeys(names("shutdown reboot halt poweroff telinit"), _POWER),
    **dict.fromkeys(names("lvremove vgremove pvremove"), _always("removes a volume")),
    **dict.fromkeys(names("dropdb dropuser"), _always("drops data of a database")),
    **dict.fromkeys(names("userdel groupdel deluser"), _always("removes a user")),
    "shred": _always("overwrites files for good"),
    "truncate": _always("cuts files off"),
    "killall": _always("kills every program of that name"),
    "init": _phrases("stops the machine", "0", "6"),
}


def rule_for(name: str) -> Rule | None:
    """The rule for a program's base name."""
    if name == "mkfs" or name.startswith("mkfs."):
        return _always("makes a file system, and what was there is lost")
    return DESTRUCTIVE.get(name)


def is_fork_bomb(source: str) -> bool:
    """Whether a function definition starts itself in the background or in a pipe."""
    definition = _FORK_BOMB.match(source)
    if definition is None:
        return False
    name, body = re.escape(definition.group(1)), definition.group(2)
    call = rf"(?<![\w./-]){name}(?![\w./-])"
    return bool(re.search(rf"{call}\s*(?:\||&(?!&))", body))

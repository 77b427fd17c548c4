"""Reading the options of a git command by a table, as git itself reads them. What is not in the table is unknown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from codex_plugin_sdk import Value, value


@value
class Options(Value):
    """Which options a command may have here: `flags` stand alone, `valued` take a value. Short ones are given
    as `-x`, long ones as `--name`; a long option with an optional value (`--name[=x]`) is in `optional`."""

    flags: frozenset[str] = frozenset()
    valued: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()


@value
class Parsed(Value):
    """The options that were found, by name, and the rest; `separated` tells whether a `--` came."""

    names: frozenset[str]
    rest: tuple[str, ...]
    separated: bool = False


def table(*, flags: str = "", valued: str = "", optional: str = "") -> Options:
    """`Options` from words."""
    return Options(
        flags=frozenset(flags.split()), valued=frozenset(valued.split()), optional=frozenset(optional.split())
    )


def parse(words: Sequence[str], known: Options) -> Parsed | None:
    """The options and the rest; None if there is one that is not known, or a value is missing. Options may
    come behind other words, as git has it."""
    names: list[str] = []
    rest: list[str] = []
    left = iter(words)
    for word in left:
        if word == "--":
            return Parsed(names=frozenset(names), rest=(*rest, *left), separated=True)
        if word == "-" or not word.startswith("-"):
            rest.append(word)
            continue
        found = _long(word, left, known) if word.startswith("--") else _short(word, left, known)
        if found is None:
            return None
        names += found
    return Parsed(names=frozenset(names), rest=tuple(rest))


def _long(word: str, left: Iterator[str], known: Options) -> list[str] | None:
    name, has_value, _ = word.partition("=")
    if name in known.valued:
        return [name] if has_value or next(left, None) is not None else None
    if name in known.optional or (name in known.flags and not has_value):
        return [name]
    return None


def _short(word: str, left: Iterator[str], known: Options) -> list[str] | None:
    """`-am TEXT`, `-mTEXT`, `-20`."""
    if word[1:].isdecimal():
        return [word] if "-NUMBER" in known.flags else None
    names: list[str] = []
    for index, letter in enumerate(word[1:], start=2):
        name = f"-{letter}"
        if name in known.valued:
            return [*names, name] if word[index:] or next(left, None) is not None else None
        if name not in known.flags:
            return None
        names.append(name)
    return names

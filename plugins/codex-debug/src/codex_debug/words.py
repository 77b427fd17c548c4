"""The command line as a shell hands it over, and candidates as it wants them back.

The variables and answers for bash, zsh, fish and powershell are those of click's completion protocol, so that a
script made for it works as well. Ours differ in what they pass: words up to the cursor, one a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import click
from click.shell_completion import CompletionItem, split_arg_string

Item = CompletionItem[str]
Line = tuple[list[str], str, int]
"""Complete words after the program's name, the word that is being typed, and how many of its characters the
shell does not count as part of it."""


def posix_words(environ: Mapping[str, str]) -> Line:
    """For zsh: `COMP_WORDS` is a command line, `COMP_CWORD` the index of the word at the cursor."""
    words, index = _indexed(environ)
    return words[1:index], words[index], 0


def bash_words(environ: Mapping[str, str]) -> Line:
    """As `posix_words`; bash also splits words at `=` and `:`, which is undone here, and wants back only what
    follows them."""
    words, index = _indexed(environ)
    glued: list[str] = []
    open_end = False
    for position, word in enumerate(words[: index + 1]):
        breaks = bool(word) and not word.strip("=:")
        # a colon ends no option's name: there was a space before it
        apart = word.startswith(":") and glued[-1:] and glued[-1].startswith("-") and "=" not in glued[-1]
        if glued and not apart and (breaks or (open_end and word)):
            kept = len(glued[-1]) + (len(word) if breaks else 0)
            glued[-1] += word
        else:
            glued.append(word)
            kept = len(word) if apart else 0
        open_end = breaks and position > 0
    return glued[1:-1], glued[-1], kept


def fish_words(environ: Mapping[str, str]) -> Line:
    """`COMP_WORDS` is the command line up to the cursor, `COMP_CWORD` the word at the cursor, as typed."""
    words = split_arg_string(_need(environ, "COMP_WORDS"))
    typed = split_arg_string(environ.get("COMP_CWORD", ""))
    current = typed[0] if typed else ""
    if current and words[-1:] == [current]:
        words.pop()
    return words[1:], current, 0


def listed_words(environ: Mapping[str, str]) -> Line:
    """For elvish and powershell: one word a line, the last one being typed. Quotes around a word go."""
    words = [_unquoted(word) for word in _need(environ, "COMP_WORDS").split("\n")]
    return words[1:-1], words[-1] if len(words) > 1 else "", 0


def bash_answer(items: Sequence[Item], shown_from: int) -> str:
    """`TYPE,VALUE` lines."""
    return _lines(f"{item.type},{item.value[shown_from:] if item.type == 'plain' else item.value}" for item in items)


def fish_answer(items: Sequence[Item], _: int) -> str:
    """`TYPE,VALUE` lines, after a tab the help."""
    return _lines(f"{item.type},{item.value}" + (f"\t{_one_line(item)}" if item.help else "") for item in items)


def zsh_answer(items: Sequence[Item], _: int) -> str:
    """Three lines each: type, value, help or `_`. Where there is help, colons in the value are escaped."""
    return _lines(
        f"{item.type}\n{item.value.replace(':', chr(92) + ':') if item.help else item.value}\n{_one_line(item) or '_'}"
        for item in items
    )


def powershell_answer(items: Sequence[Item], _: int) -> str:
    """Three lines each: type, value, help or `_`."""
    return _lines(f"{item.type}\n{item.value}\n{_one_line(item) or '_'}" for item in items)


def elvish_answer(items: Sequence[Item], _: int) -> str:
    """One line each, with tabs between type, value and help."""
    return _lines(f"{item.type}\t{item.value}\t{_one_line(item)}" for item in items)


def _indexed(environ: Mapping[str, str]) -> tuple[list[str], int]:
    words = split_arg_string(_need(environ, "COMP_WORDS"))
    try:
        index = int(_need(environ, "COMP_CWORD"))
    except ValueError as error:
        raise click.UsageError("COMP_CWORD is not a number") from error
    index = max(index, 1)
    return words + [""] * (index + 1 - len(words)), index


def _need(environ: Mapping[str, str], name: str) -> str:
    found = environ.get(name)
    if found is None:
        raise click.UsageError(f"{name} is not set: the script of `codex completion` sets it")
    return found


def _unquoted(word: str) -> str:
    if word[:1] in ("'", '"'):
        return word[1:-1] if len(word) > 1 and word[-1] == word[0] else word[1:]
    return word


def _one_line(item: Item) -> str:
    return " ".join((item.help or "").split())


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)

"""The shells that can be completed in: their script, how they ask and how they want to be answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from . import words
from .scripts import BASH, ELVISH, FISH, POWERSHELL, ZSH


class Shell(NamedTuple):
    """`read` takes the environment, `write` the candidates and what `read` gave as third."""

    script: str
    read: Callable[[Mapping[str, str]], words.Line]
    write: Callable[[Sequence[words.Item], int], str]


SHELLS = {
    "bash": Shell(BASH, words.bash_words, words.bash_answer),
    "elvish": Shell(ELVISH, words.listed_words, words.elvish_answer),
    "fish": Shell(FISH, words.fish_words, words.fish_answer),
    "powershell": Shell(POWERSHELL, words.listed_words, words.powershell_answer),
    "zsh": Shell(ZSH, words.posix_words, words.zsh_answer),
}

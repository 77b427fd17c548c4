"""One of several answers, by number, letter or word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..render import one_line, shown
from ..session.asks import Choice, Fact
from .desk import Desk

_YES, _NO = ("yes", "ok"), ("no",)
LEAST_LETTERS = 3
"""Of the beginning of a label, that it stands for it."""
HOW = "Answer with a number, a letter or the words; ? tells it all again."


def fact_lines(facts: Iterable[Fact]) -> list[str]:
    """What there is to know, one line each; those that have several lines are indented."""
    found: list[str] = []
    for fact in facts:
        first, *rest = shown(fact.text.rstrip("\n")).split("\n")
        found.append(f"{one_line(fact.name)}: {first}")
        found += [f"  {line}" for line in rest]
    return found


def choice_lines(choices: Sequence[Choice]) -> list[str]:
    """The answers, numbered."""
    found: list[str] = []
    for number, choice in enumerate(choices, 1):
        first, *rest = shown(choice.detail).split("\n")
        detail = f": {first}" if first else ""
        why = f", as in: {choice.key} use another file" if choice.wants_text else ""
        found.append(f"{number}. {one_line(choice.label)} ({choice.key}){detail}{why}")
        found += [f"   {line}" for line in rest]
    return found


def read_choice(choices: Sequence[Choice], line: str) -> tuple[Choice, str] | None:
    """What a line picks, with the text that goes with it; None for nothing that is certain. More words than the answer
    itself are taken only where a text belongs to it, or behind a no: `yes, but` is no yes."""
    line = line.strip()
    whole = _exactly(choices, line)
    if whole is not None:
        return whole, ""
    word, _, rest = line.partition(" ")
    rest = rest.strip()
    found = _exactly(choices, word.rstrip(",:;."))
    if not rest or found is None or found.allows:
        return None
    if not found.wants_text:
        told = next((choice for choice in choices if choice.wants_text), None)
        found = told if word.rstrip(",:;.").lower() in _NO else None
    return (found, rest) if found is not None else None


def _exactly(choices: Sequence[Choice], word: str) -> Choice | None:
    word = word.lower()
    if not word:
        return None
    if word.isdecimal():
        return choices[int(word) - 1] if 0 < int(word) <= len(choices) else None
    keys = {choice.key: choice for choice in choices}
    if word in keys:
        return keys[word]
    if word in _YES + _NO:
        return keys.get("y" if word in _YES else "n")
    labels = [choice for choice in choices if choice.label.lower().startswith(word)]
    exact = [choice for choice in labels if choice.label.lower() == word]
    if exact:
        return exact[0]
    return labels[0] if len(labels) == 1 and len(word) >= LEAST_LETTERS else None


async def choose(desk: Desk, lines: Sequence[str], choices: Sequence[Choice]) -> tuple[Choice, str]:
    """Put a question until it is answered; the choice, and the text that belongs to it. Raises `Left`."""
    whole = [*lines, *choice_lines(choices), HOW]
    said = whole
    while True:
        line = await desk.ask(said)
        found = read_choice(choices, line)
        if found is not None:
            return found[0], await _why(desk, *found)
        numbers = ", ".join(f"{number} or {choice.key}" for number, choice in enumerate(choices, 1))
        wrong = f"{one_line(line.strip())!r} is none of the answers" if line.strip() else "Nothing was answered"
        said = whole if line.strip() == "?" else [f"{wrong}: {numbers}."]


async def _why(desk: Desk, choice: Choice, text: str) -> str:
    while choice.wants_text and not text:
        text = (await desk.ask(["Say why, or what to do instead."], "Why: ")).strip()
    return text

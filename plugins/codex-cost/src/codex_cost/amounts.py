"""What is counted: five measures in whole units, added and compared as plain integers."""

from __future__ import annotations

from typing import NamedTuple

from .caps import MEASURES, Cap

_WORDS = {"tokens": "tokens", "turns": "turns", "agents": "sub-agents", "wall_s": "s"}
_SCOPE_WORDS = {"thread": "this thread", "tree": "this thread and its sub-agents", "day": "this day"}


class Amount(NamedTuple):
    """Of each measure so much: billionths of a dollar, tokens, turns, sub-agents, milliseconds."""

    usd: int = 0
    tokens: int = 0
    turns: int = 0
    agents: int = 0
    wall_s: int = 0

    def of(self, measure: str) -> int:
        """One of them."""
        return int(getattr(self, measure))


class Standing(NamedTuple):
    """How far a cap is used: `reserved` by requests that have not been settled."""

    cap: Cap
    spent: int
    reserved: int

    @property
    def left(self) -> int:
        """What may still be reserved; less than nothing where a cap was lowered, or an answer was longer than
        reserved."""
        return self.cap.limit - self.spent - self.reserved

    def refuses(self, need: int) -> bool:
        """Whether something of this size does not fit. Time is not needed in advance: it is over or not."""
        return self.left <= 0 if self.cap.measure == "wall_s" else need > max(self.left, 0)

    def told(self) -> str:
        """`1.2300 of 1.5000 USD`."""
        measure = self.cap.measure
        return f"{number(measure, self.spent)} of {shown(measure, self.cap.limit)}"

    def whose(self) -> str:
        """Whose budget it is, in words."""
        return _SCOPE_WORDS[self.cap.scope]


def shown(measure: str, units: int) -> str:
    """An amount with its unit."""
    return f"{number(measure, units)} {'USD' if measure == 'usd' else _WORDS[measure]}"


def number(measure: str, units: int) -> str:
    """An amount for people: money to a hundredth of a cent, rounded up, time to a tenth of a second."""
    if measure == "usd":
        return f"{-(-units // 100_000) / 10_000:,.4f}"
    if measure == "wall_s":
        return f"{units / 1000:,.1f}"
    return f"{units:,}"


def exact(measure: str, units: int) -> str | int | float:
    """An amount for programs: money as a text with all its places."""
    if measure == "usd":
        text = f"{'-' * (units < 0)}{abs(units) // MEASURES['usd']}.{abs(units) % MEASURES['usd']:09d}"
        return text.rstrip("0").rstrip(".")
    return units / 1000 if measure == "wall_s" else units

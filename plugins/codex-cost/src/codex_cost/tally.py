"""Sums of what requests used and cost, in groups."""

from __future__ import annotations

import os
from collections.abc import Callable
from decimal import Decimal

from codex_plugin_sdk import git_root

from .spending import Spending, Tokens

Grouping = Callable[[Spending], str]


class Sum:
    """Requests, their tokens, and what those cost whose price is known."""

    __slots__ = (
        "_cached",
        "_input",
        "_output",
        "_reasoning",
        "_written",
        "cost_usd",
        "requests",
        "unpriced_requests",
        "unpriced_tokens",
    )

    def __init__(self) -> None:
        self.requests = 0
        self._input = self._cached = self._written = self._output = self._reasoning = 0
        self.cost_usd = Decimal(0)
        self.unpriced_requests = 0
        self.unpriced_tokens = 0

    def add(self, tokens: Tokens, cost_usd: Decimal | None) -> None:
        """Count a request; `cost_usd` None says that its price is unknown."""
        input, cached, written, output, reasoning = tokens
        self.requests += 1
        self._input += input
        self._cached += cached
        self._written += written
        self._output += output
        self._reasoning += reasoning
        if cost_usd is None:
            self.unpriced_requests += 1
            self.unpriced_tokens += input + output
        else:
            self.cost_usd += cost_usd

    def include(self, other: Sum) -> None:
        """Count all that another sum counts."""
        self.requests += other.requests
        self._input, self._cached, self._written, self._output, self._reasoning = self.tokens.plus(other.tokens)
        self.cost_usd += other.cost_usd
        self.unpriced_requests += other.unpriced_requests
        self.unpriced_tokens += other.unpriced_tokens

    @property
    def tokens(self) -> Tokens:
        """The tokens of all requests."""
        return Tokens(self._input, self._cached, self._written, self._output, self._reasoning)

    @property
    def known_usd(self) -> Decimal | None:
        """What is known of the cost; None, and not zero, if nothing is."""
        return None if self.requests and self.unpriced_requests == self.requests else self.cost_usd


class Tally:
    """All requests, and those of each group."""

    def __init__(self, grouping: Grouping) -> None:
        self.total = Sum()
        self.groups: dict[str, Sum] = {}
        self.unpriced_models: set[str] = set()
        self.threads: set[str] = set()
        self._grouping = grouping

    def add(self, spending: Spending, cost_usd: Decimal | None) -> None:
        """Count a request."""
        self.total.add(spending.tokens, cost_usd)
        name = self._grouping(spending)
        if name not in self.groups:
            self.groups[name] = Sum()
        self.groups[name].add(spending.tokens, cost_usd)
        self.threads.add(spending.thread_id)
        if cost_usd is None:
            self.unpriced_models.add(model_of(spending))

    def ranked(self) -> list[tuple[str, Sum]]:
        """The groups, the dearest first; those without a price last, then by tokens and name."""

        def key(entry: tuple[str, Sum]) -> tuple[Decimal, int, str]:
            name, sum = entry
            cost = Decimal(1) if sum.known_usd is None else -sum.known_usd
            return cost, -(sum.tokens.input + sum.tokens.output), name

        return sorted(self.groups.items(), key=key)


def model_of(spending: Spending) -> str:
    """The model's name."""
    return spending.model or "(model not recorded)"


def _agent(spending: Spending) -> str:
    return spending.agent or "main"


def _tools(spending: Spending) -> str:
    return " + ".join(spending.tools) or "(no tool)"


def _day(spending: Spending) -> str:
    return "(time not recorded)" if spending.at is None else spending.at.astimezone().date().isoformat()


class _Projects:
    """The repository that a folder belongs to, or the folder itself; each looked up once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __call__(self, spending: Spending) -> str:
        cwd = spending.cwd
        if cwd not in self._known:
            is_there = os.path.isabs(cwd) and "\0" not in cwd
            self._known[cwd] = (git_root(cwd) if is_there else None) or cwd or "(folder not recorded)"
        return self._known[cwd]


def grouping(name: str) -> Grouping:
    """How requests are put together: model, project, subagent, tool or day."""
    match name:
        case "project":
            return _Projects()
        case "subagent":
            return _agent
        case "tool":
            return _tools
        case "day":
            return _day
        case _:
            return model_of

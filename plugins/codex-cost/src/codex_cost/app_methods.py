"""The method `cost/read` of the app server."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from decimal import localcontext
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import ProtocolError

from .amounts import Standing, exact
from .caps import MEASURES, read_budget
from .day_prices import DayPrices
from .places import every_rollout, family, thread_id_of
from .prices import EXACT
from .rollout import Follower
from .section import own_prices
from .tally import Sum, Tally, grouping, model_of

if TYPE_CHECKING:
    from codex_plugin_sdk import AppMethod, AppMethodSetup, Config, ThreadFacts

    from .spending import Spending

MOST_THREADS = 256
"""So many rollouts are known how far they were read."""


def read_cost(setup: AppMethodSetup) -> AppMethod:
    """`cost/read`."""
    ledgers = Costs(setup.codex_home)

    async def run(params: Mapping[str, Any]) -> dict[str, Any]:
        thread_id, agents = params.get("threadId"), params.get("agents") or False
        if not isinstance(thread_id, str) or not isinstance(agents, bool):
            raise ProtocolError("Invalid request: threadId is a string, agents true or false")
        facts, config = await setup.thread(thread_id), await setup.config(thread_id)
        return await anyio.to_thread.run_sync(lambda: ledgers.read(facts, config, agents=agents))

    return run


class Costs:
    """What the threads of a home cost. Each rollout is read once, and then only what was added."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._spent: OrderedDict[str, _Spent] = OrderedDict()
        self._prices: tuple[object, DayPrices] | None = None

    def read(self, facts: ThreadFacts, config: Config, *, agents: bool) -> dict[str, Any]:
        """The answer. Raises `StoreError`, `ConfigError`."""
        with self._lock:
            paths = self._paths(facts, agents=agents)
            tally = self._tally(paths, self._prices_of(config))
        return {
            "threadId": facts.thread_id,
            "recorded": bool(paths),
            "agents": max(0, len(paths) - 1) if agents else None,
            **body(tally.total),
            "models": [{"model": name, **body(sum)} for name, sum in tally.ranked()],
            "budget": standings(self._home, facts.thread_id, config),
        }

    def _paths(self, facts: ThreadFacts, *, agents: bool) -> list[str]:
        path = facts.rollout_path
        if path is None or not os.path.exists(path):
            return []
        if not agents:
            return [path]
        rollouts = every_rollout(self._home)
        known = thread_id_of(os.path.basename(path)) in map(thread_id_of, rollouts)
        below = family(rollouts, facts.thread_id) if known else []
        return [path, *(one for one in below if not os.path.samefile(one, path))]

    def _prices_of(self, config: Config) -> DayPrices:
        table = config.table("cost")
        if self._prices is None or self._prices[0] != table:
            self._prices = (table, DayPrices(self._home, own_prices(table)))
            self._spent.clear()
        return self._prices[1]

    def _tally(self, paths: list[str], prices: DayPrices) -> Tally:
        tally = Tally(grouping("model"))
        with localcontext(EXACT):
            for path in paths:
                spent = self._spent.pop(path, None) or _Spent(path)
                spent.read(prices)
                self._spent[path] = spent  # the newest last; and not at all where reading it failed
                for model, sum in spent.models.items():
                    tally.total.include(sum)
                    tally.groups.setdefault(model, Sum()).include(sum)
        while len(self._spent) > MOST_THREADS:
            self._spent.popitem(last=False)
        return tally


class _Spent:
    """What one rollout tells, added up by model."""

    def __init__(self, path: str) -> None:
        self._follower = Follower(path)
        self.models: dict[str, Sum] = {}

    def read(self, prices: DayPrices) -> None:
        """Take what was added. Within `EXACT`."""
        try:
            fresh, spendings = self._follower.more()
        except OSError:
            fresh, spendings = True, []  # it was removed meanwhile
        if fresh:
            self.models = {}
        if spendings:
            prices.learn(spendings)
        for spending in spendings:
            self._add(spending, prices)

    def _add(self, spending: Spending, prices: DayPrices) -> None:
        rates = prices.rates(spending)
        cost = None if rates is None else rates.cost(spending.tokens)
        self.models.setdefault(model_of(spending), Sum()).add(spending.tokens, cost)


def body(sum: Sum) -> dict[str, Any]:
    """A sum for clients. `usd` is what is known of it, None if nothing is; `complete` that nothing is missing."""
    known, tokens = sum.known_usd, sum.tokens
    return {
        "usd": None if known is None else float(known),
        "complete": not sum.unpriced_requests,
        "requests": sum.requests,
        "inputTokens": tokens.input,
        "cachedInputTokens": tokens.cached,
        "cacheWriteInputTokens": tokens.written,
        "outputTokens": tokens.output,
        "reasoningOutputTokens": tokens.reasoning,
    }


def standings(home: str, thread: str, config: Config) -> list[dict[str, Any]]:
    """How far each cap of the budget is used; empty without a budget. Raises `ConfigError`, `StoreError`."""
    budget = read_budget(config.data)
    if budget is None:
        return []
    from .ledger import Ledger, Who, ledger_path

    path = ledger_path(home)
    if not os.path.exists(path):
        return [_cap(Standing(cap, 0, 0)) for cap in budget.caps]
    ledger = Ledger(path, pid=os.getpid(), process="")
    try:
        who = Who(thread, ledger.root_of(thread, None, thread), time.strftime("%Y-%m-%d"))
        return [_cap(standing) for standing in ledger.standings(who, budget.caps)]
    finally:
        ledger.close()


def _cap(standing: Standing) -> dict[str, Any]:
    measure = standing.cap.measure

    def amount(units: int) -> float | int:
        return float(exact(measure, units)) if MEASURES[measure] > 1 else units

    return {
        "scope": standing.cap.scope,
        "measure": measure,
        "key": standing.cap.key,
        "cap": amount(standing.cap.limit),
        "spent": amount(standing.spent),
        "reserved": amount(standing.reserved),
        "left": amount(standing.left),
    }

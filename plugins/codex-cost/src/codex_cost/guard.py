"""The guard that asks the ledger before each request leaves."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from codex_plugin_sdk import (
    AuthenticationFailed,
    BudgetExceeded,
    Notice,
    ProviderError,
    TurnFacts,
    TurnGuard,
)

from .amounts import Amount, Standing, number, shown
from .caps import Budget, read_budget
from .estimate import Estimate
from .ledger import Ledger, Refused, Who, ledger_path
from .processes import process_name
from .spending import Tokens

if TYPE_CHECKING:
    from codex_plugin_sdk import GuardSetup, ModelRequest, ResponseItem, TokenUsage, TurnId

    from .pricing import Pricing

_NOTHING_YET = {"usd": "another request", "tokens": "another request", "turns": "another turn", "agents": "a sub-agent"}


def open_guard(setup: GuardSetup) -> BudgetGuard | None:
    """The guard of a thread; None where nothing is capped. A sub-agent is counted now. Raises `ConfigError`,
    `BudgetExceeded`, `StoreError`."""
    budget = read_budget(setup.config)
    if budget is None:
        return None
    guard = BudgetGuard(setup, budget)
    guard.register()
    return guard


class BudgetGuard(TurnGuard):
    """Reserves for each request of one thread, and settles when its usage is known.

    A request whose usage nobody tells (it broke off, it was interrupted, the server does not say) has cost what was
    reserved. One that never reached the server, or that the server refused, has cost nothing.
    """

    def __init__(self, setup: GuardSetup, budget: Budget, clock: Callable[[], float] = time.time) -> None:
        self._setup, self._budget, self._clock = setup, budget, clock
        pid = os.getpid()
        self._ledger = Ledger(ledger_path(setup.codex_home), pid=pid, process=process_name(pid))
        self._estimate = Estimate()
        self._pricing: Pricing | None = None
        self._open: dict[int, tuple[ModelRequest, int]] = {}
        self._since: float | None = None
        self._root = ""

    def register(self) -> None:
        """Count this thread, if it is a sub-agent."""
        parent = self._setup.parent_id
        if parent is not None:
            try:
                self._ledger.add_agent(self._who(), parent, self._budget.caps)
            except Refused as refused:
                self._ledger.close()
                raise self._exceeded(refused) from None

    # -- what the kernel asks ------------------------------------------------------------------------

    def turn_begins(self, turn: TurnFacts) -> None:
        """Count the turn, unless there may be none."""
        try:
            self._warn(self._ledger.begin_turn(self._who(), self._budget.caps, self._budget.soft))
        except Refused as refused:
            raise self._exceeded(refused) from None
        self._since = time.monotonic()

    def request_begins(self, request: ModelRequest) -> None:
        """Reserve what it may need."""
        need = self._need(request)
        try:
            held = self._ledger.reserve(
                self._who(), self._budget.caps, need, model=request.model, wall_ms=self._lap_ms()
            )
        except Refused as refused:
            raise self._exceeded(refused) from None
        before = self._open.pop(id(request), None)
        self._open[id(request)] = (request, held)
        if before is not None:
            self._settle(before[1], None)

    def request_ends(
        self,
        request: ModelRequest,
        items: Sequence[ResponseItem],
        usage: TokenUsage | None,
        error: BaseException | None = None,
    ) -> None:
        """Settle what was reserved."""
        found = self._open.pop(id(request), None)
        if found is None:
            return
        if usage is not None:
            self._estimate.learn(request, usage.input_tokens)
            self._settle(found[1], self._cost(request, usage))
        else:
            self._settle(found[1], Amount() if _never_ran(error) else None)

    async def turn_ends(self, turn_id: TurnId, state: str) -> None:
        """A request that was admitted and of which nothing was heard may have left: another guard refused it, or its
        head start failed."""
        for key, (request, held) in list(self._open.items()):
            if request.turn_id == turn_id:
                del self._open[key]
                self._settle(held, None)
        if wall_ms := self._lap_ms():
            self._ledger.pass_time(self._who(), wall_ms)
        self._since = None

    async def aclose(self) -> None:
        """Settle what is left, and close the ledger."""
        try:
            while self._open:
                self._settle(self._open.popitem()[1][1], None)
        finally:
            self._ledger.close()

    # -- amounts -------------------------------------------------------------------------------------

    def _who(self) -> Who:
        day = time.strftime("%Y-%m-%d", time.localtime(self._clock()))
        setup = self._setup
        self._root = self._root or self._ledger.root_of(setup.thread_id, setup.parent_id, setup.root_id)
        return Who(setup.thread_id, self._root, day)

    def _lap_ms(self) -> int:
        """Milliseconds of the turn since they were last counted, by a clock that never goes back."""
        if self._since is None:
            return 0
        passed = int((time.monotonic() - self._since) * 1000)
        self._since += passed / 1000
        return passed

    def _need(self, request: ModelRequest) -> Amount:
        input, output = self._estimate.input_tokens(request), self._budget.reserve_output_tokens
        usd = self._prices().most(request.model, request.service_tier, input, output) if self._budget.caps_usd() else 0
        return Amount(usd=usd, tokens=input + output)

    def _cost(self, request: ModelRequest, usage: TokenUsage) -> Amount | None:
        tokens = Tokens(
            input=usage.input_tokens,
            cached=usage.cached_input_tokens,
            written=usage.cache_write_input_tokens,
            output=usage.output_tokens,
            reasoning=usage.reasoning_output_tokens,
        ).sound()
        both = tokens.input + tokens.output
        if not self._budget.caps_usd():
            return Amount(tokens=both)
        usd = self._prices().cost(request.model, request.service_tier, tokens)
        return None if usd is None else Amount(usd=usd, tokens=both)

    def _prices(self) -> Pricing:
        if self._pricing is None:
            from .pricing import Pricing

            self._pricing = Pricing(self._setup.config, self._ledger)
        return self._pricing

    def _settle(self, held: int, cost: Amount | None) -> None:
        budget = self._budget
        self._warn(self._ledger.settle(held, cost, wall_ms=self._lap_ms(), caps=budget.caps, soft=budget.soft))

    # -- words ---------------------------------------------------------------------------------------

    def _warn(self, crossed: Sequence[Standing]) -> None:
        for standing in crossed:
            text = f"the budget of {standing.whose()} nears its end: {standing.told()} ({standing.cap.key})"
            self._setup.tell(Notice(level="warning", message=text))

    def _exceeded(self, refused: Refused) -> BudgetExceeded:
        standing, need = refused.standing, refused.need
        cap, measure = standing.cap, standing.cap.measure
        text = f"the budget of {standing.whose()} "
        if measure == "wall_s":
            text += f"is over: {standing.told()} spent"
        else:
            text += f"does not allow {_NOTHING_YET[measure]}: {standing.told()} spent"
        if standing.reserved:
            text += f", {number(measure, standing.reserved)} reserved"
        hint = f"raise {cap.key}: with -c {cap.key}=… or in config.toml"
        if measure in ("usd", "tokens"):
            text += f", and this one may need {shown(measure, need)}"
            hint += f"; each answer is taken to have up to {self._budget.reserve_output_tokens:,} tokens"
            hint += " (budget.reserve_output_tokens)"
        return BudgetExceeded(text, hint=f"{hint}; codex budget shows what is left")


def _never_ran(error: BaseException | None) -> bool:
    """Whether nobody can have been paid for the request that failed so."""
    from codex_plugin_sdk.http.errors import ConnectFailed, TlsFailed

    if not isinstance(error, ProviderError):
        return False
    refused = error.status is not None and error.status >= 400
    return refused or isinstance(error, AuthenticationFailed) or isinstance(error.__cause__, ConnectFailed | TlsFailed)

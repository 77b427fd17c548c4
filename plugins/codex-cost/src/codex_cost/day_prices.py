"""Prices for a process that must stay small and quick: the table of prices takes half a second and 30 MB to read, so a
process of its own reads it, and what it found is kept in a file of the home."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time
from decimal import localcontext
from typing import NamedTuple

import orjson

from codex_plugin_sdk import replace_file

from .prices import EXACT, PriceBook, Rates
from .pricing import edition, read_rates, written_rates
from .section import OwnPrice
from .spending import Spending, Tokens

MOST = 1000
"""So many prices are kept; beyond them all are forgotten."""
TIMEOUT_S = 30.0


class Key(NamedTuple):
    """What a price is looked up by; `at` is a day, or a moment where prices change with the hour."""

    provider: str
    model: str
    tier: str
    at: str


class DayPrices:
    """The prices of a home. Called by one thread at a time; waits for the disk and the process."""

    def __init__(self, home: str, own: Mapping[str, OwnPrice]) -> None:
        self._path = os.path.join(home, "kernel", "prices.json")
        self._own = PriceBook(own)
        self._known: dict[str, str | None] | None = None
        self._hourly: set[tuple[str, str]] = set()

    def learn(self, spendings: Iterable[Spending]) -> None:
        """Look up what `rates` will be asked for, all at once."""
        while missing := self._missing(spendings):
            for key, (text, lasts) in look_up(missing).items():
                self._prices()[_text(key)] = text
                if not lasts and len(key.at) == len("2026-01-01"):
                    self._hourly.add((key.provider, key.model))
            self._keep()

    def rates(self, spending: Spending) -> Rates | None:
        """The price of a request that was learned; None where nobody gives one."""
        if self._own.is_own(spending.model):
            return self._own.rates(spending)
        text = self._prices().get(_text(self._key(spending)))
        return None if text is None else read_rates(text)

    def _missing(self, spendings: Iterable[Spending]) -> list[Key]:
        wanted = (one for one in spendings if one.model and not self._own.is_own(one.model))
        return [key for key in dict.fromkeys(map(self._key, wanted)) if _text(key) not in self._prices()]

    def _key(self, spending: Spending) -> Key:
        at = spending.at or datetime.now(UTC)
        hourly = (spending.provider, spending.model) in self._hourly
        shown = at.isoformat() if hourly else at.date().isoformat()
        return Key(spending.provider, spending.model, spending.service_tier, shown)

    def _prices(self) -> dict[str, str | None]:
        if self._known is None:
            self._known = self._read()
        return self._known

    def _read(self) -> dict[str, str | None]:
        try:
            with open(self._path, "rb") as file:
                kept = orjson.loads(file.read())
        except (OSError, orjson.JSONDecodeError):
            return {}  # it can be looked up again
        if not isinstance(kept, dict) or kept.get("edition") != edition() or not isinstance(kept.get("prices"), dict):
            return {}
        return {key: text for key, text in kept["prices"].items() if text is None or isinstance(text, str)}

    def _keep(self) -> None:
        known = self._prices()
        kept = {} if len(known) > MOST else {key: text for key, text in known.items() if "T" not in key.split("|")[-1]}
        with suppress(OSError):  # then it is looked up again
            replace_file(self._path, orjson.dumps({"edition": edition(), "prices": kept}))


def _text(key: Key) -> str:
    return "|".join(key)


def look_up(keys: Sequence[Key]) -> dict[Key, tuple[str | None, bool]]:
    """Prices as texts, and whether they hold all day. By a process of its own; where none can be started, by this
    one."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "codex_cost.day_prices"],
            input=orjson.dumps([list(key) for key in keys]),
            capture_output=True,
            timeout=TIMEOUT_S,
            check=True,
        )
        found = orjson.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, orjson.JSONDecodeError):
        found = find(keys)
    return {key: (text, lasts) for key, (text, lasts) in zip(keys, found, strict=True)}


def find(keys: Sequence[Sequence[str]]) -> list[tuple[str | None, bool]]:
    """The same, from the table itself."""
    book = PriceBook({})
    found: list[tuple[str | None, bool]] = []
    with localcontext(EXACT):
        for provider, model, tier, at in keys:
            spending = Spending(_moment(at), model, provider, tier, Tokens(), "", "", "", ())
            rates = book.rates(spending)
            found.append((None, True) if rates is None else (written_rates(rates), book.lasts(spending)))
    return found


def _moment(at: str) -> datetime:
    """Noon of a day, or the moment itself."""
    return datetime.fromisoformat(at) if "T" in at else datetime.combine(date.fromisoformat(at), time(12), UTC)


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(find(orjson.loads(sys.stdin.buffer.read()))))

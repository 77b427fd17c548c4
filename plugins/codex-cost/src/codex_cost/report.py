"""What was added up, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, NamedTuple

import orjson

from .rollout import Troubles
from .tally import Sum, Tally

VERSION = 1
"""Of the JSON form."""

_SHOWN = Decimal("0.0001")
_HEADS = ("requests", "input", "cached", "output", "reasoning", "USD")
_ROUNDING = Context(prec=60, rounding=ROUND_HALF_EVEN)


class Report(NamedTuple):
    """All that is told. `sources` names by model where its price is from, `table` the version of the price table and
    the latest day of a price in it, None where it was not needed."""

    by: str
    since: datetime | None
    tally: Tally
    troubles: Troubles
    sources: Mapping[str, str]
    table: tuple[str, date | None] | None

    def warnings(self) -> Iterator[str]:
        """What the sums lack, a sentence each."""
        unread = self.troubles.files
        if unread:
            path, reason = unread[0]
            more = f", nor {len(unread) - 1} more" if len(unread) > 1 else ""
            yield f"{_plain(path)} could not be read{more}: {reason}; what it holds is not counted"
        if self.troubles.broken_lines:
            yield f"{self.troubles.broken_lines} lines about tokens could not be read: the sums may lack them"
        if self.troubles.undated_requests:
            yield f"{self.troubles.undated_requests} requests without a time are not counted; --all counts them"
        if self.troubles.doubtful_forks:
            yield (
                f"{self.troubles.doubtful_forks} forks of an older version do not tell which turns are their own: "
                "tokens of the sessions they came from may be counted again"
            )


def as_text(report: Report) -> str:
    """A table for a terminal."""
    tally = report.tally
    since = "" if report.since is None else f" since {report.since.astimezone():%Y-%m-%d %H:%M}"
    if not tally.total.requests:
        return f"No request to a model is recorded{since}.\n"
    rows = [(_plain(name), *_cells(sum)) for name, sum in tally.ranked()]
    rows.append(("total", *_cells(tally.total)))
    heads = (report.by, *_HEADS)
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    lines = [_line(heads, widths), *(_line(row, widths) for row in rows[:-1])]
    lines += ["-" * len(lines[0].rstrip()), _line(rows[-1], widths), "", *_notes(report, since)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _cells(sum: Sum) -> tuple[str, ...]:
    tokens = sum.tokens
    counts = (sum.requests, tokens.input, tokens.cached, tokens.output, tokens.reasoning)
    return (*(f"{count:,}" for count in counts), usd(sum))


def usd(sum: Sum) -> str:
    """The cost for people, to a hundredth of a cent; it says when something is missing."""
    known = sum.known_usd
    if known is None:
        return "unknown"
    shown = f"{known.quantize(_SHOWN, context=_ROUNDING):,f}" if known >= _SHOWN or not known else "<0.0001"
    return f"{shown} + unknown" if sum.unpriced_requests else shown


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    first, *rest = (
        cell.rjust(width) if column else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *rest])


def _notes(report: Report, since: str) -> Iterator[str]:
    tally = report.tally
    count = len(tally.threads)
    yield f"{count:,} session{'s' * (count != 1)}{since}. Cached is part of input, reasoning of output."
    if report.by == "tool":
        yield "A request is in the row of the tools that its answer called; it is not divided among them."
    if tally.total.unpriced_requests:
        names = ", ".join(_plain(name) for name in sorted(tally.unpriced_models))
        yield (
            f"No price is known for {names}: {tally.total.unpriced_requests:,} requests with "
            f"{tally.total.unpriced_tokens:,} tokens are not in the sum."
        )
        yield 'Set one in config.toml: [cost.models."NAME"] input = …, cached_input = …, output = …'
    if report.table is not None:
        version, day = report.table
        yield f"Prices: genai-prices {version}{f', with changes up to {day}' if day else ''}."
    own = sorted(_plain(model) for model, source in report.sources.items() if source == "config")
    if own:
        yield f"Prices of your configuration: {', '.join(own)}."


def as_json(report: Report) -> str:
    """One object on one line."""
    version, day = report.table or (None, None)
    body = {
        "version": VERSION,
        "currency": "USD",
        "since": None if report.since is None else report.since.isoformat(),
        "by": report.by,
        "sessions": len(report.tally.threads),
        "total": _body(report.tally.total),
        "groups": [{"name": name, **_body(sum)} for name, sum in report.tally.ranked()],
        "unpriced_models": sorted(report.tally.unpriced_models),
        "prices": {
            "table": None if version is None else {"name": "genai-prices", "version": version, "latest_change": day},
            "models": dict(sorted(report.sources.items())),
        },
        "unread_files": [{"path": path, "reason": reason} for path, reason in report.troubles.files],
        "warnings": list(report.warnings()),
    }
    return orjson.dumps(_encodable(body)).decode() + "\n"


def _body(sum: Sum) -> dict[str, Any]:
    known = sum.known_usd
    return {
        "cost_usd": None if known is None else exact(known),
        "complete": not sum.unpriced_requests,
        "requests": sum.requests,
        "unpriced_requests": sum.unpriced_requests,
        "unpriced_tokens": sum.unpriced_tokens,
        "input_tokens": sum.tokens.input,
        "cached_input_tokens": sum.tokens.cached,
        "cache_write_input_tokens": sum.tokens.written,
        "output_tokens": sum.tokens.output,
        "reasoning_output_tokens": sum.tokens.reasoning,
    }


def exact(amount: Decimal) -> str:
    """An amount with all its places, without an exponent and without zeros at the end."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _encodable(body: Any) -> Any:
    """Paths of undecodable bytes hold halves of characters, which JSON has no place for."""
    match body:
        case str():
            return body.encode("utf-8", "replace").decode()
        case dict():
            return {_encodable(name): _encodable(entry) for name, entry in body.items()}
        case list():
            return [_encodable(entry) for entry in body]
        case _:
            return body


def _plain(text: str) -> str:
    """Without what would steer a terminal: names come from files that others may have written."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)

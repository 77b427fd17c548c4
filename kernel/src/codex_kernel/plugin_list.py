"""The output of `codex plugin list`."""

from __future__ import annotations

from collections.abc import Sequence

import click
import orjson

from .plugins import PluginReport

_FIELDS = ("name", "dist", "version", "kinds", "status", "reason", "cure", "import_ms")
_COLUMNS = ("NAME", "DISTRIBUTION", "VERSION", "KINDS", "STATUS", "IMPORT MS")


def report_body(report: PluginReport) -> dict[str, object]:
    """A report as plain data."""
    return {name: getattr(report, name) for name in _FIELDS}


def print_reports(reports: Sequence[PluginReport], *, as_json: bool) -> None:
    """Write all reports to stdout: JSON, or a table with a line of reason and cure below what is not ok."""
    if as_json:
        rows = [report_body(report) for report in reports]
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    table = [_COLUMNS, *(_row(report) for report in reports)]
    widths = [max(len(row[column]) for row in table) for column in range(len(_COLUMNS))]
    for index, row in enumerate(table):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if index and (reason := reports[index - 1].reason):
            click.echo(f"    {reason}" + (f"; {cure}" if (cure := reports[index - 1].cure) else ""))


def _row(report: PluginReport) -> tuple[str, ...]:
    kinds = ", ".join(report.kinds) or "-"
    return (report.name, report.dist, report.version, kinds, report.status, f"{report.import_ms:.1f}")

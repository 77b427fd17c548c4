"""Findings for people and for programs."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence

import orjson

from codex_plugin_sdk import Finding, Health, __version__

from .runner import Found

SCHEMA_VERSION = 1
_COLORS = {Health.OK: "32", Health.WARNING: "33", Health.FAILED: "31"}
_WIDTH = 100


def worst(findings: Sequence[Found]) -> Health:
    """The health of the whole; ok where nothing was found."""
    ranks = (Health.FAILED, Health.WARNING)
    return next((rank for rank in ranks if any(f.finding.health is rank for f in findings)), Health.OK)


def print_json(findings: Sequence[Found], codex_home: str) -> None:
    """One JSON object on stdout. `schema_version` grows when a field changes its meaning or goes away."""
    report = {
        "schema_version": SCHEMA_VERSION,
        "version": __version__,
        "codex_home": _text(codex_home),
        "health": worst(findings).value,
        "findings": [
            {
                "check": found.check,
                "plugin": found.origin,
                "name": found.finding.name,
                "health": found.finding.health.value,
                "message": _text(found.finding.message),
                "cure": _text(found.finding.cure),
                "details": _plain(found.finding.details),
            }
            for found in findings
        ],
    }
    sys.stdout.write(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode() + "\n")
    sys.stdout.flush()


def as_text(findings: Sequence[Found], *, color: bool, verbose: bool) -> str:
    """One line per finding, the cure below what is not ok, and a sum."""
    lines: list[str] = []
    width = max((len(found.finding.name) for found in findings), default=0)
    for found in findings:
        lines += _lines(found.finding, width, color=color, verbose=verbose)
    return "\n".join([*lines, "", _sum(findings, color=color)]) + "\n"


def as_summary(findings: Sequence[Found], *, color: bool, verbose: bool) -> str:
    """One line that counts, and the findings that are not ok."""
    counts = {health: sum(found.finding.health is health for found in findings) for health in Health}
    warnings = counts[Health.WARNING]
    words = f"{counts[Health.OK]} ok, {warnings} warning{'' if warnings == 1 else 's'}, {counts[Health.FAILED]} failed"
    lines = [_painted(f"doctor: {words}", worst(findings), color=color)]
    sick = [found.finding for found in findings if found.finding.health is not Health.OK]
    width = max((len(finding.name) for finding in sick), default=0)
    for finding in sick:
        lines += _lines(finding, width, color=color, verbose=verbose)
    return "\n".join(lines) + "\n"


def _lines(finding: Finding, width: int, *, color: bool, verbose: bool) -> list[str]:
    word = _painted(f"{finding.health.value:<7}", finding.health, color=color)
    indent = " " * (7 + 2 + width + 2)
    message = _wrapped(_text(finding.message), indent)
    lines = [f"{word}  {finding.name:<{width}}  {message.removeprefix(indent)}"]
    if finding.cure and finding.health is not Health.OK:
        lines.append(indent + "cure: " + _wrapped(_text(finding.cure), indent + " " * 6).lstrip())
    if verbose:
        lines += [f"{indent}{name}: {line}" for name, line in _details(finding.details)]
    return lines


def _details(details: Mapping[str, object]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, found in details.items():
        texts = [str(entry) for entry in found] if isinstance(found, list | tuple) else str(found).splitlines()
        rows += [(name, _text(text)) for text in texts]
    return rows


def _sum(findings: Sequence[Found], *, color: bool) -> str:
    counts = {health: sum(found.finding.health is health for found in findings) for health in Health}
    words = [f"{count} {health.value}" for health, count in counts.items() if count]
    return _painted(", ".join(words) or "no checks are installed", worst(findings), color=color)


def _painted(text: str, health: Health, *, color: bool) -> str:
    return f"\x1b[{_COLORS[health]}m{text}\x1b[0m" if color else text


def _wrapped(text: str, indent: str) -> str:
    paragraphs = text.splitlines() or [""]
    return "\n".join(
        textwrap.fill(
            line,
            _WIDTH,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in paragraphs
    )


def _text(text: str) -> str:
    """Text that every terminal and parser takes: undecodable bytes as question marks, control characters visible."""
    whole = text.encode("utf-8", "replace").decode()
    return "".join(char if char.isprintable() or char == "\n" else f"\\x{ord(char):02x}" for char in whole)


def _plain(found: object) -> object:
    """A value as JSON has it."""
    match found:
        case None | bool() | int() | float():
            return found
        case str():
            return _text(found)
        case Mapping():
            return {_text(str(name)): _plain(below) for name, below in found.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(entry) for entry in found]
        case _:
            return _text(str(found))

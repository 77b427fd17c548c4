"""What a reviewer says: findings and a verdict, read tolerantly from a model's reply, and shown."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from math import isnan
from typing import Any

from codex_kernel.protocol.value import Value, value

NO_RESPONSE = "Reviewer failed to output a response."
DEFAULT_PRIORITY = 2
"""Of a finding for which the reviewer gave none."""
LOWEST_PRIORITY = 3
_TAG = re.compile(r"\s*\[P([0-3])\]", re.IGNORECASE)
_KEYS = frozenset({"findings", "overall_correctness", "overall_explanation"})
_MOST_STARTS = 200
"""How many braces of a reply are tried as the beginning of its JSON."""


@value
class ReviewFinding(Value):
    """One finding. `priority` is 0 (drop everything) to 3 (nice to have), `confidence_score` 0 to 1; `path` is
    absolute, empty where the reviewer named no place; `start` and `end` are line numbers from 1, both included, 0 for
    none."""

    title: str
    body: str
    priority: int = DEFAULT_PRIORITY
    confidence_score: float = 0.0
    path: str = ""
    start: int = 0
    end: int = 0

    @property
    def headline(self) -> str:
        """The title with its priority before it."""
        return self.title if _TAG.match(self.title) else f"[P{self.priority}] {self.title}"

    @property
    def place(self) -> str:
        """`path:start-end`, or as much of it as is known."""
        return f"{self.path}:{self.start}-{self.end}" if self.path and self.start else self.path


@value
class ReviewOutput(Value):
    """A whole review. `overall_confidence_score` is 0 to 1; empty texts are what the reviewer did not say."""

    findings: tuple[ReviewFinding, ...] = ()
    overall_correctness: str = ""
    overall_explanation: str = ""
    overall_confidence_score: float = 0.0


def parse_review(reply: str, cwd: str) -> ReviewOutput:
    """The review in a model's reply: JSON, JSON within other text, or plain text, which is then the explanation.
    Relative paths are taken from `cwd`. Never raises."""
    found = next(_objects(reply), None)
    return ReviewOutput(overall_explanation=reply.strip()) if found is None else review_from(found, cwd)


def review_from(found: Mapping[str, Any], cwd: str = "") -> ReviewOutput:
    """The review in plain data; members that do not fit are left out, and findings that say nothing."""
    entries = found.get("findings")
    listed = entries if isinstance(entries, list | tuple) else ()
    findings = [_finding(entry, cwd) for entry in listed if isinstance(entry, Mapping)]
    return ReviewOutput(
        findings=tuple(finding for finding in findings if finding.title or finding.body),
        overall_correctness=_text(found.get("overall_correctness")),
        overall_explanation=_text(found.get("overall_explanation")),
        overall_confidence_score=_share(found.get("overall_confidence_score")),
    )


def review_dict(output: ReviewOutput) -> dict[str, Any]:
    """The review as plain data, in the shape that rollouts have and that a reviewer is asked for."""
    return {
        "findings": [
            {
                "title": finding.title,
                "body": finding.body,
                "confidence_score": finding.confidence_score,
                "priority": finding.priority,
                "code_location": {
                    "absolute_file_path": finding.path,
                    "line_range": {"start": finding.start, "end": finding.end},
                },
            }
            for finding in output.findings
        ],
        "overall_correctness": output.overall_correctness,
        "overall_explanation": output.overall_explanation,
        "overall_confidence_score": output.overall_confidence_score,
    }


def render_review(output: ReviewOutput) -> str:
    """The review as text for people: the explanation, then the findings."""
    blocks = [output.overall_explanation] if output.overall_explanation else []
    if output.findings:
        title = "Full review comments:" if len(output.findings) > 1 else "Review comment:"
        blocks.append("\n\n".join([title, *map(_block, output.findings)]))
    return "\n\n".join(blocks) or NO_RESPONSE


def _block(finding: ReviewFinding) -> str:
    place = f" — {finding.place}" if finding.place else ""
    body = "".join(f"\n  {line}" if line else "\n" for line in finding.body.splitlines())
    return f"- {finding.headline}{place}{body}"


def _objects(reply: str) -> Iterator[Mapping[str, Any]]:
    """The JSON objects in a text that look like a review, outermost and first ones first."""
    import json

    decoder = json.JSONDecoder(strict=False)
    at = -1
    for _ in range(_MOST_STARTS):
        at = reply.find("{", at + 1)
        if at < 0:
            return
        try:
            found, end = decoder.raw_decode(reply, at)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and _KEYS & found.keys():
            yield found
        at = end - 1


def _finding(entry: Mapping[str, Any], cwd: str) -> ReviewFinding:
    title = " ".join(_text(entry.get("title")).split())
    location = entry.get("code_location")
    location = location if isinstance(location, Mapping) else {}
    lines = location.get("line_range")
    lines = lines if isinstance(lines, Mapping) else {}
    start = _line(lines.get("start")) or _line(lines.get("end"))
    path = _text(location.get("absolute_file_path") or location.get("file_path") or location.get("path"))
    return ReviewFinding(
        title=title,
        body=_text(entry.get("body")),
        priority=_priority(entry.get("priority"), title),
        confidence_score=_share(entry.get("confidence_score")),
        path=os.path.normpath(os.path.join(cwd, path)) if path else "",
        start=start,
        end=max(start, _line(lines.get("end"))),
    )


def _priority(found: object, title: str) -> int:
    if isinstance(found, str):
        found = found.strip().removeprefix("P").removeprefix("p")
    number = _number(found)
    if number is None:
        tag = _TAG.match(title)
        return int(tag[1]) if tag else DEFAULT_PRIORITY
    return int(min(max(number, 0), LOWEST_PRIORITY))


def _share(found: object) -> float:
    return min(max(_number(found) or 0.0, 0.0), 1.0)


def _line(found: object) -> int:
    return int(min(max(_number(found) or 0, 0), 2**31 - 1))


def _number(found: object) -> float | None:
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        return None
    try:
        number = float(found)
    except (ValueError, OverflowError):
        return None
    return None if isnan(number) else number


def _text(found: object) -> str:
    return found.strip() if isinstance(found, str) else ""

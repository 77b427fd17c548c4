"""Judging a command: every part of it by the rules, then by the built-in table; the strictest part decides."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from codex_plugin_sdk import Decision, RunIntent, SandboxPolicy, Value, Verdict, strictest, value

from .rules import Match, PrefixRule
from .shell_segments import Parsed, Segment

SOURCE = "rules"

Lookup = Callable[[Sequence[str], str], Sequence[Match]]
"""The rules that match the tokens of a command that runs in a folder."""


@value
class Judged(Value):
    """One simple command. `decision` is None where neither rules nor table know it; `by_rule` tells that a
    rule decided; `reason` is for the user and the model."""

    segment: Segment
    decision: Decision | None = None
    by_rule: bool = False
    reason: str = ""


@value
class Judgement(Value):
    """A whole command: its parts, and why it was not wholly understood (empty if it was)."""

    parts: tuple[Judged, ...]
    opaque: str = ""

    def verdict(self) -> Verdict | None:
        """The strictest of the parts. Allowed only if every part is and nothing is left in the dark; outside the
        sandbox only if rules allow every part. None: nothing is known against it, and not enough for it."""
        known = [part for part in self.parts if part.decision is not None]
        worst = strictest(*(part.decision for part in known if part.decision)) if known else None
        if worst is None or (worst is Decision.ALLOW and (self.opaque or len(known) < len(self.parts))):
            return None
        leading = next(part for part in known if part.decision is worst)
        bypass = worst is Decision.ALLOW and all(part.by_rule for part in self.parts)
        return Verdict(decision=worst, reason=leading.reason, source=SOURCE, bypass_sandbox=bypass)


def judge(intent: RunIntent, sandbox: SandboxPolicy, lookup: Lookup, *, home: str, tmpdir: str | None) -> Judgement:
    """Judge the command of an intent."""
    from .shell_parse import parse

    parsed = parse(intent.argv)
    roots = sandbox.roots(intent.cwd, tmpdir)
    inside = (intent.cwd, *roots)
    parts = [_by_rules(segment, intent.cwd, inside, lookup) for segment in parsed.segments]
    if any(_needs_table(part) for part in parts):
        parts = _by_table(parsed, parts, intent.cwd, roots, home)
    return Judgement(parts=tuple(parts), opaque=parsed.opaque)


def _by_rules(segment: Segment, cwd: str, inside: Sequence[str], lookup: Lookup) -> Judged:
    matches = [match for match in lookup(segment.words, cwd) if not _idle(match, segment, inside)]
    if not matches:
        return Judged(segment=segment)
    decision = strictest(*(match.decision for match in matches))
    leading = next(match for match in matches if match.decision is decision)
    return Judged(segment=segment, decision=decision, by_rule=True, reason=_reason(leading.rule, leading.prefix))


def _idle(match: Match, segment: Segment, inside: Sequence[str]) -> bool:
    """Whether a permission does not reach this command: it was found by the name of a program that the command
    itself could have written, or it covers words whose value is not known."""
    if match.decision is not Decision.ALLOW:
        return False
    if any(index < len(match.prefix) for index in segment.loose):
        return True
    if not match.resolved_program or match.listed:
        return False
    if not segment.words[0].startswith("/"):
        return True  # a `cd` before it may have led anywhere
    program = os.path.realpath(match.resolved_program)
    return any(_below(program, os.path.realpath(folder)) for folder in inside)


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _reason(rule: PrefixRule, prefix: Sequence[str]) -> str:
    if rule.justification or rule.decision is Decision.ALLOW:
        return rule.justification
    words = " ".join(prefix)
    wanted = "is to be asked about" if rule.decision is Decision.PROMPT else "is forbidden"
    return f"`{words}` {wanted} by {rule.file}"


def _needs_table(part: Judged) -> bool:
    """The table is asked about what no rule knows, and about the files that a permitted command is sent to."""
    return part.decision is None or (part.decision is Decision.ALLOW and bool(part.segment.writes))


def _by_table(parsed: Parsed, parts: list[Judged], cwd: str, roots: Sequence[str], home: str) -> list[Judged]:
    from .command_table import Kind, judge_all

    # A permission is about the command's words; what its output is written to is judged as if nothing else were there.
    asked = [part.segment.replace(words=(":",), loose=()) if part.by_rule else part.segment for part in parts]
    judgements = judge_all(parsed.replace(segments=tuple(asked)), cwd=cwd, roots=roots, home=home)
    found = []
    for part, judgement in zip(parts, judgements, strict=True):
        if not _needs_table(part) or (part.by_rule and judgement.kind is Kind.SAFE):
            found.append(part)
        elif judgement.kind is Kind.SAFE:
            found.append(part.replace(decision=Decision.ALLOW, by_rule=False))
        elif judgement.kind is Kind.DESTRUCTIVE:
            why = judgement.why or f"`{' '.join(part.segment.words)}` destroys data"
            found.append(part.replace(decision=Decision.PROMPT, by_rule=False, reason=why))
        else:
            found.append(part.replace(decision=None, by_rule=False))
    return found

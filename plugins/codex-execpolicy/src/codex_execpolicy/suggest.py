"""The smallest set of rules that would have ended repeated questions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from codex_plugin_sdk import Decision, Value, value

from .amend import may_be_allowed
from .judging import Lookup
from .literal import prefix_rule_line
from .outcomes import Bench, Outcome
from .recorded import Command
from .rules import PrefixRule, RuleFile, RuleSet

AT_LEAST = 2
_SHORTEST = 2
"""Program and subcommand: a rule about a program alone allows everything that it can do."""


@value
class Suggestion(Value):
    """A rule, and how many of the questions it is needed for."""

    prefix: tuple[str, ...]
    line: str
    ends: int


@value
class Suggestions(Value):
    """`asked` is how many questions there were, `ended` how many all suggested rules together would have ended."""

    rules: tuple[Suggestion, ...]
    asked: int
    ended: int


def suggest(commands: Counter[Command], lookup: Lookup, *, home: str, tmpdir: str | None) -> Suggestions:
    """Propose rules for the commands that `lookup` and the table would ask about."""
    bench = Bench(lookup, home=home, tmpdir=tmpdir)
    asked = {
        command: times
        for command, times in commands.items()
        if bench.try_out(command, attended=True).outcome is Outcome.ASKED
    }
    candidates = _candidates(asked, bench)

    def ended(prefixes: Sequence[tuple[str, ...]]) -> int:
        trial = Bench(_with(lookup, prefixes), home=home, tmpdir=tmpdir)
        found = (times for command, times in asked.items() if _settled(trial, command))
        return sum(found)

    kept = list(candidates)
    total = ended(kept)
    for prefix in reversed(candidates):  # the least asked for first
        without = [other for other in kept if other != prefix]
        if ended(without) == total:
            kept = without
    rules = [
        Suggestion(
            prefix=prefix,
            line=prefix_rule_line(prefix),
            ends=total - ended([other for other in kept if other != prefix]),
        )
        for prefix in kept
    ]
    rules.sort(key=lambda rule: (-rule.ends, rule.prefix))
    return Suggestions(rules=tuple(rules), asked=sum(asked.values()), ended=total)


def _settled(bench: Bench, command: Command) -> bool:
    return bench.try_out(command, attended=True).outcome in (Outcome.OUTSIDE, Outcome.ALLOWED)


def _candidates(asked: Mapping[Command, int], bench: Bench) -> list[tuple[str, ...]]:
    """The longest common prefixes of what was asked about more than once, the most often asked first."""
    groups: dict[tuple[str, ...], Counter[tuple[str, ...]]] = defaultdict(Counter)
    for command, times in asked.items():
        judgement = bench.try_out(command, attended=True).judgement
        if judgement.opaque:
            continue
        for part in judgement.parts:
            allowed = part.by_rule and part.decision is Decision.ALLOW
            undecided = part.decision in (None, Decision.ALLOW)
            words = part.segment.words[: min(part.segment.loose, default=len(part.segment.words))]
            if not allowed and undecided and not part.segment.writes and len(words) >= _SHORTEST:
                groups[words[:_SHORTEST]][words] += times
    counts: dict[tuple[str, ...], int] = {}
    for group in groups.values():
        prefix = _common(list(group))
        if group.total() >= AT_LEAST and may_be_allowed(prefix) and _writable(prefix):
            counts[prefix] = group.total()
    return sorted(counts, key=lambda prefix: (-counts[prefix], prefix))


def _common(lists: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    first, last = min(lists), max(lists)
    size = 0
    while size < min(len(first), len(last)) and first[size] == last[size]:
        size += 1
    return first[:size]


def _writable(prefix: tuple[str, ...]) -> bool:
    try:
        prefix_rule_line(prefix)
    except ValueError:
        return False
    return True


def _with(lookup: Lookup, prefixes: Sequence[tuple[str, ...]]) -> Lookup:
    extra = RuleSet([RuleFile(prefix_rules=tuple(PrefixRule(pattern=prefix) for prefix in prefixes))])
    return lambda tokens, cwd: [*lookup(tokens, cwd), *extra.matches(tokens, resolve=True, cwd=cwd)]

"""Rules as values, and the set of them that answers which rules match a command."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from codex_plugin_sdk import Decision, Value, field, strictest, value

Pattern = tuple[str | tuple[str, ...], ...]

_SPLIT_AT = 8
"""A bucket of this many rules is split by the next token when it is first looked into."""


@value
class PrefixRule(Value):
    """A decision about all commands that begin with `pattern`: each element is a token, or a tuple of tokens
    of which one has to stand there. The first element is always a token; a rule that was written with
    alternatives there is one value for each of them."""

    pattern: Pattern
    decision: Decision = Decision.ALLOW
    justification: str = ""
    file: str = ""

    def prefix_of(self, tokens: Sequence[str]) -> tuple[str, ...] | None:
        """The tokens that the pattern covers, None if it does not match."""
        size = len(self.pattern)
        if len(tokens) < size:
            return None
        for wanted, token in zip(self.pattern, tokens, strict=False):
            if token != wanted if isinstance(wanted, str) else token not in wanted:
                return None
        return tuple(tokens[:size])


@value
class NetworkRule(Value):
    """A decision about one host (normalised, see `hosts.py`) and one protocol."""

    host: str
    protocol: str
    decision: Decision
    justification: str = ""
    file: str = ""


@value
class Match(Value):
    """A rule that matches a command. `resolved_program` is the absolute path that was looked up by its last
    component, empty if the command's own first token was matched; `listed` tells that a `host_executable`
    names this path."""

    rule: PrefixRule
    prefix: tuple[str, ...]
    resolved_program: str = ""
    listed: bool = False

    @property
    def decision(self) -> Decision:
        """The rule's decision."""
        return self.rule.decision


@value
class RuleFile(Value):
    """What one file declares, in its order."""

    prefix_rules: tuple[PrefixRule, ...] = ()
    hosts: Mapping[str, tuple[str, ...]] = field(factory=dict)
    network_rules: tuple[NetworkRule, ...] = ()


class RuleSet:
    """The rules of several files. Of `host_executable`s for one name the last holds."""

    def __init__(self, files: Iterable[RuleFile] = ()) -> None:
        self.prefix_rules: list[PrefixRule] = []
        self.network_rules: list[NetworkRule] = []
        self.hosts: dict[str, tuple[str, ...]] = {}
        for file in files:
            self.prefix_rules += file.prefix_rules
            self.network_rules += file.network_rules
            self.hosts.update(file.hosts)
        self._first: dict[str, _Bucket] = {}
        for order, rule in enumerate(self.prefix_rules):
            token = rule.pattern[0]
            assert isinstance(token, str)
            bucket = self._first.get(token)
            if bucket is None:
                bucket = self._first[token] = _Bucket(1)
            bucket.rules.append((order, rule))

    def __bool__(self) -> bool:
        return bool(self.prefix_rules or self.network_rules)

    def matches(self, tokens: Sequence[str], *, resolve: bool = False, cwd: str = "") -> tuple[Match, ...]:
        """The rules that match, in the order of their definition.

        Rules for exactly the first token are tried first. Only if none matches, and with `resolve`, a first
        token that is a path is looked up by its last component, unless a `host_executable` for that name does
        not list the path. A relative path is taken as below `cwd`.
        """
        if not tokens:
            return ()
        found = self._exact(tokens)
        if found or not resolve or "/" not in tokens[0]:
            return tuple(Match(rule=rule, prefix=prefix) for rule, prefix in found)
        program = plain_path(os.path.join(cwd or os.getcwd(), tokens[0]))
        name = os.path.basename(program)
        paths = self.hosts.get(name)
        if paths is not None and program not in paths:
            return ()
        by_name = self._exact([name, *tokens[1:]])
        return tuple(
            Match(rule=rule, prefix=prefix, resolved_program=program, listed=paths is not None)
            for rule, prefix in by_name
        )

    def _exact(self, tokens: Sequence[str]) -> list[tuple[PrefixRule, tuple[str, ...]]]:
        bucket = self._first.get(tokens[0])
        if bucket is None:
            return []
        candidates: list[tuple[int, PrefixRule]] = []
        bucket.collect(tokens, candidates)
        candidates.sort(key=lambda candidate: candidate[0])
        found = ((rule, rule.prefix_of(tokens)) for _, rule in candidates)
        return [(rule, prefix) for rule, prefix in found if prefix is not None]

    def network(self, host: str, protocol: str) -> tuple[NetworkRule, ...]:
        """The rules about a normalised host and a protocol."""
        return tuple(rule for rule in self.network_rules if rule.host == host and rule.protocol == protocol)


class _Bucket:
    """Rules that agree on their first `depth` tokens; split by the next one when that pays."""

    __slots__ = ("depth", "ended", "next", "rules")

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.rules: list[tuple[int, PrefixRule]] = []
        self.ended: list[tuple[int, PrefixRule]] = []
        self.next: dict[str, _Bucket] | None = None

    def collect(self, tokens: Sequence[str], into: list[tuple[int, PrefixRule]]) -> None:
        """Add the rules that may match."""
        if self.next is None and len(self.rules) < _SPLIT_AT:
            into += self.rules
            return
        if self.next is None:
            self.next = self._split()
        into += self.ended
        below = self.next.get(tokens[self.depth]) if len(tokens) > self.depth else None
        if below is not None:
            below.collect(tokens, into)

    def _split(self) -> dict[str, _Bucket]:
        children: dict[str, _Bucket] = {}
        for entry in self.rules:
            pattern = entry[1].pattern
            if len(pattern) == self.depth:
                self.ended.append(entry)
                continue
            wanted = pattern[self.depth]
            for token in (wanted,) if isinstance(wanted, str) else dict.fromkeys(wanted):
                if token not in children:
                    children[token] = _Bucket(self.depth + 1)
                children[token].rules.append(entry)
        self.rules = []
        return children


def decide(matches: Iterable[Match]) -> Decision | None:
    """The strictest decision of all matches, None without any."""
    decisions = [match.decision for match in matches]
    return strictest(*decisions) if decisions else None


def plain_path(path: str) -> str:
    """An absolute path without `.`, `..` and doubled slashes; symlinks stay."""
    return "/" + os.path.normpath(path).lstrip("/")

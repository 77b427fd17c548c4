"""From what a rules file declared to checked rules."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from codex_plugin_sdk import Decision

from .examples import join_tokens, split_example
from .hosts import PROTOCOLS, normal_host
from .rules import NetworkRule, Pattern, PrefixRule, RuleFile, RuleSet, plain_path

ABSENT = "\0"
"""Stands for a justification that was not given: an empty one is an error."""

_DECISIONS = {"allow": Decision.ALLOW, "prompt": Decision.PROMPT, "forbidden": Decision.FORBIDDEN}
_NETWORK_DECISIONS = {**_DECISIONS, "deny": Decision.FORBIDDEN}


class BadDeclaration(Exception):
    """The declaration number `index` (from 0) of a file is wrong; the text says how."""

    def __init__(self, text: str, index: int) -> None:
        super().__init__(text)
        self.index = index


def build(declared: Sequence[Sequence[Any]], file: str, home: str) -> RuleFile:
    """The rules of one file. `declared` holds, in order, `["prefix", pattern, decision, match, not_match,
    justification]`, `["host", name, paths]` and `["network", host, protocol, decision, justification]`; the
    types are checked already. Raises `BadDeclaration`.
    """
    rules: list[PrefixRule] = []
    networks: list[NetworkRule] = []
    hosts: dict[str, tuple[str, ...]] = {}
    examples: list[tuple[int, list[PrefixRule], Sequence[Sequence[str]], Sequence[Sequence[str]]]] = []
    for index, (kind, *fields) in enumerate(declared):
        try:
            if kind == "prefix":
                pattern, decision, match, not_match, justification = fields
                made = _prefix_rules(pattern, decision, justification, file)
                rules += made
                if match or not_match:
                    examples.append((index, made, _examples(match), _examples(not_match)))
            elif kind == "host":
                hosts[fields[0]] = _paths(*fields, home=home)
            else:
                networks.append(_network_rule(*fields, file=file))
        except ValueError as error:
            raise BadDeclaration(str(error), index) from error
    for index, made, matching, not_matching in examples:
        # Only now all host_executables are known, and an example may be a path.
        _try_examples(index, made, hosts, matching, not_matching)
    return RuleFile(prefix_rules=tuple(rules), hosts=hosts, network_rules=tuple(networks))


def _prefix_rules(pattern: list[Any], decision: str, justification: str, file: str) -> list[PrefixRule]:
    word = _DECISIONS.get(decision)
    if word is None:
        raise ValueError(f"invalid decision: {decision}")
    reason = _reason(justification)
    if not pattern:
        raise ValueError("invalid pattern element: pattern cannot be empty")
    first, rest = pattern[0], _elements(pattern[1:])
    if type(first) is str:
        return [PrefixRule(pattern=(first, *rest), decision=word, justification=reason, file=file)]
    if not first:
        raise ValueError("invalid pattern element: pattern alternatives cannot be empty")
    return [PrefixRule(pattern=(token, *rest), decision=word, justification=reason, file=file) for token in first]


def _elements(given: list[Any]) -> Pattern:
    found: list[str | tuple[str, ...]] = []
    for element in given:
        if type(element) is str:
            found.append(element)
        elif not element:
            raise ValueError("invalid pattern element: pattern alternatives cannot be empty")
        else:
            found.append(element[0] if len(element) == 1 else tuple(element))
    return tuple(found)


def _reason(justification: str) -> str:
    if justification == ABSENT:
        return ""
    if not justification.strip():
        raise ValueError("invalid rule: justification cannot be empty")
    return justification


def _examples(given: list[Any]) -> list[list[str]]:
    found = []
    for example in given:
        if isinstance(example, str):
            try:
                tokens = split_example(example)
            except ValueError as error:
                raise ValueError("invalid example: example string has invalid shell syntax") from error
            if not tokens:
                raise ValueError("invalid example: example cannot be an empty string")
        else:
            tokens = list(example)
            if not tokens:
                raise ValueError("invalid example: example cannot be an empty list")
        found.append(tokens)
    return found


def _try_examples(
    index: int,
    rules: list[PrefixRule],
    hosts: Mapping[str, tuple[str, ...]],
    matching: Sequence[Sequence[str]],
    not_matching: Sequence[Sequence[str]],
) -> None:
    def matches(tokens: Sequence[str]) -> bool:
        if any(rule.prefix_of(tokens) for rule in rules):
            return True
        return "/" in tokens[0] and bool(
            RuleSet([RuleFile(prefix_rules=tuple(rules), hosts=hosts)]).matches(tokens, resolve=True)
        )

    shown = [element if isinstance(element, str) else list(element) for element in rules[0].pattern]
    for tokens in not_matching:
        if matches(tokens):
            raise BadDeclaration(f"expected example to not match rule {shown}: {join_tokens(tokens)}", index)
    missed = [join_tokens(tokens) for tokens in matching if not matches(tokens)]
    if missed:
        text = f"expected every example to match at least one rule. rule: {shown}; unmatched examples: {missed}"
        raise BadDeclaration(text, index)


def _paths(name: str, paths: list[str], *, home: str) -> tuple[str, ...]:
    if not name:
        raise ValueError("invalid rule: host_executable name cannot be empty")
    if name in (".", "..") or "/" in name:
        raise ValueError(f"invalid rule: host_executable name must be a bare executable name (got {name})")
    found = []
    for path in paths:
        full = os.path.join(home, path[2:]) if path.startswith("~/") and home else path
        if not full.startswith("/"):
            raise ValueError(f"invalid rule: host_executable paths must be absolute (got {path})")
        full = plain_path(full)
        if os.path.basename(full) != name:
            raise ValueError(f"invalid rule: host_executable path `{path}` must have basename `{name}`")
        found.append(full)
    return tuple(found)


def _network_rule(host: str, protocol: str, decision: str, justification: str, *, file: str) -> NetworkRule:
    normal = normal_host(host)
    if protocol not in PROTOCOLS:
        known = ", ".join(PROTOCOLS)
        raise ValueError(f"invalid rule: network_rule protocol must be one of {known} (got {protocol})")
    word = _NETWORK_DECISIONS.get(decision)
    if word is None:
        raise ValueError(f"invalid decision: {decision}")
    reason = _reason(justification)
    return NetworkRule(host=normal, protocol=protocol, decision=word, justification=reason, file=file)

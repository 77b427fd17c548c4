"""Which rules match, and what they decide together."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_execpolicy.load import parse_rules
from codex_execpolicy.rules import PrefixRule, RuleFile, RuleSet, decide
from codex_plugin_sdk import Decision

HOST = 'host_executable(name="git", paths=["/usr/bin/git"])\n'


def rules(text):
    return RuleSet([parse_rules(text, "a.rules")])


def prefixes(text, *tokens, **options):
    return [match.prefix for match in rules(text).matches(tokens, **options)]


def test_a_rule_matches_commands_that_begin_with_its_pattern():
    text = 'prefix_rule(["git", "push"])'
    assert prefixes(text, "git", "push", "-f") == [("git", "push")]
    assert prefixes(text, "git", "push") == [("git", "push")]
    assert prefixes(text, "git") == []
    assert prefixes(text, "Git", "push") == []
    assert prefixes(text) == []


def test_alternatives_may_stand_at_every_place_and_the_match_shows_the_token_that_stood_there():
    text = 'prefix_rule([["npm", "pnpm"], ["run", "test"], "x"])'
    assert prefixes(text, "pnpm", "test", "x") == [("pnpm", "test", "x")]
    assert prefixes(text, "npm", "run", "y") == []


def test_the_strictest_match_decides_and_matches_come_in_the_order_of_definition():
    text = 'prefix_rule(["a", "b"])\nprefix_rule(["a"], decision="forbidden")\nprefix_rule(["a"], decision="prompt")'
    matches = rules(text).matches(("a", "b"))
    assert [match.decision for match in matches] == [Decision.ALLOW, Decision.FORBIDDEN, Decision.PROMPT]
    assert decide(matches) is Decision.FORBIDDEN
    assert decide(()) is None


def test_many_rules_of_one_program_keep_their_order_when_they_are_split_by_later_tokens():
    text = (
        "".join(f'prefix_rule(["a", ["b", "x{n}"]], justification="{n}")\n' for n in range(40)) + 'prefix_rule(["a"])'
    )
    found = rules(text).matches(("a", "b"))
    assert [match.rule.justification for match in found] == [*map(str, range(40)), ""]
    assert len(rules(text).matches(("a", "x7"))) == 2
    assert len(rules(text).matches(("a",))) == 1


@pytest.mark.parametrize(
    ("text", "program", "resolved"),
    [
        ("", "/opt/git", "/opt/git"),
        ("", "./git", "/ws/git"),
        ("", "bin/../git", "/ws/git"),
        ("", "/usr//bin/./git", "/usr/bin/git"),
        (HOST, "/usr/bin/git", "/usr/bin/git"),
        (HOST, "/opt/git", None),
        (HOST, "./git", None),
        ('host_executable(name="git", paths=[])\n', "/usr/bin/git", None),
        (HOST + 'host_executable("git", ["/opt/git"])\n', "/usr/bin/git", None),
        (HOST + 'host_executable("git", ["/opt/git"])\n', "/opt/git", "/opt/git"),
    ],
)
def test_a_path_is_looked_up_by_its_last_component_unless_a_host_executable_does_not_list_it(text, program, resolved):
    found = rules(text + 'prefix_rule(["git"])').matches((program, "status"), resolve=True, cwd="/ws")
    assert [match.resolved_program for match in found] == ([resolved] if resolved else [])
    assert rules(text + 'prefix_rule(["git"])').matches((program, "status")) == ()


def test_a_rule_for_the_exact_path_comes_before_rules_for_its_name():
    text = 'prefix_rule(["git"])\nprefix_rule(["/usr/bin/git", "x"], decision="prompt")'
    assert prefixes(text, "/usr/bin/git", "x", resolve=True) == [("/usr/bin/git", "x")]
    assert prefixes(text, "/usr/bin/git", "y", resolve=True) == [("git",)]


TOKENS = st.sampled_from(["a", "b", "c", ""])
ELEMENTS = st.one_of(TOKENS, st.lists(TOKENS, min_size=1, max_size=3).map(tuple))
RULES = st.builds(
    lambda first, rest, decision: PrefixRule(pattern=(first, *rest), decision=decision),
    TOKENS,
    st.lists(ELEMENTS, max_size=3),
    st.sampled_from(list(Decision)),
)
COMMANDS = st.lists(TOKENS, min_size=1, max_size=5)


@given(st.lists(RULES, max_size=30), COMMANDS)
def test_the_index_finds_what_comparing_every_rule_finds(given_rules, tokens):
    found = RuleSet([RuleFile(prefix_rules=tuple(given_rules))]).matches(tokens)
    assert [match.rule for match in found] == [rule for rule in given_rules if rule.prefix_of(tokens) is not None]


STRICTNESS = [None, Decision.ALLOW, Decision.PROMPT, Decision.FORBIDDEN]


@given(st.lists(RULES, max_size=12), RULES, COMMANDS)
def test_a_further_matching_rule_never_loosens_a_decision(given_rules, further, tokens):
    before = decide(RuleSet([RuleFile(prefix_rules=tuple(given_rules))]).matches(tokens))
    after = decide(RuleSet([RuleFile(prefix_rules=(*given_rules, further))]).matches(tokens))
    assert STRICTNESS.index(after) >= STRICTNESS.index(before)


@given(st.lists(RULES, max_size=12), COMMANDS, st.lists(TOKENS, max_size=3))
def test_what_follows_the_longest_pattern_does_not_count(given_rules, tokens, tail):
    rule_set = RuleSet([RuleFile(prefix_rules=tuple(given_rules))])
    known = (tokens + ["z"] * 4)[: max(4, len(tokens))]
    assert rule_set.matches(known) == rule_set.matches([*known, *tail])


def test_ten_thousand_rules_load_and_answer_in_time_that_does_not_grow_with_their_square():
    def cost(count):
        text = "".join(f'prefix_rule(["tool", "sub{n}"], match=["tool sub{n} x"])\n' for n in range(count))
        start = process_time()
        loaded = rules(text)
        loaded.matches(("tool", "sub1"))
        begun = process_time()
        for _ in range(200):
            assert len(loaded.matches(("tool", f"sub{count - 1}", "x"))) == 1
        return begun - start, process_time() - begun

    cost(10)
    small, large = cost(1_000), cost(10_000)
    assert large[0] < max(small[0], 0.05) * 40  # ten times as many: 100 times would be the square
    assert large[1] < max(small[1], 0.002) * 10

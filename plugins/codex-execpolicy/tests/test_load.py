"""The language of rules files, and what is said about files that are wrong."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_execpolicy import load
from codex_execpolicy.declare import build
from codex_execpolicy.examples import join_tokens, split_example
from codex_execpolicy.hosts import normal_host
from codex_execpolicy.literal import prefix_rule_line, read_literals, string_literal
from codex_execpolicy.load import RulesError, load_rules, parse_rules
from codex_plugin_sdk import Decision, ExitCode


def patterns(text):
    return [rule.pattern for rule in parse_rules(text, "a.rules").prefix_rules]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("# nothing\n\n", []),
        ('prefix_rule(["a"])', [("a",)]),
        ('prefix_rule(pattern=["a", ["b", "c"]], decision="prompt")', [("a", ("b", "c"))]),
        ('prefix_rule([["a", "b"], "c"])', [("a", "c"), ("b", "c")]),
        ('x = "a"\nprefix_rule([x])', [("a",)]),
        ('for x in ["a", "b"]:\n  prefix_rule([x])', [("a",), ("b",)]),
        ('if 1 < 2:\n  prefix_rule(["a"])', [("a",)]),
        ('def f(x: str) -> str:\n  return x + "!"\nprefix_rule([f("a")])', [("a!",)]),
        ('[prefix_rule(["%s-%d" % ("a", n)]) for n in range(2)]', [("a-0",), ("a-1",)]),
        ('x = 1\nprefix_rule([f"{x}", "{}".format(2), (lambda: "c")()])', [("1", "2", "c")]),
        ('p = ["a"]\nprefix_rule(p)\np.append("b")', [("a",)]),
        ('def prefix_rule(x):\n  pass\nprefix_rule(["a"])', []),
        ('prefix_rule(["a"])\r\nprefix_rule(["b"])\r\n', [("a",), ("b",)]),
        ('prefix_rule(["a"])\nrange(3)\n', [("a",)]),
        ('prefix_rule(["a"])\ndef f():\n  pass\nf', [("a",)]),
        ("prefix_rule(['é', \"\\u0001\", r'\\n', '''a\nb'''])", [("é", "\x01", "\\n", "a\nb")]),
    ],
)
def test_a_file_is_starlark(text, expected):
    assert patterns(text) == expected


@pytest.mark.parametrize(
    ("text", "line", "cause"),
    [
        ('prefix_rule(["a"], decision="ask")', 1, "invalid decision: ask"),
        ("\n\nprefix_rule([])", 3, "invalid pattern element: pattern cannot be empty"),
        ('prefix_rule(["a", []])', 1, "invalid pattern element: pattern alternatives cannot be empty"),
        ("prefix_rule([[]])", 1, "invalid pattern element: pattern alternatives cannot be empty"),
        (
            'prefix_rule(["a", 1])',
            1,
            "invalid pattern element: pattern element must be a string or list of strings (got int)",
        ),
        (
            'prefix_rule(["a", ("b",)])',
            1,
            "invalid pattern element: pattern element must be a string or list of strings (got tuple)",
        ),
        (
            'prefix_rule(["a", None])',
            1,
            "invalid pattern element: pattern element must be a string or list of strings (got NoneType)",
        ),
        ('prefix_rule(["a", ["b", 1]])', 1, "invalid pattern element: pattern alternative must be a string (got int)"),
        (
            'prefix_rule(["a", lambda: 1])',
            1,
            "invalid pattern element: pattern element must be a string or list of strings (got function)",
        ),
        ('prefix_rule(["a"], justification=" ")', 1, "invalid rule: justification cannot be empty"),
        ('prefix_rule(["a"], justification="")', 1, "invalid rule: justification cannot be empty"),
        ('prefix_rule(["a"], match=[""])', 1, "invalid example: example cannot be an empty string"),
        ('prefix_rule(["a"], match=["# x"])', 1, "invalid example: example cannot be an empty string"),
        ('prefix_rule(["a"], match=[[]])', 1, "invalid example: example cannot be an empty list"),
        ('prefix_rule(["a"], match=["a \'"])', 1, "invalid example: example string has invalid shell syntax"),
        ('prefix_rule(["a"], match=[1])', 1, "invalid example: example must be a string or list of strings (got int)"),
        ('prefix_rule(["a"], match=[["a", 1]])', 1, "invalid example: example tokens must be strings (got int)"),
        (
            'host_executable("a/b", [])',
            1,
            "invalid rule: host_executable name must be a bare executable name (got a/b)",
        ),
        ('host_executable("..", [])', 1, "invalid rule: host_executable name must be a bare executable name (got ..)"),
        ('host_executable("", [])', 1, "invalid rule: host_executable name cannot be empty"),
        ('host_executable("git", ["git"])', 1, "invalid rule: host_executable paths must be absolute (got git)"),
        (
            'host_executable("git", ["/b/gut"])',
            1,
            "invalid rule: host_executable path `/b/gut` must have basename `git`",
        ),
        ('host_executable("git", [1])', 1, "invalid rule: host_executable paths must be strings (got int)"),
        (
            'network_rule("*.b", "https", "allow")',
            1,
            "invalid rule: network_rule host must be a specific host; wildcards are not allowed",
        ),
        ('network_rule(" ", "https", "allow")', 1, "invalid rule: network_rule host cannot be empty"),
        ('network_rule("a b", "https", "allow")', 1, "invalid rule: network_rule host cannot contain whitespace"),
        (
            'network_rule("https://a", "https", "allow")',
            1,
            "invalid rule: network_rule host must be a hostname or IP literal (without scheme or path)",
        ),
        (
            'network_rule("[::1", "http", "allow")',
            1,
            "invalid rule: network_rule host has an invalid bracketed IPv6 literal",
        ),
        (
            'network_rule("[::1]x", "http", "allow")',
            1,
            "invalid rule: network_rule host contains an unsupported suffix: [::1]x",
        ),
        (
            'network_rule("a", "ftp", "allow")',
            1,
            "invalid rule: network_rule protocol must be one of http, https, socks5_tcp, socks5_udp (got ftp)",
        ),
        ('network_rule("a", "http", "yes")', 1, "invalid decision: yes"),
        ('network_rule("a", "http", "deny", "")', 1, "invalid rule: justification cannot be empty"),
        ("def f():\n  prefix_rule([])\nf()", 2, "invalid pattern element: pattern cannot be empty"),
        ('prefix_rule(["b"])\nprefix_rule(["a"], decision="x")', 2, "invalid decision: x"),
        (
            'prefix_rule(["b"], match=["a"])\nprefix_rule(["a"])',
            1,
            "expected every example to match at least one rule. rule: ['b']; unmatched examples: ['a']",
        ),
        (
            '\nprefix_rule(["a"], match=["a", "x \'y z\'"])',
            2,
            "expected every example to match at least one rule. rule: ['a']; unmatched examples: [\"x 'y z'\"]",
        ),
        ('prefix_rule(["a"], not_match=[["a", "b c"]])', 1, "expected example to not match rule ['a']: a 'b c'"),
        ('fail("no")', 1, "fail: no"),
        ("x = (1\n", 1, 'Parse error: unexpected new line here, expected one of ")"'),
        ("if True:\n\tx = 1", 1, "Parse error: tabs are not allowed"),
        ("print(1)", 1, "Variable `print` not found, did you mean `int`?"),
        ("json.encode(1)", 1, "Variable `json` not found"),
        ('load("x", "y")', 1, "`load` is not allowed in this dialect"),
        ("prefix_rule()", 1, "Missing parameter `pattern` for call to `prefix_rule`"),
        ('prefix_rule(["a"], why="x")', 1, "Found `why` extra named parameter(s) for call to prefix_rule"),
        ("def f():\n  f()\nf()", 2, "Starlark call stack overflow"),
    ],
)
def test_an_error_names_file_line_and_cause(text, line, cause):
    with pytest.raises(RulesError) as caught:
        parse_rules(text, "x.rules")
    assert (caught.value.line, caught.value.cause) == (line, cause)
    assert str(caught.value) == f"failed to parse policy at x.rules:{line}: {cause}"
    assert caught.value.exit_code is ExitCode.CONFIG


def test_examples_may_be_paths_of_a_host_executable_that_is_declared_later():
    later = 'host_executable("git", ["/usr/bin/git"])'
    assert patterns(f'prefix_rule(["git"], match=["/usr/bin/git x"], not_match=["/opt/git x"])\n{later}') == [("git",)]
    with pytest.raises(RulesError, match="unmatched examples"):
        parse_rules(f'prefix_rule(["git"], match=["/opt/git x"])\n{later}', "a.rules")


def test_a_loop_without_end_is_given_up(monkeypatch):
    monkeypatch.setattr(load, "TIME_LIMIT_S", 0.05)
    with pytest.raises(RulesError, match="it takes longer than"):
        parse_rules("for x in range(1000000000):\n  pass", "a.rules")


def test_a_file_cannot_tamper_with_what_was_declared():
    for name in ("_declared", "_take", "_fail", "_functions"):
        with pytest.raises(RulesError):
            parse_rules(f'prefix_rule(["a"])\n{name}()', "a.rules")


def test_declarations_are_complete_however_many_there_are():
    for count in (255, 256, 257, 1000):
        assert len(patterns(f'[prefix_rule(["a%d" % n]) for n in range({count})]')) == count


def test_a_file_that_cannot_be_read_says_why(tmp_path):
    with pytest.raises(RulesError, match=r"failed to read policy at .*none.rules: No such file"):
        load_rules(str(tmp_path / "none.rules"))
    (tmp_path / "bad.rules").write_bytes(b"# a\n\xff\n")
    with pytest.raises(RulesError, match=r"bad.rules:2: it is not UTF-8 text"):
        load_rules(str(tmp_path / "bad.rules"))
    with pytest.raises(RulesError, match=r"failed to read policy"):
        load_rules(str(tmp_path))


def test_a_home_directory_may_be_written_as_a_tilde():
    hosts = parse_rules('host_executable("git", ["~/bin/git"])', "a.rules", "/home/me").hosts
    assert hosts == {"git": ("/home/me/bin/git",)}


@pytest.mark.parametrize(
    ("text", "host"),
    [
        (" A.Example. ", "a.example"),
        ("a.b:80", "a.b"),
        ("[::1]:80", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("1.2.3.4", "1.2.3.4"),
        ("a:b", "a:b"),
    ],
)
def test_hosts_have_one_form(text, host):
    assert normal_host(text) == host
    (rule,) = parse_rules(f'network_rule("{text}", "https", "deny", "no")', "a.rules").network_rules
    assert (rule.host, rule.decision, rule.justification) == (host, Decision.FORBIDDEN, "no")


@given(st.text())
def test_every_string_is_written_so_that_starlark_reads_it_back(text):
    line = prefix_rule_line([text, "x"], justification=text if text.strip() else "")
    (rule,) = parse_rules(f"{line}\nx = 1", "a.rules").prefix_rules
    assert rule.pattern == (text, "x")
    assert rule.justification == (text if text.strip() else "")
    assert line.isprintable()


def test_text_that_is_not_unicode_is_not_written():
    with pytest.raises(ValueError):
        string_literal("\udcff")


@given(
    st.lists(
        st.lists(st.text(st.sampled_from("ab \"\\#[],'é\u2028\u202e\x7f\r\n\t"), max_size=4), min_size=1, max_size=3),
        max_size=4,
    )
)
def test_plain_lines_mean_the_same_without_the_interpreter(prefixes):
    text = "".join(f"{prefix_rule_line(prefix)}  # x\n" for prefix in prefixes)
    declared = read_literals(text)
    if declared is not None:
        assert build(declared, "f", "") == build(load._declarations(text), "f", "")
    assert [rule.pattern for rule in parse_rules(text, "f").prefix_rules] == [tuple(prefix) for prefix in prefixes]


@given(
    st.text(st.sampled_from('prefix_rule(["a", ["b"]], decision="prompt")# \n,]'), max_size=60)
    | st.sampled_from(
        [
            'prefix_rule(["a"]) # x',
            'prefix_rule(pattern = ["a",["b","c"]], decision="prompt")',
            'prefix_rule(["a",])',
            " # x\n",
            '  prefix_rule(["a"])',
        ]
    )
)
def test_what_is_read_without_the_interpreter_is_what_the_interpreter_reads(text):
    declared = read_literals(text)
    if declared is not None:
        assert build(declared, "f", "") == build(load._declarations(text), "f", "")


@given(st.lists(st.text(), max_size=5))
def test_joined_tokens_split_into_themselves(tokens):
    assert split_example(join_tokens(tokens)) == tokens


def test_examples_are_split_by_quotes_alone():
    assert split_example('a $HOME "b\\"c\\d" \'e f\' g#h i\\ j && k > l # m\n n\\\no') == [
        "a", "$HOME", 'b"c\\d', "e f", "g#h", "i j", "&&", "k", ">", "l", "n" + "o",
    ]  # fmt: skip


def test_starlark_and_the_shell_parser_are_not_loaded_before_they_are_needed(tmp_path):
    script = """
import json, sys
from codex_plugin_sdk import ApprovalPolicy, PolicyContext, PolicySetup, RunIntent, SandboxPolicy
from codex_execpolicy import plugin
(spec,) = plugin.codex_exec_policies()
list(plugin.codex_commands())
seen = lambda: sorted({"starlark", "tree_sitter", "click", "codex_execpolicy.policy"} & set(sys.modules))
steps = [seen()]
policy = spec.factory(PolicySetup(codex_home=sys.argv[1], cwd=sys.argv[1]))
assert policy.problems == ()
steps.append(seen())
context = PolicyContext(approval_policy=ApprovalPolicy.ON_REQUEST, sandbox_policy=SandboxPolicy(), cwd="/")
policy.evaluate(RunIntent(argv=("make",), cwd="/"), context)
steps.append(seen())
print(json.dumps(steps))
"""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "default.rules").write_text('prefix_rule(pattern=["a"], decision="allow")\n')
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], ["codex_execpolicy.policy"], ["codex_execpolicy.policy"]]

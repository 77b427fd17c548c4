"""What the policy answers, from which files, and which rules it proposes."""

import os
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codex_execpolicy.amend import may_be_allowed
from codex_execpolicy.literal import prefix_rule_line
from codex_execpolicy.load import parse_rules
from codex_execpolicy.policy import RulesPolicy
from codex_execpolicy.section import ExecpolicySection
from codex_plugin_sdk import (
    ApprovalPolicy,
    ConfigError,
    ConfigSources,
    Decision,
    EditIntent,
    NetworkIntent,
    PolicyAmendment,
    PolicyContext,
    PolicySetup,
    RunIntent,
    SandboxMode,
    SandboxPolicy,
    StoreError,
    UserError,
    load_config,
)

ALLOW, PROMPT, FORBIDDEN = Decision.ALLOW, Decision.PROMPT, Decision.FORBIDDEN


class House:
    """A home, a repository and a policy over them."""

    def __init__(self, tmp_path):
        self.tmp = tmp_path
        self.home = tmp_path / "home"
        self.repo = tmp_path / "repo"
        self.cwd = self.repo / "deep" / "er"
        self.system = tmp_path / "etc"
        (self.repo / ".git").mkdir(parents=True)
        self.cwd.mkdir(parents=True)
        self.options = {}
        self.trusted = False

    def write(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def user(self, text, name="default.rules"):
        return self.write(self.home / "rules" / name, text)

    def trust(self, level="trusted"):
        self.trusted = level == "trusted"

    def policy(self):
        setup = PolicySetup(
            codex_home=str(self.home),
            cwd=str(self.cwd),
            options=self.options,
            environ={"HOME": str(self.tmp / "me")},
            trusted=self.trusted,
        )
        return RulesPolicy(setup, system_folder=str(self.system))

    def context(self, mode=SandboxMode.WORKSPACE_WRITE):
        return PolicyContext(
            approval_policy=ApprovalPolicy.ON_REQUEST,
            sandbox_policy=SandboxPolicy(mode=mode, exclude_slash_tmp=True),
            cwd=str(self.cwd),
        )

    def run(self, *argv, policy=None):
        return (policy or self.policy()).evaluate(self.intent(*argv), self.context())

    def intent(self, *argv, **fields):
        if len(argv) == 1:
            argv = ("bash", "-lc", argv[0])
        return RunIntent(argv=argv, cwd=str(self.cwd), **fields)

    def answer(self, *argv):
        verdict = self.run(*argv)
        return None if verdict is None else (verdict.decision, verdict.bypass_sandbox)

    def proposed(self, *argv, **fields):
        policy = self.policy()
        intent = self.intent(*argv, **fields)
        policy.evaluate(intent, self.context())
        return [amendment.prefix for amendment in policy.proposals(intent, self.context())]


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


RULES = """
prefix_rule(["git", "push"])
prefix_rule(["npm"], decision="prompt", justification="ask first")
prefix_rule(["curl"], decision="forbidden", justification="use the mirror")
prefix_rule(["make", "all"])
"""


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("git push", (ALLOW, True)),
        ("git push && make all", (ALLOW, True)),
        ("git push && ls", (ALLOW, False)),
        ("ls", (ALLOW, False)),
        ("ls | wc -l", (ALLOW, False)),
        ("git push && mytool", None),
        ("mytool", None),
        ("npm test", (PROMPT, False)),
        ("git push; npm test", (PROMPT, False)),
        ("mytool; npm test", (PROMPT, False)),
        ("npm test || curl x", (FORBIDDEN, False)),
        ("rm -rf /srv", (PROMPT, False)),
        ("git push && rm -rf /srv", (PROMPT, False)),
        ("git push $(mytool)", None),
        ("git push $(curl x)", (FORBIDDEN, False)),
        ("git push $BRANCH", None),
        ("git $SUB", None),
        ("eval git push", None),
        ("git push > out.txt", None),
        ("git push > /dev/null 2>&1", (ALLOW, True)),
        ("git push > /etc/passwd", (PROMPT, False)),
        ("bash -lc 'git push'", (ALLOW, True)),
        ("sudo git push", None),
        ("sudo curl x", (FORBIDDEN, False)),
    ],
)
def test_the_strictest_part_of_a_command_decides(house, command, expected):
    house.user(RULES)
    assert house.answer(command) == expected


def test_a_plain_command_line_is_one_part(house):
    house.user(RULES)
    assert house.answer("git", "push", "a; curl x") == (ALLOW, True)


def test_the_reason_is_the_justification_or_names_rule_and_file(house):
    path = house.user(RULES + 'prefix_rule(["nc"], decision="forbidden")')
    assert house.run("npm test").reason == "ask first"
    assert house.run("nc -l").reason == f"`nc` is forbidden by {path}"
    assert house.run("nc -l").source == "rules"
    assert house.run("rm -rf /srv").reason


def test_a_permission_does_not_reach_a_program_that_the_command_may_have_written_itself(house):
    house.user('prefix_rule(["git"])\nprefix_rule(["rm"], decision="forbidden")')
    evil = house.write(house.cwd / "git", "#!/bin/sh\n")
    assert house.answer("/usr/bin/git", "fetch") == (ALLOW, True)
    assert house.answer(str(evil), "fetch") is None
    assert house.answer("./git", "fetch") is None
    assert house.answer("cd /usr && bin/git fetch") is None
    assert house.answer("./rm", "x") == (FORBIDDEN, False)
    house.user(f'prefix_rule(["git"])\nhost_executable("git", ["{evil}"])')
    assert house.answer(str(evil), "fetch") == (ALLOW, True)
    assert house.answer("/usr/bin/git", "fetch") is None


def test_edits_and_tools_are_left_to_others(house):
    house.user(RULES)
    assert house.policy().evaluate(EditIntent(paths=("/a",), cwd="/"), house.context()) is None


def test_rules_that_change_while_a_session_runs_are_heeded(house):
    path, policy = house.user('prefix_rule(["tool"])'), house.policy()
    assert house.run("tool", policy=policy).decision is ALLOW
    house.user('prefix_rule(["tool"], decision="forbidden")')
    assert house.run("tool", policy=policy).decision is FORBIDDEN
    house.user('prefix_rule(["tool"], decision="prompt")', "another.rules")
    path.unlink()
    assert house.run("tool", policy=policy).decision is PROMPT
    (house.home / "rules" / "another.rules").unlink()
    assert house.run("tool", policy=policy) is None


def test_project_rules_hold_from_the_repository_down_to_the_folder_if_it_is_trusted(house):
    house.write(house.repo / ".codex/rules/a.rules", 'prefix_rule(["one"])')
    house.write(house.repo / "deep/.codex/rules/a.rules", 'prefix_rule(["two"])')
    house.write(house.cwd / ".codex/rules/a.rules", 'prefix_rule(["three"])')
    house.write(house.tmp / ".codex/rules/a.rules", 'prefix_rule(["four"])')
    house.write(house.cwd / ".codex/rules/a.txt", 'prefix_rule(["four"])')

    def allowed():
        return [name for name in ("one", "two", "three", "four") if house.answer(name)]

    assert allowed() == []
    house.trust()
    assert allowed() == ["one", "two", "three"]
    (house.repo / "deep" / "marker").touch()
    house.options["project_root_markers"] = ["marker"]
    assert allowed() == ["two", "three"]


def test_rules_of_a_project_stay_as_they_were_when_the_session_began(house):
    path = house.write(house.repo / ".codex/rules/a.rules", 'prefix_rule(["one"])')
    house.trust()
    policy = house.policy()
    assert policy.problems == ()
    house.write(path, 'prefix_rule(["two"])\nprefix_rule(["three"])')
    added = house.write(house.repo / ".codex/rules/b.rules", 'prefix_rule(["four"])')
    assert house.run("one", policy=policy).decision is ALLOW
    assert [house.run(name, policy=policy) for name in ("two", "three", "four")] == [None] * 3
    assert policy.problems == (f"{added} is new since the session began; its rules are left out",)


def test_a_home_inside_the_project_is_read_once(house):
    house.home = house.repo / ".codex"
    house.trust()
    house.user("prefix_rule([]")
    assert len(house.policy().problems) == 1


def test_a_bad_file_is_reported_and_left_out(house):
    house.user('prefix_rule(["tool"])', "good.rules")
    bad = house.user('prefix_rule(["other"], decision="x")', "bad.rules")
    policy = house.policy()
    assert policy.problems == (f"failed to parse policy at {bad}:1: invalid decision: x; its rules are left out",)
    assert house.run("tool", policy=policy).decision is ALLOW
    assert house.run("other", policy=policy) is None


def test_rules_can_be_ignored_but_not_managed_ones(house):
    house.user('prefix_rule(["tool"])\nprefix_rule(["mine"])')
    house.write(house.system / "a.rules", 'prefix_rule(["tool"], decision="prompt")')
    house.options["execpolicy"] = {"ignore_rules": True}
    assert house.answer("tool") == (PROMPT, False)
    assert house.answer("mine") is None
    assert house.proposed("other x") == []


def test_managed_rules_cannot_be_loosened_by_other_files(house):
    managed = house.tmp / "managed"
    house.write(managed / "a.rules", 'prefix_rule(["rm"], decision="forbidden")')
    house.options["execpolicy"] = {"managed": [str(managed)]}
    house.user('prefix_rule(["rm"])\nprefix_rule(["/bin/rm"])\nhost_executable("rm", [])')
    assert house.answer("rm", "x") == (FORBIDDEN, False)
    assert house.answer("/bin/rm", "x") == (FORBIDDEN, False)


@pytest.mark.parametrize("intent", [RunIntent(argv=("ls",), cwd="/"), EditIntent(paths=("/a",), cwd="/")])
def test_a_bad_managed_file_forbids_everything(house, intent):
    bad = house.write(house.system / "a.rules", "prefix_rule([])")
    policy = house.policy()
    verdict = policy.evaluate(intent, house.context())
    assert verdict.decision is FORBIDDEN
    assert f"{bad}:1: invalid pattern element" in verdict.reason
    assert policy.problems[0].startswith("nothing may be done: ")
    bad.write_text("")
    assert policy.evaluate(EditIntent(paths=("/a",), cwd="/"), house.context()) is None


def test_a_managed_folder_that_is_not_there_forbids_everything(house):
    house.options["execpolicy"] = {"managed": [str(house.tmp / "none")]}
    assert house.answer("ls") == (FORBIDDEN, False)


@pytest.mark.parametrize(
    "table",
    [{"managed": "x"}, {"managed": [1]}, {"managed": ["rules"]}, {"ignore_rules": "yes"}, {"ignore": True}, 1],
)
def test_a_configuration_that_makes_no_sense_is_an_error(house, table):
    house.options["execpolicy"] = table
    with pytest.raises(ConfigError, match="execpolicy"):
        house.policy()


def test_the_section_is_checked_by_the_kernel_too(tmp_path):
    (tmp_path / "config.toml").write_text('[execpolicy]\nmanaged = ["/a"]\nignore_rules = true\n')
    config = load_config(ConfigSources(codex_home=str(tmp_path)))
    assert config.section("execpolicy", ExecpolicySection) == ExecpolicySection(managed=("/a",), ignore_rules=True)


def test_network_rules_decide_about_hosts(house):
    house.user(
        'network_rule("api.example", "https", "allow")\n'
        'network_rule("api.example", "http", "deny", "use https")\n'
        'network_rule("other.example", "https", "prompt")'
    )
    policy = house.policy()

    def decision(host, protocol="https"):
        verdict = policy.evaluate(NetworkIntent(host=host, port=443, protocol=protocol), house.context())
        return verdict and verdict.decision

    assert decision("API.example.") is ALLOW
    assert decision("api.example", "http") is FORBIDDEN
    assert policy.judge_network("api.example", "http").reason == "use https"
    assert decision("other.example") is PROMPT
    assert decision("sub.api.example") is None
    assert decision("api.example", "socks5_tcp") is None
    assert decision("") is None


# -- proposals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "prefixes"),
    [
        ("cargo build --release", [("cargo", "build", "--release")]),
        ("git push && cargo build && ls", [("cargo", "build"), ("ls",)]),
        ("cargo build && cargo build", [("cargo", "build")]),
        ("npm test", []),
        ("curl x", []),
        ("cargo build $X", []),
        ("cargo build *.rs", []),
        ("cargo build > log", []),
        ("rm -rf build", []),
        ("mv a b", []),
        ("find . -name x", []),
        ("bash -lc 'cargo build'", [("cargo", "build")]),
        ("python -c 'print(1)'", []),
        ("python3.12 - <<E\n1\nE", []),
        ("python", []),
        ("python -m pytest -x", [("python", "-m", "pytest", "-x")]),
        ("bash build.sh", [("bash", "build.sh")]),
        ("sudo apt install x", []),
        ("xargs rm", []),
        ("git push", []),
    ],
)
def test_a_proposal_allows_what_was_shown_and_nothing_wide(house, command, prefixes):
    house.user(RULES)
    assert house.proposed(command) == prefixes


def test_the_model_may_wish_for_a_shorter_prefix_that_is_not_banned(house):
    assert house.proposed("cargo build -q", prefix_rule=("cargo", "build")) == [("cargo", "build")]
    assert house.proposed("cargo build -q", prefix_rule=("cargo",)) == [("cargo", "build", "-q")]
    assert house.proposed("cargo build -q", prefix_rule=("npm", "x")) == [("cargo", "build", "-q")]
    assert house.proposed("cargo a; cargo b", prefix_rule=("cargo", "a")) == [("cargo", "a"), ("cargo", "b")]


@pytest.mark.parametrize(
    "words",
    [
        ("sudo", "ls"), ("env", "A=1", "ls"), ("xargs", "rm"), ("bash",), ("sh", "-c", "ls"), ("bash", "-lc", "ls"),
        ("python3", "-c", "1"), ("python", "-Ic", "1"), ("node", "-e", "1"), ("node", "--eval=1"), ("perl", "-ne", "1"),
        ("python", "-"), ("python", "-m"), ("git",), ("npx",), ("docker", "run"), ("ssh", "host"), ("deno", "eval", "1"),
        ("uv", "run"), ("/usr/bin/python3",), ("",), (),
    ],
)  # fmt: skip
def test_prefixes_that_would_allow_everything_are_banned(words):
    assert not may_be_allowed(words)


def test_an_approved_rule_holds_at_once_and_settles_the_question(house):
    policy, intent = house.policy(), house.intent("cargo build && ls")
    assert policy.evaluate(intent, house.context()) is None
    proposals = policy.proposals(intent, house.context())
    for amendment in proposals:
        policy.amend(amendment)
    verdict = policy.evaluate(intent, house.context())
    assert (verdict.decision, verdict.bypass_sandbox) == (ALLOW, True)
    assert policy.proposals(intent, house.context()) == ()
    path = house.home / "rules" / "default.rules"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == (
        'prefix_rule(pattern=["cargo", "build"], decision="allow")\nprefix_rule(pattern=["ls"], decision="allow")\n'
    )


def test_an_approved_host_is_a_network_rule(house):
    policy, intent = house.policy(), NetworkIntent(host="A.example", port=443, protocol="https")
    (amendment,) = policy.proposals(intent, house.context())
    assert amendment.host == "a.example"
    policy.amend(amendment)
    assert policy.evaluate(intent, house.context()).decision is ALLOW
    assert policy.proposals(intent, house.context()) == ()


def line(house, *words):
    path = str(house.home / "rules" / "default.rules")
    return PolicyAmendment(source="rules", text=prefix_rule_line(words), file=path, prefix=words)


def test_what_is_in_the_file_stays_and_no_line_comes_twice(house):
    path = house.user("# mine\nx = 1")
    path.chmod(0o640)
    policy = house.policy()
    for _ in range(2):
        policy.amend(line(house, "a", "b"))
    assert path.read_text() == '# mine\nx = 1\nprefix_rule(pattern=["a", "b"], decision="allow")\n'
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_with_errors_is_not_added_to(house):
    path = house.user("prefix_rule([])")
    with pytest.raises(UserError, match="pattern cannot be empty"):
        house.policy().amend(line(house, "a", "b"))
    assert path.read_text() == "prefix_rule([])"
    path.write_bytes(b"\xff")
    with pytest.raises(StoreError, match="not UTF-8"):
        house.policy().amend(line(house, "a", "b"))


@pytest.mark.parametrize(
    "text", ["x = 1", 'prefix_rule(["a"])\nprefix_rule(["b"])', "prefix_rule([])", "prefix_rule([['a', 'b']])", ""]
)
def test_only_one_rule_on_one_line_is_added(house, text):
    with pytest.raises(UserError):
        house.policy().amend(line(house, "a").replace(text=text))


def test_a_rule_for_another_file_is_refused(house):
    with pytest.raises(UserError):
        house.policy().amend(line(house, "a", "b").replace(file=str(house.tmp / "x.rules")))


def test_a_folder_that_cannot_be_made_is_a_store_error(house):
    house.home.mkdir()
    (house.home / "rules").write_text("")
    with pytest.raises(StoreError, match=r"cannot add a rule to .*default.rules"):
        house.policy().amend(line(house, "a", "b"))


def test_rules_added_at_the_same_time_are_all_kept(house):
    def add(start):
        for number in range(start, start + 5):
            house.policy().amend(line(house, "a", str(number)))

    threads = [threading.Thread(target=add, args=(start,)) for start in (0, 5, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = parse_rules((house.home / "rules" / "default.rules").read_text(), "f").prefix_rules
    assert sorted(int(rule.pattern[1]) for rule in found) == list(range(15))
    assert [name for name in os.listdir(house.home / "rules") if name.endswith(".tmp")] == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(st.text(min_size=1), min_size=1, max_size=3))
def test_whatever_words_are_approved_the_rule_allows_them(house, words):
    words = ("tool", *words)
    policy, intent = house.policy(), RunIntent(argv=words, cwd=str(house.cwd))
    policy.evaluate(intent, house.context())
    for amendment in policy.proposals(intent, house.context()):
        policy.amend(amendment)
    verdict = policy.evaluate(intent, house.context())
    assert (verdict.decision, verdict.bypass_sandbox) == (ALLOW, True)


SCRIPTS = st.lists(
    st.sampled_from(["git push", "npm t", "curl x", "ls", "rm -rf /srv", "mytool", "echo $X", "npm run"]),
    min_size=1,
    max_size=3,
).map(" && ".join)
STRICTER = st.builds(
    lambda words, decision: f'prefix_rule({words}, decision="{decision}")\n',
    st.sampled_from(['["git"]', '["npm"]', '["ls"]', '["mytool"]', '["rm", "-rf"]', '["echo"]']),
    st.sampled_from(["prompt", "forbidden"]),
)
RANK = {None: 0, ALLOW: 0, PROMPT: 1, FORBIDDEN: 2}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(SCRIPTS, st.lists(STRICTER, max_size=2), STRICTER)
def test_a_further_stricter_rule_never_loosens_a_verdict(house, script, some, further):
    house.user(RULES + "".join(some))
    before = house.answer(script)
    house.user(RULES + "".join(some) + further)
    after = house.answer(script)
    assert RANK[after and after[0]] >= RANK[before and before[0]]
    assert not (after and after[1]) or (before and before[1])

"""What the check of all configuration finds, and what it must leave in peace."""

import ast
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from codex_config.catalogue import find, load_keys, tree
from codex_config.check import MAX_HINTS, MAX_SHOWN, Checker
from codex_config.flags import well_known
from codex_config.schema import json_schema
from codex_config.secrecy import MASK, masked
from codex_plugin_sdk import Config, ConfigLayer, ConfigSectionSpec, ConfigSources, parse_value

ROOT = Path(__file__).resolve().parents[3]
KEYS = load_keys()
SCHEMA = json_schema(KEYS)
FLAGS = {flag.name: flag for flag in well_known()}
FACTS = ROOT.parent / "shared" / "protocol" / "config_keys.md"


def found(*texts, strict=False):
    """Diagnostics of layers, the weakest first."""
    config = Config("/nowhere", ConfigSources(codex_home="/nowhere", strict=strict))
    for number, text in enumerate(texts):
        config.add(ConfigLayer(kind="user", source=f"f{number}", table=tomllib.loads(text), text=text))
    return list(Checker(config, KEYS, FLAGS).run())


RIGHT = [
    '[mcp_servers.a.tools.t]\napproval_mode = "auto"',
    "[approval_policy.granular]\nrules = true",
    "[apps.x]\nenabled = true",
    "[apps.x.tools.anything]\nenabled = true",
    "[plugins.p]\nenabled = true\nother = 1",
    '[marketplaces.m]\nsource_type = "git"',
    "[permissions.p.network]\nenable_socks5 = true",
    '[permissions.p.filesystem]\n"/x" = "read"',
    '[permissions.p.network.domains]\n"*.example.org" = "allow"',
    '[projects."/a.b/c"]\ntrust_level = "trusted"',
    '[otel]\nexporter = { otlp-http = { endpoint = "http://127.0.0.1" } }',
    '[mcp_servers."a.b"]\ncommand = "x"\nenv = { ANY = "thing" }',
    "[tools]\nweb_search = true",
    '[tools.clock]\nzone = "utc"',
    '[profiles.old]\nmodel = "x"',
    "model = 2020-01-01",
    "[features]\nmulti_agent_v2 = { enabled = true }",
]
WRONG = [
    ('[projects."/a.b"]\ntrust_level = "maybe"', "enum"),
    ("[hooks]\nStop = 1", "type"),
    ('[windows]\nsandbox = "bad"', "enum"),
    ("[notice]\nfoo = 1", "unknown-key"),
    ("[otel]\nfoo = 1", "unknown-key"),
    ("[tui]\nfoo = 1", "unknown-key"),
    ('[projects."/x"]\nfoo = 1', "unknown-key"),
    ("[approval_policy]\nbogus = 1", "unknown-key"),
    ('[mcp_servers.a.tools.t]\napproval_mode = "bad"', "enum"),
    ("[mcp_servers]\na = 1", "type"),
    ("model_context_window = 0", "type"),
    ("[model_providers.p]\nrequest_max_retries = -1", "type"),
    ("[features]\ngoals = 1", "type"),
]


@pytest.mark.parametrize("text", RIGHT)
def test_what_is_right_is_left_in_peace(text):
    assert found(text, strict=True) == []


@pytest.mark.parametrize(("text", "code"), WRONG)
def test_what_is_wrong_is_found(text, code):
    assert [problem.code for problem in found(text)] == [code]


@pytest.mark.parametrize("text", [*RIGHT, *(text for text, _ in WRONG)])
def test_the_schema_says_the_same_of_whole_files(text):
    jsonschema = pytest.importorskip("jsonschema")
    table = tomllib.loads(text)
    if not isinstance(table.get("model", ""), str):
        pytest.skip("JSON has no dates")
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(table) == (text in RIGHT)


def test_the_schema_is_one_of_draft_2020_12():
    pytest.importorskip("jsonschema").Draft202012Validator.check_schema(SCHEMA)


def test_names_with_dots_and_their_contradictions_have_a_place():
    problems = found('[mcp_servers."a.b"]\ncommand = 1\nurl = "x"\n')
    assert [(problem.code, problem.where) for problem in problems] == [("type", "f0:2:1"), ("contradiction", "f0:1:1")]


def test_contradictions_of_two_layers_are_found():
    (problem,) = found('[mcp_servers.a]\ncommand = "x"\n', '[mcp_servers.a]\nurl = "y"\n')
    assert (problem.severity, problem.code, problem.where) == ("error", "contradiction", "f1:1:1")


def test_the_layer_that_holds_decides_between_error_and_warning():
    wrong, right = "hide_agent_reasoning = 3\n", "hide_agent_reasoning = true\n"
    assert [problem.severity for problem in found(wrong, right)] == ["warning"]
    assert [problem.severity for problem in found(right, wrong)] == ["error"]
    assert [problem.severity for problem in found(wrong, wrong)] == ["warning", "error"]


def test_the_old_key_profile_is_refused_in_codex_words():
    (problem,) = found('profile = "work"\n')
    assert problem.message == (
        'legacy `profile = "work"` config is no longer supported; use `--profile work` with `work.config.toml` instead'
    )


def test_a_hint_names_the_whole_key():
    assert [problem.hint for problem in found('[mcp_servers.a]\ncommnad = "x"\n')] == [
        "did you mean `mcp_servers.a.command`?"
    ]
    assert [problem.hint for problem in found("writable_roots = []\n")] == [
        "did you mean `sandbox_workspace_write.writable_roots`?"
    ]


def test_a_file_full_of_unknown_keys_gets_a_few_hints_only():
    problems = found("".join(f"modle_{number} = 1\n" for number in range(MAX_HINTS + 5)))
    assert len(problems) == MAX_HINTS + 5
    assert not any(problem.hint for problem in problems[MAX_HINTS:])


def test_messages_hold_no_secrets_no_control_characters_and_no_novels():
    (problem,) = found('[model_providers.p]\nhttp_headers = "Bearer s3cret"\n')
    assert "s3cret" not in problem.message
    (problem,) = found("[model_providers.p]\nexperimental_bearer_token = 123456\n")
    assert "123456" not in problem.message
    for problem in found('"mod\\u001b[31mle" = 1\nmodel_verbosity = "\\u001b[31m"\n'):
        assert "\x1b" not in problem.message
    (problem,) = found(f'sandbox_mode = "{"x" * 5000}"\n')
    assert len(problem.message) < MAX_SHOWN + 150


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        ("mcp_servers.a.env.ANYTHING", "x", MASK),
        ("mcp_servers.a.bearer_token_env_var", "DOCS_TOKEN", "DOCS_TOKEN"),
        ("model_providers.p.http_headers.X-Any", "x", MASK),
        ("model_providers.p.env_http_headers.X-Token", "VARIABLE", "VARIABLE"),
        ("model_providers.p.query_params.sig", "x", MASK),
        ("model_providers.p.auth.args", ["x"], MASK),
        ("model_providers.p.env_key", "LAB_KEY", "LAB_KEY"),
        ("otel.exporter.otlp-http.headers.x-any", "x", MASK),
        ("otel.exporter.otlp-http.endpoint", "http://h", "http://h"),
        ("shell_environment_policy.set.PGPASS", "x", MASK),
        ("features.secret_auth_storage", True, True),
        ("cli_auth_credentials_store", "file", "file"),
        ("tool_output_token_limit", 5, 5),
    ],
)
def test_values_are_masked_by_their_place(path, value, shown):
    assert masked(path.split("."), value) == shown


def test_every_key_stands_below_a_table_and_on_a_line_of_its_own():
    lines = (ROOT / "plugins/codex-config/src/codex_config/keys.txt").read_text().splitlines()
    assert [
        line for line in lines if not line.startswith("#") and line.count(" | ") != 3 and not line.endswith("| ")
    ] == []
    assert [name for name, key in KEYS.items() if "|" in key.meaning] == []
    assert len(KEYS) == sum(not line.startswith("#") for line in lines)

    def orphans(node, path):
        for name, below in [*node.below.items(), *([("*", node.free)] if node.free else [])]:
            if below.key is None and (below.below or below.free):
                yield ".".join((*path, name))
            yield from orphans(below, (*path, name))

    assert list(orphans(tree(KEYS), ())) == []


def literal_defaults():
    """(key, default, place) of every `config.get("KEY", kind, DEFAULT)` and `.choice("KEY", names, "DEFAULT")`."""
    for file in [*ROOT.glob("kernel/src/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and len(node.args) == 3):
                continue
            key, _, default = node.args
            owner = ast.unparse(node.func.value)
            if node.func.attr not in ("get", "choice") or owner.rpartition(".")[2] not in ("config", "_config"):
                continue
            if isinstance(default, ast.Constant) and default.value is not None:
                name = (
                    key.value
                    if isinstance(key, ast.Constant)
                    else re.sub(r"^\{key\}\.", "model_providers.x.", ast.unparse(key)[2:-1])
                )
                yield name, default.value, f"{file.relative_to(ROOT)}:{node.lineno}"


def test_defaults_are_those_of_the_code():
    checked, differ = 0, []
    for name, default, place in literal_defaults():
        known = find(KEYS, name.split("."))
        if known is not None and known.default:
            checked += 1
            if parse_value(known.default) != default:
                differ.append((name, known.default, default, place))
    assert differ == []
    assert checked >= 6


@pytest.mark.skipif(not FACTS.exists(), reason="the table of facts is not beside the repository")
def test_every_key_of_codex_is_known():
    names = re.findall(r"^\| ([A-Za-z_.]+) \| ", FACTS.read_text(), re.MULTILINE)[1:]
    free = {"s": "mcp_servers", "m": "model_providers|marketplaces", "p": "permissions|plugins|projects"}
    free |= {"a": "apps|responses_api_metadata", "t": "tools"}

    def key(name):
        for letter, tables in free.items():
            name = re.sub(rf"(?:(?<=^)|(?<=\.))({tables})\.{letter}(?=\.|$)", r"\1.*", name)
        return name

    assert len(names) > 250
    assert [name for name in names if key(name) not in KEYS] == []


def test_members_of_a_plugins_own_table_are_the_plugins_to_check():
    @attrs.frozen
    class Prices:
        """What things cost."""

        models: Mapping[str, Any] = attrs.field(factory=dict)

    keys = load_keys([("acme", ConfigSectionSpec(name="prices", section=Prices))])
    text = '[prices]\nnothing = 1\n[prices.models."a.b"]\ninput = 1\n'
    config = Config("/nowhere", ConfigSources(codex_home="/nowhere"))
    config.add(ConfigLayer(kind="user", source="f", table=tomllib.loads(text), text=text))
    assert [one.message for one in Checker(config, keys, FLAGS).run()] == [
        "unknown configuration field `prices.nothing`",
    ]


def test_a_plugins_section_keeps_the_words_that_may_be_chosen():
    @attrs.frozen
    class Screen:
        alternate_screen: str = "auto"
        reading: bool = False

    keys = load_keys([("acme", ConfigSectionSpec(name="tui", section=Screen))])
    assert keys["tui.alternate_screen"].types == KEYS["tui.alternate_screen"].types
    assert keys["tui.alternate_screen"].plugin == "acme"
    assert keys["tui.reading"].types == ("bool",)

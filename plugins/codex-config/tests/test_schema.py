"""The schema agrees with the check, with the page that documents it, and with the code that reads keys."""

import ast
import re
import tomllib
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_config.catalogue import OPEN, Key, find, load_keys, pattern
from codex_config.check import fault_of
from codex_config.flags import well_known
from codex_config.schema import json_schema
from codex_plugin_sdk import Config, ConfigLayer, ConfigSectionSpec, ConfigSources, load_config

ROOT = Path(__file__).resolve().parents[3]
KEYS = load_keys()
READERS = {"get", "strings", "table", "choice", "string_table"}


def literal_keys():
    """(key, file:line) of every `config.get("…")` in the kernel and the bundled plugins."""
    for file in [
        *ROOT.glob("kernel/src/**/*.py"),
        *ROOT.glob("plugins/*/src/**/*.py"),
        *ROOT.glob("plugin-sdk/src/**/*.py"),
    ]:
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in READERS
                and ast.unparse(node.func.value) in ("config", "self.config", "self._config", "setup.config")
                and node.args
                and isinstance(node.args[0], ast.Constant)
                and isinstance(node.args[0].value, str)
            ):
                yield node.args[0].value, f"{file.relative_to(ROOT)}:{node.lineno}"


def test_every_key_that_the_code_reads_is_in_the_catalogue():
    read = dict(literal_keys())
    declared = re.compile(r'ConfigSectionSpec\(name="(\w+)"')  # a plugin's own table has its attrs class
    own_tables = {
        name for file in ROOT.glob("plugins/*/src/*/plugin.py") for name in declared.findall(file.read_text())
    }
    assert len(read) > 30
    missing = {
        key: place
        for key, place in read.items()
        if key not in own_tables
        and find(KEYS, key.split(".")) is None
        and not any(find(KEYS, key.split(".")[:n]) for n in (1, 2))
    }
    assert missing == {}
    silent = [
        key
        for key in read.keys() - own_tables
        if (known := find(KEYS, key.split("."))) and not known.meaning and key != "profiles"
    ]
    assert silent == [], "keys that are read have a meaning"


def test_every_key_fits_its_own_default():
    from codex_plugin_sdk import parse_value

    for key in KEYS.values():
        if key.default:
            assert fault_of(key, parse_value(key.default)) == "", key


def test_open_tables_are_keys():
    assert [name for name in OPEN if name.rpartition(".")[2] != "*" and name not in KEYS] == []


def test_a_plugins_section_is_in_the_schema():
    @attrs.frozen
    class Clock:
        """When it is."""

        utc: bool = attrs.field(default=False, metadata={"help": "Universal time."})
        zones: tuple[str, ...] = ()

    keys = load_keys([("acme", ConfigSectionSpec(name="clock", section=Clock))])
    assert keys["clock.utc"] == Key(
        name="clock.utc", types=("bool",), default="false", meaning="Universal time.", plugin="acme"
    )
    schema = json_schema(keys)["properties"]["clock"]
    assert schema["properties"]["utc"] == {"type": "boolean", "description": "Universal time.", "default": False}
    assert schema["additionalProperties"] is False


def test_free_parts_are_matched():
    assert pattern(KEYS, ["model_providers", "lab", "base_url"]) == "model_providers.*.base_url"
    assert find(KEYS, ["model_providers", "lab", "nonsense"]) is None


@given(
    st.sampled_from(sorted(KEYS)),
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.text("ab", max_size=2)
    | st.lists(st.text("a", max_size=1), max_size=2)
    | st.floats(0, 1)
    | st.just({}),
)
def test_the_schema_takes_exactly_what_the_check_takes(name, found):
    jsonschema = pytest.importorskip("jsonschema")
    key = KEYS[name]
    if key.types == ("refused",) or found is None:
        return
    from codex_config.schema import _of

    fits = jsonschema.Draft202012Validator(_of(key)).is_valid(found)
    assert fits == (fault_of(key, found) == "")


def test_flags_have_known_stages():
    from codex_plugin_sdk.features import STAGES

    flags = list(well_known())
    assert len({flag.name for flag in flags}) == len(flags) > 200
    assert {flag.stage for flag in flags} <= set(STAGES)


def test_the_example_of_the_documentation_is_fine(tmp_path):
    text = (ROOT / "docs/configuration.md").read_text()
    example = text.partition("```toml\n")[2].partition("```")[0]
    assert tomllib.loads(example)
    (tmp_path / "config.toml").write_text(example)
    from codex_config.check import Checker

    config = load_config(ConfigSources(codex_home=str(tmp_path), system_dir=str(tmp_path)))
    features = {flag.name: flag for flag in well_known()}
    assert list(Checker(config, KEYS, features).run()) == []


def test_checking_two_hundred_keys_in_five_layers_is_quick():
    import time

    from codex_config.check import Checker

    config = Config("/nowhere")
    table = {"model": "x", "max_turns": 5, "mcp_servers": {f"s{i}": {"command": "x", "args": ["a"]} for i in range(20)}}
    config.add(*(ConfigLayer(kind="user", source=f"l{i}", table=table) for i in range(5)))
    times = []
    for _ in range(5):
        began = time.perf_counter()
        assert list(Checker(config, load_keys(), {}).run()) == []
        times.append(time.perf_counter() - began)
    assert min(times) < 0.02

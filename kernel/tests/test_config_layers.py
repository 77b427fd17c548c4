"""Layers from all places in their order, requirements over them, sources that add and check, changes while running."""

import os
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_kernel.config import ConfigSources, load_config, reload_config
from codex_kernel.contracts.config import ConfigLayer, Diagnostic, SourcedConfig
from codex_kernel.discovery import Candidate
from codex_kernel.errors import ConfigError, PluginLoadError
from codex_kernel.plugins import PluginManager
from codex_kernel.protocol.events import Notice, OpRejected, TurnCompleted
from codex_kernel.protocol.ops import TurnOverrides
from codex_kernel.protocol.policy import ApprovalPolicy, NetworkMode, SandboxMode, SandboxPolicy
from codex_kernel.requirements import allowed_plugins
from codex_kernel.settings import read_settings
from codex_kernel.toml_files import positions
from codex_plugin_sdk import ConfigSourceSpec, hookimpl
from codex_plugin_sdk.testing.harness import Harness, manager, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, say


class Source:
    def __init__(self, found=None, problems=()):
        self.found = found or SourcedConfig()
        self.problems = problems

    def read(self, request):
        self.request = request
        return self.found

    def check(self, config):
        return self.problems


def plugins(*sources):
    specs = [ConfigSourceSpec(name=f"s{i}", factory=lambda s=s: s, order=i) for i, s in enumerate(sources)]
    return manager(plugin(codex_config_sources=specs))


def load(tmp_path, *sources, system="", user="", requirements="", **options):
    (tmp_path / "etc").mkdir(exist_ok=True)
    for name, text in (("etc/config.toml", system), ("etc/requirements.toml", requirements), ("config.toml", user)):
        if text:
            (tmp_path / name).write_text(text)
    given = ConfigSources(codex_home=str(tmp_path), system_dir=str(tmp_path / "etc"), cwd="/somewhere", **options)
    return load_config(given, plugins(*sources))


def layer(kind, **table):
    return ConfigLayer(kind=kind, source=f"the {kind}", table=table)


def test_layers_hold_in_the_documented_order(tmp_path):
    names = ["system", "user", "profile", "project", "managed", "flag"]
    tables = {name: "\n".join(f'k{i} = "{name}"' for i in range(at, 6)) for at, name in enumerate(names)}
    (tmp_path / "p.config.toml").write_text(tables["profile"])
    found = SourcedConfig(
        layers=(
            layer("managed", **tomllib.loads(tables["managed"])),
            layer("project", **tomllib.loads(tables["project"])),
        )
    )
    config = load(
        tmp_path,
        Source(found),
        system=tables["system"],
        user=tables["user"],
        profile="p",
        overrides=(("k5", "flag"),),
    )
    assert [config.get(f"k{i}", str) for i in range(6)] == names
    explained = config.explain("k5")
    assert [found.kind for found, _, _ in explained] == ["system", "user", "profile", "project", "managed", "flags"]
    assert explained[1][1:] == ("user", f"{tmp_path}/config.toml:5:1")


def test_a_source_sees_the_base_and_says_whether_the_project_is_trusted(tmp_path):
    source = Source(SourcedConfig(trusted=True, ignored=("x",), notices=("look",)))
    config = load(tmp_path, source, user='model = "m"')
    assert source.request.base == {"model": "m"}
    assert source.request.cwd == "/somewhere"
    assert (config.trusted, config.ignored, config.notices) == (True, ("x",), ["look"])
    assert not load(tmp_path).trusted


def test_all_errors_are_told_at_once_and_warnings_are_kept(tmp_path):
    wrong = [Diagnostic(severity="error", message=f"bad {i}", where=f"f:{i}:1", code="type") for i in (1, 2)]
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, Source(problems=wrong))
    assert "2 problems" in str(caught.value)
    assert "f:1:1" in str(caught.value)
    assert "f:2:1" in str(caught.value)
    warning = Diagnostic(severity="warning", message="odd", where="f:3:1", hint="did you mean that?")
    assert load(tmp_path, Source(problems=[warning])).notices == ["f:3:1: odd (did you mean that?)"]


def test_a_source_that_cannot_be_loaded_keeps_everything_from_starting(tmp_path):
    class Broken:
        @hookimpl
        def codex_config_sources(self):
            raise RuntimeError("oops")

    plugged = PluginManager((), builtins={"config": Broken()})
    with pytest.raises(PluginLoadError, match="oops"):
        load_config(ConfigSources(codex_home=str(tmp_path), system_dir=str(tmp_path)), plugged)


def test_requirements_hold_over_every_layer_and_say_so(tmp_path):
    required = 'allowed_sandbox_modes = ["read-only", "workspace-write"]\nallowed_approval_policies = ["on-request"]\n'
    config = load(
        tmp_path,
        user='sandbox_mode = "danger-full-access"',
        requirements=required,
        flags={"approval_policy": "never"},
    )
    settings = read_settings(config)
    assert settings.sandbox_policy.mode is SandboxMode.READ_ONLY
    assert settings.approval_policy is ApprovalPolicy.ON_REQUEST
    assert len(config.notices) == 2
    assert all("requirements.toml:" in text for text in config.notices)
    assert read_settings(load(tmp_path, user='sandbox_mode = "workspace-write"')).sandbox_policy.mode == (
        SandboxMode.WORKSPACE_WRITE
    )


def test_several_requirements_hold_together(tmp_path):
    more = ConfigLayer(kind="requirements", source="the bundle", table={"allowed_sandbox_modes": ["workspace-write"]})
    config = load(
        tmp_path,
        Source(SourcedConfig(requirements=(more,))),
        requirements='allowed_sandbox_modes = ["read-only", "workspace-write"]',
    )
    assert config.requirements.constraints["sandbox_mode"].allowed == ("workspace-write",)


def test_a_provider_that_is_not_permitted_is_refused_rather_than_replaced(tmp_path):
    config = load(tmp_path, user='model_provider = "ollama"', requirements='allowed_model_providers = ["openai"]')
    with pytest.raises(ConfigError, match="`model_provider` may not be ollama"):
        read_settings(config)


def test_features_servers_and_hosts_are_constrained(tmp_path):
    config = load(
        tmp_path,
        user='[mcp_servers.evil]\ncommand = "x"\n[mcp_servers.good]\ncommand = "y"\n[features]\na = true\n'
        "[sandbox_workspace_write]\nnetwork_access = true\n",
        requirements='allowed_mcp_servers = ["good"]\nallowed_domains = ["example.com"]\n[features]\na = false\n',
        flags={"sandbox_mode": "workspace-write"},
        overrides=(("features.a", "true"), ("mcp_servers.evil.enabled", "true")),
    )
    assert config.get("features.a", bool) is False
    assert config.get("mcp_servers.evil.enabled", bool) is False
    assert config.get("mcp_servers.good.enabled", bool) is None
    assert read_settings(config).sandbox_policy.network is NetworkMode.OFF
    config.merge_key("features.a", given=True, origin="later")
    assert config.get("features.a", bool) is False


@pytest.mark.parametrize(
    "text",
    [
        "alowed_sandbox_modes = []",
        'allowed_sandbox_modes = "x"',
        "allowed_sandbox_modes = ['x']",
        "features = 1",
        "x =",
    ],
)
def test_requirements_that_are_wrong_stop_everything(tmp_path, text):
    with pytest.raises(ConfigError, match=r"requirements\.toml"):
        load(tmp_path, requirements=text)


def test_a_managed_machine_refuses_to_start_without_the_plugin(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/managed.toml").write_text("")
    with pytest.raises(ConfigError, match="codex-managed"):
        load(tmp_path)


def test_plugins_that_are_not_allowed_are_blocked(tmp_path):
    assert allowed_plugins(str(tmp_path)) is None
    (tmp_path / "requirements.toml").write_text('allowed_plugins = ["Acme_Good"]')
    found = allowed_plugins(str(tmp_path))
    candidates = [Candidate(name=n, module="nowhere", dist=f"acme-{n}", version="1") for n in ("good", "bad")]
    plugged = PluginManager(candidates, allowed=found)
    assert {r.name: r.status for r in plugged.reports(call_hooks=False)} == {"good": "failed", "bad": "blocked"}


@pytest.mark.anyio
async def test_a_turn_cannot_ask_for_what_is_not_permitted(tmp_path):
    async with _thread(tmp_path, ScriptedModel([say("ok")]), 'allowed_sandbox_modes = ["read-only"]') as h:
        wide = TurnOverrides(sandbox_policy=SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS))
        await h.thread.submit(_turn(wide))
        (event,) = [e.msg for e in await h.until(lambda m: isinstance(m, OpRejected)) if isinstance(e.msg, OpRejected)]
        assert "may not be danger-full-access" in event.message
        await h.turn()
        assert isinstance(h.events[-1].msg, TurnCompleted)


@pytest.mark.anyio
async def test_a_change_is_taken_over_with_the_next_turn_and_a_broken_one_is_not(tmp_path):
    model = ScriptedModel([say("1")], [say("2")], [say("3")])
    async with _thread(tmp_path, model, "") as h:
        await h.turn()
        _replace(tmp_path / "config.toml", 'model = "other"\n')
        await h.turn()
        _replace(tmp_path / "config.toml", "model =\n")
        await h.turn()
    assert [request.model for request in model.requests] == ["first", "other", "other"]
    said = [notice.message for notice in h.of(Notice) if notice.source == "config"]
    assert "model changed" in said[0]
    assert "holds on" in said[1]
    assert len(said) == 2


def test_a_reload_keeps_what_frontends_laid_over(tmp_path):
    config = load(tmp_path, user='model = "a"')
    config.merge_key("approval_policy", "never", "the command line")
    _replace(tmp_path / "config.toml", 'model = "b"')
    assert config.changed()
    assert not config.changed()
    fresh = reload_config(config, plugins())
    assert (fresh.get("model", str), fresh.get("approval_policy", str)) == ("b", "never")


# -- places -------------------------------------------------------------------------------------------

KEYS = st.text("abcdef-_ .'é", min_size=1, max_size=5)


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, st.integers(), max_size=3), max_size=4), st.integers(0, 3))
def test_every_key_is_found_where_it_stands(tables, blanks):
    lines, expected = ["top = [1, # x]", "  2]", 'text = """', "[no] = table", '"""'], {"top": 1, "text": 3}
    for name, table in tables.items():
        lines += [""] * blanks + [f"[{_quoted(name)}]"]
        expected.setdefault(name, len(lines))
        for key, value in table.items():
            lines.append(f"  {_quoted(key)} = {value} # [c]")
            expected[f"{name}.{key}"] = len(lines)
    text = "\n".join(lines)
    tomllib.loads(text)
    found = positions(text)
    unclear = {name for name in expected if "." in name}  # a dot in a name looks like a part
    assert {name: found[name][0] for name in expected if name not in unclear} == {
        name: line for name, line in expected.items() if name not in unclear
    }
    assert set(expected) <= set(found)


def test_arrays_of_tables_are_numbered():
    text = (
        "[[hooks.Stop]]\nmatcher = 1\n[[hooks.Stop.hooks]]\ncommand = 1\n[[hooks.Stop]]\n[[hooks.Stop.hooks]]\nb = 2\n"
    )
    found = positions(text)
    assert found["hooks.Stop.0.hooks.0.command"] == (4, 1)
    assert found["hooks.Stop.1.hooks.0.b"] == (7, 1)


def _quoted(name):
    return '"' + name + '"'


def _replace(path, text):
    draft = path.with_suffix(".new")
    draft.write_text(text)
    os.replace(draft, path)


def _turn(overrides):
    from codex_kernel.protocol.ops import TextInput, UserTurn

    return UserTurn(input=(TextInput(text="go"),), overrides=overrides)


def _thread(tmp_path, model, requirements):
    from contextlib import asynccontextmanager

    from codex_kernel.engine import Engine, ThreadOptions

    @asynccontextmanager
    async def opened():
        config = load(tmp_path, user='model = "first"\n', requirements=requirements)
        config.merge_key("model_provider", "scripted", "the command line")
        plugged = manager(plugin(codex_model_providers=[model.spec()]))
        engine = Engine(config=config, plugins=plugged, environ={})
        async with engine.open_thread(ThreadOptions(cwd=str(tmp_path), ephemeral=True)) as thread:
            yield Harness(thread, engine, model)
        plugged.close()

    return opened()


def test_handlers_of_layers_join_and_know_their_places(tmp_path):
    text = "\n[[hooks.Stop]]\nhooks = [{ type = 'command', command = 'mine' }]\n"
    theirs = ConfigLayer(
        kind="project", source="/p/config.toml", table=tomllib.loads(text.replace("mine", "theirs")), text="#\n" + text
    )
    config = load(tmp_path, Source(SourcedConfig(layers=(theirs,))), user=text)
    commands = [group["hooks"][0]["command"] for group in config.get("hooks.Stop", list)]
    assert commands == ["mine", "theirs"]
    assert config.origin("hooks.Stop.0") == f"{tmp_path}/config.toml:2"
    assert config.origin("hooks.Stop.1.hooks.0.command") == "/p/config.toml:4"
